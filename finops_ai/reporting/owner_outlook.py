"""What a month comes to for each cost center or AI model, so that the rows add up to what it comes to in all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from finops_ai.domain.forecast import Forecast
from finops_ai.domain.money import EXACT, split, total
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.reporting.outlook import CENT, ByDay, Outlook, beyond, billed_in, expected

ByOwner = Mapping[str, ByDay]


def owner_month_ends(outlook: Outlook, key: str, by_day: ByDay, direct: ByOwner, shared: ByOwner) -> dict[str, Decimal]:
    """By owner, adding up to the month's expected end to the cent; empty where there is no forecast that does.

    `by_day` is what all owners cost, `direct` are the owners' costs as they were billed, `shared` the same after shared
    costs were split: who gave away a part of its cost gives that part of its forecast too, to those who received, in
    the proportions of what they did.
    """
    whole = outlook.forecasts.get(Scope())
    end = outlook.month_end(by_day)
    if whole is None or end is None:
        return {}
    month = outlook.month
    before = Days(month.start, min(month.end, whole.days.start))
    found = {owner: billed_in(costs, before) for owner, costs in shared.items()}
    rest = EXACT.subtract(end.expected, total(found.values()))
    if whole.days.start < month.end:
        ahead = _ahead(outlook, whole, key, direct, by_day)
        missing = EXACT.subtract(rest, total(ahead.values()))
        if not ahead or abs(missing) > CENT * (len(ahead) + 1):
            return {}
        dearest = max(ahead, key=lambda owner: (ahead[owner], owner))
        ahead[dearest] = EXACT.add(ahead[dearest], missing)  # cents of rounding
        for owner, amount in _handed_on(ahead, direct, shared).items():
            found[owner] = EXACT.add(found.get(owner, Decimal(0)), amount)
    return found


def _ahead(outlook: Outlook, whole: Forecast, key: str, direct: ByOwner, by_day: ByDay) -> dict[str, Decimal]:
    """What is forecast of each owner's direct cost to the month's end, and what its newest days cost beyond that.

    The latter is told of owners as far as it is of the whole, which others may make up for.
    """
    last = outlook.month.end - timedelta(days=1)
    mine = {
        scope.pairs[0][1]: one
        for scope, one in outlook.forecasts.items()
        if len(scope.pairs) == 1 and scope.pairs[0][0] == key and one.days == whole.days
    }
    ahead = {owner: expected(one, last) for owner, one in mine.items()}
    over = {owner: beyond(one, direct.get(owner, {}), last) for owner, one in sorted(mine.items())}
    told = beyond(whole, by_day, last)
    if told and total(over.values()):
        for owner, part in zip(over, split(told, list(over.values()), CENT), strict=True):
            ahead[owner] = EXACT.add(ahead[owner], part)
    return ahead


def _handed_on(ahead: Mapping[str, Decimal], direct: ByOwner, shared: ByOwner) -> dict[str, Decimal]:
    """`ahead` after the givers of shared cost gave and the receivers received; the sum stays."""
    moved = {
        owner: EXACT.subtract(total(shared.get(owner, {}).values()), total(direct.get(owner, {}).values()))
        for owner in sorted({*direct, *shared})
    }
    receivers = [owner for owner, amount in moved.items() if amount > 0]
    found = dict(ahead)
    if not receivers:
        return found
    for owner, amount in moved.items():
        cost = total(direct.get(owner, {}).values())
        if amount < 0 < cost and owner in ahead:
            share = min(-amount / cost, Decimal(1))
            given = EXACT.multiply(ahead[owner], share).quantize(CENT)
            found[owner] = EXACT.subtract(found[owner], given)
            for to, part in zip(receivers, split(given, [moved[to] for to in receivers], CENT), strict=True):
                found[to] = EXACT.add(found.get(to, Decimal(0)), part)
    return found
