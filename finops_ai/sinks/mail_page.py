"""A message as the subject, text and HTML of a mail: pure, every name on one line and escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from finops_ai.domain.message import Message
from finops_ai.domain.text import one_line
from finops_ai.sinks.figures import UNPLACED, clock, figures, lines, nearby, unlisted
from finops_ai.sinks.pages import Act, act_of, is_storm, severity_of, web_links, wrong_kind

if TYPE_CHECKING:
    from jinja2 import Template

LINES_SHOWN = 20
NEARBY_SHOWN = 5
TEXT_CHARS = 250
SUBJECT_CHARS = 140
FIGURE_CHARS = 60

COLOURS = {"critical": "#b3261e", "error": "#c2410c", "warning": "#9a6700", "info": "#0067a5"}
RESOLVED = "#2e7d32"
QUIET = "#66737f"
WORDS = {"rise": "cost rise", "drop": "cost drop", "drift": "slow cost rise", "spike": "cost rise"}
VERDICTS = {"real": "Real", "false_positive": "False positive", "expected": "Expected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage:
    """`chart_cid` names the picture that `html` shows; empty where it shows none."""

    subject: str
    text: str
    html: str


def mail_page(message: Message, *, chart_cid: str = "") -> MailPage:
    """Raises Rejected for a message that has neither title nor summary."""
    body = message.body
    if not body.get("title") or not body.get("summary"):
        raise wrong_kind("mail", "episodes, storms, digests, changes and reports", message)
    page = _page(message)
    return MailPage(
        subject=subject(message), text=_text(page), html=_template().render(page={**page, "chart_cid": chart_cid})
    )


def subject(message: Message) -> str:
    """The same for the life of an episode or storm, because mail programs group by it."""
    body = message.body
    if act_of(message) is None:
        return f"[finops] {one_line(str(body['title']), SUBJECT_CHARS)}"
    since = one_line(str(body.get("opened_on") or ""))
    since = f" since {since}" if since else ""
    if body.get("kind") == "outage":
        return one_line(f"[finops] {body['title'].partition(':')[0]}{since}", SUBJECT_CHARS)
    if is_storm(message):
        return f"[finops] {one_line(str(body.get('team') or 'many places'), TEXT_CHARS)}: cost storm{since}"
    kind = str(body.get("kind") or "cost episode")
    what = WORDS.get(kind, kind.replace("_", " "))
    places = [one_line(str(value), 48) for value in (body.get("scope") or {}).values() if value not in UNPLACED]
    return one_line(f"[finops] {' · '.join(places) or 'Total spend'}: {what}{since}", SUBJECT_CHARS)


def _page(message: Message) -> dict[str, Any]:
    body, act = message.body, act_of(message)
    told = [(one_line(figure), _shown(what, TEXT_CHARS)) for figure, what in lines(body)]
    answers = body.get("answers") if act is not None and act is not Act.RESOLVE else None
    return {
        "title": _shown(str(body["title"]), TEXT_CHARS),
        "summary": _shown(str(body["summary"]), 2_000),
        "label": _label(message),
        "colour": _colour(message),
        "figures": [(name, _shown(value, FIGURE_CHARS)) for name, value in figures(body)],
        "lines": told[:LINES_SHOWN],
        "lines_title": "What it is made of" if body.get("causes") else "The dearest first",
        "more": unlisted(body, LINES_SHOWN),
        "nearby": [_near(change, body) for change in (body.get("changes_nearby") or ())[:NEARBY_SHOWN]],
        "steps": [_shown(str(step), TEXT_CHARS) for step in (body.get("steps") or ())[:NEARBY_SHOWN]],
        "answers": [(VERDICTS.get(verdict, verdict), href) for verdict, href in web_links(answers)],
        "links": web_links(body.get("links")),
        "facts": _facts(body),
        "next": _shown(str(body.get("next") or ""), TEXT_CHARS),
    }


def _shown(text: str, length: int) -> str:
    """On one line, and nothing that a mail program would make a link of its own accord."""
    return one_line(text, length).replace("://", ": //")


def _label(message: Message) -> str:
    act = act_of(message)
    if act is None:
        return message.kind
    noun = "Storm" if is_storm(message) else "Episode"
    state = {Act.OPEN: "opened", Act.UPDATE: "update"}.get(act, str(act))
    return f"{noun} {state}" if act is Act.RESOLVE else f"{severity_of(message.body)} · {noun} {state}"


def _colour(message: Message) -> str:
    act = act_of(message)
    if act is None:
        return QUIET
    return RESOLVED if act is Act.RESOLVE else COLOURS[severity_of(message.body)]


def _near(change: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    found = web_links({"": str(change.get("url") or "")})
    rest = (_shown(told, TEXT_CHARS) for told in nearby(change, body))
    return {
        "what": _shown(str(change.get("what") or "a change"), TEXT_CHARS),
        "href": found[0][1] if found else "",
        "rest": " · ".join(rest),
    }


def _facts(body: Mapping[str, Any]) -> list[str]:
    found = []
    if body.get("data_as_of"):
        found.append(f"data as of {clock(body['data_as_of'], body)}")
    if body.get("complete_through"):
        found.append(f"complete through {body['complete_through']}")
    for name, words in (("cost_basis", "{} cost"), ("forecaster", "expected by {}"), ("threshold", "threshold: {}")):
        if body.get(name):
            found.append(words.format(body[name]))
    return [_shown(fact, TEXT_CHARS) for fact in found]


def _text(page: Mapping[str, Any]) -> str:
    """For readers of plain text; the same facts in the same order."""
    width = max((len(name) for name, _ in page["figures"]), default=0)
    parts = [
        [page["title"], "", page["summary"]],
        [f"{name:<{width}}  {value}" for name, value in page["figures"]],
        _listed(page["lines_title"], [f"{figure}  {what}" for figure, what in page["lines"]], page["more"]),
        _listed("What to do now", [f"{number}. {step}" for number, step in enumerate(page["steps"], 1)]),
        _listed("Changed nearby", [" ".join(filter(None, (n["what"], n["rest"], n["href"]))) for n in page["nearby"]]),
        _listed("Was this page right?", [f"{text}: {href}" for text, href in page["answers"]]),
        [f"{text}: {href}" for text, href in page["links"]],
        ["-- ", *page["facts"], *([f"Look closer: {page['next']}"] if page["next"] else [])],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _listed(title: str, told: Sequence[str], more: int = 0) -> list[str]:
    rest = [f"  and {more} more"] if more else []
    return [f"{title}:", *(f"  {line}" for line in told), *rest] if told else []


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("finops_ai.sinks", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
