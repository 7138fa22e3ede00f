"""Values as JSON can hold them: amounts as decimal text, days in ISO form, not-a-number and infinity as null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from finops_ai.domain.money import Money, plain


def plain_data(value: Any) -> Any:
    """`value` with everything in it made plain. Raises TypeError for what has no such form."""
    match value:
        case Enum():
            return plain_data(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return plain(value) if value.is_finite() else None
        case Money():
            return {"amount": plain(value.amount), "currency": value.currency}
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain_data(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain_data(item) for item in value]
    raise TypeError(f"cannot show a {type(value).__name__}")
