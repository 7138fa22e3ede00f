"""Rules for untagged cost that the tagged cost around it speaks for, written as the configuration wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from finops_ai.allocation.rules import meaning
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.report import ProposedRule

MAJORITY = Decimal("0.8")
"""Share of the tagged cost of a place from which on one cost center may have the untagged cost there as well."""

Pair = tuple[str, str]
"""Sub account and service; '' where a charge names none."""

Place = tuple[str | None, str | None]
"""Sub account and service; None is any."""

Majority = tuple[str, Decimal]
"""Cost center and its share."""

GUESSES = ("account:", "pattern:", "default")
"""Rules that look at accounts or are tried after them: no evidence, and an account rule could overrule them."""


def propose(rows: Sequence[Mapping[str, Any]], pairs: Iterable[Pair], *, measure: str) -> dict[Pair, ProposedRule]:
    """For each pair the rule that would place its untagged cost; pairs that the rows say too little of are left out.

    `rows` are as for `coverage`, of all currencies. Evidence is positive cost placed by what the charges say of
    themselves, of the pair first, else of its sub account: one cost center must have MAJORITY of it, the same in every
    currency. A rule is not proposed where it would also place other untagged cost that has evidence for somebody else.
    Every rule, put after those that exist, moves untagged cost only.
    """
    evidence = _Evidence(rows, measure)
    found = {pair: _rule(evidence, pair) for pair in pairs}
    return {pair: rule for pair, rule in found.items() if rule}


def quoted(text: str) -> str:
    """`text` as a double-quoted YAML scalar that survives every page: nothing in it is invisible or rewritten there."""
    return f'"{_UNSAFE.sub(_escaped, text)}"'


_UNSAFE = re.compile(r'["\\@#]|(?<= ) |[^\x20-\x7e]')
"""Markdown parts @ and # from their word with an invisible space, and pages make one space of two."""


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char in '"\\':
        return f"\\{char}"
    if ord(char) > 0x7E and char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Evidence:
    """Tagged cost by place, and what a new rule could disturb."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], measure: str) -> None:
        self._tagged: dict[Place, dict[str, dict[str, Decimal]]] = {}
        self._untagged: set[Pair] = set()
        self._payers: set[str] = set()
        self._guessed: set[tuple[str, str]] = set()
        for row in rows:
            account, service, owner = _key(row["sub_account_id"]), _key(row["service_name"]), row["x_cost_center"]
            if (payer := _key(row["billing_account_id"])) != account:
                self._payers.add(payer)
            if owner == UNTAGGED:
                self._untagged.add((account, service))
            elif row["x_allocation_rule"].startswith(GUESSES):
                self._guessed.add((account, owner))
            elif row[measure] > 0:
                for place in ((account, service), (account, None), (None, service)):
                    costs = self._tagged.setdefault(place, {}).setdefault(row["currency"], {})
                    costs[owner] = EXACT.add(costs.get(owner, Decimal(0)), row[measure])

    def majority(self, place: Place) -> Majority | None:
        """Who leads in every currency there, with the least share it has in one."""
        leaders: dict[str, Decimal] = {}
        for costs in self._tagged.get(place, {}).values():
            owner, cost = max(costs.items(), key=lambda item: (item[1], item[0]))
            share = EXACT.divide(cost, total(costs.values()))
            leaders[owner] = min(share, leaders.get(owner, share))
        if len(leaders) != 1:
            return None
        (found,) = leaders.items()
        return found if found[1] >= MAJORITY else None

    def agreed(self, place: Place) -> Majority | None:
        """The majority of a place, unless untagged cost in it has nearer evidence for somebody else."""
        found, (account, service) = self.majority(place), place
        if found is None:
            return None
        inside = (pair for pair in self._untagged if account in (None, pair[0]) and service in (None, pair[1]))
        nearer = (self.majority(pair) or self.majority((pair[0], None)) for pair in inside)
        return None if any(other and other[0] != found[0] for other in nearer) else found

    def stands_alone(self, account: str, owner: str) -> bool:
        """Whether a rule for the account would leave every other charge where it is."""
        others = any(guessed == account and known != owner for guessed, known in self._guessed)
        return account not in self._payers and not others


def _rule(evidence: _Evidence, pair: Pair) -> ProposedRule | None:
    account, service = map(_key, pair)
    if account and (found := evidence.agreed((account, None))):
        owner, share = found
        # An account map counts for what the account pays for others too, and comes before the patterns.
        mapped = evidence.stands_alone(account, owner)
        text = _mapping(pair[0], owner) if mapped else _pattern("sub_account_id", pair[0], owner)
        return ProposedRule(text=text, cost_center=owner, share=float(share), among="this account")
    if service and evidence.majority((account, service)) and (found := evidence.agreed((None, service))):
        owner, share = found
        text = _pattern("service_name", pair[1], owner)
        return ProposedRule(text=text, cost_center=owner, share=float(share), among="this service in all accounts")
    return None


def _mapping(account: str, owner: str) -> str:
    return f"accounts: {{{quoted(account.strip())}: {quoted(owner)}}}"


def _pattern(column: str, name: str, owner: str) -> str:
    glob = re.sub(r"([*?[])", r"[\1]", meaning(name))
    return f"patterns: [{{key: {column}, glob: {quoted(glob)}, x_cost_center: {quoted(owner)}}}]"


def _key(name: str) -> str:
    """Rules compare names without case and without the spaces around them."""
    return meaning(name).casefold()
