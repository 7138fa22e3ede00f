"""Title and Markdown body of a rightsizing pull request; all text that is not ours is escaped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.domain.proposal import Change, Decision, Recommendation, Saving, Verdict
from finops_ai.rightsizing.evidence import PERCENTILES, range_text
from finops_ai.rightsizing.markdown import bullets, details, escaped, fence, fitting, size, table
from finops_ai.rightsizing.marker import MARKER as MARKER
from finops_ai.rightsizing.marker import marker
from finops_ai.rightsizing.settings import MIB
from finops_ai.rightsizing.text_chart import bars, parsed

LONGEST = 60_000
"""Bytes of a body. The smallest limit of a forge is 65,536 characters; a forge's own lines come on top."""

_PLAIN = re.compile(r"[^A-Za-z0-9 .:/+=_-]+")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_LEAST = 8_000
"""Bytes that a page needs besides its marker."""
_ELSEWHERE = ("replay_", "worst_", "daily_", "saving.", "headroom_")
"""Facts that the page shows in another place than the table of figures."""

_QUERIES = {
    "CPU, highest of each hour": "max_over_time(rate(container_cpu_usage_seconds_total{%s}[5m])[1h:5m])",
    "memory, highest of each hour": "max_over_time(container_memory_working_set_bytes{%s}[1h])",
    "throttled share of an hour": "rate(container_cpu_cfs_throttled_periods_total{%s}[1h])"
    " / rate(container_cpu_cfs_periods_total{%s}[1h])",
}


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
    """The reviewer's page, most important first. `key` is the branch name; it holds safe characters only.

    What does not fit a forge's limit is left out and counted, the evidence first; the marker always is whole. Raises
    Rejected where the values alone are too many for one pull request.
    """
    end = marker(key, recommendation) + "\n"
    room = LONGEST - size(end)
    if room < _LEAST:
        raise Rejected(f"{len(recommendation.changes)} values are too many for the page of one pull request")
    parts = _sections(recommendation, verdicts, room // 4)
    room -= size("\n\n".join(parts))
    kept: list[str] = []
    for block in _details(recommendation):
        room -= size(block) + 2
        if room < _LEAST // 4:
            kept.append("The rest of the evidence is left out: the page would be longer than forges take.")
            break
        kept.append(block)
    evidence = details(f"Evidence (strategy {escaped(recommendation.strategy)})", *kept)
    revert = f"git revert --no-edit \"$(git log -1 --format=%H --grep='^Finops-Proposal: {key}$')\""
    return "\n\n".join([*parts, evidence, "### Revert", fence("sh", [revert]), end])


def _sections(recommendation: Recommendation, verdicts: Sequence[Verdict], room: int) -> list[str]:
    """Each part that can be long has `room` bytes."""
    workload = recommendation.workload
    denied = any(verdict.decision is Decision.DENY for verdict in verdicts)
    reasons = fitting(list(map(escaped, recommendation.reasons)), room // 2)
    sections = [
        "**Blocked by policy: do not merge.** See the verdicts below." if denied else "",
        f"{escaped(workload.kind)} **{escaped(str(workload))}** on {escaped(workload.cluster)} gets the requests that "
        f"fit its use; that {_effect(recommendation)} at {escaped(recommendation.saving.rate)} rates "
        f"({recommendation.risk} risk).",
        _changes(recommendation, room),
        "### Why it is safe",
        bullets([*reasons, *fitting(list(_replay(recommendation)), room // 2)]),
        "### Policy",
        bullets(fitting(list(_policy(verdicts)), room)) or "No policy pack was asked.",
    ]
    return [section for section in sections if section]


def _effect(recommendation: Recommendation) -> str:
    saving = recommendation.saving
    if saving.high.amount < 0:
        return f"costs {range_text(Saving(low=-saving.high, high=-saving.low, rate=saving.rate))} a month"
    return f"saves {range_text(saving)} a month"


def _changes(recommendation: Recommendation, room: int) -> str:
    head = ["container", "resource", "now", "proposed", *PERCENTILES, "headroom", "saved a month"]
    rows = [" | ".join(cell or "-" for cell in _row(recommendation, change)) for change in recommendation.changes]
    kept = [line.split(" | ") for line in fitting(rows, room)]
    kept.append(["**all**", *[""] * (len(head) - 2), f"**{escaped(range_text(recommendation.saving))}**"])
    return table(head, [[*row, *[""] * (len(head) - len(row))] for row in kept])


def _row(recommendation: Recommendation, change: Change) -> list[str]:
    facts = recommendation.evidence.get(change.container, {})
    resource = change.path.split(".", 1)[1]
    is_request = change.path.startswith("requests.")
    used = [facts.get(f"{resource}_{name}", "") for name in PERCENTILES]
    money = [facts.get(f"headroom_{resource}", ""), facts.get(f"saving.{change.path}", "")] if is_request else ["", ""]
    values = [change.container, change.path, change.now or "unset", change.proposed, *used, *money]
    return [escaped(value) for value in values]


def _replay(recommendation: Recommendation) -> Iterator[str]:
    """The observed window with the new values, container by container."""
    sized = (change.container for change in recommendation.changes if not change.path.startswith("spec."))
    for container in dict.fromkeys(sized):
        facts = {name: escaped(value) for name, value in recommendation.evidence.get(container, {}).items()}
        told = {
            "throttled": facts.get("replay_throttled"),
            "CPU over request": facts.get("replay_cpu_minutes") or facts.get("replay_cpu_over_request"),
            "memory over request": facts.get("replay_memory_minutes") or facts.get("replay_memory_over_request"),
            "memory over limit": facts.get("replay_memory_over_limit"),
            "worst CPU": facts.get("worst_cpu"),
            "worst memory": facts.get("worst_memory"),
        }
        seen = f"{facts.get('oom_kills', '?')} OOM kills, {facts.get('restarts', '?')} restarts"
        told["seen with the old values"] = f"{seen}, throttled in {facts.get('throttled_share', '?')}"
        lived = [f"  - {what}: {value or '?'}" for what, value in told.items()]
        yield "\n".join([f"**{escaped(container)}**, the window replayed with the new values:", *lived])


def _policy(verdicts: Sequence[Verdict]) -> Iterable[str]:
    """Denials, then warnings, each in full; objects that a pack allows are only counted."""
    told = []
    for decision in (Decision.DENY, Decision.WARN):
        for verdict in verdicts:
            if verdict.decision is decision:
                about = f" ({escaped(verdict.resource)})" if verdict.resource else ""
                told.append(f"**{decision.value}** {escaped(verdict.rule)}: {escaped(verdict.message)}{about}")
    allowed = Counter(verdict.rule for verdict in verdicts if verdict.decision is Decision.ALLOW)
    counted = [
        f"**allow** {escaped(rule)}: {objects} {'object' if objects == 1 else 'objects'} of the file"
        for rule, objects in allowed.items()
    ]
    return [*told, *counted]


def _details(recommendation: Recommendation) -> Iterator[str]:
    """Per container its chart, its figures and how to ask for them again."""
    for container, facts in recommendation.evidence.items():
        sized = {one.path.split(".", 1)[1] for one in recommendation.changes if one.container == container}
        above = (*_ELSEWHERE, *(f"{resource}_" for resource in sized))
        figures = [(name.replace("_", " "), value) for name, value in facts.items() if not name.startswith(above)]
        charts = [_chart(recommendation, container, facts, resource) for resource in ("cpu", "memory")]
        yield f"**{escaped(container)}**"
        yield from (chart for chart in charts if chart)
        yield table(["figure", "value"], [[escaped(name), escaped(value)] for name, value in figures])
        yield fence("promql", _queries(recommendation, container))


def _chart(recommendation: Recommendation, container: str, facts: Mapping[str, str], resource: str) -> str:
    first, values = parsed(facts.get(f"daily_{resource}", ""))
    change = next(
        (one for one in recommendation.changes if (one.container, one.path) == (container, f"requests.{resource}")),
        None,
    )
    levels = [("now", change.now), ("proposed", change.proposed)] if change else []
    unit = MIB if resource == "memory" else 0
    lines = [(f"{name} {text}", level) for name, text in levels if text and (level := _level(text, unit)) is not None]
    drawn = bars(values, lines)
    what = "memory (Mi)" if resource == "memory" else "CPU (m)"
    return fence("text", [f"{what}, peak of each day from {first}", *drawn]) if drawn else ""


def _level(text: str, unit: int) -> float | None:
    try:
        value = quantity.parse(text)
    except ValueError:
        return None
    return float(value / unit if unit else value * 1000)


def _queries(recommendation: Recommendation, container: str) -> Iterator[str]:
    """PromQL of the figures. What is no letter of a Kubernetes name stands for any one, so names cannot break out."""
    workload = recommendation.workload
    namespace, pod, name = (_NOT_A_NAME.sub(".", text)[:253] for text in (workload.namespace, workload.name, container))
    matchers = f'namespace=~"{namespace}",pod=~"{pod}-.*",container=~"{name}"'
    for what, query in _QUERIES.items():
        yield f"# {what}"
        yield query.replace("%s", matchers)
