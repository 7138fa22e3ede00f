"""Recorded usage and cost pages: whole or refused, each bucket once, every cent and token in exactly one place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import Malformed
from finops_ai.domain.money import total
from finops_ai.sources import anthropic_usage, openai_usage
from finops_ai.sources.base import Scan
from finops_ai.sources.meters import Cost, Line, Used, joined, token_meter
from tests.unit.sources.exports import ALL, WORLD, delivered, sums

FIRST = date(2026, 4, 1)
MODEL = "gpt-4o-2024-08-06"


def bucket(day: int, *results: Mapping[str, Any], hours: int = 24, hour: int = 0) -> dict[str, Any]:
    start = datetime(2026, 4, 1, tzinfo=UTC) + timedelta(days=day, hours=hour)
    ends = {"start_time": int(start.timestamp()), "end_time": int((start + timedelta(hours=hours)).timestamp())}
    return {"object": "bucket", **ends, "results": list(results)}


def cost(value: Any, item: str = f"{MODEL}, input", **changed: Any) -> dict[str, Any]:
    money = {"value": value, "currency": "usd"}
    told = {"object": "organization.costs.result", "amount": money, "line_item": item, "project_id": "proj_a"}
    return {**told, "organization_id": "org-1", **changed}


def used(tokens: int = 100, **changed: Any) -> dict[str, Any]:
    told = {"object": "organization.usage.completions.result", "input_tokens": tokens, "output_tokens": 0}
    return {**told, "num_model_requests": 1, "project_id": "proj_a", "model": MODEL, **changed}


def page(*buckets: Mapping[str, Any], following: str | None = None) -> str:
    return json.dumps({"object": "page", "data": buckets, "has_more": bool(following), "next_page": following})


def record(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content, encoding="utf-8")
    return folder


def scans(folder: Path, module: ModuleType = openai_usage) -> list[Scan]:
    made = module.make(module.Settings(name="models", uri=str(folder)), WORLD, ALL)
    return [made.charges(delivery) for delivery in delivered(made)]


def refusal(folder: Path, module: ModuleType = openai_usage) -> str:
    made = module.make(module.Settings(name="models", uri=str(folder)), WORLD, ALL)
    (found,) = made.deliveries(None)
    assert isinstance(found, Refusal)
    return "\n".join(map(str, found.problems))


def told(scan: Scan) -> str:
    return "\n".join(problem.message for problem in scan.problems)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"costs": page(bucket(0, cost(1)), following="page_2")}, "costs.json: next_page: the page after this one"),
        ({"costs": page(bucket(0, cost("1,50")))}, "data[0].results[0].amount.value: is not a plain number ('1,50')"),
        ({"costs": page(bucket(0, cost(True)))}, "amount.value: is not a plain number"),
        ({"costs": page(bucket(0, cost(None)))}, "amount.value: is not a plain number ('null')"),
        ({"costs": page(bucket(0, cost(1))).replace('"value": 1', '"value": NaN')}, "is not whole JSON"),
        ({"costs": page(bucket(0, cost("1e25")))}, "is no number that a bill can hold"),
        ({"costs": page(bucket(0, cost(1, amount=None)))}, "results[0].amount: is missing"),
        ({"costs": page(bucket(0, cost(1, amount={"value": 1})))}, "amount.currency: is not a currency code"),
        ({"costs": page(bucket(0, cost(1), hours=48))}, "is not within one UTC day"),
        ({"costs": page({"start_time": "soon", "end_time": 1, "results": []})}, "start_time: is not a time"),
        ({"costs": page(bucket(0, cost(1)))[:-9]}, "costs.json: is not whole JSON"),
        ({"costs": "\ufeff[]"}, "is not a JSON object"),
        ({"both": page(bucket(0, cost(1), used()))}, "mixes results of completions and costs"),
        ({"usage": page(bucket(0, used(-1)))}, "input_tokens: is less than 0"),
        ({"usage": page(bucket(0, used(1, input_cached_tokens=2)))}, "is more than input_tokens"),
    ],
)
def test_pages_that_cannot_be_trusted_are_refused(tmp_path: Path, files: dict[str, str], says: str) -> None:
    folder = record(tmp_path, **files)
    made = openai_usage.make(openai_usage.Settings(name="models", uri=str(folder)), WORLD, ALL)
    said: list[str] = []
    for found in made.deliveries(None):
        if isinstance(found, Refusal):
            said += map(str, found.problems)
        else:  # values are judged when they are read
            with pytest.raises(Malformed) as caught:
                made.charges(found)
            said.append(str(caught.value))
    assert says in "\n".join(said)


def test_a_bucket_told_twice_counts_once(tmp_path: Path) -> None:
    folder = record(tmp_path, costs=page(bucket(0, cost(1))), costs_again=page(bucket(0, cost(1))))
    (scan,) = scans(folder)
    assert scan.control.billed_cost == {"USD": Decimal(1)}
    assert scan.problems == ()


def test_a_restated_bucket_replaces_the_one_before_it(tmp_path: Path) -> None:
    files = {f"costs-{number}": page(bucket(0, cost(number)), bucket(1, cost(5))) for number in (9, 10)}
    (scan,) = scans(record(tmp_path, **files))
    assert scan.control.billed_cost == {"USD": Decimal(15)}  # 10 comes after 9, as people count
    assert "restates 2026-04-01" in told(scan)


def test_overlapping_buckets_would_count_twice(tmp_path: Path) -> None:
    folder = record(
        tmp_path,
        costs=page(bucket(0, cost(1))),
        day=page(bucket(0, used())),
        hour=page(bucket(0, used(), hours=1, hour=3)),
    )
    assert "overlaps data[0] of day.json" in refusal(folder)


def test_hours_add_up_to_their_day(tmp_path: Path) -> None:
    hours = [bucket(0, used(10), hours=1, hour=hour) for hour in range(24)]
    (scan,) = scans(record(tmp_path, costs=page(bucket(0, cost("0.5"))), usage=page(*hours)))
    assert sums([scan], "x_sku_group", "consumed_quantity") == {"input": 240, "requests": 24}
    assert sums([scan], "x_sku_group", "billed_cost") == {"input": Decimal("0.5"), "requests": 0}


def test_days_of_which_nothing_is_told_are_named(tmp_path: Path) -> None:
    folder = record(
        tmp_path, costs=page(bucket(0, cost(1)), bucket(4, cost(1))), usage=page(bucket(4, used()), bucket(5, used()))
    )
    (scan,) = scans(folder)
    assert "nothing of 2026-04-02 to 2026-04-04: cost there is unknown, not 0" in told(scan)
    assert "2026-04-06 have use and no cost" in told(scan)


def test_a_cost_is_shared_where_use_is_told_more_finely(tmp_path: Path) -> None:
    keys = [used(1, api_key_id="key_1"), used(2, api_key_id="key_2"), used(4, api_key_id="key_2", batch=True)]
    costs = [cost("1"), cost("0.1", f"{MODEL}, input, batch"), cost("0.25", api_key_id="key_1")]
    (scan,) = scans(record(tmp_path, costs=page(bucket(0, *costs)), usage=page(bucket(0, *keys))))
    by_key = sums([scan], lambda row: (row["tags"].get("api-key"), row["tags"].get("batch")), "billed_cost")
    assert by_key["key_1", None] == Decimal(1) / 7 // Decimal("1e-18") * Decimal("1e-18") + Decimal("0.25")
    assert total(by_key.values()) == Decimal("1.35")


def test_hostile_names_are_values(tmp_path: Path) -> None:
    name = "'); DROP TABLE charge; --\u202e<script>=cmd|\"\n"
    results = [cost("1", f"{name}, input", project_id=name)]
    (scan,) = scans(
        record(tmp_path, costs=page(bucket(0, *results)), usage=page(bucket(0, used(model=name, project_id=name))))
    )
    assert sums([scan], "sub_account_id", "billed_cost") == {name: 1}
    assert sums([scan], lambda row: row["tags"]["model"], "billed_cost") == {name: 1}


def test_results_of_a_report_that_is_not_known_are_told(tmp_path: Path) -> None:
    strange = {"object": "organization.usage.telepathy.result", "thoughts": 3}
    (scan,) = scans(record(tmp_path, costs=page(bucket(0, cost(1))), strange=page(bucket(0, strange))))
    assert "results of telepathy are not understood" in told(scan)
    assert scan.control.billed_cost == {"USD": 1}


COUNT = st.integers(0, 10_000)


@settings(max_examples=25)
@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(("text", "audio", "image", "cached_text", "cached_audio", "write"), COUNT)),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_token_meters_never_overlap(
    tmp_path_factory: pytest.TempPathFactory, requests: Sequence[Mapping[str, int]], inclusive: bool
) -> None:
    """Both ways in which the published fields can be read: kinds without their cached tokens, and with them."""
    results = []
    for each in requests:
        cached = each["cached_text"] + each["cached_audio"]
        fresh = each["text"] + each["audio"] + each["image"]
        shown = dict(each)
        if inclusive and cached:
            shown["text"] += each["cached_text"] + each["write"]
            shown["audio"] += each["cached_audio"]
        results.append(
            used(
                fresh + cached + each["write"],
                input_cached_tokens=cached,
                input_cache_write_tokens=each["write"],
                input_text_tokens=shown["text"],
                input_audio_tokens=shown["audio"],
                input_image_tokens=each["image"],
                input_cached_text_tokens=each["cached_text"],
                input_cached_audio_tokens=each["cached_audio"],
            )
        )
    folder = record(tmp_path_factory.mktemp("pages"), costs=page(bucket(0, cost(1))), usage=page(bucket(0, *results)))
    (scan,) = scans(folder)
    found = sums(
        [scan], lambda row: row["x_sku_group"] if row["consumed_unit"] == "Tokens" else "", "consumed_quantity"
    )
    expected = {
        "input": sum(each["text"] for each in requests),
        "audio input": sum(each["audio"] for each in requests),
        "image input": sum(each["image"] for each in requests),
        "cached input": sum(each["cached_text"] for each in requests),
        "cached audio input": sum(each["cached_audio"] for each in requests),
        "cache write input": sum(each["write"] for each in requests),
    }
    assert {name: amount for name, amount in found.items() if amount and name} == {
        n: a for n, a in expected.items() if a
    }


AMOUNT = st.decimals(-1000, 1000, places=18, allow_nan=False)
LABEL = st.sampled_from(["", "a", "b"])


@given(
    st.lists(
        st.tuples(AMOUNT, st.sampled_from(["Input", "Output"]), LABEL, st.sampled_from(["USD", "EUR"])), max_size=6
    ),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["Input", "Output"]), LABEL), max_size=6),
)
def test_joining_keeps_every_cent_and_every_token(costs: list[Any], uses: list[Any]) -> None:
    told_costs = [
        Cost(
            day=FIRST,
            account="",
            model="m",
            meter=token_meter(direction),
            sku="",
            amount=amount,
            currency=currency,
            labels={"api-key": key},
        )
        for amount, direction, key, currency in costs
    ]
    told_uses = [
        Used(
            day=FIRST, account="", model="m", meter=token_meter(direction), quantity=Decimal(n), labels={"api-key": key}
        )
        for n, direction, key in uses
    ]
    lines = joined(told_costs, told_uses)
    for currency in ("USD", "EUR"):
        before = total(one.amount for one in told_costs if one.currency == currency)
        assert total(line.amount for line in lines if line.currency == currency) == before
    assert _tokens(lines) == {
        "Input": sum(n for n, d, _ in uses if d == "Input"),
        "Output": sum(n for n, d, _ in uses if d == "Output"),
    }


def _tokens(lines: Sequence[Line]) -> dict[str, Decimal]:
    return {
        direction: total(line.quantity for line in lines if line.labels["token-direction"] == direction)
        for direction in ("Input", "Output")
    }


def test_cents_are_cents(tmp_path: Path) -> None:
    """ "123.45" is 1.2345 USD: taken for dollars, a bill is a hundred times itself."""
    result = {"currency": "USD", "amount": "123.45", "workspace_id": None, "cost_type": "code_execution"}
    pages = {"starting_at": "2026-04-01T00:00:00Z", "ending_at": "2026-04-02T00:00:00Z", "results": [result]}
    (scan,) = scans(record(tmp_path, cost_report=page(pages)), anthropic_usage)
    assert scan.control.billed_cost == {"USD": Decimal("1.2345")}
    assert sums([scan], "sub_account_id", "billed_cost") == {"default": Decimal("1.2345")}
