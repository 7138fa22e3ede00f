"""How many of the pages that people answered were real, with the interval that so few answers leave open."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from finops_ai.domain.episode import Feedback, FeedbackVerdict
from finops_ai.domain.page_decision import PageDecision

_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """`real` of `answered` pages; what was "expected" was neither real nor false and is left out."""

    real: int
    answered: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (E. B. Wilson, 1927); everything while nothing is answered."""
        if not self.answered:
            return 0.0, 1.0
        count, share = self.answered, self.real / self.answered
        scale = 1 + _Z * _Z / count
        middle = share + _Z * _Z / (2 * count)
        spread = _Z * math.sqrt(share * (1 - share) / count + _Z * _Z / (4 * count * count))
        return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)


def precision(paged: Iterable[PageDecision], said: Mapping[str, Feedback]) -> Precision:
    """Of the episodes of `paged`, each once, by the last answer to each in `said`."""
    verdicts = [said[key].verdict for key in sorted({one.key for one in paged}) if key in said]
    real = verdicts.count(FeedbackVerdict.REAL)
    return Precision(real=real, answered=real + verdicts.count(FeedbackVerdict.FALSE_POSITIVE))
