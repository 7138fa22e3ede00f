"""Git against the clusters: rendered, compared, kept, and told with owner and cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from finops_ai.domain.drift import Drift
from finops_ai.domain.errors import FinopsError, Problem, Unavailable
from finops_ai.domain.outcome import Outcome
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import drifts
from finops_ai.rightsizing.drift import Index, documents, find
from finops_ai.rightsizing.drift.objects import Object, items
from finops_ai.rightsizing.settings import Prices
from finops_ai.sources.live import LiveState
from finops_ai.world.kustomize import NAMES

ENDS = (".yaml", ".yml", ".json")
EVERY_FILE = "**"
_TEMPLATE = re.compile(r"\{\{|\{%")

Render = Callable[[Mapping[str, str], str], str]
"""Files of a repository and a folder of it to the manifests that kustomize makes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """`owner_keys` are the canonical keys of labels that name an owner."""

    prices: Prices
    owner_keys: Sequence[str]
    render: Render


def drift(turn: Turn, forge: Forge | None, clusters: Sequence[LiveState], how: Looking) -> Outcome:
    """One look at every cluster. A cluster that cannot be read is a problem and does not hide the others."""
    if forge is None or not clusters:
        return Outcome(job="drift", as_of=turn.as_of, counts={})
    files = dict(forge.files(EVERY_FILE))
    found: list[Drift] = []
    problems: list[Problem] = []
    for cluster in clusters:
        turn.progress(f"comparing {cluster.cluster}")
        try:
            desired, told = _desired(files, cluster.path, how.render)
            live = Index.of(each for one in cluster.objects() for each in items(one))
        except FinopsError as error:
            problems.extend(problems_of(error, cluster.name))
            continue
        problems.extend(told)
        found.extend(find(cluster.cluster, desired, live, prices=how.prices, owner_keys=how.owner_keys))
    if not turn.dry_run and not any(problem.severity == "error" for problem in problems):
        drifts.keep(turn.engine, found, turn.as_of)
    counts = {"drifted": sum(not one.heals for one in found), "healing": sum(bool(one.heals) for one in found)}
    return Outcome(
        job="drift", as_of=turn.as_of, counts=counts, results=tuple(map(row, found)), problems=tuple(problems)
    )


def row(one: Drift) -> Mapping[str, Any]:
    """A drift as the public surface tells it."""
    return {
        "cluster": one.workload.cluster,
        "namespace": one.workload.namespace,
        "kind": one.workload.kind,
        "workload": one.workload.name,
        "drift": one.kind,
        "state": "healing" if one.heals else "drifted",
        "blocks": one.blocks,
        "owner": one.owner,
        "monthly": one.monthly.amount if one.monthly else None,
        "currency": one.monthly.currency if one.monthly else None,
        "what": "; ".join(_words(one)),
        "by": ", ".join(sorted({each.by for each in one.differences if each.by})),
        "healed_by": one.heals or None,
        "why": one.why,
        "differences": [
            {name: getattr(each, name) or None for name in ("path", "desired", "live", "by", "at")}
            for each in one.differences
        ],
    }


def _words(one: Drift) -> Iterator[str]:
    for each in one.differences:
        yield f"{each.path.rpartition('spec.')[2]}: {each.desired or 'unset'} in Git, {each.live or 'unset'} live"


def _desired(files: Mapping[str, str], path: str, render: Render) -> tuple[Index, list[Problem]]:
    """What the folder declares: kustomizations that no other one takes are rendered, other files are taken as they are.

    Where nothing can render, files that a kustomization lists are taken as they are, too, and that is said.
    """
    inside = {name: text for name, text in files.items() if _within(name, path)}
    kustomizations = {name: _resources(files, name) for name in files if PurePosixPath(name).name in NAMES}
    taken = {each for resources in kustomizations.values() for each in resources}
    roots = [name for name in sorted(kustomizations) if name in inside and str(PurePosixPath(name).parent) not in taken]
    objects: list[Object] = []
    problems: list[Problem] = []
    rendered = True
    for name in roots:
        folder = str(PurePosixPath(name).parent)
        try:
            objects += documents(render(files, "" if folder == "." else folder), name)
        except Unavailable as error:
            rendered = False
            problems.append(Problem(file=name, message=f"{error}; files are compared as they are", severity="warning"))
            inside |= {each: files[each] for each in kustomizations[name] if each in files}
        except FinopsError as error:
            problems.extend(problems_of(error, name))
    covered = taken if rendered else set()
    covered |= {str(PurePosixPath(name).parent) for name in kustomizations} if rendered and roots else set()
    for name, text in sorted(inside.items()):
        is_manifest = name.endswith(ENDS) and PurePosixPath(name).name not in NAMES and not _TEMPLATE.search(text)
        if not is_manifest or _covered(name, covered):
            continue
        try:
            objects += documents(text, name)
        except FinopsError as error:
            problems.extend(replace(one, severity="warning") for one in problems_of(error, name))
    index = Index.of(objects)
    problems += [
        Problem(
            file="/".join(key[1:]), message="is declared twice with other content: not compared", severity="warning"
        )
        for key in sorted(index.twice)
    ]
    return index, problems


def _within(name: str, path: str) -> bool:
    folder = path.strip("/")
    return not folder or name.startswith(f"{folder}/")


def _covered(name: str, covered: Iterable[str]) -> bool:
    parents = {str(parent) for parent in PurePosixPath(name).parents} - {"."}
    return name in covered or bool(parents & set(covered))


def _resources(files: Mapping[str, str], name: str) -> list[str]:
    """Paths of files and folders that a kustomization takes."""
    try:
        told = YAML(typ="safe", pure=True).load(files[name])
    except (YAMLError, ValueError, RecursionError):
        return []
    listed = [each for key in ("resources", "bases", "components") for each in (told or {}).get(key) or ()]
    return [path for each in listed if (path := _joined(PurePosixPath(name).parent, str(each)))]


def _joined(folder: PurePosixPath, path: str) -> str:
    parts: list[str] = list(folder.parts)
    for step in path.split("/"):
        if step == ".." and parts:
            parts.pop()
        elif step not in ("", ".", ".."):
            parts.append(step)
    return "/".join(parts)


def reason(found: Sequence[Drift], workload: object) -> str | None:
    """Why nothing may be proposed for a workload; None where nothing is in the way."""
    for one in found:
        if one.blocks and one.workload == workload:
            words = next(_words(one), one.why or one.kind)
            return f"the cluster differs from Git ({one.kind}): {words}; put it right first, see finops-ai drift"
    return None
