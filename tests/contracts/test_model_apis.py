"""Usage and cost APIs and a gateway's log, asked over HTTP: pages, faults, restatements, and a key that never shows."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources import anthropic_usage, litellm, openai_usage
from finops_ai.world.http import Http
from finops_ai.world.objects import Store
from finops_ai.world.secrets import SecretRef, Secrets
from finops_ai.world.world import World
from tests.model_apis import KEY, Api, serving
from tests.unit.sources.exports import ALL, sums

TODAY = date(2026, 4, 9)
APRIL = BillingPeriod(2026, 4)


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 4, 9, 12, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        pass


def days() -> list[date]:
    return [date(2026, 3, 30) + timedelta(days=number) for number in range(11)]


def openai() -> Api:
    usage = {
        "object": "organization.usage.completions.result",
        "input_tokens": 1_000,
        "input_cached_tokens": 400,
        "output_tokens": 100,
        "num_model_requests": 7,
        "project_id": "proj_a",
        "model": "gpt-4o-2024-08-06",
    }
    money = {"object": "organization.costs.result", "project_id": "proj_a", "organization_id": "org-1"}
    costs = [
        {**money, "line_item": f"gpt-4o-2024-08-06, {meter}", "amount": {"value": value, "currency": "usd"}}
        for meter, value in (("input", 0.0015), ("cached input", "0.0005"), ("output", 1e-3))
    ]
    return Api(results={"costs": dict.fromkeys(days(), costs), "usage/completions": {day: [usage] for day in days()}})


def anthropic() -> Api:
    usage = {
        "uncached_input_tokens": 1_000,
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
        "cache_read_input_tokens": 0,
        "output_tokens": 200,
        "server_tool_use": {"web_search_requests": 0},
        "workspace_id": None,
        "model": "claude-sonnet-4-5",
    }
    money = {"currency": "USD", "workspace_id": None, "cost_type": "tokens", "model": "claude-sonnet-4-5"}
    costs = [
        {**money, "amount": "0.2", "token_type": "uncached_input_tokens"},
        {**money, "amount": "0.1", "token_type": "output_tokens"},
    ]
    return Api(
        results={"cost_report": dict.fromkeys(days(), costs), "usage_report/messages": {day: [usage] for day in days()}}
    )


PROVIDERS = {"openai": (openai_usage, openai, "/v1"), "anthropic": (anthropic_usage, anthropic, "")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    secrets = Secrets({"THE_KEY": KEY})
    clock: Any = Clock()
    return World(
        clock=clock,
        http=Http(secrets, clock),
        objects=Store(tmp_path / "cache", secrets, clock),
        secrets=secrets,
        recordings=tmp_path / "recordings",
    )


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Iterator[tuple[ModuleType, Api, str]]:
    module, make, base = PROVIDERS[request.param]
    with serving(make()) as api:
        yield module, api, api.url + base


def source(module: ModuleType, url: str, world: World, **settings: Any) -> Any:
    told = module.Settings(name="models", url=url, api_key=SecretRef(env="THE_KEY"), **settings)
    return module.make(told, world, ALL)


def told(made: Any) -> list[Delivery]:
    found = list(made.deliveries(None))
    assert [item for item in found if isinstance(item, Refusal)] == []
    return found


def refused(made: Any) -> str:
    (refusal,) = made.deliveries(None)
    assert isinstance(refusal, Refusal)
    return " ".join(map(str, refusal.problems))


def test_every_page_of_the_last_months_is_asked_for(provider: tuple[ModuleType, Api, str], world: World) -> None:
    module, api, url = provider
    made = source(module, url, world, months=2)
    march, april = told(made)
    assert [march.billing_period, april.billing_period] == [BillingPeriod(2026, 3), APRIL]
    scan = made.charges(april)
    assert scan.control.billed_cost == {"USD": 9 * Decimal("0.003")}
    assert sums([scan], "day", "billed_cost").keys() == {day for day in days() if day.month == 4}
    assert all("limit=31" in asked and "bucket_width=1d" in asked for asked in api.asked)
    assert KEY not in "".join(api.asked)
    assert told(source(module, url, world, months=2))[1].fingerprint == april.fingerprint


def test_pages_dealt_out_otherwise_are_the_same_delivery(provider: tuple[ModuleType, Api, str], world: World) -> None:
    module, api, url = provider
    (before,) = told(source(module, url, world, months=1))
    api.per_page = 31
    (after,) = told(source(module, url, world, months=1))
    assert after.fingerprint == before.fingerprint


def test_a_restated_bucket_is_another_delivery(provider: tuple[ModuleType, Api, str], world: World) -> None:
    module, api, url = provider
    made = source(module, url, world, months=1)
    (before,) = told(made)
    for of_report in api.results.values():
        of_report[TODAY] = []
    (after,) = told(source(module, url, world, months=1))
    assert after.fingerprint != before.fingerprint
    assert source(module, url, world, months=1).charges(after).control.billed_cost == {"USD": 8 * Decimal("0.003")}
    with pytest.raises(Unavailable, match="changed since it was listed"):
        source(module, url, world, months=1).charges(before)
    assert made.charges(before).control.billed_cost == {"USD": 9 * Decimal("0.003")}


def test_a_page_that_fails_ends_the_run_and_the_next_one_works(
    provider: tuple[ModuleType, Api, str], world: World
) -> None:
    module, api, url = provider
    api.fault = lambda _report, number, _document: (500, b"oops") if number == 2 else None
    with pytest.raises(Unavailable, match="500"):
        list(source(module, url, world, months=1).deliveries(None))
    assert len(told(source(module, url, world, months=1))) == 1


def test_a_busy_api_is_asked_again(provider: tuple[ModuleType, Api, str], world: World) -> None:
    module, api, url = provider
    api.fault = lambda _report, number, _document: (429, b"") if number in (2, 3) else None
    assert len(told(source(module, url, world, months=1))) == 1


def test_a_cursor_that_comes_back_is_told(provider: tuple[ModuleType, Api, str], world: World) -> None:
    module, api, url = provider
    api.fault = lambda _report, _number, document: (
        200,
        json.dumps({**document, "has_more": True, "next_page": "page_4"}).encode(),
    )
    said = refused(source(module, url, world, months=1))
    assert "next_page" in said
    assert "would not end" in said


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (lambda body: body[: len(body) // 2], "is not whole JSON"),
        (lambda _: b'{"error": {"message": "maintenance"}}', "has_more: is missing"),
        (lambda _: b'{"data": [], "has_more": true, "next_page": "x"}', "is empty although has_more"),
        (lambda _: b'{"data": [{}], "has_more": false}', "data[0].results: is not a list"),
        (lambda _: b"[]", "is not a JSON object"),
        (lambda _: b'{"data": [], "data": [], "has_more": false}', "told twice"),
    ],
)
def test_an_answer_that_is_no_page_refuses_all(
    provider: tuple[ModuleType, Api, str], world: World, spoilt: Any, says: str
) -> None:
    module, api, url = provider
    api.fault = lambda _report, number, document: (200, spoilt(json.dumps(document).encode())) if number == 2 else None
    said = refused(source(module, url, world, months=1))
    assert says in said
    assert url.split("/v1")[0] in said


def test_a_wrong_key_is_a_refusal_that_does_not_show_it(
    provider: tuple[ModuleType, Api, str], world: World, caplog: pytest.LogCaptureFixture
) -> None:
    module, _, url = provider
    secrets = Secrets({"THE_KEY": "sk-other-canary-55aa"})
    wrong = World(clock=world.clock, http=Http(secrets, world.clock), objects=world.objects, secrets=secrets)
    with caplog.at_level(logging.DEBUG):
        said = refused(source(module, url, wrong, months=1))
    assert "401" in said
    assert "canary" not in said + caplog.text


def test_an_organisation_without_use_has_no_deliveries(provider: tuple[ModuleType, Api, str], world: World) -> None:
    module, api, url = provider
    api.results.clear()
    assert told(source(module, url, world, months=3)) == []


# --- the gateway's log ---------------------------------------------------------------------------------------------


def request(number: int, day: str = "2026-04-08", **changed: Any) -> dict[str, Any]:
    return {
        "request_id": f"req-{number}",
        "startTime": f"{day}T10:00:00.000Z",
        "spend": 0.001,
        "model": "gpt-4o",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "team_id": "team-a",
        "status": "success",
        "messages": [{"content": "private words"}],
        **changed,
    }


def test_a_log_is_recorded_day_by_day(world: World) -> None:
    with serving(Api(rows=[request(number) for number in range(9)] + [request(10, "2026-04-01")])) as api:
        made = source(litellm, api.url, world, days=9)
        (april,) = told(made)
        scan = made.charges(april)
        assert scan.control.rows == 10
        assert scan.control.billed_cost == {"USD": Decimal("0.01")}
        asked = len(api.asked)
        again = source(litellm, api.url, world, days=9)
        assert told(again)[0].fingerprint == april.fingerprint
        assert len(api.asked) < 2 * asked  # closed days are not asked for again
        api.rows.append(request(11))
        (later,) = told(source(litellm, api.url, world, days=9))
        assert later.fingerprint != april.fingerprint
    recorded = "".join(path.read_text() for path in world.recordings.rglob("*.jsonl"))
    assert "private words" not in recorded
    assert KEY not in recorded


def test_a_log_that_grows_while_it_is_read_is_read_another_time(world: World) -> None:
    with serving(Api(rows=[request(number) for number in range(9)], grows=True)) as api:
        with pytest.raises(Unavailable, match="grew while it was read"):
            list(source(litellm, api.url, world, days=3).deliveries(None))
        api.grows = False
        assert told(source(litellm, api.url, world, days=3))[0].billing_period == APRIL


def test_a_gateway_that_answers_something_else_refuses(world: World) -> None:
    with serving(Api(rows=[request(1)], fault=lambda *_: (200, b'{"data": "no"}'))) as api:
        assert "is not what a page of the log holds" in refused(source(litellm, api.url, world, days=3))
