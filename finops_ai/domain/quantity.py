"""Kubernetes quantities: read exactly, written back in the author's own units."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
FRACTIONS = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}

_UNITS = {**{unit: Decimal(size) for unit, size in (BINARY | DECIMAL).items()}, **FRACTIONS, "": Decimal(1)}
_FORM = re.compile(
    r"(?P<number>[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))"
    r"(?:[eE](?P<exponent>[+-]?\d{1,2})|(?P<unit>Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])?)",
    re.ASCII,
)


def parse(text: str) -> Decimal:
    """Exact value of a quantity such as `200m`, `1.5`, `512Mi`, `1e3` or `128974848`.

    Source: k8s.io/apimachinery/pkg/api/resource, `Quantity`. Raises ValueError for anything else.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"not a Kubernetes quantity: {text[:80]!r}")
    if found["exponent"]:
        return Decimal(f"{found['number']}E{found['exponent']}")
    return Decimal(found["number"]) * _UNITS[found["unit"] or ""]


def format_cpu(cores: Decimal, like: str | None = None) -> str:
    """Cores as text, rounded up to one millicore, in the style of `like`: `2500m`, `2.5` or whole cores.

    Where the author wrote whole cores and the value is not whole, millicores are written.
    """
    millicores = _ceiling(cores * 1000)
    if like is not None and like.endswith("m"):
        return f"{millicores}m"
    if like is not None and "." in like:
        return format((Decimal(millicores) / 1000).normalize(), "f")
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def format_memory(size_bytes: Decimal, like: str | None = None) -> str:
    """Bytes as text, rounded up, in the family of units of `like` (`Mi` when it is None).

    The author's unit stays where the value is a whole number of it; else the next finer one is used, so that
    rounding up never costs much: 1536Mi, not 2Gi.
    """
    found = _FORM.fullmatch(like) if like is not None else None
    unit = "Mi" if found is None else found["unit"] or ""
    family = BINARY if unit in BINARY else DECIMAL
    if unit not in family:
        return str(_ceiling(size_bytes))
    coarse_first = sorted(family, key=family.__getitem__, reverse=True)
    at = coarse_first.index(unit)
    if at and size_bytes % family[unit] == 0:
        return f"{_ceiling(size_bytes / family[unit])}{unit}"
    finer = unit if unit in ("Mi", "M", "Ki", "k") else coarse_first[at + 1]
    return f"{_ceiling(size_bytes / family[finer])}{finer}"


def _ceiling(value: Decimal) -> int:
    if value < 0:
        raise ValueError(f"a request or limit is never negative: {value}")
    return int(value.to_integral_value(rounding=ROUND_CEILING))
