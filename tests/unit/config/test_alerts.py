"""The section of alerts: what it says, what it refuses and how, and what it only doubts."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from finops_ai.app.alerts import alert_settings
from finops_ai.config import doubts, effective, load
from finops_ai.config.load import Config
from finops_ai.domain.episode import Severity
from finops_ai.domain.errors import ConfigError
from tests.unit.config.test_load import KINDS

SINKS = """
sinks:
  - {name: pager, kind: pager, routing_key: {env: KEY}}
  - {name: mail, kind: pager, routing_key: {env: KEY}}
"""


def loaded(text: str, folder: Path) -> Config:
    file = folder / "finops.yaml"
    file.write_text(SINKS + text, encoding="utf-8")
    return load(file, {}, KINDS)


def test_without_a_section_everything_pages_as_it_did(tmp_path: Path) -> None:
    told = alert_settings(loaded("", tmp_path))
    assert (told.top.team, told.top.sinks, told.top.digest) == ("on-call", ("pager", "mail"), ())
    assert (told.top.page_at, told.budget, told.quiet) == (Severity.WARNING, None, ())


def test_a_whole_section(tmp_path: Path) -> None:
    text = """
alerts:
  sinks: [pager]
  digest: [mail]
  time_zone: Europe/Berlin
  page_from: {EUR: 500}
  budget: {pages: 3, break_through: 9000}
  storm: {episodes: 4}
  quiet_hours: [{start: "22:00", end: "7:00", days: [sat, sun]}]
  maintenance: [{start: 2026-05-01, end: 2026-05-02T06:00, note: upgrade, match: {environment: prod}}]
  routes:
    - team: search
      match: {x_cost_center: search, severity: [error, critical]}
      continue: true
      routes: [{match: {service_name: "*EC2*"}, sinks: [mail], page_at: critical}]
"""
    config = loaded(text, tmp_path)
    told = alert_settings(config)
    assert told.budget is not None
    assert (told.budget.pages, dict(told.budget.break_through)) == (3, {"*": Decimal(9000)})
    assert (told.quiet[0].end, told.quiet[0].days, told.quiet[0].time_zone) == (time(7), {5, 6}, "Europe/Berlin")
    assert told.maintenance[0].start.astimezone(UTC) == datetime(2026, 4, 30, 22, tzinfo=UTC)
    assert told.top.routes[0].match == {"x_cost_center": ("search",), "severity": ("error", "critical")}
    assert told.top.routes[0].go_on
    assert told.top.routes[0].routes[0].page_at is Severity.CRITICAL
    assert doubts(config) == []
    rows = {row["key"]: row["value"] for row in effective(config)}
    assert rows["alerts.routes.0.continue"] == "true"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alerts: {sinks: [pagr]}", "alerts.sinks.0: no sink has the name 'pagr'; did you mean pager?"),
        (
            "alerts: {routes: [{match: {kind: gap}, routes: [{match: {severity: info}, digest: [post]}]}]}",
            "alerts.routes.0.routes.0.digest.0: no sink has the name 'post'",
        ),
        ("alerts: {routes: [{match: {x_cost_centre: a}}]}", "did you mean x_cost_center?"),
        ("alerts: {routes: [{match: {severity: loud}}]}", "'loud' is no severity; known are info, warning"),
        ("alerts: {routes: [{match: {kind: [gap, gaap]}}]}", "'gaap' is no kind"),
        ("alerts: {routes: [{match: {}}]}", "alerts.routes.0.match"),
        ("alerts: {routes: [{match: {kind: gap}, contine: true}]}", "did you mean continue?"),
        ("alerts: {budget: {pages: -1}}", "alerts.budget.pages"),
        ("alerts: {budget: {pages: 1, false_discovery: 0}}", "alerts.budget.false_discovery"),
        ('alerts: {quiet_hours: [{start: "22:00", end: "22:00"}]}', "that is no time at all"),
        ('alerts: {quiet_hours: [{start: "25:00", end: "07:00"}]}', "'25:00' is no time of day: write HH:MM"),
        ('alerts: {quiet_hours: [{start: "22:00", end: "07:00", time_zone: Berlin}]}', "'Berlin' is not a time zone"),
        ("alerts: {maintenance: [{start: 2026-05-02, end: 2026-05-01, note: x}]}", "end is not after start"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(text, tmp_path)
    assert words in str(raised.value)


def test_what_nothing_reaches_and_nobody_reads_is_a_doubt(tmp_path: Path) -> None:
    text = """
alerts:
  budget: {pages: 3}
  routes:
    - {team: a, match: {x_cost_center: "search*"}}
    - {team: b, match: {x_cost_center: search-eu}}
"""
    found = [str(one) for one in doubts(loaded(text, tmp_path))]
    assert len(found) == 2
    assert "finops.yaml:10:" in found[0]
    assert "alerts.routes.1: nothing reaches it: an earlier route takes all that fits" in found[0]
    assert "alerts.digest: no sinks" in found[1]
