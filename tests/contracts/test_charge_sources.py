"""What every source of charges promises, over each kind's golden exports; then the shared exports to the last digit.

A golden case is `tests/golden/sources/KIND/CASE/bill/` with `cube.csv` and `totals.json` beside it.
FINOPS_WRITE_GOLDEN=1 writes the former; the latter is worked out apart from this code. `bill_files.FORMATS` says of
each kind how its bills are spoiled.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from finops_ai.domain import focus
from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.focus import canonical_tag
from finops_ai.domain.money import plain, total
from finops_ai.domain.period import BillingPeriod
from finops_ai.kinds import SOURCES
from finops_ai.sources.base import ChargeSource, Keep, Scan
from finops_ai.sources.mapping import plain as plain_name
from tests.contracts.bill_files import FORMATS, Bill, Format, PartFile
from tests.unit.sources.exports import KEEP, by_tag, delivered, source, sums

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "sources"
CASES = sorted((kind, folder) for kind in SOURCES for folder in (GOLDEN / kind).glob("*") if folder.is_dir())


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str
    folder: Path

    def source(self, keep: Keep = KEEP) -> ChargeSource:
        return source(SOURCES[self.kind], self.folder / "bill", keep)


@pytest.fixture(params=CASES, ids=lambda found: f"{found[0]}/{found[1].name}")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@cache
def read(case: Case) -> tuple[tuple[Delivery, Scan], ...]:
    made = case.source()
    return tuple((delivery, made.charges(delivery)) for delivery in delivered(made))


def test_every_kind_has_a_golden_case() -> None:
    assert {kind for kind, _ in CASES} == set(SOURCES)


def test_the_cube_is_the_golden_one(case: Case) -> None:
    text = cube(read(case))
    path = case.folder / "cube.csv"
    if os.environ.get("FINOPS_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="")
    assert text.splitlines() == path.read_text(encoding="utf-8").splitlines()


def cube(deliveries: Iterable[tuple[Delivery, Scan]]) -> str:
    names = ["billing_period", "day", *focus.MEASURES, *focus.DIMENSIONS]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for delivery, scan in deliveries:
        labels = {row["dimension"]: row for row in scan.dimensions.to_pylist()}
        for fact in scan.facts.to_pylist():
            amounts = {name: plain(fact[name]) for name in focus.MEASURES}
            writer.writerow({**labels[fact["dimension"]], **fact, **amounts, "billing_period": delivery.billing_period})
    return out.getvalue()


def test_the_formats_of_one_bill_are_one_cube() -> None:
    report, export = (GOLDEN / "aws_cur" / name / "cube.csv" for name in ("legacy", "export"))
    assert report.read_bytes() == export.read_bytes()


def test_reading_changes_nothing_and_reads_the_same_again(case: Case) -> None:
    before = {path: path.stat().st_mtime_ns for path in case.folder.rglob("*")}
    made = case.source()
    again = tuple((delivery, made.charges(delivery)) for delivery in delivered(made))
    assert {path: path.stat().st_mtime_ns for path in case.folder.rglob("*")} == before
    assert [delivery for delivery, _ in again] == [delivery for delivery, _ in read(case)]
    assert cube(again) == cube(read(case))
    assert [scan.problems for _, scan in again] == [scan.problems for _, scan in read(case)]


def test_periods_come_in_order_and_since_cuts_them(case: Case) -> None:
    periods = [delivery.billing_period for delivery, _ in read(case)]
    assert periods == sorted(set(periods))
    assert len({delivery.fingerprint for delivery, _ in read(case)}) == len(periods)
    assert [item.billing_period for item in case.source().deliveries(periods[-1])] == periods[-1:]
    assert list(case.source().deliveries(BillingPeriod(2099, 1))) == []


def test_the_tables_have_the_shape_of_the_cube(case: Case) -> None:
    for _, scan in read(case):
        texts = [pa.field(name, pa.string()) for name in focus.DIMENSIONS]
        assert scan.dimensions.schema == pa.schema([pa.field("dimension", pa.int32()), *texts])
        costs = [pa.field(name, pa.decimal128(38, 18)) for name in focus.MEASURES]
        assert scan.facts.schema == pa.schema([("dimension", pa.int32()), ("day", pa.date32()), *costs])
        assert scan.dimensions["dimension"].to_pylist() == list(range(scan.dimensions.num_rows))
        assert all(column.null_count == 0 for table in (scan.dimensions, scan.facts) for column in table.columns)
        tuples = scan.dimensions.drop_columns("dimension").to_pylist()
        assert len({tuple(row.values()) for row in tuples}) == len(tuples)
        pairs = scan.facts.select(["dimension", "day"]).to_pylist()
        assert len({tuple(pair.values()) for pair in pairs}) == len(pairs)


def test_dimensions_speak_focus(case: Case) -> None:
    for _, scan in read(case):
        for row in scan.dimensions.to_pylist():
            assert row["charge_category"] in focus.CHARGE_CATEGORIES
            assert row["provider_name"]
            assert row["service_name"]
            assert row["billing_currency"]
            for name, keep in (("tags", KEEP.tags), ("x_cost_categories", KEEP.cost_categories)):
                labels = json.loads(row[name])
                assert list(labels) == sorted(labels)
                assert all(canonical_tag(key) == key and key in keep for key in labels)
                assert all(isinstance(value, str) and value for value in labels.values())


def test_the_facts_come_to_the_control_total(case: Case) -> None:
    for _, scan in read(case):
        billed = {currency: cost for currency, cost in scan.billed().items() if cost}
        assert billed == {currency: cost for currency, cost in scan.control.billed_cost.items() if cost}
        assert scan.rows_rejected == 0
        assert all(problem.severity == "warning" for problem in scan.problems)


def test_keeping_more_labels_moves_no_money(case: Case) -> None:
    everything = case.source(Keep(tags=frozenset({"*"}), cost_categories=frozenset({"*"})))
    nothing = case.source(Keep(tags=frozenset(), cost_categories=frozenset()))
    for made in (everything, nothing):
        scans = [made.charges(delivery) for delivery in delivered(made)]
        assert [scan.control for scan in scans] == [scan.control for _, scan in read(case)]


def test_hours_add_up_to_their_days_and_nothing_else_is_read_differently(case: Case) -> None:
    made = case.source(dataclasses.replace(KEEP, hours=True))
    by_hour = tuple((delivery, made.charges(delivery)) for delivery in delivered(made))
    assert cube(by_hour) == cube(read(case))
    assert [scan.control for _, scan in by_hour] == [scan.control for _, scan in read(case)]
    fingerprints = {delivery.fingerprint for found in (by_hour, read(case)) for delivery, _ in found}
    assert len(fingerprints) == 2 * len(by_hour)
    for _, scan in by_hour:
        days = {(row["dimension"], row["day"]): row for row in scan.facts.to_pylist()}
        hours = {(row["dimension"], row["day"]): row for row in scan.hours.to_pylist()} if scan.hours else days
        assert hours.keys() == days.keys()
        for place, row in hours.items():
            for name in focus.BY_HOUR:
                told = row[name] if scan.hours else [row[name]]
                assert float(sum(told)) == pytest.approx(float(days[place][name]))
                assert not scan.hours or len(told) == 24


# --- bills that changed, were cut, drifted or lie: never another sum ------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Spoiled:
    """Copies of a golden bill, and how what is made of them is read."""

    case: Case
    folder: Path

    @property
    def form(self) -> Format:
        return FORMATS[self.case.kind]

    def copy(self, name: str = "bill") -> Bill:
        uris = [part.uri for delivery, _ in read(self.case) for part in delivery.parts]
        return Bill(self.case.folder / "bill", uris, self.folder / name, self.form)

    def source(self, bill: Bill, keep: Keep = KEEP) -> ChargeSource:
        return source(SOURCES[self.case.kind], bill.root, keep)

    def read(self, bill: Bill, keep: Keep = KEEP) -> tuple[tuple[Delivery, Scan], ...]:
        made = self.source(bill, keep)
        return tuple((delivery, made.charges(delivery)) for delivery in delivered(made))

    def refused(self, bill: Bill) -> list[Problem]:
        """Why a bill is refused, while it is listed or when it is read; what is read nevertheless is as it was."""
        made = self.source(bill)
        problems: list[Problem] = []
        before = {delivery.billing_period: cube([(delivery, scan)]) for delivery, scan in read(self.case)}
        for item in made.deliveries(None):
            if isinstance(item, Refusal):
                problems += item.problems
                continue
            try:
                scan = made.charges(item)
            except Malformed as error:
                problems += error.problems
            else:
                assert cube([(item, scan)]) == before.pop(item.billing_period)
        assert problems or not before, "a period is told no more, and nothing is said of it"
        assert all(problem.severity == "error" for problem in problems)
        return problems


@pytest.fixture
def spoiled(case: Case, tmp_path: Path) -> Spoiled:
    return Spoiled(case, tmp_path)


BASES = ("billed_cost", "effective_cost")


def whole(scan: Scan, measure: str) -> Decimal:
    return total(scan.facts[measure].to_pylist())


def named(problems: Iterable[Problem], part: PartFile) -> bool:
    """Whether a problem is told of a part; Azure's runs go by their name without the ending."""
    files = {problem.file.rsplit("/", 1)[-1] for problem in problems} - {""}
    return any(part.path.name.startswith(file) for file in files)


