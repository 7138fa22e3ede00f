"""Accelerators by model: memory, speed beside each other, and the MIG profiles they can be cut into."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finops_ai.domain.gpu import fraction, is_model

GB = Decimal(10) ** 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """`speed` in dense FP16 tensor TFLOPS, by the makers' data sheets; `profiles` such as 3g.20gb, smallest first."""

    name: str
    memory_gb: int
    speed: int
    profiles: tuple[str, ...] = ()


DEVICES = (
    Device(name="H200", memory_gb=141, speed=989, profiles=("1g.18gb", "2g.35gb", "3g.71gb", "4g.71gb")),
    Device(name="H100", memory_gb=80, speed=989, profiles=("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb")),
    Device(name="A100 80GB", memory_gb=80, speed=312, profiles=("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb")),
    Device(name="A100 40GB", memory_gb=40, speed=312, profiles=("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb")),
    Device(name="L40S", memory_gb=48, speed=362),
    Device(name="A30", memory_gb=24, speed=165, profiles=("1g.6gb", "2g.12gb")),
    Device(name="A10G", memory_gb=24, speed=125),
    Device(name="A10", memory_gb=24, speed=125),
    Device(name="V100", memory_gb=16, speed=125),
    Device(name="L4", memory_gb=24, speed=121),
    Device(name="T4", memory_gb=16, speed=65),
)
"""Sources: NVIDIA data sheets of each device, and the MIG user guide, "supported profiles"."""


def device(model: str) -> Device | None:
    """The device that a model's words mean; of two sizes of memory the one that is named, else none."""
    found = [one for one in DEVICES if is_model(one.name.split()[0], model)]
    if len(found) > 1:
        found = [one for one in found if f"{one.memory_gb}gb" in model.lower().replace(" ", "")]
    return found[0] if found else None


def profile_memory(profile: str) -> Decimal:
    return Decimal(profile.rsplit(".", 1)[1].removesuffix("gb")) * GB


def smallest_profile(model: str, active: Decimal, memory_bytes: Decimal) -> tuple[str, Fraction] | None:
    """The smallest MIG profile that holds this share of the device's engines and this memory."""
    known = device(model)
    for profile in known.profiles if known else ():
        part = fraction(model, profile)
        if part and Decimal(part.numerator) / part.denominator >= active and profile_memory(profile) >= memory_bytes:
            return profile, part
    return None
