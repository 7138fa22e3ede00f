"""Events stay within the API's limits, whatever the names and however many the causes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.domain.message import Message
from finops_ai.reporting.page import page_body
from finops_ai.sinks.pagerduty_event import EVENT_BYTES, dedup_key, payload
from tests.unit.reporting.facts import context, episode

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "golden/sinks/pagerduty_event.schema.json").read_text(encoding="utf-8")
)
CHECKED = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def event(key: str = "ep-1", **changes: Any) -> dict[str, Any]:
    body = {**page_body(episode(), context=context()), **changes}
    found = payload(Message(key=key, kind="episode_opened", sink="any", body=body))
    CHECKED.validate(found)
    return found


def test_amounts_are_exact_text_with_their_currency() -> None:
    details = event()["payload"]["custom_details"]
    assert details["excess"] == "3295.35 USD"
    assert details["expected"] == "1647.68 USD"
    assert details["causes"][0]["excess"] == "3150.35 USD"
    assert details["next"] == "finops-ai explain ep-3f9a1c"


def test_fields_name_the_place() -> None:
    told = event()["payload"]
    assert told["source"] == "ml-serve · clip-vit-l · Amazon EC2"
    assert (told["group"], told["component"], told["class"]) == ("ml-serve", "Amazon EC2", "spike")
    assert told["severity"] == "warning"


def test_only_web_links_are_links() -> None:
    found = event(links={"page": "https://x.example/1", "bad": "javascript:alert(1)"})
    assert found["links"] == [{"href": "https://x.example/1", "text": "page"}]


@pytest.mark.parametrize("count", [10, 3_000])
def test_many_causes_are_cut_to_the_limit_and_the_cut_is_told(count: int) -> None:
    cause = {"what": "ü" * 900, "excess": "1.00", "note": "n" * 900}
    found = event(causes=[cause] * count)
    assert len(json.dumps(found).encode()) <= EVENT_BYTES
    details = found["payload"]["custom_details"]
    assert ("note" in details) == (count > 10)
    assert details["causes"]


def test_huge_texts_and_maps_are_cut() -> None:
    where = {f"k{i}": "\N{PILE OF POO}" * 5_000 for i in range(2_000)}
    found = event(where=where, summary="s" * 5_000, links={f"l{i}": "https://x/" + "y" * 3_000 for i in range(500)})
    assert len(json.dumps(found).encode()) <= EVENT_BYTES
    assert len(found["payload"]["summary"]) == 1024


def test_long_keys_stay_apart_and_stable() -> None:
    long = "k" * 400
    assert dedup_key(long) == dedup_key(long) != dedup_key(long + "x")
    assert len(dedup_key(long)) == 255
    assert dedup_key("k" * 255) == "k" * 255


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(key=st.text(min_size=1, max_size=400), name=st.text(max_size=300), note=st.text(max_size=300))
def test_any_name_gives_a_valid_event(key: str, name: str, note: str) -> None:
    event(
        key=key,
        summary=f"[WARN] {name}",
        where={"service_name": name, name: note},
        causes=[{"what": name, "excess": "1.00", "note": note}],
    )