def test_every_kind_is_spoiled_in_its_own_way() -> None:
    assert set(FORMATS) == set(SOURCES)


def test_the_cube_comes_to_totals_that_others_computed(case: Case) -> None:
    """`totals.json` is worked out from the raw files by hand; no code of ours writes it."""
    truth = json.loads((case.folder / "totals.json").read_text())
    found: dict[str, Any] = {}
    for delivery, scan in read(case):
        by_currency = found.setdefault(str(delivery.billing_period), {})
        for measure in BASES:
            for currency, cost in sums(scan, "billing_currency", measure).items():
                by_currency.setdefault(currency, {})[measure] = plain(cost)
    assert found == truth


def test_what_was_taken_apart_and_put_together_is_the_same_bill(spoiled: Spoiled) -> None:
    """Or else the tests below would find what they made themselves."""
    bill = spoiled.copy()
    bill.save()
    assert cube(spoiled.read(bill)) == cube(read(spoiled.case))


def test_a_changed_amount_restates_its_period_alone(spoiled: Spoiled) -> None:
    before = {delivery.billing_period: (delivery, scan) for delivery, scan in read(spoiled.case)}
    for number, part in enumerate(spoiled.copy("as it was").parts):
        priced = [place for place, row in enumerate(part.rows) if spoiled.form.amount(row) is not None]
        if not priced:
            continue  # a report of use, not of cost
        bill = spoiled.copy(f"{number} changed")
        row = bill.parts[number].rows[priced[-1]]
        was = spoiled.form.amount(row)
        spoiled.form.charge(row, "1234.5")
        now = spoiled.form.amount(row)
        bill.save()
        after = {delivery.billing_period: (delivery, scan) for delivery, scan in spoiled.read(bill)}
        assert after.keys() == before.keys()
        (period,) = (period for period in after if cube([after[period]]) != cube([before[period]]))
        assert after[period][0].fingerprint != before[period][0].fingerprint
        moved = {basis: whole(after[period][1], basis) - whole(before[period][1], basis) for basis in BASES}
        assert was is not None
        assert now is not None
        assert now - was in moved.values(), moved


