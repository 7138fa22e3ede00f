"""Environment variables over the file: FINOPS__SECTION__KEY, list items by position, and their _FILE twins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finops_ai.config.document import Document, Key, Origin, dotted, problem
from finops_ai.domain.errors import ConfigError
from finops_ai.world.secrets import FoundText, SecretRef, read_text

PREFIX = "FINOPS__"
_FILE = "_FILE"


def apply(document: Document, environ: Mapping[str, str]) -> None:
    """Set what the environment says in `document`; an empty variable counts as unset.

    `FINOPS__SOURCES__0__URI` is `sources[0].uri`; the position after the last appends an item. A name matches a key
    of the file in any case, and is lower case where there is none. `FINOPS__…__KEY_FILE` names a file that holds the
    value. No key ends in `_file`.
    """
    for variable in sorted(environ, key=_in_order):
        text = environ[variable]
        if not variable.startswith(PREFIX) or not text:
            continue
        try:
            parts, found = _read(variable, text, environ)
            _put(document, parts, found, Origin(variable=variable))
        except ConfigError as error:
            document.problems.append(problem(Origin(variable=variable), (), str(error)))


def _in_order(variable: str) -> list[tuple[bool, int, str]]:
    """Item 10 of a list comes after item 9."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in variable.split("__")]


def _read(variable: str, text: str, environ: Mapping[str, str]) -> tuple[list[str], FoundText]:
    parts = variable.removeprefix(PREFIX).split("__")
    if not all(parts):
        raise ConfigError(f"names no key: write {PREFIX}SECTION__KEY")
    if not parts[-1].endswith(_FILE):
        return parts, FoundText(text, SecretRef(env=variable))
    plain = variable.removesuffix(_FILE)
    if environ.get(plain):
        raise ConfigError(f"{plain} is set as well: unset one")
    parts[-1] = parts[-1].removesuffix(_FILE)
    return parts, FoundText(read_text(Path(text), "value file"), SecretRef(file=text))


def _put(document: Document, parts: list[str], found: FoundText, origin: Origin) -> None:
    node: Any = document.tree
    key: Key = ()
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        step = _step(node, part, key)
        key = (*key, step)
        if following is None:
            _set(node, step, found)
            _forget(document, key)
        elif (inner := _get(node, step)) is None:
            # Only a list begins with item 0; other numbers may be names, such as accounts.
            inner = [] if following == "0" else {}
            _set(node, step, inner)
        document.keys.setdefault(key, origin)
        document.values.setdefault(key, origin)
        node = inner if following is not None else None


def _step(node: Any, part: str, key: Key) -> str | int:
    if isinstance(node, dict):
        return next((name for name in node if name.lower() == part.lower()), part.lower())
    if not isinstance(node, list):
        raise ConfigError(f"{dotted(key)} is a single value: it has no {part.lower()}")
    if not re.fullmatch(r"\d{1,4}", part) or int(part) > len(node):
        raise ConfigError(f"{dotted(key)} is a list of {len(node)}: write a position from 0 to {len(node)}, not {part}")
    return int(part)


def _get(node: Any, step: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(str(step))
    return node[step] if isinstance(step, int) and step < len(node) else None


def _set(node: Any, step: str | int, value: Any) -> None:
    if isinstance(node, list) and step == len(node):
        node.append(value)
    else:
        node[step] = value


def _forget(document: Document, key: Key) -> None:
    """What the file said of `key` no longer counts."""
    for places in (document.values, document.keys):
        for known in [known for known in places if known[: len(key)] == key]:
            del places[known]
