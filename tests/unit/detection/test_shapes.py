"""A spike, a step, a drift, a drop, a gap, a price and a commitment are told apart."""

from __future__ import annotations

import pytest

from tests.unit.detection.planted import SHAPES, told


@pytest.mark.parametrize("kind", SHAPES)
def test_what_was_planted_is_what_is_told(kind: str) -> None:
    assert told(kind, 1) == kind
