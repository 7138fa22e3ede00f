"""What a command prints: exact for programs, readable for people, harmless for both."""

import csv
import io
import json
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.cli.show import PIPE_COLUMNS, show
from finops_ai.domain.money import Money, plain


class State(StrEnum):
    OPEN = "open"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(rows, output, columns=None, stream=None):
    stream = stream or io.StringIO()
    show(rows, columns, output, stream)
    return stream.getvalue()


ROW = {
    "day": date(2026, 4, 1),
    "scope": "search",
    "cost": Decimal("1234567.890000000000000000"),
    "state": State.OPEN,
    "note": None,
    "excess": Money(Decimal("-3.5"), "USD"),
    "where": {"x_cost_center": "search", "shares": [Decimal("0.25"), 1]},
    "sure": True,
    "rows": 12345,
}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.dates()
    | st.text()
    | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
tables = st.lists(st.dictionaries(st.text(max_size=8), anything, max_size=4), max_size=4)


def test_json_keeps_order_and_every_digit():
    told = json.loads(shown([ROW], "json"))
    assert told == [
        {
            "day": "2026-04-01",
            "scope": "search",
            "cost": "1234567.89",
            "state": "open",
            "note": None,
            "excess": {"amount": "-3.50", "currency": "USD"},
            "where": {"x_cost_center": "search", "shares": ["0.25", 1]},
            "sure": True,
            "rows": 12345,
        }
    ]
    assert list(told[0]) == list(ROW)


def test_csv_has_a_header_and_numbers_that_stay_numbers():
    header, row = csv.reader(io.StringIO(shown([ROW], "csv")))
    assert header == list(ROW)
    assert row[:5] == ["2026-04-01", "search", "1234567.89", "open", ""]
    assert json.loads(row[5]) == {"amount": "-3.50", "currency": "USD"}
    assert row[7:] == ["true", "12345"]
    assert shown([{"cost": Decimal("-5"), "rows": -5}], "csv") == "cost,rows\n-5.00,-5\n"


def test_table_is_for_people():
    header, rule, row = shown([ROW], "table").rstrip("\n").splitlines()
    assert header.split() == list(ROW)
    assert set(rule) == {"─"}
    assert "1,234,567.89" in row
    assert "-3.50 USD" in row
    assert "x_cost_center=search, shares=0.25, 1" in row
    assert "12,345" in row


def test_numbers_line_up_on_the_right():
    lines = shown([{"cost": Decimal("1.5"), "who": "a"}, {"cost": Decimal("1000"), "who": "b"}], "table").splitlines()
    assert [line.rstrip() for line in lines[2:]] == ["    1.50   a", "1,000.00   b"]


def test_a_small_amount_is_not_rounded_away():
    assert "0.0012" in shown([{"cost": Decimal("0.0012")}], "table")
    assert "-0.00" not in shown([{"cost": Decimal("-0.0012")}], "table").replace("-0.0012", "")


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_columns_pick_and_order(output):
    told = shown([{"a": 1, "b": 2}], output, columns=["c", "b"])
    assert "a" not in told.replace("null", "")
    assert told.index("c") < told.index("b")


def test_no_rows():
    assert shown([], "json") == "[]\n"
    assert shown([], "csv", columns=["a", "b"]) == "a,b\n"
    assert shown([], "table", columns=["a", "b"]).split("\n")[0].split() == ["a", "b"]
    assert shown([], "table") == ""


def test_rows_may_differ():
    rows = [{"a": 1}, {"b": 2}]
    assert shown(rows, "csv") == "a,b\n1,\n,2\n"
    assert json.loads(shown(rows, "json", columns=["a", "b"])) == [{"a": 1, "b": None}, {"a": None, "b": 2}]


def test_unknown_values_are_refused():
    for output in ("table", "json", "csv"):
        with pytest.raises(TypeError, match="cannot show a complex"):
            shown([{"a": 1j}], output)


def test_timestamps_are_iso():
    moment = datetime(2026, 4, 1, 5, tzinfo=UTC)
    for output in ("table", "json", "csv"):
        assert "2026-04-01T05:00:00+00:00" in shown([{"at": moment}], output)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"]
)
def test_csv_text_is_not_run_by_a_spreadsheet(text):
    for row in ({"tag": text}, {text: "tag"}):
        cells = [cell for line in csv.reader(io.StringIO(shown([row], "csv"), newline="")) for cell in line]
        assert f"'{text}" in cells


def test_csv_shows_what_would_overwrite_a_line():
    assert shown([{"tag": "harmless\r=1\x1b[2K"}], "csv") == "tag\nharmless\\r=1\\x1b[2K\n"


def test_markup_is_text():
    assert "[bold red]x[/] :smile:" in shown([{"tag": "[bold red]x[/] :smile:"}], "table")


def test_a_pipe_gets_no_colours_and_a_terminal_folds():
    row = [{"tag": "x" * 300, "other": "y"}]
    piped = shown(row, "table")
    assert "\x1b" not in piped
    assert max(map(len, piped.splitlines())) == PIPE_COLUMNS
    assert piped.count("x") == 300
    assert "\x1b" in shown(row, "table", stream=Terminal())


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    told = shown([{"tag": "x"}], "table", stream=Terminal())
    assert not any(f"\x1b[{code}m" in told for code in range(30, 50))


def test_columns_of_the_environment_are_honoured(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, shown([{"tag": "x" * 300}], "table").splitlines())) == 60


def test_data_is_utf8_whatever_the_locale():
    for output, expected in (("json", "é"), ("csv", "é"), ("table", "?")):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        show([{"a": "é"}], None, output, stream)
        stream.flush()
        assert expected in raw.getvalue().decode()


def acting(text):
    return [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]


@given(tables)
def test_json_can_be_read_back_and_does_nothing(rows):
    text = shown(rows, "json")
    assert [list(row) for row in json.loads(text)] == [list(row) for row in rows]
    assert acting(text) == []
    text.encode()


@given(st.lists(st.dictionaries(st.text(max_size=8), st.text(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_json_returns_every_text_as_it_was(rows):
    assert json.loads(shown(rows, "json")) == rows


@given(tables)
def test_a_table_does_nothing(rows):
    assert acting(shown(rows, "table")) == []


@given(tables)
def test_csv_is_rectangular_and_no_text_runs(rows):
    text = shown(rows, "csv")
    read = list(csv.reader(io.StringIO(text, newline="")))
    names = list(dict.fromkeys(name for row in rows for name in row))
    if names:
        assert len(read) == len(rows) + 1
        assert {len(line) for line in read} == {len(names)}
        for row, line in zip(rows, read[1:], strict=True):
            for name, cell in zip(names, line, strict=True):
                if isinstance(row.get(name), str):
                    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "\x1b" not in text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18))
def test_money_keeps_every_digit(amount):
    assert Decimal(json.loads(shown([{"cost": amount}], "json"))[0]["cost"]) == amount
    assert shown([{"cost": amount}], "csv") == f"cost\n{plain(amount)}\n"
