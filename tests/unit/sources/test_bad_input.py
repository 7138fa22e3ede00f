"""Damaged and dishonest files: refused or counted, told by file, line, column and value, never booked in silence."""

from __future__ import annotations

import dataclasses
import gzip
import io
import random
import resource
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.sources.staging import engine
from finops_ai.world.objects import FolderStore
from finops_ai.world.world import ObjectInfo
from tests.unit.sources.exports import (
    CHARGE,
    by_tag,
    charge,
    csv_text,
    cur,
    cur2_table,
    focus,
    legacy_csv,
    line,
    packed,
    scanned,
    sums,
    write_export,
    write_lines,
    write_report,
)

PART = "cur/acme/20260401-20260501/assembly-1/a.csv.gz"
TEXT = legacy_csv([line("Usage", str(n), tag_model=f"model-{n}") for n in range(1, 200)])


def refused(root: Path, content: bytes) -> Problem:
    """The one problem for which a report with this part is refused."""
    write_report(root, {"a.csv.gz": content})
    with pytest.raises(Malformed) as caught:
        scanned(cur(root))
    (problem,) = caught.value.problems
    assert problem.file == PART
    assert problem.severity == "error"
    return problem


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


GZIP = packed(TEXT)
PARQUET = parquet_bytes(cur2_table([line("Usage", str(n)) for n in range(200)]))


