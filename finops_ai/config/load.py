"""One YAML file under environment variables -> one frozen Config, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from pydantic import BaseModel, SecretStr, ValidationError

from finops_ai.config import variables
from finops_ai.config.alerts import Alerts
from finops_ai.config.announced import KnownEvent
from finops_ai.config.budgets import Budgets
from finops_ai.config.data_quality import DataQuality
from finops_ai.config.delivery import Delivery
from finops_ai.config.document import LARGEST_BYTES, ConfigProblem, Document, Key, Origin, parse, problem
from finops_ai.config.explain import explained, meant
from finops_ai.config.savings import Savings
from finops_ai.config.schema import (
    Allocation,
    Currencies,
    Detect,
    Forecast,
    Ledger,
    Models,
    Recommend,
    Report,
    Scan,
    Schedule,
    Sections,
)
from finops_ai.config.web import Web
from finops_ai.domain.errors import ConfigError
from finops_ai.forges.terms import Terms
from finops_ai.world.log import printable
from finops_ai.world.secrets import Secrets

DEFAULT_PATH = Path("config/finops.yaml")
DEFAULT_HOME = ".finops"
HOME_VARIABLE = "FINOPS_HOME"
DATABASE_VARIABLE = "FINOPS_DATABASE_URL"
FAMILIES = ("sources", "usage", "live", "sinks", "forges", "changes")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Plug-ins by family and kind: modules that have `Settings`, a pydantic model with `kind` and `name`."""

    sources: Mapping[str, ModuleType]
    usage: Mapping[str, ModuleType]
    sinks: Mapping[str, ModuleType]
    forges: Mapping[str, ModuleType]
    live: Mapping[str, ModuleType] = field(default_factory=dict)
    changes: Mapping[str, ModuleType] = field(default_factory=dict)

    def family(self, name: str) -> Mapping[str, type[BaseModel]]:
        """Settings by kind."""
        return {kind: module.Settings for kind, module in getattr(self, name).items()}


class PlugIn(Protocol):
    """What the settings of every plug-in have; the rest is known to the module of its kind."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Effective configuration. `path` is None when there is no file; relative paths start at the working directory.

    `origins` tells where each value that is not a default came from.
    """

    path: Path | None
    home: Path
    database_url: SecretStr | None
    sources: tuple[PlugIn, ...]
    usage: tuple[PlugIn, ...]
    live: tuple[PlugIn, ...]
    sinks: tuple[PlugIn, ...]
    forges: tuple[PlugIn, ...]
    changes: tuple[PlugIn, ...]
    allocation: Allocation
    currencies: Currencies
    ledger: Ledger
    scan: Scan
    models: Models
    forecast: Forecast
    known_events: tuple[KnownEvent, ...]
    detect: Detect
    alerts: Alerts
    budgets: Budgets
    data_quality: DataQuality
    delivery: Delivery
    recommend: Recommend
    pull_requests: Terms
    savings: Savings
    report: Report
    schedule: Schedule
    web: Web
    origins: Mapping[Key, Origin]

    @property
    def report_folder(self) -> Path:
        return self.report.folder or self.home / "reports"


def load(path: Path | None, environ: Mapping[str, str], kinds: Kinds) -> Config:
    """Read `path`, or config/finops.yaml if it is there, and what the environment says over it.

    Raises ConfigError with all problems.
    """
    document = _read(path)
    if document.problems and not document.tree:
        raise ConfigError(document.problems)
    variables.apply(document, environ)
    plug_ins: dict[str, Any] = {family: _plug_ins(document, family, getattr(kinds, family)) for family in FAMILIES}
    tree = {name: value for name, value in document.tree.items() if name not in FAMILIES and value is not None}
    try:
        sections = Sections.model_validate(tree)
    except ValidationError as error:
        document.problems.extend(explained(error, Sections, document, also=FAMILIES))
        sections = Sections()
    for noun, told in (("forge", _forges_told), ("sink", _sinks_told), ("source", _sources_told)):
        names = [one.name for one in plug_ins[f"{noun}s"]]
        document.problems.extend(_unknown(document, noun, told(sections), names))
    origins = dict(document.values)
    database_url = _database_url(sections.ledger, environ, document, origins)
    if document.problems:
        document.problems.sort(key=lambda it: (it.line is None, it.line or 0, it.character or 0, it.file))
        raise ConfigError(document.problems)
    if home := environ.get(HOME_VARIABLE):
        origins["home",] = Origin(variable=HOME_VARIABLE)
    return Config(
        path=Path(document.file) if document.file else None,
        home=Path(home or DEFAULT_HOME).absolute(),
        database_url=database_url,
        origins=origins,
        **plug_ins,
        **dict(sections),
    )


