"""Kinds of values that several sections of the configuration share: texts, amounts by currency, time zones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

ANY_CURRENCY = "*"
"""Key of an amount that counts in every currency that has no amount of its own."""


def wrong(message: str) -> PydanticCustomError:
    """The error of a validator, in words."""
    # Braces would be read as the template of a message.
    return PydanticCustomError("wrong", "{text}", {"text": message})


def currency(code: str) -> str:
    """Three letters, upper case."""
    if not re.fullmatch(r"[A-Za-z]{3}", code):
        raise wrong(f"{code!r} is not a currency: write three letters such as USD")
    return code.upper()


def _amounts(value: Any) -> Any:
    """An amount alone is one for every currency."""
    return value if value is None or isinstance(value, Mapping) else {ANY_CURRENCY: value}


def _code(key: str) -> str:
    return key if key == ANY_CURRENCY else currency(key)


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(f"{name!r} is not a time zone: write one such as UTC or Europe/Berlin") from None
    return name


Text = Annotated[str, Field(min_length=1)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=38, decimal_places=18)]
Amounts = Annotated[
    dict[Annotated[str, AfterValidator(_code)], Amount],
    BeforeValidator(_amounts, json_schema_input_type=Amount | dict[str, Amount]),
]
"""Amount by currency code; one number alone counts in every currency, under the key "*"."""
TimeZone = Annotated[str, AfterValidator(_time_zone)]
