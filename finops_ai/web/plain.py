"""Rows of the program as JSON: decimals as text, so that no cent is lost in a float."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from finops_ai.domain.money import plain


def data(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(name): data(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [data(item) for item in value]
        case _:
            return value