@pytest.mark.parametrize("place", [0.3, 1.0])
def test_a_part_that_was_cut_is_refused_by_name(spoiled: Spoiled, place: float) -> None:
    """Plain text is cut within a line below the first: between two of them nobody could see it."""
    bill = spoiled.copy()
    part = bill.parts[-1]
    content = part.path.read_bytes().rstrip(b"\n" if part.is_text else b"")
    end = min(int(len(content) * place), len(content) - 1)
    if part.is_lines:
        lines = content.splitlines(keepends=True)
        whole_lines = min(max(int(len(lines) * place), 1), len(lines) - 1)
        end = len(b"".join(lines[:whole_lines])) + len(lines[whole_lines]) // 2
    part.become(content[:end])
    bill.save()
    assert named(spoiled.refused(bill), part)


def test_rows_and_parts_may_come_in_any_order(spoiled: Spoiled) -> None:
    bill = spoiled.copy()
    for part in bill.parts:
        part.turn()
    bill.rotate()
    bill.save()
    assert cube(spoiled.read(bill)) == cube(read(spoiled.case))


def test_columns_that_nobody_knows_change_nothing(spoiled: Spoiled) -> None:
    bill = spoiled.copy()
    for part in bill.parts:
        part.add("x_new-in 2027", "1234.5")
    bill.parts[-1].add("Coût", "")
    bill.save()
    assert cube(spoiled.read(bill)) == cube(read(spoiled.case))


def test_a_column_that_must_be_there_is_missed_by_name(spoiled: Spoiled) -> None:
    bill = spoiled.copy()
    part = next(part for part in bill.parts if set(spoiled.form.required) & part.rows[0].keys())
    gone = part.drop(spoiled.form.required)
    bill.save()
    problems = spoiled.refused(bill)
    assert named(problems, part)
    told = {plain_name(problem.column or "") for problem in problems}
    assert any(name.endswith(plain_name(one)) for name in told for one in spoiled.form.required), (gone, problems)


