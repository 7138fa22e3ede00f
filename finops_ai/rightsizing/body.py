"""Title and Markdown body of a rightsizing pull request; all text that is not ours is escaped."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from finops_ai.domain.proposal import Change, Decision, Recommendation, Saving, Verdict
from finops_ai.rightsizing.evidence import PERCENTILES, range_text

MARKER = "finops:v1"

_PLAIN = re.compile(r"[^A-Za-z0-9 .:/+=_-]+")
_MARKUP = re.compile(r"[^\w .,:;()%/'\"?=+-]|(?<=:)/(?=/)|(?<=www)\.", re.ASCII | re.IGNORECASE)


def title(recommendation: Recommendation) -> str:
    """One line of plain characters: what changes, and what it saves or costs."""
    changes = ", ".join(
        f"{change.path} {change.now or 'unset'} → {change.proposed}"
        if not change.proposed.startswith(("[", "{"))
        else f"{change.path} set"
        for change in recommendation.changes[:3]
    )
    more = f" and {len(recommendation.changes) - 3} more" if len(recommendation.changes) > 3 else ""
    workload = _PLAIN.sub("?", f"{recommendation.workload.namespace}/{recommendation.workload.name}")
    return f"rightsize({workload}): {changes}{more} ({_effect(recommendation)})"


def body(key: str, recommendation: Recommendation, verdicts: Sequence[Verdict]) -> str:
    """The reviewer's page, most important first. `key` is the branch name; it holds safe characters only."""
    workload = recommendation.workload
    denied = [verdict for verdict in verdicts if verdict.decision is Decision.DENY]
    sections = [
        "**Blocked by policy: do not merge.** See the verdicts below." if denied else "",
        f"{escaped(workload.kind)} **{escaped(str(workload))}** on {escaped(workload.cluster)} gets the requests that "
        f"fit its use; that {_effect(recommendation)} at {escaped(recommendation.saving.rate)} rates "
        f"({recommendation.risk} risk).",
        _table(recommendation),
        "### Why it is safe",
        _bullets([*map(escaped, recommendation.reasons), *_replay(recommendation)]),
        "### Policy",
        _bullets(_policy(verdicts)) or "No policy pack was asked.",
        _details(recommendation),
        "### Revert",
        f"```sh\ngit revert --no-edit \"$(git log -1 --format=%H --grep='^Finops-Proposal: {key}$')\"\n```",
        _marker(key, recommendation),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown, HTML and a forge's mentions and references leave alone, on one line.

    A zero-width space keeps @name and #12 from being linked: forges look for them after entities are decoded.
    """
    line = " ".join(re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", " ", text).split())
    return _MARKUP.sub(_entity, line)


def _entity(found: re.Match[str]) -> str:
    code = f"&#{ord(found[0])};"
    return f"{code}&#8203;" if found[0] in "@#!" else code


def _effect(recommendation: Recommendation) -> str:
    saving = recommendation.saving
    if saving.high.amount < 0:
        return f"costs {range_text(Saving(low=-saving.high, high=-saving.low, rate=saving.rate))} a month"
    return f"saves {range_text(saving)} a month"


def _table(recommendation: Recommendation) -> str:
    head = ["container", "resource", "now", "proposed", *PERCENTILES, "headroom", "saved per month"]
    rows = [_row(recommendation, change) for change in recommendation.changes]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(recommendation: Recommendation, change: Change) -> list[str]:
    facts = recommendation.evidence.get(change.container, {})
    resource = change.path.split(".", 1)[1]
    is_request = change.path.startswith("requests.")
    used = [facts.get(f"{resource}_{name}", "") for name in PERCENTILES]
    money = [facts.get(f"headroom_{resource}", ""), facts.get(f"saving.{change.path}", "")] if is_request else ["", ""]
    values = [change.container, change.path, change.now or "unset", change.proposed, *used, *money]
    return [escaped(value) or "-" for value in values]


def _replay(recommendation: Recommendation) -> Iterable[str]:
    for container in dict.fromkeys(
        change.container for change in recommendation.changes if not change.path.startswith("spec.")
    ):
        facts = recommendation.evidence.get(container, {})
        yield (
            f"{escaped(container)}, the window replayed with the new values: "
            f"CPU over request in {escaped(facts.get('replay_cpu_over_request', '?'))}, "
            f"memory over request in {escaped(facts.get('replay_memory_over_request', '?'))}, "
            f"memory over limit in {escaped(facts.get('replay_memory_over_limit', '?'))}; "
            f"seen: {escaped(facts.get('oom_kills', '?'))} OOM kills, {escaped(facts.get('restarts', '?'))} restarts, "
            f"throttled in {escaped(facts.get('throttled_share', '?'))}"
        )


def _policy(verdicts: Sequence[Verdict]) -> Iterable[str]:
    """Denials, then warnings, each in full; objects that a pack allows are only counted."""
    for decision in (Decision.DENY, Decision.WARN):
        for verdict in verdicts:
            if verdict.decision is decision:
                about = f" ({escaped(verdict.resource)})" if verdict.resource else ""
                yield f"**{decision.value}** {escaped(verdict.rule)}: {escaped(verdict.message)}{about}"
    allowed = Counter(verdict.rule for verdict in verdicts if verdict.decision is Decision.ALLOW)
    for rule, objects in allowed.items():
        yield f"**allow** {escaped(rule)}: {objects} objects of the file"


def _details(recommendation: Recommendation) -> str:
    lines = ["<details>", f"<summary>Evidence (strategy {escaped(recommendation.strategy)})</summary>", ""]
    for container, facts in recommendation.evidence.items():
        lines += [f"**{escaped(container)}**", "", "| figure | value |", "| --- | --- |"]
        lines += [f"| {escaped(name)} | {escaped(value)} |" for name, value in facts.items()]
        lines.append("")
    return "\n".join([*lines, "</details>"])


def _marker(key: str, recommendation: Recommendation) -> str:
    """Exact values for programs, in a comment that its content cannot close."""
    values = {
        "key": key,
        "workload": recommendation.workload.key,
        "strategy": recommendation.strategy,
        "changes": [[one.container, one.path, one.now, one.proposed] for one in recommendation.changes],
    }
    text = json.dumps(values, separators=(",", ":"))
    for unsafe, safe in (("--", "-\\u002d"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(unsafe, safe)
    return f"<!-- {MARKER} {text} -->"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
