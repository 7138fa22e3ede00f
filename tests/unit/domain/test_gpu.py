"""Fractions of GPUs by model and MIG profile."""

from __future__ import annotations

from fractions import Fraction

import pytest

from finops_ai.domain.gpu import fraction, is_model


@pytest.mark.parametrize(
    ("model", "profile", "part"),
    [
        ("NVIDIA A100-SXM4-80GB", "", Fraction(1)),
        ("NVIDIA A100-SXM4-80GB", "1g.10gb", Fraction(1, 7)),
        ("NVIDIA A100-SXM4-80GB", "MIG 3g.40gb", Fraction(3, 7)),
        ("NVIDIA A100-SXM4-80GB", "1g.10gb+me", Fraction(1, 7)),
        ("NVIDIA H100 80GB HBM3", "7g.80gb", Fraction(1)),
        ("NVIDIA H100 80GB HBM3", "1c.3g.40gb", Fraction(1, 7)),
        ("H100", "2g.20gb", Fraction(2, 7)),
        ("NVIDIA A30", "2g.12gb", Fraction(1, 2)),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "1g.24gb", Fraction(1, 4)),
        ("NVIDIA RTX PRO 5000", "1g.24gb", Fraction(1, 2)),
        ("NVIDIA A300", "1g.10gb", None),
        ("Some Card", "1g.10gb", None),
        ("NVIDIA A30", "7g.80gb", None),
        ("NVIDIA A100-SXM4-80GB", "half", None),
        ("Some Card", "", Fraction(1)),
    ],
)
def test_a_slice_is_a_part_of_its_device_or_unknown(model: str, profile: str, part: Fraction | None) -> None:
    assert fraction(model, profile) == part


@pytest.mark.parametrize(
    ("name", "model", "same"),
    [
        ("A100", "NVIDIA A100-SXM4-80GB", True),
        ("a100 sxm4 80gb", "NVIDIA A100-SXM4-80GB", True),
        ("A10", "NVIDIA A100-SXM4-80GB", False),
        ("L4", "NVIDIA L40S", False),
        ("", "NVIDIA L4", False),
    ],
)
def test_a_price_is_for_whole_words(name: str, model: str, same: bool) -> None:
    assert is_model(name, model) is same