def test_a_part_told_twice_counts_once_or_is_refused_by_name(spoiled: Spoiled) -> None:
    bill = spoiled.copy()
    copy = bill.copy(bill.parts[0], "part-9")
    bill.save()
    problems = spoiled.refused(bill)
    assert not problems or named(problems, copy) or named(problems, bill.parts[0])


def test_an_empty_part_is_refused_by_name(spoiled: Spoiled) -> None:
    """Nobody can tell it from a part whose upload was cut short at once."""
    bill = spoiled.copy()
    copy = bill.copy(bill.parts[0], "part-9")
    copy.become(b"")
    bill.save()
    assert named(spoiled.refused(bill), copy)


def test_a_part_without_rows_adds_nothing_or_is_refused_by_name(spoiled: Spoiled) -> None:
    bill = spoiled.copy()
    part = bill.copy(bill.parts[0], "part-9")
    part.clear()
    bill.save()
    problems = spoiled.refused(bill)
    assert not problems or named(problems, part)


HOSTILE = (
    "=cmd|' /C calc'!A0 '; DROP TABLE delivery; -- \"quoted\" <script>alert(1)</script> &amp; {{7*7}} %s {0} \\ \\n "
    f"{'77 KB' * 15_400} !!python/object:os.system {{a: [b]}} - # "
    "\x01\x07\x1b[2J\x7f\r\n\t\u202e\u2028\U0001f4b8 e\u0301."
)
NOTE = Keep(tags=frozenset({"note"}), cost_categories=frozenset())


@pytest.mark.parametrize("value", [HOSTILE, "a\0b"], ids=["hostile", "NUL"])
def test_text_comes_through_as_it_is(spoiled: Spoiled, value: str) -> None:
    """Only a NUL, which PostgreSQL's texts cannot hold, is shown as a replacement, or refused where a file has none."""
    bill = spoiled.copy()
    row = bill.parts[0].rows[-1]
    if spoiled.form.text:
        row[spoiled.form.text[0]] = value
    elif not isinstance(spoiled.form.tag, str):
        spoiled.form.tag(row, "note", value)
    bill.save()
    if bill.parts[0].header and b"\0" in bill.parts[0].plain():
        assert "NUL" in " ".join(problem.message for problem in spoiled.refused(bill))
        return
    dimensions = [row for _, scan in spoiled.read(bill, NOTE) for row in scan.dimensions.to_pylist()]
    if spoiled.form.text:
        found = {row[spoiled.form.text[1]] for row in dimensions}
    else:
        found = {json.loads(row["tags"]).get("note") for row in dimensions}
    assert value.replace("\0", "\N{REPLACEMENT CHARACTER}") in found


BOMB = gzip.compress(b" " * (1 << 20), mtime=0) * 1024
"""A megabyte that unpacks to a gigabyte."""

READ_ALL = """
import json, resource, sys
from pathlib import Path
from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import Malformed
from finops_ai.kinds import SOURCES
from tests.unit.sources.exports import source

resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
told = {}
for kind, root in json.loads(sys.argv[1]).items():
    told[kind] = []
    made = source(SOURCES[kind], root)
    for item in made.deliveries(None):
        try:
            told[kind] += item.problems if isinstance(item, Refusal) else made.charges(item).problems
        except Malformed as error:
            told[kind] += error.problems
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
told = {kind: [str(problem) for problem in problems] for kind, problems in told.items()}
print(json.dumps([int(peak.split()[1]) // 1024, told]))
"""
"""What is said of bills, and the peak of the memory (MiB) of reading them all."""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a program's memory is read from /proc")
def test_a_bomb_is_refused_by_name_in_bounded_memory(root: Path, tmp_path: Path) -> None:
    first = dict(reversed(CASES))
    bills = {kind: Spoiled(Case(kind, folder), tmp_path / kind).copy() for kind, folder in first.items()}
    for bill in bills.values():
        bill.parts[-1].become(BOMB)
        bill.save()
    roots = {kind: str(bill.root) for kind, bill in bills.items()}
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, json.dumps(roots)], cwd=root, capture_output=True, text=True, check=True
    )
    peak, told = json.loads(done.stdout)
    assert peak < 400
    for kind, bill in bills.items():
        assert bill.parts[-1].path.name in " ".join(told[kind]), kind


LOOK_ALIKES = (
    "cost-owner",
    "c\u043est-owner",
    "cost\u2010owner",
    "cost-own\u0435r",
    "\uff43ost-owner",
    "cost-owner\u200b",
)


