"""Hours of GPUs in a bill that charges machines or devices by the hour: how many devices a name stands for."""

from __future__ import annotations

import re
from decimal import Decimal

from finops_ai.domain.gpu import HOURS_OF_UNIT, words

_HOURS_OF_UNIT = {**HOURS_OF_UNIT, "gpu-hours": Decimal(1)}
"""With the unit in which clusters tell of their own."""

_SINGLE = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
_SIZES = {
    "p3": {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p4de": {"24xlarge": 8},
    "p5": {"4xlarge": 1, "48xlarge": 8},
    "p5e": {"48xlarge": 8},
    "p5en": {"48xlarge": 8},
    "g4dn": {**dict.fromkeys(_SINGLE, 1), "12xlarge": 4, "metal": 8},
    "g5": {**dict.fromkeys(_SINGLE, 1), "12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {**dict.fromkeys(_SINGLE, 1), "12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {**dict.fromkeys(_SINGLE, 1), "12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
}
"""Devices of machines by family and size, from the makers' instance tables."""

_MACHINE = re.compile(r"\b([pg]\d[a-z]*)\.(\w*xlarge|metal)\b")
_NAMED = {"nc24ads a100 v4": 1, "nc48ads a100 v4": 2, "nc96ads a100 v4": 4, "nd96asr v4": 8, "nd96isr h100 v5": 8}


def gpu_hours(sku: str, unit: str, quantity: Decimal) -> Decimal | None:
    """Device hours of a charge; None where it is of no GPU, or nobody knows of how many."""
    hours = _HOURS_OF_UNIT.get(unit.lower())
    devices = _devices(sku) if hours else None
    return quantity * devices / hours if hours and devices else None


def _devices(sku: str) -> int | None:
    plain = words(sku)
    if " gpu " in plain:
        return 1
    if found := _MACHINE.search(sku.lower()):
        return _SIZES.get(found[1], {}).get(found[2])
    return next((count for name, count in _NAMED.items() if f" {name} " in plain), None)