def _read(path: Path | None) -> Document:
    file = path or DEFAULT_PATH
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            raise ConfigError([ConfigProblem(file=str(file), message=f"is larger than {LARGEST_BYTES} bytes")])
        return parse(data.decode("utf-8-sig"), str(file))
    except FileNotFoundError:
        if path is None:
            return Document(file="")
        message = f"no such file: write one with `finops-ai init {file}`"
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start} cannot be read"
    raise ConfigError([ConfigProblem(file=str(file), message=message)])


def _plug_ins(document: Document, family: str, modules: Mapping[str, ModuleType]) -> tuple[PlugIn, ...]:
    """The settings of every item of a family that are right; what is wrong is added to the problems."""
    items = document.tree.get(family) or []
    if not isinstance(items, list):
        document.problems.append(problem(document.origin((family,)), (family,), "must be a list of {name, kind, …}"))
        return ()
    found: list[PlugIn] = []
    for position, item in enumerate(items):
        document.problems.extend(_wrong_with(document, (family, position), item, list(modules)))
        if isinstance(item, dict) and (module := modules.get(str(item.get("kind")))):
            model: type[BaseModel] = module.Settings
            try:
                found.append(cast(PlugIn, model.model_validate(item)))
            except ValidationError as error:
                document.problems.extend(explained(error, model, document, (family, position)))
    return tuple(found)


def _wrong_with(document: Document, key: Key, item: Any, kinds: Sequence[str]) -> Iterator[ConfigProblem]:
    """What a plug-in's own model cannot know: its kind, and a name that is unique and fit to be part of others."""
    if not isinstance(item, dict):
        yield problem(document.origin(key), key, "must be a mapping with `name` and `kind`")
        return
    kind, name = item.get("kind"), item.get("name")
    if not isinstance(kind, str):
        yield problem(document.origin(key), (*key, "kind"), f"is required{meant('', kinds)}")
    elif kind not in kinds:
        message = f"unknown kind {printable(kind, 60)!r}{meant(kind, kinds)}"
        yield problem(document.origin((*key, "kind")), (*key, "kind"), message)
    if not isinstance(name, str):
        return
    family, position = key
    here = document.origin((*key, "name"))
    if not _NAME.fullmatch(name):
        yield problem(here, (*key, "name"), "must be 1 to 63 letters, digits, '-', '_' and '.', the first no sign")
    earlier = document.tree[str(family)][: int(position)]
    if any(isinstance(other, dict) and other.get("name") == name for other in earlier):
        yield problem(here, (*key, "name"), f"{printable(name, 60)!r} is the name of an earlier one")


def _unknown(document: Document, noun: str, told: Iterable[tuple[Key, str]], names: list[str]) -> list[ConfigProblem]:
    """Names that sections of a sound document tell, and that no `noun` has."""
    if document.problems:
        return []
    return [
        problem(document.origin(key), key, f"no {noun} has the name {wanted!r}{meant(wanted, names)}")
        for key, wanted in told
        if wanted not in names
    ]


def _forges_told(sections: Sections) -> Iterator[tuple[Key, str]]:
    if sections.recommend.forge is not None:
        yield ("recommend", "forge"), sections.recommend.forge


def _sinks_told(sections: Sections) -> Iterator[tuple[Key, str]]:
    yield from ((("alerts", *path), name) for path, name in sections.alerts.named_sinks())
    yield from ((("delivery", *path), name) for path, name in sections.delivery.named_sinks())


def _sources_told(sections: Sections) -> Iterator[tuple[Key, str]]:
    yield from ((("ledger", "hours", position), name) for position, name in enumerate(sections.ledger.hours))


def _database_url(
    ledger: Ledger, environ: Mapping[str, str], document: Document, origins: dict[Key, Origin]
) -> SecretStr | None:
    """From `ledger.url`, else from FINOPS_DATABASE_URL or its _FILE twin, else None: embedded."""
    secrets, key = Secrets(environ), ("ledger", "url")
    try:
        if ledger.url is not None:
            return secrets.get(ledger.url)
        found = secrets.find(DATABASE_VARIABLE)
    except ConfigError as error:
        document.problems.append(problem(document.origin(key), key, str(error)))
        return None
    if found:
        origins[key] = Origin(variable=DATABASE_VARIABLE)
    return found