def test_keys_that_only_look_alike_are_two_keys(spoiled: Spoiled) -> None:
    if isinstance(spoiled.form.tag, str):
        pytest.skip(spoiled.form.tag)
    bill = spoiled.copy()
    for number, key in enumerate(LOOK_ALIKES):
        spoiled.form.tag(bill.parts[0].rows[-1], key, str(number))
    bill.save()
    keep = Keep(tags=frozenset({"*"}), cost_categories=frozenset())
    found = [json.loads(row["tags"]) for _, scan in spoiled.read(bill, keep) for row in scan.dimensions.to_pylist()]
    wanted = {key: str(number) for number, key in enumerate(LOOK_ALIKES)}
    assert any(wanted.items() <= tags.items() for tags in found)


# --- shared exports: the totals that the simulator knows ------------------------------------------------------------

APRIL = "focus-1.x csv (month 2026-04)"

SHARED = [
    ("aws_cur", "aws-cur-legacy", "aws-cur-legacy/totals.json", None, "0"),
    ("aws_cur", "aws-cur2", "aws-cur2/totals.json", None, "1e-8"),
    ("focus_files", "aws-focus", "aws-focus/totals.json", None, "1e-8"),
    ("focus_files", "focus/focus-1.0.csv.gz", "focus/totals.json", APRIL, "0"),
    ("focus_files", "focus/focus-1.1.csv.gz", "focus/totals.json", APRIL, "0"),
    ("focus_files", "focus/focus-1.2.csv.gz", "focus/totals.json", APRIL, "0"),
    ("focus_files", "focus/focus-1.2-all.parquet", "focus/totals.json", "focus-1.2-all.parquet", "0"),
    ("focus_files", "azure/focus-1.0r2", "azure/totals-focus.json", None, "0"),
]

GROUPINGS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "by_day": lambda row: str(row["day"]),
    "by_service": lambda row: row["x_service_code"],
    "by_account": lambda row: row["sub_account_id"],
    "by_cost_center": by_tag("cost-center"),
    "by_model": by_tag("model", "(none)"),
}


def scans(shared: Path, kind: str, place: str) -> list[Scan]:
    made = source(SOURCES[kind], shared / "data" / place)
    return [made.charges(delivery) for delivery in delivered(made)]


def differences(found: Mapping[Any, Decimal], truth: Mapping[Any, str | Decimal]) -> dict[Any, Decimal]:
    names = found.keys() | truth.keys()
    return {name: abs(found.get(name, Decimal(0)) - Decimal(truth.get(name, 0))) for name in names}


@pytest.mark.shared
@pytest.mark.parametrize(("kind", "place", "totals", "part", "tolerance"), SHARED, ids=lambda value: str(value))
def test_shared_totals(shared: Path, kind: str, place: str, totals: str, part: str | None, tolerance: str) -> None:
    truth = json.loads((shared / "data" / totals).read_text())
    truth = truth[part] if part else truth
    read = scans(shared, kind, place)
    for basis in ("billed", "effective"):
        for grouping, key in GROUPINGS.items():
            if grouping == "by_service" and not place.startswith("aws-"):
                continue  # those totals go by the providers' own service codes, which FOCUS does not carry
            apart = differences(sums(read, key, f"{basis}_cost"), truth[basis][grouping])
            assert {name: by for name, by in apart.items() if by > Decimal(tolerance)} == {}, (basis, grouping)
        apart = differences(sums(read, lambda _: "", f"{basis}_cost"), {"": truth[basis]["total"]})
        assert apart[""] <= Decimal(tolerance)
    if "billed_by_charge_category" in truth:
        assert max(differences(sums(read, "charge_category"), truth["billed_by_charge_category"]).values()) <= Decimal(
            tolerance
        )
    assert all(problem.severity == "warning" for scan in read for problem in scan.problems)


@pytest.mark.shared
def test_shared_formats_of_one_bill_agree(shared: Path) -> None:
    """Legacy report, CUR 2.0 and AWS's FOCUS export: the same money by service, day, account and kind of charge."""
    places = (("aws_cur", "aws-cur-legacy"), ("aws_cur", "aws-cur2"), ("focus_files", "aws-focus"))
    legacy, *others = [scans(shared, kind, place) for kind, place in places]
    for names in (
        ("service_name", "x_service_code", "day", "sub_account_id"),
        ("charge_category", "charge_class", "charge_frequency", "pricing_category", "x_service_code"),
        ("service_category", "region_id", "consumed_unit", "billing_account_id", "invoice_issuer_name"),
        ("tags",),
    ):

        def key(row: dict[str, Any], names: tuple[str, ...] = names) -> tuple[str, ...]:
            return tuple(str(row[name]) for name in names)

        for measure in focus.MEASURES:
            truth = sums(legacy, key, measure)
            assert total(truth.values()) > 0
            for other in others:
                apart = differences(sums(other, key, measure), truth)
                assert {name: by for name, by in apart.items() if by > Decimal("1e-8")} == {}, (names, measure)


