"""A page says where, how much, against what, and what to do next, in one line that fits a phone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from finops_ai.domain.episode import EpisodeState, Severity
from finops_ai.domain.errors import Leak
from finops_ai.domain.scope import Scope
from finops_ai.reporting.page import page_body
from tests.unit.reporting.facts import context, episode, usd

ONE_DAY = {
    "opened_on": date(2026, 5, 23),
    "expected": usd("720"),
    "observed": usd("1840.20"),
    "excess": usd("1120.20"),
    "projected": usd("33120"),
    "causes": (),
}


def test_summary_fits_a_phone() -> None:
    body = page_body(episode(**ONE_DAY), context=context())
    assert body["summary"] == (
        "[WARN] ml-serve · clip-vit-l · Amazon EC2: $1,840 yesterday vs $610-$790 expected. "
        "+$1,120 so far, about +$33k by month end if it continues."
    )


def test_without_the_last_day_the_whole_episode_is_told() -> None:
    known = context(last_observed=None, last_low=None, last_high=None)
    assert "$4,943 over 3 days vs $1,648 expected. +$3,295 so far" in page_body(episode(), context=known)["summary"]
    assert "$1,840 yesterday vs $720 expected." in page_body(episode(**ONE_DAY), context=known)["summary"]


def test_an_older_day_is_dated() -> None:
    known = context(as_of=context().as_of.replace(day=26))
    assert "$1,840 on 23 May 2026 vs" in page_body(episode(**ONE_DAY), context=known)["summary"]


def test_a_drop_asks_whether_it_runs() -> None:
    drop = episode(
        **{**ONE_DAY, "kind": "drop", "observed": usd("100"), "excess": usd("-620"), "projected": usd("-900")}
    )
    summary = page_body(drop, context=context(last_observed=usd("100")))["summary"]
    assert (
        "$100 yesterday vs $610-$790 expected. $620 less than expected so far: check that the workload runs" in summary
    )


def test_a_doubtful_bill_is_no_verdict() -> None:
    body = page_body(episode(**ONE_DAY, kind="gap"), context=context())
    assert "check the export" in body["summary"]
    assert "paged as a drop" in body["summary"]
    assert "by month end" not in body["summary"]


def test_nothing_more_is_promised_where_nothing_more_is_projected() -> None:
    body = page_body(episode(**{**ONE_DAY, "projected": usd("1120.20")}), context=context())
    assert body["summary"].endswith("+$1,120 so far.")


def test_a_resolved_episode_says_what_it_came_to() -> None:
    done = episode(state=EpisodeState.RESOLVED, resolved_on=date(2026, 5, 24))
    assert page_body(done, context=context())["summary"] == (
        "[RESOLVED] ml-serve · clip-vit-l · Amazon EC2: back to expected since 24 May 2026. "
        "It came to +$3,295 over 3 days."
    )


@pytest.mark.parametrize(
    ("severity", "tag"),
    [
        (Severity.INFO, "[INFO]"),
        (Severity.WARNING, "[WARN]"),
        (Severity.ERROR, "[ERROR]"),
        (Severity.CRITICAL, "[CRIT]"),
    ],
)
def test_severity_comes_first(severity: Severity, tag: str) -> None:
    assert page_body(episode(severity=severity), context=context())["summary"].startswith(tag)


def test_body_is_plain_data_with_exact_amounts() -> None:
    body = page_body(episode(), context=context())
    assert json.loads(json.dumps(body)) == body
    assert (body["expected"], body["observed"], body["excess"]) == ("1647.68", "4943.03", "3295.35")
    assert sum(Decimal(cause["excess"]) for cause in body["causes"]) == Decimal(body["excess"])
    assert body["causes"][0] == {
        "what": "p4d.24xlarge · us-east-1",
        "excess": "3150.35",
        "note": "3.1 times the hours at the same price",
    }
    assert body["links"] == {"report": "https://finops.example.com/reports/2026-W21"}
    assert body["next"] == "finops-ai explain ep-3f9a1c"


def test_causes_that_do_not_add_up_are_a_leak() -> None:
    wrong = episode(causes=episode().causes[:1])
    with pytest.raises(Leak, match="do not add up to its excess"):
        page_body(wrong, context=context())


def test_names_stay_on_one_short_line_and_commands_stay_quoted() -> None:
    hostile = episode(
        key="ep; rm -rf $HOME",
        scope=Scope((("x_cost_center", "a\r\nb\x1b[31m\u202e" + "z" * 500), ("x_ai_model", "(none)"))),
        where={},
        causes=(),
    )
    body = page_body(hostile, context=context())
    assert body["next"] == "finops-ai explain 'ep; rm -rf $HOME'"
    for line in (body["title"], body["summary"]):
        assert line.isprintable()
        assert len(line) < 250
    assert "(none)" not in body["title"]


def test_the_total_has_a_name() -> None:
    body = page_body(replace(episode(causes=()), scope=Scope(), where={}), context=context())
    assert body["title"].startswith("Total spend: +$3,295")
