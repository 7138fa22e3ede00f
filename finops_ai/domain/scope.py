"""A scope: the ordered pairs of keys and values that name one series of cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

_RULED = "x_"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Ordered pairs such as (("x_cost_center", "search"), ("service_name", "Amazon Bedrock")).

    The empty scope is the total. `key` is stable across runs and restatements.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        return json.dumps(self.pairs, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_key(cls, key: str) -> Scope:
        return cls(tuple((str(k), str(v)) for k, v in json.loads(key)))

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the key, for names that must be short and plain."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]

    @property
    def parent(self) -> Scope | None:
        """The scope of all pairs but the last; the total has none."""
        return Scope(self.pairs[:-1]) if self.pairs else None

    def get(self, name: str) -> str | None:
        return dict(self.pairs).get(name)

    def contains(self, other: Scope) -> bool:
        """True when every charge of `other` is a charge of this scope."""
        return set(self.pairs) <= set(other.pairs)

    def __str__(self) -> str:
        return " · ".join(value for _, value in self.pairs) or "total"


def is_of_owner(names: Iterable[str]) -> bool:
    """Whether one of the keys of a scope is one that allocation rules add to the bill, such as x_cost_center."""
    return any(name.startswith(_RULED) for name in names)