@pytest.mark.shared
def test_shared_april_is_the_restated_one(shared: Path) -> None:
    truth = json.loads((shared / "data/aws-cur-legacy/totals.json").read_text())
    april = scans(shared, "aws_cur", "aws-cur-legacy")[-1]
    days = {day: cost for day, cost in truth["billed"]["by_day"].items() if day.startswith("2026-04")}
    assert {str(day): cost for day, cost in sums(april, "day").items()} == {day: Decimal(c) for day, c in days.items()}


@pytest.mark.shared
def test_shared_real_focus_sample(shared: Path) -> None:
    truth = json.loads((shared / "data/focus/real-sample-1.0/totals.json").read_text())
    read = scans(shared, "focus_files", "focus/real-sample-1.0")
    assert sum(scan.control.rows for scan in read) == truth["rows"]
    for measure, key, expected in (
        ("billed_cost", "provider_name", "billed_by_ProviderName"),
        ("billed_cost", "billing_currency", "billed_by_BillingCurrency"),
        ("billed_cost", "charge_category", "billed_by_ChargeCategory"),
        ("billed_cost", "service_category", "billed_by_ServiceCategory"),
        ("effective_cost", "provider_name", "effective_by_ProviderName"),
        ("billed_cost", lambda row: str(row["day"]), "billed_by_day"),
    ):
        assert set(differences(sums(read, key, measure), truth[expected]).values()) == {0}, expected


@pytest.mark.shared
def test_shared_nise_report(shared: Path) -> None:
    """Output of another generator: covered usage and its negation cancel, so nothing of it is left untagged."""
    truth = json.loads((shared / "data/nise/totals.json").read_text())["aws"]
    read = scans(shared, "aws_cur", "nise/aws")
    assert sum(scan.control.rows for scan in read) == truth["rows"]
    assert set(differences(sums(read, "x_service_code"), truth["by_product"]).values()) == {0}
    assert set(differences(sums(read, lambda row: str(row["day"])), truth["by_day"]).values()) == {0}
    raw = {name: Decimal(cost) for name, cost in truth["by_cost_center"].items()}
    covered = Decimal(truth["by_line_item_type"]["SavingsPlanCoveredUsage"])
    expected = raw | {"(untagged)": raw["(untagged)"] + covered, "ml-serve": raw["ml-serve"] - covered}
    assert set(differences(sums(read, by_tag("cost-center")), expected).values()) == {0}


@pytest.mark.shared
def test_shared_usage(shared: Path) -> None:
    from finops_ai.domain.usage import ContainerUsage
    from finops_ai.sources import usage_files
    from tests.unit.sources.exports import WORLD

    place = shared / "data/k8s-usage"
    settings = usage_files.Settings(name="usage", uri=str(place / "container_usage_hourly.csv.gz"))
    made = usage_files.make(settings, WORLD)
    (reading,) = made.readings(datetime(2026, 5, 1, tzinfo=UTC))
    found = {usage.workload.name: usage for usage in made.usage(reading).usages if isinstance(usage, ContainerUsage)}
    truth = {fact["workload"]: fact for fact in json.loads((place / "facts.json").read_text())}
    assert found.keys() == truth.keys()
    for name, fact in truth.items():
        usage = found[name]
        assert (len(usage.hours), usage.oom_kills) == (fact["rows"], fact["oom_kills"])
        assert usage.cpu_request_cores == pytest.approx(fact["cpu_request_m"] / 1e3)
        assert usage.memory_request_bytes == fact["mem_request_mib"] * 2**20
        assert usage.cpu_cores_avg.mean() == pytest.approx(fact["cpu_avg_m"] / 1e3, abs=1e-9)
        assert usage.cpu_cores_max.max() == pytest.approx(fact["cpu_max_m"] / 1e3)
        assert usage.memory_bytes_max.max() == pytest.approx(fact["mem_max_mib"] * 2**20)
        assert usage.hours[0].date() >= date(2026, 4, 1)
