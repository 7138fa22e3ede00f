"""GPU models and MIG profiles: which fraction of a device a slice is."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

_SLICES = {
    4: ("A30", "RTX PRO 6000"),
    2: ("RTX PRO 5000",),
    7: ("A100", "H100", "H200", "H20", "GH200", "B200", "B300"),
}
"""Compute slices that a device can be cut into (NVIDIA MIG user guide, "supported profiles"; as koku counts them)."""

HOURS_OF_UNIT = {
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "gpu hour", "gpu hours"), Decimal(1)),
    **dict.fromkeys(("s", "second", "seconds"), Decimal(3600)),
}
"""How many of a unit make an hour."""

_PROFILE = re.compile(r"(?:MIG )?(?:(\d+)c\.)?(\d+)g\.\d+gb(?:[+-][\w.]+)*", re.IGNORECASE)
_WORDS = re.compile(r"[^a-z0-9]+")


def words(text: str) -> str:
    """A name as lower-case words between single spaces, with one around: `" nvidia a100 sxm4 80gb "`."""
    return f" {_WORDS.sub(' ', text.lower()).strip()} "


def is_model(name: str, model: str) -> bool:
    """Whether `name`, as a price list writes it, means `model`, as the device tells it: its words in their order."""
    return bool(name.strip()) and words(name) in words(model)


def slices_of(model: str) -> int | None:
    """How many compute slices a device of `model` has; None where it is not known."""
    return next((count for count, names in _SLICES.items() if any(is_model(name, model) for name in names)), None)


def fraction(model: str, profile: str) -> Fraction | None:
    """The part of a device that a slice of `profile` is; 1 without a profile, None where it is not known.

    `1c.3g.20gb` is one of the three compute instances of a 3g slice.
    """
    if not profile:
        return Fraction(1)
    found, whole = _PROFILE.fullmatch(profile.strip()), slices_of(model)
    if not found or whole is None:
        return None
    size = int(found[1] or found[2])
    return Fraction(size, whole) if 0 < size <= whole else None
