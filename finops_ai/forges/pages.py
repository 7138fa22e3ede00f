"""What the program adds to a proposal's own page on a Git host: notes, owners, controls, marks, and what fits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from finops_ai.domain import marker
from finops_ai.domain.evidence import evidence_hash
from finops_ai.domain.proposal import Proposal
from finops_ai.domain.pull_command import USAGE
from finops_ai.forges.base import Manner

PROPOSAL = "finops:pull"
SAID = "finops:said"
DASHBOARD_TITLE = "finops-ai: rightsizing overview"
DASHBOARD_MARK = marker.marked("finops:dashboard", {"v": 1})
CUT = "\n\n*The rest of the evidence does not fit here; `finops-ai pr show` has all of it.*\n\n"

_QUICK_ACTION = re.compile(r"^([^\S\n]*)/(?=[a-z])", re.MULTILINE | re.IGNORECASE)
_OUR_LABEL = re.compile(r"finops(?::.*)?|rightsizing|(?:risk|policy|savings):.*")


def page(proposal: Proposal, manner: Manner, owners: Sequence[str], largest: int) -> str:
    """The body of the pull request: notes first, then the proposal's page, owners, controls and the hidden mark."""
    values = {"key": proposal.key, "evidence": evidence_hash(proposal)}
    changes = [[one.container, one.path, one.now, one.proposed] for one in proposal.recommendation.changes]
    saving = proposal.recommendation.saving
    money = [f"{saving.low.amount:f}", f"{saving.high.amount:f}", saving.low.currency, saving.rate]
    verdicts = sorted({f"{one.decision.value} {one.rule}" for one in proposal.verdicts})
    mark = marker.marked(PROPOSAL, {**values, "changes": changes, "saving": money, "verdicts": verdicts})
    named = f"Code owners of the changed files: {', '.join(owners)}" if owners else ""
    controls = f"<sub>Commands, from people with write access: {USAGE}.</sub>"
    tail = "\n\n".join(part for part in (named, controls, mark) if part) + "\n"
    top = inert("\n\n".join([*manner.notes, proposal.body.strip()]))
    whole = f"{top}\n\n{tail}"
    if len(whole) <= largest:
        return whole
    return _cut(top, largest - len(tail) - len(CUT)) + CUT + tail


def fitted_title(title: str, largest: int) -> str:
    """One line that the host takes."""
    line = " ".join(title.split())
    return line if len(line) <= largest else f"{line[: largest - 1]}…"


def bare(body: str) -> str:
    """A body without what hosts change: line ends and blanks at the end."""
    return body.replace("\r\n", "\n").strip()


def is_our_label(label: str) -> bool:
    return _OUR_LABEL.fullmatch(label) is not None


def inert(text: str) -> str:
    """No line is a quick action such as /merge: a host would do it with the rights of the program."""
    return _QUICK_ACTION.sub(r"\1&#47;", text)


def human_push(key: str) -> str:
    return (
        f"Somebody else's commits are on `{key}`, so finops-ai leaves the branch and this pull request alone from now "
        "on. Merge it, or close it. To have it made anew, take those commits off the branch and say `finops rebase`."
    )


def _cut(text: str, room: int) -> str:
    """The beginning of a Markdown text, whole lines, with open blocks of details and code closed again."""
    kept = text[: max(0, room - 40)].rpartition("\n")[0]
    fence = "\n```" if kept.count("\n```") % 2 else ""
    return kept + fence + "\n\n</details>" * (kept.count("<details>") - kept.count("</details>"))
