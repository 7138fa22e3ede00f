from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from finops_ai.config import Config, Kinds, effective, load, schema, starter, unset_secrets
from finops_ai.config.document import LARGEST_TREE, parse
from finops_ai.domain.episode import Severity
from finops_ai.domain.errors import ConfigError
from finops_ai.world.secrets import SecretRef, Secrets


class Bill(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["bill"]
    name: str
    uri: str
    region: str | None = None
    settle_days: int = 1


class Pager(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pager"]
    name: str
    routing_key: SecretRef
    url: str = "https://pager.example"


def plug_in(settings: type[BaseModel]) -> ModuleType:
    module = ModuleType(settings.__name__)
    module.Settings = settings  # type: ignore[attr-defined]
    return module


KINDS = Kinds(
    sources={"bill": plug_in(Bill)}, usage={}, sinks={"pager": plug_in(Pager)}, forges={"bill": plug_in(Bill)}
)
Loads = Callable[..., Config]


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Loads a text written to config/finops.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()

    def run(text: str | bytes, environ: Mapping[str, str] | None = None) -> Config:
        Path("config/finops.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(None, environ or {}, KINDS)

    return run


@pytest.fixture
def refused(loads: Loads) -> Callable[..., list[str]]:
    """Lines of the error that a text meets."""

    def run(text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loads(text, environ)
        assert str(caught.value) == "\n".join(map(str, caught.value.problems))
        return str(caught.value).splitlines()

    return run


def test_a_file_with_nothing_but_sources_is_enough(loads: Loads, tmp_path: Path) -> None:
    config = loads('sources:\n  - {name: acme, kind: bill, uri: "file:///x"}\n')
    assert config.sources == (Bill(kind="bill", name="acme", uri="file:///x"),)
    assert (config.usage, config.sinks, config.forges, config.database_url) == ((), (), (), None)
    assert config.allocation.cost_center == ("tag:cost-center", "tag:cost_center")
    assert config.allocation.ai_model == ("tag:model",)
    assert config.allocation.environment == ("tag:env", "tag:environment")
    assert config.home == tmp_path / ".finops"
    assert config.report_folder == tmp_path / ".finops" / "reports"


def test_without_a_file_the_environment_is_enough_but_a_named_file_must_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = {"NAME": "a", "KIND": "bill", "URI": "s3://b/c"}
    config = load(None, {f"FINOPS__SOURCES__0__{key}": value for key, value in source.items()}, KINDS)
    assert config.path is None
    assert config.sources == (Bill(kind="bill", name="a", uri="s3://b/c"),)
    with pytest.raises(ConfigError, match=r"^other\.yaml no such file: write one with `finops-ai init other\.yaml`$"):
        load(Path("other.yaml"), {}, KINDS)


def test_values_mean_what_the_schema_says_and_numbers_lose_nothing(loads: Loads) -> None:
    config = loads("""
allocation:
  accounts: {000123: search, 1.10: "no"}
  shared: [{pool: support, match: {service_name: Support*}, method: fixed, shares: {a: 33.3, b: 66.7}}]
  patterns: [{key: "tag:team", glob: x*, x_ai_model: 007}]
detect: {floor: {usd: 0.10, "*": 1e2}, page_at: critical}
recommend: {min_saving: 12.345678901234567890}
schedule: {ingest: "5 4 * * mon-fri", deliver: , time_zone: Europe/Berlin}
forecast: {prophet: off}
""")
    assert config.allocation.accounts == {"000123": "search", "1.10": "no"}
    assert config.allocation.patterns[0].x_ai_model == "007"
    assert config.allocation.shared[0].shares == {"a": Decimal("33.3"), "b": Decimal("66.7")}
    assert config.detect.floor == {"USD": Decimal("0.10"), "*": Decimal(100)}
    assert config.detect.page_at is Severity.CRITICAL
    assert config.recommend.min_saving == {"*": Decimal("12.345678901234567890")}
    assert config.schedule.lines()["ingest"] == "5 4 * * mon-fri"
    assert "deliver" not in config.schedule.lines()
    assert config.forecast.prophet is False


def test_every_problem_is_told_at_once_and_where_it_stands(refused: Callable[..., list[str]]) -> None:
    text = """\
sources:
  - {name: a, kind: bill, ur: "s3://b/c"}
  - {name: a, kind: bil, uri: x}
  - {name: "a/../b", uri: x}
  - plain
detct: {}
forecast:
  horizon_days: 0
  horizon: 3
  horizon_days: 4
detect:
  floor: {usd: 3x, EURO: 5}
  page_at: loud
schedule: {ingest: "* * * *", report: "0 6 * * 1", time_zone: Mars/Base}
allocation:
  cost_center: ["tags:x"]
  patterns: [{key: service_name, glob: "x*"}]
  accounts: {1: (untagged)}
  shared: [{pool: p, match: {service: x}}, {pool: q, match: {service_name: x}, method: fixed, shares: {a: 2}}]
recommend:
"""
    place = "config/finops.yaml"
    assert refused(
        text, {"FINOPS__FORECAST__COST_BASIS": "net", "FINOPS__SOURCES__9__URI": "x", "FINOPS__REPORT": "x"}
    ) == [
        f"{place}:2:5 sources.0.uri: is required",
        f"{place}:2:27 sources.0.ur: unknown key; did you mean uri?",
        f"{place}:3:12 sources.1.name: 'a' is the name of an earlier one",
        f"{place}:3:21 sources.1.kind: unknown kind 'bil'; did you mean bill?",
        f"{place}:4:5 sources.2.kind: is required; known are bill",
        f"{place}:4:12 sources.2.name: must be 1 to 63 letters, digits, '-', '_' and '.', the first no sign",
        f"{place}:5:5 sources.3: must be a mapping with `name` and `kind`",
        f"{place}:6:1 detct: unknown key; did you mean detect?",
        f"{place}:8:17 forecast.horizon_days: must be at least 1, not '0'",
        f"{place}:9:3 forecast.horizon: unknown key; did you mean horizon_days?",
        f"{place}:10:3 forecast.horizon_days: is written twice, first in line 8",
        f"{place}:12:16 detect.floor.usd: must be a number, not '3x'",
        f"{place}:12:26 detect.floor.EURO: 'EURO' is not a currency: write three letters such as USD",
        f"{place}:13:12 detect.page_at: must be 'info', 'warning', 'error' or 'critical', not 'loud'",
        f"{place}:14:20 schedule.ingest: '* * * *' is not a cron line (minute hour day month weekday): "
        "Wrong number of fields; got 4, expected 5",
        f"{place}:14:39 schedule.report: '0 6 * * 1': write weekdays as mon, tue … sun; "
        "numbers mean different days to different programs",
        f"{place}:14:63 schedule.time_zone: 'Mars/Base' is not a time zone: write one such as UTC or Europe/Berlin",
        f"{place}:16:17 allocation.cost_center.0: 'tags:x' is not a rule: "
        "write tag:NAME, cost_category:NAME or a column such as service_name",
        f"{place}:17:14 allocation.patterns.0: says nothing: name x_cost_center, x_ai_model or x_environment",
        f"{place}:18:17 allocation.accounts.1: '(untagged)' cannot be a value: "
        "it is blank or stands for a charge nothing placed",
        f"{place}:19:12 allocation.shared.0: match: 'service' is not a column; did you mean service_name?",
        f"{place}:19:44 allocation.shared.1: shares: must be positive and add up to 1 or 100, not 2",
        "env FINOPS__FORECAST__COST_BASIS forecast.cost_basis: must be 'billed' or 'effective', not 'net'",
        "env FINOPS__REPORT report: must be a mapping of keys to values, not 'x'",
        "env FINOPS__SOURCES__9__URI sources is a list of 4: write a position from 0 to 4, not 9",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n\t- b", "config/finops.yaml:2:1 not YAML: while scanning for the next token, found character '\\t'"),
        ("sources: [", "config/finops.yaml:1:11 not YAML: while parsing a flow node"),
        ("sources: []\n---\nsources: []", "config/finops.yaml:2:1 not YAML: expected a single document"),
        ("a: *b", "config/finops.yaml:1:4 not YAML: found undefined alias"),
        ("- x", "config/finops.yaml:1:1 the file must be a mapping"),
        ("just text", "config/finops.yaml:1:1 the file must be a mapping"),
        ("usage: &a [*a]", "config/finops.yaml:1:8 usage.0: an alias that contains itself has no end"),
        ("ledger: !!python/object:os.system x", "config/finops.yaml:1:9 ledger: the tag "),
        ("? [a]\n: b", "config/finops.yaml:1:3 a key must be plain text"),
        (b"\xff\xfea", "config/finops.yaml is not UTF-8: byte 0"),
        ("a: b\0", "config/finops.yaml not YAML: "),
        ("[" * 600, "config/finops.yaml nested too deeply"),
        ("x" * 1_100_000, "config/finops.yaml is larger than"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(refused: Callable[..., list[str]], text: str | bytes, line: str) -> None:
    assert refused(text)[0].startswith(line)


def test_aliases_are_welcome_but_cannot_grow_without_end(loads: Loads, refused: Callable[..., list[str]]) -> None:
    config = loads("""
sources:
  - &first {name: a, kind: bill, uri: &uri "s3://b/c", region: eu-west-1}
  - {<<: *first, name: b}
  - {<<: [*first, {settle_days: 3}], name: c, uri: *uri}
""")
    assert [(source.name, source.uri, source.region) for source in config.sources] == [  # type: ignore[attr-defined]
        (name, "s3://b/c", "eu-west-1") for name in "abc"
    ]
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    (line,) = refused(f"l0: &l0 x\n{layers}\n")
    assert f"more than {LARGEST_TREE} values" in line


def test_the_environment_comes_over_the_file(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "basis").write_text("billed\n")
    environ = {
        "FINOPS__FORECAST__HORIZON_DAYS": "9",
        "FINOPS__FORECAST__COST_BASIS_FILE": str(tmp_path / "basis"),
        "FINOPS__FORECAST__PROPHET": "",
        "FINOPS__SOURCES__0__URI": "s3://other",
        **{
            f"FINOPS__SOURCES__{n}__{key}": text
            for n in range(1, 12)
            for key, text in (("NAME", f"s{n}"), ("KIND", "bill"))
        },
        **{f"FINOPS__SOURCES__{n}__URI": f"s3://b{n}" for n in range(1, 12)},
        "FINOPS__DETECT__FLOOR__USD": "2.50",
        "FINOPS__DETECT__FLOOR__EUR": "3",
        "FINOPS__ALLOCATION__ACCOUNTS__0123": "search",
        "FINOPS__ALLOCATION__AI_MODEL__0": "tag:llm",
        "FINOPS_HOME": str(tmp_path / "home"),
        "UNRELATED__THING": "x",
    }
    config = loads(
        'sources: [{name: s0, kind: bill, uri: "s3://a"}]\nforecast: {horizon_days: 30}\ndetect: {floor: {USD: 1}}\n',
        environ,
    )
    assert (config.forecast.horizon_days, config.forecast.cost_basis, config.forecast.prophet) == (9, "billed", True)
    assert [source.name for source in config.sources] == [f"s{n}" for n in range(12)]
    assert config.sources[0].uri == "s3://other"  # type: ignore[attr-defined]
    assert config.detect.floor == {"USD": Decimal("2.50"), "EUR": Decimal(3)}
    assert (config.allocation.accounts, config.allocation.ai_model) == ({"0123": "search"}, ("tag:llm",))
    assert config.home == tmp_path / "home"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"FINOPS__X": "1"}, "env FINOPS__X x: unknown key; known are allocation, changes, currencies,"),
        (
            {"FINOPS__FORECAST__HORIZON": "1"},
            "env FINOPS__FORECAST__HORIZON forecast.horizon: unknown key; did you mean",
        ),
        ({"FINOPS____A": "1"}, "env FINOPS____A names no key"),
        (
            {"FINOPS__FORECAST__PROPHET__X": "1"},
            "env FINOPS__FORECAST__PROPHET__X forecast.prophet is a single value: it has no x",
        ),
        (
            {"FINOPS__FORECAST__PROPHET_FILE": "/nowhere"},
            "env FINOPS__FORECAST__PROPHET_FILE value file: cannot read /nowhere",
        ),
        (
            {"FINOPS__FORECAST__PROPHET_FILE": "x", "FINOPS__FORECAST__PROPHET": "true"},
            "env FINOPS__FORECAST__PROPHET_FILE FINOPS__FORECAST__PROPHET is set as well",
        ),
        (
            {"FINOPS_DATABASE_URL_FILE": "/nowhere"},
            "config/finops.yaml ledger.url: FINOPS_DATABASE_URL_FILE: cannot read",
        ),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(
    refused: Callable[..., list[str]], environ: dict[str, str], line: str
) -> None:
    (told,) = refused("forecast: {prophet: true}", environ)
    assert told.startswith(line)


def test_secrets_are_references_in_the_file_and_text_in_the_environment_only(
    loads: Loads, refused: Callable[..., list[str]], tmp_path: Path
) -> None:
    inline = """
sinks: [{name: p, kind: pager, routing_key: R0UT1NGKEY}]
ledger: {url: postgresql://u:pa55word@h/d}
password: pa55word
"""
    lines = refused(inline, {"FINOPS__TOKEN": "t0k3n-value"})
    assert len(lines) == 4
    assert "a secret is never written here: name an environment variable, {env: NAME}, or a file" in lines[0]
    for hidden in ("R0UT1NGKEY", "pa55word", "t0k3n-value"):
        assert hidden not in "\n".join(lines)

    (tmp_path / "key").write_text("the key")
    referring = "sinks: [{name: p, kind: pager, routing_key: {env: PAGER_KEY}}]"
    for environ, reference in (
        ({}, SecretRef(env="PAGER_KEY")),
        ({"FINOPS__SINKS__0__ROUTING_KEY": "the key"}, SecretRef(env="FINOPS__SINKS__0__ROUTING_KEY")),
        ({"FINOPS__SINKS__0__ROUTING_KEY_FILE": f"{tmp_path}/key"}, SecretRef(file=f"{tmp_path}/key")),
    ):
        config = loads(referring, environ)
        assert config.sinks[0].routing_key == reference  # type: ignore[attr-defined]
        wrong = unset_secrets(config, Secrets(environ))
        assert [str(problem) for problem in wrong] == (
            []
            if environ
            else [
                "config/finops.yaml:1:45 sinks.0.routing_key: PAGER_KEY is not set: "
                "export PAGER_KEY, or PAGER_KEY_FILE with the path of a file that holds it"
            ]
        )


@pytest.mark.parametrize(
    ("text", "environ", "origin"),
    [
        ("{}", {"FINOPS_DATABASE_URL": "postgresql://u:pw@h/d"}, "env FINOPS_DATABASE_URL"),
        (
            "ledger: {url: {env: DB}}",
            {"DB": "postgresql://u:pw@h/d", "FINOPS_DATABASE_URL": "x"},
            "config/finops.yaml:1:15",
        ),
        ("{}", {"FINOPS__LEDGER__URL": "postgresql://u:pw@h/d"}, "env FINOPS__LEDGER__URL"),
    ],
)
def test_the_database_is_named_by_file_or_environment(
    loads: Loads, text: str, environ: dict[str, str], origin: str
) -> None:
    config = loads(text, environ)
    assert config.database_url is not None
    assert config.database_url.get_secret_value() == "postgresql://u:pw@h/d"
    assert {"key": "ledger.url", "value": "***", "origin": origin} in effective(config)
    assert "pw" not in repr(config)


def test_the_forge_of_recommendations_must_exist(loads: Loads, refused: Callable[..., list[str]]) -> None:
    text = "forges: [{name: infra, kind: bill, uri: x}]\nrecommend: {forge: %s}"
    assert loads(text % "infra").recommend.forge == "infra"
    assert refused(text % "infar") == [
        "config/finops.yaml:2:20 recommend.forge: no forge has the name 'infar'; did you mean infra?"
    ]


def test_effective_values_tell_their_origin_and_no_secret(loads: Loads) -> None:
    config = loads(
        "sinks:\n"
        '  - {name: p, kind: pager, routing_key: {env: KEY}, url: "https://u:pa55@h/?token=t0k"}\n'
        "detect: {floor: 7}\n",
        {"FINOPS__FORECAST__PROPHET": "no", "FINOPS__RECOMMEND__MIN_SAVING__EUR": "4", "KEY": "s3cret"},
    )
    rows = {row["key"]: (row["value"], row["origin"]) for row in effective(config)}
    assert rows["sinks.0.routing_key"] == ("*** (env KEY)", "config/finops.yaml:2:41")
    assert rows["sinks.0.url"] == ("https://***@h/?token=***", "config/finops.yaml:2:58")
    assert rows["detect.floor.*"] == ("7", "config/finops.yaml:3:17")
    assert rows["forecast.prophet"] == ("false", "env FINOPS__FORECAST__PROPHET")
    assert rows["recommend.min_saving.EUR"] == ("4", "env FINOPS__RECOMMEND__MIN_SAVING__EUR")
    assert rows["forecast.horizon_days"] == ("62", "default")
    assert rows["sinks.0.kind"][1].startswith("config/finops.yaml:2")
    assert len(rows) == len(effective(config))


def test_the_json_schema_knows_every_plug_in_and_says_the_same_as_the_program(loads: Loads) -> None:
    described = schema(KINDS)
    Draft202012Validator.check_schema(described)
    validator = Draft202012Validator(described)
    good = """
sources: [{name: a, kind: bill, uri: x}]
sinks: [{name: p, kind: pager, routing_key: {env: K}}]
detect: {floor: 3}
"""
    loads(good)
    assert validator.is_valid(YAML(typ="safe").load(good))
    for bad in ("sources: [{name: a, kind: other}]", "detct: {}", "forecast: {horizon_days: 0}", "sources: {}"):
        assert not validator.is_valid(YAML(typ="safe").load(bad))


def test_the_starter_loads_and_is_the_file_of_the_repository(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (root / "config" / "finops.yaml").read_text("utf-8") == starter()
    nothing = Kinds(sources={}, usage={}, sinks={}, forges={})
    shown, plain = (load(root / "config" / "finops.yaml", {}, nothing), load(None, {}, nothing))
    assert [row | {"origin": ""} for row in effective(shown)] == [row | {"origin": ""} for row in effective(plain)]


def test_commented_lines_of_the_starter_are_the_defaults(loads: Loads) -> None:
    """Every section that is commented out, when switched on, changes nothing."""
    for section in ("ledger", "forecast", "detect", "recommend", "report", "schedule"):
        lines = starter().splitlines()
        start = lines.index(f"# {section}:")
        block = [lines[start]]
        for line in lines[start + 1 :]:
            if not line.startswith("#   "):
                break
            block.append(line)
        text = "\n".join(line.removeprefix("# ") for line in block)
        environ = {"FINOPS_DATABASE_URL": "postgresql://h/d"}
        on, off = (getattr(loads(what, environ), section) for what in (text, ""))
        for name in type(on).model_fields:
            if (section, name) not in {("ledger", "url"), ("report", "folder")}:
                assert getattr(on, name) == getattr(off, name), (section, name)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    document = parse(text, "f.yaml")
    assert all(problem.message and str(problem).startswith("f.yaml") for problem in document.problems)
    assert document.tree == {} or all(isinstance(name, str) for name in document.tree)


@given(
    st.recursive(
        st.none() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", max_size=3), inner, max_size=3),
        max_leaves=12,
    )
)
def test_whatever_stands_in_a_section_is_an_error_never_a_crash(value: object) -> None:
    text = StringIO()
    YAML(typ="safe").dump({"sources": value, "detect": value, "allocation": {"patterns": value}}, text)
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text.getvalue())
        file.flush()
        try:
            load(Path(file.name), {}, KINDS)
        except ConfigError as error:
            found = [problem.file for problem in error.problems]
        else:
            found = []
        assert set(found) <= {file.name}
