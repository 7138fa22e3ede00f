"""For the reviewer: manifests edited and judged, and the pull requests that came of them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from finops_ai.cli.context import Exit, Output, OutputOption, call, show
from finops_ai.domain.errors import Malformed, Problem, Rejected, UsageError
from finops_ai.domain.proposal import Decision, Verdict

PathsArgument = Annotated[list[str], typer.Argument(help="Manifests or folders; - reads an AdmissionReview.")]
PackOption = Annotated[Path | None, typer.Option("--policies", help="Folder of Rego packs [default: config/policies].")]


RESOURCE = re.compile(r"(requests|limits)\.")
OBJECT = re.compile(r"""^\s*(-\s+)?["']?kind["']?\s*:""", re.MULTILINE)


class VerdictOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"


class FailOn(StrEnum):
    DENY = "deny"
    WARN = "warn"
    NEVER = "never"


def manifest_set(
    file: Annotated[str, typer.Argument(help="File to edit; - reads stdin.")],
    values: Annotated[list[str], typer.Argument(help="PATH=VALUE, such as requests.cpu=200m.")],
    kind: Annotated[str | None, typer.Option("--kind", help="Kind of the object, such as Deployment.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="metadata.name of the object.")] = None,
    container: Annotated[
        str | None, typer.Option("--container", help="Container whose requests and limits are set.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="metadata.namespace, where names repeat.")
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            "--path",
            help="Where the values stand instead: backend.resources of a chart's values, spec.values.resources of a "
            "release; a VALUE without PATH= is set there itself.",
        ),
    ] = None,
) -> None:
    """Print the manifest with these values changed and every other byte as it was, or refuse with a reason."""
    from finops_ai.rightsizing.manifest import set_paths, set_values

    if (kind is None) != (name is None):
        raise UsageError("--kind and --name go together")
    if container is not None and (kind is None or path is not None):
        raise UsageError("--container is looked for in the object that --kind and --name tell; --path needs none")
    if kind is not None and container is None and path is None and all(RESOURCE.match(value) for value in values):
        raise UsageError("say which of its containers by --container, or where the values stand by --path")
    changes: dict[str, str] = {}
    for value in values:
        where, equals, wanted = value.rpartition("=") if "=" in value or path is None else ("", "=", value)
        if not equals or not wanted or not (where or path):
            raise UsageError(f"values are PATH=VALUE such as requests.cpu=200m, not {value!r}")
        if where in changes:
            raise UsageError(f"{where or path} is set twice")
        changes[where] = wanted
    text = _text(file)
    if kind is not None and name is not None and container is not None:
        edited = set_values(text, kind=kind, name=name, container=container, changes=changes, namespace=namespace)
    else:
        edited = set_paths(text, changes, kind=kind, name=name, namespace=namespace, base=path or "")
    if edited.over:
        raise Rejected("; ".join(edited.over))
    sys.stdout.buffer.write(edited.text.encode())


def policy_check(
    context: typer.Context,
    paths: PathsArgument,
    policies: PackOption = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help="Exit 3 at this decision [default: deny; never for an AdmissionReview]."),
    ] = None,
    output: Annotated[
        VerdictOutput, typer.Option("--output", "-o", help="How verdicts are shown.")
    ] = VerdictOutput.TABLE,
) -> None:
    """Judge manifests by the policy packs; - reads one AdmissionReview and answers with one."""
    from finops_ai.app import policies as open_policies

    judge = open_policies(policies)
    if paths == ["-"]:
        verdicts, answer = judge.review(_text("-"))
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        fail_on = fail_on or FailOn.NEVER
    else:
        verdicts = []
        for path in _manifests(paths):
            verdicts += judge.manifest(str(path), _text(str(path)))
        _show(verdicts, output)
    worst = {FailOn.DENY: {Decision.DENY}, FailOn.WARN: {Decision.DENY, Decision.WARN}, FailOn.NEVER: set()}
    if any(verdict.decision in worst[fail_on or FailOn.DENY] for verdict in verdicts):
        raise Exit(3)


def policy_test(policies: PackOption = None, output: OutputOption = Output.TABLE) -> None:
    """Run the packs' own test_ rules; exit 3 when one fails."""
    from finops_ai.app import policies as open_policies

    results = open_policies(policies).test()
    show(results, output)
    if not results or any(result["result"] != "pass" for result in results):
        raise Exit(3)


def pr_list(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Proposed changes and what became of them."""
    with call(context).app() as app:
        columns = ("key", "workload", "state", "saving", "realised", "proved_on", "currency", "title", "why")
        show(app.pulls(), output, columns if output is Output.TABLE else None)


def pr_show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Branch name of the proposal, or the end of it.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """One proposed change: body, verdicts and diff."""
    with call(context).app() as app:
        pull = app.pull(key)
        if output is Output.TABLE:
            typer.echo(f"# {pull['title']}\n\n{_realised(pull)}{pull['body']}\n\n{pull['diff']}")
        else:
            show([pull], output)


def _realised(pull: Mapping[str, Any]) -> str:
    """What it promised against what it saved, where that is known."""
    if pull["realised"] is None:
        return ""
    proof = f"proved on {pull['proved_on']}" if pull["proved_on"] else "not proved yet"
    return (
        f"Promised {pull['saving']:.2f} {pull['currency']} a month. Realised through {pull['realised_through']}: "
        f"{pull['realised']:.2f} (80% range {pull['realised_low']:.2f} to {pull['realised_high']:.2f}), {proof}; "
        f"booked {pull['booked']:.2f}.\n\n"
    )


def _text(file: str) -> str:
    """The text of a file with line ends and byte order mark as they are."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        problem = Problem(file=file, message=f"not UTF-8 at byte {error.start}: save the file as UTF-8")
        raise Malformed((problem,)) from None


def _manifests(paths: list[str]) -> list[Path]:
    found: list[Path] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            # A folder also holds values files and the like; a file that is named is judged whatever it is.
            files = (item for item in path.rglob("*") if item.suffix in (".yaml", ".yml", ".json"))
            found += sorted(item for item in files if OBJECT.search(_text(str(item))))
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"no such file or folder: {text}")
    return found


def _show(verdicts: list[Verdict], output: VerdictOutput) -> None:
    if output is VerdictOutput.SARIF:
        from finops_ai.reporting.sarif import sarif

        typer.echo(json.dumps(sarif(verdicts), indent=2, ensure_ascii=False))
        return
    rows: list[dict[str, Any]] = [
        {
            "resource": verdict.resource,
            "rule": verdict.rule,
            "decision": verdict.decision.value,
            "message": verdict.message,
        }
        for verdict in verdicts
    ]
    show(rows, Output(output.value))


def add_to(app: typer.Typer) -> None:
    manifest = typer.Typer(help="Edit manifests byte by byte.", no_args_is_help=True, rich_markup_mode=None)
    manifest.callback()(_manifest)
    manifest.command("set")(manifest_set)
    app.add_typer(manifest, name="manifest")
    policy = typer.Typer(help="Policy as code.", no_args_is_help=True, rich_markup_mode=None)
    policy.command("check")(policy_check)
    policy.command("test")(policy_test)
    app.add_typer(policy, name="policy")
    pulls = typer.Typer(help="Pull requests.", no_args_is_help=True, rich_markup_mode=None)
    pulls.command("list")(pr_list)
    pulls.command("show")(pr_show)
    app.add_typer(pulls, name="pr")


def _manifest() -> None:
    """Edit manifests byte by byte."""
