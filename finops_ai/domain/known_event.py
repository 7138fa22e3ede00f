"""Changes of cost that were announced: a migration, a launch, a decommission."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEvent:
    """During `days` costs of `scope`, and of everything that contains it or lies within it, may find a new level.

    What begins then stays: a level reached during `days` is the normal one afterwards. `ends_use` says that the scope
    is expected to cost nothing after it, `adds` that it costs so much more a day from the first day on, `times` that
    its price is so many times what it was.
    """

    scope: Scope
    days: Days
    note: str
    ends_use: bool = False
    adds: Money | None = None
    times: Decimal | None = None

    def concerns(self, scope: Scope) -> bool:
        """True for scopes that can feel it: those that hold it, and those within it."""
        return self.scope.contains(scope) or scope.contains(self.scope)
