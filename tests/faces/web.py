"""A web server of ours over a ledger with known episodes, and the clock that it goes by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from finops_ai import app as program
from finops_ai import config
from finops_ai.app import App, parts
from finops_ai.domain.episode import Cause, Episode, EpisodeState, Severity
from finops_ai.domain.money import Money
from finops_ai.domain.scope import Scope
from finops_ai.ledger import findings

NOW = datetime(2026, 5, 25, 7, 30, tzinfo=UTC)
SECRETS = {
    "WEB_SECRET": "a-long-secret-of-links",
    "OLD_SECRET": "the-secret-before-it",
    "API_TOKEN": "token-of-the-analyst",
    "READ_TOKEN": "token-of-the-dashboard",
    "CHAT_TOKEN": "xoxb-a-token-of-the-chat",
    "CHAT_SECRET": "8f742231b10e8888abcd99yyyzzz85a5",
    "HOOK_SECRET": "It's a Secret to Everybody",
}
TEXT = """
sinks:
  - {name: chat, kind: slack, channel: C012AB3CD, token: {env: CHAT_TOKEN}, signing_secret: {env: CHAT_SECRET}}
web:
  public_url: https://finops.example/base/
  secret: [{env: WEB_SECRET}, {env: OLD_SECRET}]
  tokens:
    - {name: analyst, token: {env: API_TOKEN}}
    - {name: dashboard, token: {env: READ_TOKEN}, read_only: true}
  webhooks:
    - {kind: github, secret: {env: HOOK_SECRET}}
    - {kind: gitlab, secret: {env: HOOK_SECRET}}
    - {kind: gitea, secret: {env: HOOK_SECRET}}
"""


def usd(text: str) -> Money:
    return Money(Decimal(text), "USD")


def episode(key: str, owner: str = "search", model: str = "clip-vit-l") -> Episode:
    return Episode(
        key=key,
        scope=Scope((("x_cost_center", owner),)),
        cost_basis="effective",
        kind="rise",
        state=EpisodeState.OPEN,
        severity=Severity.WARNING,
        opened_on=date(2026, 5, 21),
        last_day=date(2026, 5, 23),
        resolved_on=None,
        expected=usd("1647.68"),
        observed=usd("4943.03"),
        excess=usd("3295.35"),
        projected=usd("12081.95"),
        p_value=0.0004,
        forecaster="baseline",
        threshold="3,000.00 USD over three days",
        where={"x_cost_center": owner, "x_ai_model": model},
        causes=(
            Cause(what={"x_ai_model": model}, expected=usd("1647.68"), observed=usd("4943.03"), excess=usd("3295.35")),
        ),
    )


def told(folder: Path, ledger_url: str, text: str = TEXT, environ: Mapping[str, str] = SECRETS) -> App:
    """The program over a ledger; the caller disposes of its engine."""
    file = folder / "finops.yaml"
    file.write_text(text, encoding="utf-8")
    known = {**environ, "FINOPS_HOME": str(folder / "home"), "FINOPS_DATABASE_URL": ledger_url}
    read = config.load(file, known, program.kinds())
    world = parts.world_of(read, known)
    engine = sa.create_engine(ledger_url.replace("postgresql://", "postgresql+psycopg://"))
    return App(config=read, world=world, engine=engine, progress=lambda _: None)


def filled(engine: sa.Engine, *episodes: Episode) -> None:
    findings.record(engine, as_of=NOW - timedelta(hours=1), episodes=episodes)
