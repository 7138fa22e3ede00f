"""What pydantic found wrong, told to a person: where it stands, what it should be, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from finops_ai.config.document import ConfigProblem, Document, Key, problem
from finops_ai.world.log import printable
from finops_ai.world.secrets import TELLTALE, Secrets

LISTED = 30
_SHOWN = 60
_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_parsing": "must be a date such as 2026-04-30",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "dict_type": "must be a mapping of keys to values",
    "enum": "must be {expected}",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "is required",
    "model_type": "must be a mapping of keys to values",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
}
_OWN = frozenset({"wrong", "inline_secret", "secret_reference"})
"""Errors raised by this project: their text is whole."""


def explained(
    error: ValidationError, model: type[BaseModel], document: Document, at: Key = (), also: Iterable[str] = ()
) -> Iterator[ConfigProblem]:
    """One problem for each error of validating the value at `at` as `model`; `also` are more keys known at its top."""
    for detail in error.errors(include_url=False):
        inner = detail["loc"]
        key = (*at, *inner)
        if detail["type"] == "extra_forbidden":
            known = [*_fields(model, inner[:-1]), *(also if len(inner) == 1 else ())]
            yield problem(document.key_origin(key), key, f"unknown key{meant(str(inner[-1]), known)}")
        elif detail["type"] == "missing":
            yield problem(document.origin(key), key, _WORDS["missing"])
        else:
            while key not in document.values and len(key) > len(at):
                key = key[:-1]  # pydantic adds steps of its own for unions and for the keys of mappings
            yield problem(document.origin(key), key, _message(detail, key))


def meant(name: str, known: Sequence[str]) -> str:
    """The end of a message about a name that is not `known`."""
    if close := get_close_matches(name.lower(), known, n=1, cutoff=0.6):
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(sorted(known))}" if 0 < len(known) <= LISTED else ""


def _message(detail: ErrorDetails, key: Key) -> str:
    if detail["type"] in _OWN:
        return detail["msg"]
    words = _WORDS.get(detail["type"])
    text = words.format_map(detail.get("ctx", {})) if words else detail["msg"].replace("Input should be", "must be")
    text = text.removeprefix("Value error, ")
    given = detail["input"]
    if given is None:
        return f"{text}, but is empty"
    if isinstance(given, str) and given and not re.search(TELLTALE, "/".join(map(str, key)), re.IGNORECASE):
        return f"{text}, not {printable(Secrets({}).redact(given), _SHOWN)!r}"
    return text


def _fields(model: type[BaseModel], steps: Iterable[Any]) -> list[str]:
    """Keys of the model that stands at `steps` below `model`; none where a mapping takes any key."""
    found: type[BaseModel] | None = model
    for step in steps:
        if isinstance(step, int) or found is None:
            continue
        field = found.model_fields.get(step)
        found = _model_in(field.annotation) if field else None
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
