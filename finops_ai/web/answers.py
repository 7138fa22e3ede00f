"""The page behind a signed link: it shows the episode and one button, and only the button answers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from finops_ai.app import App
from finops_ai.domain.errors import FinopsError, Rejected
from finops_ai.domain.signature import Answer, answer
from finops_ai.domain.text import one_line
from finops_ai.reporting.formats import money
from finops_ai.web.problems import status_of, told

WORDS = {
    "real": ("This is real", "Real: someone looks at it; it may page again when it grows."),
    "false_positive": (
        "False alarm",
        "A false alarm: this episode is not told of again, and its scope is judged by it.",
    ),
    "expected": ("Expected", "Expected: the cost is right, and this episode is not told of again."),
}
BY = "mail link"
NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows. `button` is None where there is nothing to answer any more."""

    title: str
    lead: str
    rows: tuple[tuple[str, str], ...] = ()
    button: str | None = None


def router(app: App) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    def shown(token: str) -> HTMLResponse:
        return _page(app, token, answering=False)

    def answered(token: str) -> HTMLResponse:
        return _page(app, token, answering=True)

    def style() -> Response:
        return Response(_template("answer.css"), media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    pages.get("/answer.css")(style)
    pages.get("/answer/{token}")(shown)
    pages.post("/answer/{token}")(answered)
    return pages


def _page(app: App, token: str, *, answering: bool) -> HTMLResponse:
    """Looks by GET, answers by POST; what follows a link on its own, as mail scanners do, changes nothing."""
    try:
        allowed, row = _allowed(app, token)
    except FinopsError as error:
        status = 410 if status_of(error) == 422 else status_of(error)
        return _shown(Page(title="This link does not work", lead=_sentence(told(error))), status)
    label, meaning = WORDS[allowed.verdict.value]
    rows = tuple(_rows(row))
    if not answering:
        return _shown(Page(title=_place(row), lead=meaning, rows=rows, button=label), 200)
    if (row["feedback"], row["feedback_until"]) != (allowed.verdict.value, None):
        app.feedback(allowed.episode_key, allowed.verdict, until=None, note="", by=BY, as_of=app.now())
    return _shown(Page(title="Thank you", lead=f"Kept. {meaning}", rows=rows), 200)


def _allowed(app: App, token: str) -> tuple[Answer, dict[str, Any]]:
    secrets = [app.world.secrets.get(secret).get_secret_value() for secret in app.config.web.secret]
    if not secrets:
        raise Rejected("links are not switched on here")
    now = app.now()
    allowed = answer(secrets, token, now)
    return allowed, app.episode(allowed.episode_key, now)


def _rows(row: dict[str, Any]) -> list[tuple[str, str]]:
    currency = row["currency"]
    amounts = [(name.capitalize(), _money(row[name], currency)) for name in ("observed", "expected", "excess")]
    when = f"{row['opened_on']} to {row['last_day']}"
    found = [("Days", when), *amounts, ("If it continues", f"{_money(row['projected'], currency)} by month end")]
    if row["main_cause"]:
        found.append(("Mostly", one_line(row["main_cause"], NAME_LENGTH)))
    found += [("State", f"{row['state']}, {row['severity']}"), ("Episode", one_line(row["key"], NAME_LENGTH))]
    if row["feedback"]:
        found.append(("Answered", WORDS[row["feedback"]][0]))
    return found


def _money(amount: Decimal, currency: str) -> str:
    return money(amount, currency)


def _place(row: dict[str, Any]) -> str:
    names = [one_line(str(value), NAME_LENGTH) for value in row["scope"].values()]
    return " · ".join(names) or "Total spend"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}. Answer from the command line: finops-ai episodes feedback."


def _shown(page: Page, status: int) -> HTMLResponse:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("finops_ai.web", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return HTMLResponse(environment.get_template("answer.html.j2").render(page=page), status_code=status)


def _template(name: str) -> str:
    from importlib.resources import files

    return (files("finops_ai.web") / "templates" / name).read_text("utf-8")
