"""Every finding and proposal comes back from JSON as it went in."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given

from finops_ai.domain.episode import Episode
from finops_ai.domain.errors import Problem
from finops_ai.domain.forecast import Forecast
from finops_ai.domain.proposal import Proposal
from finops_ai.ledger import codecs
from tests.ledger.nouns import EPISODES, PROPOSALS, forecasts, same_forecast


def through_text(value: object) -> codecs.Json:
    return json.loads(json.dumps(value, allow_nan=False))


@given(EPISODES)
def test_episodes(episode: Episode) -> None:
    assert codecs.episode_from_json(through_text(codecs.episode_to_json(episode))) == episode


@given(PROPOSALS)
def test_proposals(proposal: Proposal) -> None:
    assert codecs.proposal_from_json(through_text(codecs.proposal_to_json(proposal))) == proposal


@given(forecasts())
def test_forecasts(forecast: Forecast) -> None:
    back = codecs.forecast_from_json(
        through_text(codecs.forecast_to_json(forecast)),
        scope=forecast.scope.key,
        cost_basis=forecast.cost_basis,
        currency=forecast.currency,
        quantiles=codecs.doubles(forecast.quantiles),
        total_quantiles=b"".join(codecs.doubles(row) for row in forecast.total_quantiles.values()),
    )
    assert same_forecast(back, forecast)


def test_problems() -> None:
    problems = (
        Problem(file="a", message="b"),
        Problem(file="a", message="b", line=1, column="c", value="v", severity="w"),
    )
    assert codecs.problems_from_json(through_text(codecs.problems_to_json(problems))) == problems


def test_canonical_text_is_equal_when_the_data_are() -> None:
    one = {"b": Decimal("1.10"), "a": [date(2026, 4, 1), MappingProxyType({"x": 1})]}
    other = {"a": ["2026-04-01", {"x": 1}], "b": "1.10"}
    assert codecs.canonical(one) == codecs.canonical(other) == '{"a":["2026-04-01",{"x":1}],"b":"1.10"}'


@pytest.mark.parametrize("value", [{"a": object()}, {"a": {1, 2}}])
def test_what_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="not plain data"):
        codecs.canonical(value)
