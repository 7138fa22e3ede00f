"""The configuration shown: effective values with their origin, and the JSON Schema of the whole file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from pydantic import BaseModel, create_model

from finops_ai.config.document import ConfigProblem, Key, Origin, dotted, problem
from finops_ai.config.load import FAMILIES, Config, Kinds
from finops_ai.config.schema import Sections
from finops_ai.domain.errors import ConfigError
from finops_ai.world.log import printable
from finops_ai.world.secrets import MASK, SecretRef, Secrets

_DEFAULT = Origin()
STARTER = Path(__file__).with_name("starter.yaml")


def effective(config: Config) -> list[dict[str, str]]:
    """`key`, `value` and `origin` of every value, defaults too; secrets and what looks like them masked."""
    shown: dict[str, Any] = {"home": config.home}
    shown |= {name: getattr(config, name) for name in (*FAMILIES, *Sections.model_fields)}
    # In any case: the variable of a key such as `floor.USD` does not tell how the key is written.
    origins = {_folded(key): origin for key, origin in config.origins.items()}
    rows = [row for name, value in shown.items() for row in _rows(origins, (name,), value, _DEFAULT)]
    if config.database_url is not None:
        rows = [{**row, "value": MASK} if row["key"] == "ledger.url" else row for row in rows]
    return rows


def unset_secrets(config: Config, secrets: Secrets) -> list[ConfigProblem]:
    """What is wrong with the secrets that the configuration refers to, all at once, before one is needed."""
    problems = []
    for name in (*FAMILIES, "web"):
        for key, reference in _references((name,), getattr(config, name)):
            try:
                secrets.get(reference)
            except ConfigError as error:
                problems.append(problem(config.origins.get(key, _DEFAULT), key, str(error)))
    return problems


def _references(key: Key, value: Any) -> Iterator[tuple[Key, SecretRef]]:
    """Every reference to a secret below a key."""
    match value:
        case SecretRef():
            yield key, value
        case BaseModel():
            for name, item in value:
                yield from _references((*key, name), item)
        case tuple() | list():
            for position, item in enumerate(value):
                yield from _references((*key, position), item)


def schema(kinds: Kinds) -> dict[str, Any]:
    """JSON Schema of the file, with the settings of every plug-in."""
    fields: dict[str, Any] = {}
    for family in FAMILIES:
        if models := list(kinds.family(family).values()):
            fields[family] = (tuple[reduce(or_, models), ...], ())  # type: ignore[misc]
    model = create_model("Configuration", __base__=Sections, **fields)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def starter() -> str:
    """A commented file to begin with."""
    return STARTER.read_text("utf-8")


def _rows(origins: Mapping[Key, Origin], key: Key, value: Any, around: Origin) -> Iterator[dict[str, str]]:
    """A row for each single value; what a short form such as `floor: 25` stands for comes from where it is written."""
    origin = origins.get(_folded(key), around)
    match value:
        case SecretRef():
            text = f"{MASK} ({value})"
        case BaseModel():
            for name in type(value).model_fields:
                yield from _rows(origins, (*key, name), getattr(value, name), _DEFAULT)
            return
        case Mapping() if value:
            for name, item in value.items():
                yield from _rows(origins, (*key, str(name)), item, origin)
            return
        case tuple() | list() if any(isinstance(item, BaseModel) for item in value):
            for position, item in enumerate(value):
                yield from _rows(origins, (*key, position), item, origin)
            return
        case _:
            text = _text(value)
    yield {"key": dotted(key), "value": printable(Secrets({}).redact(text)), "origin": str(origin)}


def _folded(key: Key) -> Key:
    return tuple(step.casefold() if isinstance(step, str) else step for step in key)


def _text(value: Any) -> str:
    match value:
        case None | Mapping():
            return ""
        case tuple() | list():
            return ", ".join(map(_text, value))
        case Enum():
            return str(value.value)
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)
