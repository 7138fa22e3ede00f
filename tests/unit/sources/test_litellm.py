"""A gateway's log: each request once, tokens in disjoint buckets, tags of strangers, files that are not whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import Malformed
from finops_ai.sources import litellm
from finops_ai.sources.base import Scan
from tests.unit.sources.exports import ALL, WORLD, delivered, sums


def request(number: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "request_id": f"req-{number}",
        "startTime": "2026-04-01T10:00:00.000Z",
        "spend": 1.418e-05,
        "model": "gpt-4o",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "team_id": "team-a",
        "status": "success",
        **changed,
    }


def write(folder: Path, *rows: Mapping[str, Any], name: str = "log.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def source(folder: Path) -> Any:
    return litellm.make(litellm.Settings(name="gateway", uri=str(folder)), WORLD, ALL)


def scan(folder: Path) -> Scan:
    made = source(folder)
    (delivery,) = delivered(made)
    found: Scan = made.charges(delivery)
    return found


def refusal(folder: Path) -> str:
    """What is said of a log when it is listed or, of values, when it is read."""
    made = source(folder)
    (found,) = made.deliveries(None)
    if isinstance(found, Refusal):
        return "\n".join(map(str, found.problems))
    with pytest.raises(Malformed) as caught:
        made.charges(found)
    return str(caught.value)


def tokens(found: Scan) -> dict[str, Decimal]:
    every = sums(
        [found], lambda row: row["x_sku_group"] if row["consumed_unit"] == "Tokens" else "", "consumed_quantity"
    )
    return {name: amount for name, amount in every.items() if name and amount}


def told(found: Scan) -> str:
    return "\n".join(problem.message for problem in found.problems)


def test_a_replayed_row_counts_once_in_whatever_file(tmp_path: Path) -> None:
    write(tmp_path, request(1), request(2), request(1))
    write(tmp_path, request(2), request(3), name="later.jsonl")
    found = scan(tmp_path)
    assert found.control.rows == 3
    assert found.control.billed_cost == {"USD": Decimal("0.00004254")}
    assert tokens(found) == {"input": 300, "output": 30}
    assert "2 rows repeat a request and count once" in told(found)


def test_of_versions_that_differ_the_last_counts(tmp_path: Path) -> None:
    write(tmp_path, request(1, spend=0.5), request(1, spend=0.25))
    found = scan(tmp_path)
    assert found.control.billed_cost == {"USD": Decimal("0.25")}
    assert "1 requests are told in versions that differ: the last counts, 0.25 apart" in told(found)


def test_an_unknown_spend_is_told_and_not_taken_for_nothing(tmp_path: Path) -> None:
    write(tmp_path, request(1, spend=None), request(2))
    assert "1 requests have no spend: what they cost is unknown" in told(scan(tmp_path))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 60}}, {"input": 40, "cached input": 60}),
        # Images among the cached tokens would count twice (+72 % in the wild).
        (
            {"prompt_tokens_details": {"cached_tokens": 60, "image_tokens": 90}},
            {"image input": 40, "cached input": 60},
        ),
        (
            {"cache_read_input_tokens": 30, "cache_creation_input_tokens": 20},
            {"input": 50, "cached input": 30, "cache write 5m input": 20},
        ),
        (
            {"cache_creation_input_tokens": 20, "cache_creation": {"ephemeral_1h_input_tokens": 15}},
            {"input": 80, "cache write 5m input": 5, "cache write 1h input": 15},
        ),
        # More cached than prompted: this gateway counts them beside.
        ({"cache_read_input_tokens": 400}, {"input": 100, "cached input": 400}),
        (
            {"prompt_tokens_details": {"audio_tokens": 70, "video_tokens": 20}},
            {"input": 10, "audio input": 70, "video input": 20},
        ),
        ({"cache_read_input_tokens": "many", "prompt_tokens_details": 7}, {"input": 100}),
    ],
)
@pytest.mark.parametrize("key", ["usage_object", "additional_usage_values"])
@pytest.mark.parametrize("as_text", [False, True])
def test_tokens_are_in_one_bucket_each(
    tmp_path: Path, usage: Any, expected: dict[str, int], key: str, as_text: bool
) -> None:
    metadata: Any = {key: usage}
    write(tmp_path, request(metadata=json.dumps(metadata) if as_text else metadata, total_tokens=None))
    assert tokens(scan(tmp_path)) == {**expected, "output": 10}


COUNT = st.integers(0, 200)


@settings(max_examples=30)
@given(prompt=COUNT, completion=COUNT, cached=COUNT, written=COUNT, audio=COUNT, image=COUNT, out=COUNT)
def test_buckets_add_up_whatever_is_told(tmp_path_factory: pytest.TempPathFactory, **told_: int) -> None:
    usage = {
        "cache_read_input_tokens": told_["cached"],
        "cache_creation_input_tokens": told_["written"],
        "prompt_tokens_details": {"audio_tokens": told_["audio"], "image_tokens": told_["image"]},
        "completion_tokens_details": {"audio_tokens": told_["out"]},
    }
    row = request(
        metadata={"usage_object": usage},
        prompt_tokens=told_["prompt"],
        completion_tokens=told_["completion"],
        total_tokens=0,
    )
    found = tokens(scan(write(tmp_path_factory.mktemp("log"), row)))
    beside = told_["cached"] + told_["written"]
    whole = told_["prompt"] + (beside if beside > told_["prompt"] else 0)
    if beside and told_["prompt"] + told_["completion"] + beside == 0:
        return
    assert min(found.values(), default=0) >= 0
    assert sum(amount for name, amount in found.items() if name.endswith("input")) == whole
    assert sum(amount for name, amount in found.items() if name.endswith("output")) == told_["completion"]


def test_failed_and_cached_requests_keep_apart(tmp_path: Path) -> None:
    write(tmp_path, request(1), request(2, status="failure", spend=0), request(3, cache_hit="True", spend=0))
    by_status = sums([scan(tmp_path)], lambda row: row["tags"]["request-status"], "billed_cost")
    assert by_status == {"success": Decimal("0.00001418"), "failure": 0, "cached": 0}


def test_days_are_utc(tmp_path: Path) -> None:
    made = source(
        write(tmp_path, request(1, startTime="2026-03-31T23:30:00-01:00"), request(2, startTime="2026-03-31 23:59:59"))
    )
    assert [str(delivery.billing_period) for delivery in delivered(made)] == ["2026-03", "2026-04"]


def test_tags_of_strangers_are_values(tmp_path: Path) -> None:
    tags = ["cost-center:search", "cost-center:again", "plain", 'quote"]}:=x', "model:forged", "=cmd|' /C calc'!A0", ""]
    metadata = {"spend_logs_metadata": {"env": "prod", "cost_center": "other", 'a/b~c"d': {"x": 1}}}
    found = scan(write(tmp_path, request(request_tags=tags, metadata=metadata, model="'; DROP TABLE entry; --\u202e")))
    (labels,) = {json.dumps(row["tags"]) for row in _rows(found) if row["x_sku_group"] == "requests"}
    read = json.loads(labels)
    assert read["model"] == "'; DROP TABLE entry; --\u202e"
    assert read["env"] == "prod"
    assert read["plain"] == "true"
    assert read["cost-center"] in ("search", "other")


def _rows(found: Scan) -> list[dict[str, Any]]:
    return [{**row, "tags": json.loads(row["tags"])} for row in found.dimensions.to_pylist()]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b'{"request_id": "a"}\n{"request_id": \n', "is not whole"),
        (json.dumps(request(request_id="")).encode(), "log.jsonl:1: request_id: is empty"),
        (
            json.dumps(request(startTime="yesterday")).encode(),
            "startTime: is not an ISO 8601 time between 2000 and 2099 ('yesterday')",
        ),
        (json.dumps(request(spend="1,5")).encode(), "spend: is not a plain number that a bill can hold ('1,5')"),
        (json.dumps(request(spend="NaN")).encode(), "spend: is not a plain number"),
        (json.dumps(request(prompt_tokens=-4)).encode(), "prompt_tokens: is not a count of 0 or more ('-4')"),
        (json.dumps(request(prompt_tokens=1.5e30)).encode(), "prompt_tokens: is not a count"),
        (gzip.compress(json.dumps(request()).encode(), mtime=0)[:-12], "is cut short"),
        ("é".encode("latin-1"), "is not UTF-8"),
        (b"a,b\n1,2\n", "is not whole"),
    ],
)
def test_a_log_that_cannot_be_trusted_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "log.jsonl").write_bytes(content)
    (tmp_path / "whole.jsonl").write_text(json.dumps(request(5)))
    assert says in refusal(tmp_path)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    parquet.write_table(pa.Table.from_pylist([request(number) for number in range(999)]), file)
    whole = file.read_bytes()
    for damaged in (whole[:-10], whole[:99] + b"\xff" * 900 + whole[999:]):
        file.write_bytes(damaged)
        assert "log.parquet: is not whole" in refusal(tmp_path)


def test_problems_of_all_files_are_told(tmp_path: Path) -> None:
    write(tmp_path, request(1, spend="x"), name="a.jsonl")
    write(tmp_path, request(1), request(2, request_id=None), name="b.jsonl")
    said = refusal(tmp_path)
    assert "a.jsonl:1: spend" in said
    assert "b.jsonl:2: request_id" in said


def test_the_table_as_lines_array_gzip_or_parquet_is_one_log(tmp_path: Path) -> None:
    rows = [request(number, request_tags=json.dumps(["cost-center:search"]), metadata="{}") for number in range(5)]
    lines = write(tmp_path / "lines", *rows)
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "log.jsonl.gz").write_bytes(gzip.compress((lines / "log.jsonl").read_bytes()))
    array = tmp_path / "array"
    array.mkdir()
    (array / "log.json").write_text(json.dumps(rows, indent=2))
    table = tmp_path / "table"
    table.mkdir()
    parquet.write_table(pa.Table.from_pylist(rows), table / "log.parquet")
    cubes = [scan(folder) for folder in (lines, packed, array, table)]
    assert all(cube.dimensions.equals(cubes[0].dimensions) and cube.facts.equals(cubes[0].facts) for cube in cubes)
    assert cubes[0].control.billed_cost == {"USD": 5 * Decimal("0.00001418")}
