"""The rules of opening: error rate, false discoveries, second opinion; from given scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from finops_ai.detection.episodes import advance, episode_key
from finops_ai.detection.outliers import factor
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import projected_excess, severity, share_of_days
from finops_ai.domain.episode import Severity
from finops_ai.domain.forecast import Score
from finops_ai.domain.scope import Scope
from tests.unit.forecasting.bills import START, one_series

DAY = START + timedelta(days=99)
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = DetectSettings()


def _scope(name: str) -> Scope:
    return Scope((("x_cost_center", name),))


def _score(p_value: float, *, name: str = "a", opinion: float | None = None, day: date = DAY) -> Score:
    return Score(
        scope=_scope(name),
        currency="USD",
        day=day,
        observed=300.0,
        expected=100.0,
        upper=150.0,
        z=4.0,
        p_value=p_value,
        scorer="day@baseline/1",
        second_opinion=opinion,
    )


def _opened(scores: list[Score], *, scopes: int = 1) -> set[str]:
    names = {score.scope for score in scores} | {_scope(f"calm {i}") for i in range(scopes - 1)}
    series = [one_series([100.0] * 100, scope=scope) for scope in sorted(names)]
    return {str(one.scope) for one in advance([], scores, series, as_of=AS_OF, settings=SETTINGS)}


def test_the_threshold_is_the_accepted_rate() -> None:
    assert SETTINGS.threshold == pytest.approx(0.5 / 365.25)
    assert _opened([_score(SETTINGS.threshold * 0.99)]) == {"a"}
    assert _opened([_score(SETTINGS.threshold * 1.01)]) == set()


def test_a_thousand_scopes_ask_for_more_than_one() -> None:
    assert _opened([_score(5e-4)], scopes=1000) == set()
    assert _opened([_score(5e-5)], scopes=1000) == {"a"}
    many = [_score(5e-4, name=f"s{i}") for i in range(10)]  # ten at once are no accident
    assert len(_opened(many, scopes=1000)) == 10


def test_the_second_opinion_decides_within_its_bounds() -> None:
    marginal = SETTINGS.threshold
    assert _opened([_score(marginal * 2)]) == set()
    assert _opened([_score(marginal * 2, opinion=0.999)]) == {"a"}
    assert _opened([_score(marginal / 2)]) == {"a"}
    assert _opened([_score(marginal / 2, opinion=0.5)]) == set()
    assert _opened([_score(marginal * 4, opinion=1.0)]) == set()
    assert _opened([_score(marginal / 4, opinion=0.0)]) == {"a"}
    assert factor(None, SETTINGS) == 1.0


def test_days_that_have_not_begun_are_not_judged() -> None:
    scores = [_score(1e-9)]
    today = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    series = [one_series([100.0] * 100, scope=_scope("a"))]
    assert advance([], scores, series, as_of=today - timedelta(seconds=1), settings=SETTINGS) == []
    assert advance([], scores, series, as_of=today, settings=SETTINGS) != []


def test_keys_name_scope_currency_and_day() -> None:
    keys = {
        episode_key(_scope("a"), "USD", DAY),
        episode_key(_scope("b"), "USD", DAY),
        episode_key(_scope("a"), "EUR", DAY),
        episode_key(_scope("a"), "USD", DAY + timedelta(days=1)),
    }
    assert len(keys) == 4
    assert {len(key) for key in keys} == {16}
    (episode,) = advance(
        [], [_score(1e-9)], [one_series([1.0] * 100, scope=_scope("a"))], as_of=AS_OF, settings=SETTINGS
    )
    assert episode.key == episode_key(_scope("a"), "USD", DAY)
    assert "1.4e-03" in episode.threshold
    assert episode.forecaster == "baseline/1"


def test_projection_goes_on_to_the_end_of_the_month() -> None:
    last = date(2026, 4, 20)
    assert projected_excess([10, 20, 30, 40], last, is_open=True) == pytest.approx(100 + 10 * 30)
    assert projected_excess([10, 20, 30, 40], last, is_open=False) == 100
    assert projected_excess([10.0], date(2026, 4, 30), is_open=True) == 10


def test_days_that_were_normal_again_are_part_of_what_goes_on() -> None:
    last = date(2026, 4, 20)
    assert projected_excess([10.0], last, is_open=True, since=[0.0]) == pytest.approx(10 + 9 * 5)
    assert projected_excess([10.0] * 9, last, is_open=True, since=[4.0, 0.0]) == pytest.approx(90 + 8 * 14 / 3)
    assert projected_excess([10.0], last, is_open=True, since=[0.0] * 3) == 10
    assert projected_excess([10.0], date(2026, 4, 30), is_open=True, since=[0.0]) == 10


def test_what_comes_one_day_in_ten_is_expected_one_day_in_ten() -> None:
    last = date(2026, 4, 20)
    first, second, third = (
        projected_excess([10.0] * days, last, is_open=True, share=0.1) - 10 * days for days in (1, 2, 3)
    )
    assert first == pytest.approx(10 * 10 * 0.1)
    assert second == pytest.approx(10 * 10 * 1.1 / 2), "it came again the day after, as the share does not say"
    assert third == pytest.approx(10 * 10 * 2.1 / 3)
    assert projected_excess([10.0] * 4, last, is_open=True, share=0.1) == pytest.approx(40 + 10 * 10)
    assert projected_excess([10.0], last, is_open=True, since=[0.0], share=0.1) == pytest.approx(10 + 9 * 5 * 0.1)


def test_how_often_a_series_costs_something() -> None:
    assert share_of_days([0.0] * 30 + [5.0, 0.0, 0.0, 5.0, 0.0, 0.0, 5.0, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert share_of_days([]) == share_of_days([0.0] * 90) == share_of_days([0.0] * 89 + [5.0]) == 1.0
    assert share_of_days([5.0, *[0.0] * 365]) == 1.0, "what came once long ago is no habit"


def test_a_fee_charged_twice_is_not_projected_as_if_it_came_every_day() -> None:
    costs = [1250.0 if day % 30 == 5 else 0.0 for day in range(100)]
    costs[-1] = 1250.0
    score = replace(_score(1e-9), observed=1250.0, expected=0.0)
    normal = replace(score, day=DAY + timedelta(days=1), observed=0.0, z=0.0)
    for known, quiet in ((costs, []), ([*costs, 0.0], [normal])):
        series = one_series(known, scope=_scope("a"))
        (episode,) = advance([], [score, *quiet], [series], as_of=AS_OF, settings=SETTINGS)
        left = (date(DAY.year, DAY.month + 1, 1) - DAY).days - 1
        assert float(episode.excess.amount) == 1250.0
        assert float(episode.projected.amount) <= 1250.0 * (1 + left * 0.05)


@pytest.mark.parametrize(
    ("projected", "p_value", "kind", "expected"),
    [
        (50, 1e-9, "rise", Severity.INFO),
        (500, 1e-9, "rise", Severity.WARNING),
        (5_000, 1e-9, "rise", Severity.ERROR),
        (50_000, 1e-9, "drift", Severity.CRITICAL),
        (50_000, 1e-9, "drop", Severity.INFO),
        (1_500, 1e-2, "rise", Severity.WARNING),  # half sure
        (50_000, 1.0, "rise", Severity.INFO),
    ],
)
def test_severity_is_dollars_times_confidence(projected: float, p_value: float, kind: str, expected: Severity) -> None:
    assert severity(projected, p_value, kind, SETTINGS) is expected