def zipped(*names: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, TEXT)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty (0 bytes)"),
        (gzip.compress(b"", mtime=0), "holds no header and no rows"),
        (b"\n\n", "holds no header and no rows"),
        (packed(TEXT.split("\n", 1)[0] + "\n"), "holds a header and no rows"),
        (GZIP[: len(GZIP) // 2], "is cut short"),
        (GZIP[:-1], "is cut short"),
        (GZIP[:-8], "is cut short"),
        (GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "CRC"),
        (GZIP[:-4] + b"\0\0\0\0", "Incorrect length"),
        (GZIP + b"garbage", "cannot be unpacked"),
        (GZIP[:60] + bytes([GZIP[60] ^ 0xFF]) + GZIP[61:], "cannot be unpacked"),
        (zipped("a.csv")[:-30], "cannot be unpacked"),
        (zipped("a.csv", "b.csv"), "holds 2 files"),
        (PARQUET[: len(PARQUET) // 2], "is not a whole Parquet file"),
        (PARQUET[:-1], "is not a whole Parquet file"),
        (b"PAR1", "is not a whole Parquet file"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "is damaged or not whole"),
        (TEXT.encode("utf-16"), "UTF-16: save or export it as UTF-8"),
        (TEXT.encode("utf-16-le"), "NUL bytes; is it UTF-16"),
        (b"\x00\x01\x02binary", "NUL bytes"),
        (TEXT.replace("model-100", "modèle").encode("latin-1"), "not UTF-8 (Latin-1"),
        (packed(TEXT + '1,"open'), "not CSV"),
        (packed(TEXT + "1,2,3\n"), "not CSV"),
        (packed(TEXT + "x" * 3_000_000 + "\n"), "not CSV"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",  # a ZIP has the time in it
)
def test_a_damaged_part_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refused(tmp_path, content).message


def test_a_foreign_letter_is_told_by_its_line(tmp_path: Path) -> None:
    assert refused(tmp_path, TEXT.replace("model-100", "modèle").encode("latin-1")).line == 101


@pytest.mark.parametrize(
    "ends",
    [
        lambda row: "\n" if row == 0 else "\r\n",
        lambda row: "\r\n" if row == 0 else "\n",
        lambda row: "\r\n" if row > 150 else "\n",
        lambda row: "\r\n\r\n" if row % 7 == 3 else "\n",
    ],
    ids=["header put before it", "header left of another", "appended to", "edited here and there"],
)
def test_lines_may_end_in_several_ways(tmp_path: Path, ends: Callable[[int], str]) -> None:
    rows = TEXT.replace("model-7\n", '"model|7"\n').rstrip("\n").split("\n")
    for name, ending in (("even", lambda row: "\n"), ("mixed", ends)):
        text = "".join(row + ending(i) for i, row in enumerate(rows))
        write_report(tmp_path / name, {"a.csv.gz": packed(text.replace("|", "\r\n"))})
    even, mixed = (scanned(cur(tmp_path / name)) for name in ("even", "mixed"))
    assert sums(mixed, by_tag("model")) == sums(even, by_tag("model"))
    assert len(sums(even, by_tag("model"))) == 199
    assert sums(mixed, by_tag("model"))["model\r\n7"] == 7


def test_a_line_end_within_a_name_is_told_in_words(tmp_path: Path) -> None:
    assert "a line end is out of place" in refused(tmp_path, packed(TEXT.replace("model-100", "mo\rdel-100"))).message


def test_a_broken_row_is_told_by_its_line(tmp_path: Path) -> None:
    assert refused(tmp_path, packed(TEXT + "1,2,3\n")).line == 201


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("content", [GZIP, PARQUET], ids=["gzip", "parquet"])
def test_no_cut_file_is_ever_read_in_part(tmp_path: Path, content: bytes, cut: float) -> None:
    refused(tmp_path, content[: int(len(content) * cut)])


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_is_refused_or_changes_nothing_that_counts(tmp_path: Path, seed: int) -> None:
    """gzip has a checksum; Parquet has none here, so a flip must at least never crash or lose a row unseen."""
    chance = random.Random(seed)
    for name, content in (("gzip", GZIP), ("parquet", PARQUET)):
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        write_report(tmp_path / name, {"a.csv.gz": bytes(damaged)})
        try:
            scan = scanned(cur(tmp_path / name))
        except Malformed:
            continue
        assert scan.control.rows == (199 if name == "gzip" else 200)
        assert sums(scan, "billing_currency") == scan.control.billed_cost


def test_one_damaged_part_among_many_is_named(tmp_path: Path) -> None:
    write_report(
        tmp_path, {"a.csv.gz": GZIP, "b.csv.gz": GZIP[:-9], "c.csv.gz": packed(legacy_csv([line()])), "d.csv.gz": b""}
    )
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    assert [problem.file.rsplit("/", 1)[-1] for problem in caught.value.problems] == ["b.csv.gz", "d.csv.gz"]


def test_a_damaged_page_is_blamed_on_its_part(tmp_path: Path) -> None:
    table = cur2_table([line("Usage", str(n)) for n in range(50_000)])
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd", use_dictionary=False)
    damaged = bytearray(sink.getvalue())
    meta = parquet.ParquetFile(sink).metadata.row_group(0)
    cost = next(
        meta.column(n) for n in range(meta.num_columns) if meta.column(n).path_in_schema == "line_item_unblended_cost"
    )
    damaged[cost.data_page_offset : cost.data_page_offset + 64] = bytes(64)
    write_export(tmp_path, {"a.parquet": table, "b.parquet": bytes(damaged)})
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    assert [problem.file.rsplit("/", 1)[-1] for problem in caught.value.problems] == ["b.parquet"]


def test_a_bomb_is_refused_in_bounded_room(tmp_path: Path) -> None:
    head = TEXT.encode()
    row = head.splitlines(keepends=True)[1]
    packer = zlib.compressobj(9, wbits=31)
    chunk = row * (1 + (1 << 20) // len(row))
    bomb = packer.compress(head) + b"".join(packer.compress(chunk) for _ in range(300)) + packer.flush()
    assert len(bomb) < 3 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "unpacks to more than" in refused(tmp_path, bomb).message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    zeros = zlib.compressobj(9, wbits=31)
    packed_zeros = zeros.compress(head) + b"".join(zeros.compress(bytes(1 << 20)) for _ in range(64)) + zeros.flush()
    assert "NUL bytes" in refused(tmp_path / "zeros", packed_zeros).message


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    write_lines(tmp_path, [line()])
    scanned(cur(tmp_path))
    refused(tmp_path / "bad", GZIP[:-1])
    with engine() as after:  # the one that the scans had, whose folder may be older than this test
        assert list(after.scratch.parent.iterdir()) == [after.scratch]
        assert list(after.scratch.iterdir()) == []
    assert {path.name[:12] for path in (tmp_path / "tmp").iterdir()} <= {"finops-scan-"}


# --- columns --------------------------------------------------------------------------------------------------------


def test_a_missing_column_is_named_with_what_it_may_be(tmp_path: Path) -> None:
    problem = refused(tmp_path, packed(TEXT.replace("lineItem/UnblendedCost", "lineItem/UnblendedCosts")))
    assert problem.column == "line_item_unblended_cost"
    assert problem.line == 1
    assert "did you mean 'lineItem/UnblendedCosts'?" in problem.message


def test_a_missing_focus_column_has_its_focus_name(tmp_path: Path) -> None:
    rows = [{name: value for name, value in CHARGE.items() if name not in ("EffectiveCost", "BillingCurrency")}]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    (refusal,) = focus(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert {problem.column for problem in refusal.problems} == {"EffectiveCost", "BillingCurrency"}


@pytest.mark.parametrize("twice", ["lineItem/UnblendedCost", "line_item_unblended_cost"])
def test_a_column_told_twice(tmp_path: Path, twice: str) -> None:
    head, body = TEXT.split("\n", 1)
    content = f"{head},{twice}\n" + "".join(f"{row},1\n" for row in body.splitlines())
    problem = refused(tmp_path, packed(content))
    assert problem.column == twice
    assert problem.line == 1


# --- values ---------------------------------------------------------------------------------------------------------

NOT_NUMBERS = ["1,5", "1.234,56", "1 000", "1_000", "$1", "USD", "0x10", "--1", "1e", "١٢", "true", "1.5.2"]
NOT_FINITE = ["NaN", "nan", "Infinity", "-inf", "+Infinity"]
TOO_LARGE = ["1e400", "1e20", "-1e21", "123456789012345678901"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        *((value, "is not a plain decimal number") for value in NOT_NUMBERS),
        *((value, "is not a finite number") for value in NOT_FINITE),
        *((value, "is beyond the range") for value in TOO_LARGE),
        ("", "is empty"),
    ],
)
def test_a_cost_that_is_none_refuses_the_delivery(tmp_path: Path, value: str, message: str) -> None:
    write_lines(tmp_path, [line(), line("Usage", value), line()])
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    assert (caught.value.rows, caught.value.rejected) == (3, 1)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.value) == (3, "lineItem/UnblendedCost", value or None)
    assert message in problem.message


@pytest.mark.parametrize("value", [" 1.5 ", "1e3", "1E-7", ".5", "5.", "+5", "-0", "99999999999999999999", "1.0e+2"])
def test_a_cost_may_be_written_in_any_plain_way(tmp_path: Path, value: str) -> None:
    write_lines(tmp_path, [line("Usage", value)])
    assert scanned(cur(tmp_path)).control.billed_cost == {"USD": Decimal(value.strip())}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300, None])
def test_a_double_that_is_no_cost(tmp_path: Path, value: float | None) -> None:
    table = cur2_table([line(), line("Usage", "7"), line()], lambda text: value if text == "7" else float(text))
    write_export(tmp_path, {"a.parquet": table})
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("data-exports/acme/data/BILLING_PERIOD=2026-04/a.parquet", 2)
    assert problem.column == "line_item_unblended_cost"
    assert problem.value == (None if value is None else str(value).lower().replace("e+", "e+"))


@pytest.mark.parametrize("value", ["NaN", "1,5", "1e400"])
def test_a_bad_value_in_an_optional_cost_is_no_null_either(tmp_path: Path, value: str) -> None:
    write_lines(tmp_path, [line(pricing_public_on_demand_cost=value)])
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    assert caught.value.problems[0].column == "pricing/publicOnDemandCost"


@pytest.mark.parametrize(
    "value", ["", "4/2/26", "01.04.2026", "2026-02-30", "yesterday", "infinity", "1999-12-31", "2100-01-01", "20260401"]
)
def test_a_date_that_is_none(tmp_path: Path, value: str) -> None:
    write_lines(tmp_path, [line(line_item_usage_start_date=value)])
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.value) == (2, "lineItem/UsageStartDate", value or None)


def test_a_line_without_a_currency(tmp_path: Path) -> None:
    write_lines(tmp_path, [line(), line(line_item_currency_code="")])
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.message) == (3, "lineItem/CurrencyCode", "is empty")


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    """Fields with line ends in them and blank lines shift every line that follows."""
    rows = [line(tag_model="a\nb\r\nc"), line(), line("Usage", "bad")]
    write_report(tmp_path, {"a.csv.gz": packed("\n" + legacy_csv(rows).replace("\n", "\n\n"))})
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    text = "\n" + legacy_csv(rows).replace("\n", "\n\n")
    number = next(n for n, found in enumerate(text.split("\n"), 1) if ",bad," in found)
    assert caught.value.problems[0].line == number


