"""One scale for all series: how often a surprise at least as large was seen, and beyond all that was seen, a tail.

Conformal in the body (p = share of past surprises at least as large). Beyond the 97th percentile an exponential tail
through the 90th and 97th (a generalised Pareto of shape 0) carries on, so that p-values below one in all past days
exist and past incidents, being rarer than that, do not teach the detector to expect them. A series whose surprises keep
lying further out than those of the pool has a longer tail of its own. (Peaks over threshold: A. Siffer et al., "Anomaly
Detection in Streams with Extreme Value Theory", KDD 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finops_ai.domain.series import FloatArray

_BODY, _BEND = 0.90, 0.97
_POOL = 20_000
_LEAST_POOL = 100
_NORMAL_BEND, _NORMAL_DECAY = 1.9, 0.5  # a rounder cousin of the normal tail, where too little was seen
_LEAST_DECAY = 0.25
_WEEK = 7
_SHARED = 3.0  # weeks beyond the bend that every series is taken to have had, as large as those of all
_MOST = 8.0  # decays that one of them counts for at most


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Upper tail of pooled surprises in usual errors."""

    body: FloatArray  # sorted
    bend: float
    decay: float

    @classmethod
    def of(cls, parts: Sequence[FloatArray]) -> Tail:
        """From surprises of any shape, NaN where unknown; a regular sample of large parts is enough."""
        pool = np.concatenate([np.zeros(0), *(part.ravel()[:: max(1, part.size // _POOL)] for part in parts)])
        known = np.sort(pool[np.isfinite(pool)])
        if len(known) < _LEAST_POOL:
            return cls(known, _NORMAL_BEND, _NORMAL_DECAY)
        low, bend = np.quantile(known, (_BODY, _BEND))
        decay = max(float(bend - low) / float(np.log((1 - _BODY) / (1 - _BEND))), _LEAST_DECAY)
        return cls(known, float(bend), decay)

    def own_decay(self, past: FloatArray) -> FloatArray:
        """Decay of each row of `past` (series, days), NaN where unknown: (series, 1), at least that of the pool.

        From how far the largest surprises of a series' weeks lay beyond the bend on average, drawn towards the pool
        where it had few: a wild series pays with its own sensitivity and not with that of all. The largest week is left
        out, since one past incident does not make a series wild.
        """
        beyond = np.where(past > self.bend, np.minimum(past - self.bend, _MOST * self.decay), 0.0)  # NaN compares false
        weeks = np.pad(beyond, ((0, 0), (-beyond.shape[1] % _WEEK, 0))).reshape(len(beyond), -1, _WEEK).max(axis=2)
        weeks = np.sort(weeks, axis=1)[:, :-1]
        total, count = weeks.sum(axis=1, keepdims=True), (weeks > 0).sum(axis=1, keepdims=True)
        found: FloatArray = np.maximum((total + _SHARED * self.decay) / (count + _SHARED), self.decay)
        return found

    def p_value(self, surprise: FloatArray, decay: FloatArray | None = None) -> FloatArray:
        """Same shape; NaN gives 1: what cannot be judged is not strange. `decay` is the pool's where not given."""
        fall = np.asarray(self.decay) if decay is None else decay
        surprise = np.nan_to_num(surprise, nan=-np.inf)
        count = len(self.body) - np.searchsorted(self.body, surprise, side="left")
        inside = (1 + count) / (len(self.body) + 1)
        beyond = (1 - _BEND) * np.exp(-np.clip((surprise - self.bend) / fall, 0.0, 500.0))
        return np.where(surprise > self.bend, beyond, np.maximum(inside, 1 - _BEND))

    def surprise(self, p_value: float, decay: FloatArray) -> FloatArray:
        """The surprise that has this p-value (at most 3 %), of the shape of `decay`."""
        found: FloatArray = self.bend + decay * float(np.log((1 - _BEND) / p_value))
        return found