def test_problems_are_few_and_the_count_is_whole(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("Usage", f"bad-{n}") for n in range(300)], parts=2)
    with pytest.raises(Malformed) as caught:
        scanned(cur(tmp_path))
    assert (caught.value.rows, caught.value.rejected, len(caught.value.problems)) == (300, 300, 20)


def test_a_bad_line_may_be_left_out_by_configuration(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("Usage", "1"), line("Usage", "NaN"), line("Usage", "2", line_item_currency_code="")])
    scan = scanned(cur(tmp_path, max_rejected_rows=2))
    assert scan.rows_rejected == 2
    assert scan.control.rows == 1
    assert scan.control.billed_cost == {"USD": 1} == sums(scan, "billing_currency")
    assert [(problem.line, problem.severity) for problem in scan.problems] == [(3, "error"), (4, "error")]
    with pytest.raises(Malformed):
        scanned(cur(tmp_path, max_rejected_rows=1))


def test_costs_that_together_leave_the_range_are_refused(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("Usage", "99999999999999999999")] * 3)
    with pytest.raises(Malformed, match="add up to too much"):
        scanned(cur(tmp_path))


def test_a_part_that_is_not_as_long_as_its_listing(tmp_path: Path) -> None:
    class Longer(FolderStore):
        def list(self, prefix: str = "") -> list[ObjectInfo]:
            return [dataclasses.replace(info, size_bytes=info.size_bytes + 1) for info in super().list(prefix)]

    write_lines(tmp_path, [line()])
    source = dataclasses.replace(cur(tmp_path), store=Longer(tmp_path), _listed={})
    with pytest.raises(Malformed, match="bytes long and was listed with"):
        scanned(source)


def test_a_bad_focus_line_is_told_by_its_focus_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text([charge(), charge(EffectiveCost="NULL"), charge(BillingCurrency="null")]))
    with pytest.raises(Malformed) as caught:
        scanned(focus(tmp_path))
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [
        (3, "EffectiveCost"),
        (4, "BillingCurrency"),
    ]


def test_a_line_that_names_no_billing_period_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text([charge(), charge(BillingPeriodStart="soon")]))
    with pytest.raises(Malformed) as caught:
        scanned(focus(tmp_path))
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(3, "BillingPeriodStart")]
