"""Rules that place a charge: tags and cost categories, account maps, name patterns, defaults."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from finops_ai.domain.errors import ConfigError, Problem
from finops_ai.domain.focus import DIMENSIONS, NONE, UNTAGGED, canonical_tag

ATTRIBUTES: tuple[str, ...] = ("cost_center", "ai_model", "environment")
"""What is placed; the column of an attribute has the prefix `x_`."""

UNPLACED: Mapping[str, str] = {"cost_center": UNTAGGED, "ai_model": NONE, "environment": NONE}
"""Value of an attribute that no rule could place."""

MARKERS = frozenset(UNPLACED.values())
JSON_COLUMNS: Mapping[str, str] = {"tag": "tags", "cost_category": "x_cost_categories"}
PLAIN_COLUMNS = frozenset(DIMENSIONS) - frozenset(JSON_COLUMNS.values())


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a charge tells something of itself: a key of one JSON column, or a plain dimension (key is '')."""

    column: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Place:
        """`tag:NAME`, `cost_category:NAME` or the name of a dimension. Raises ValueError for anything else."""
        kind, colon, key = text.strip().partition(":")
        if colon and kind in JSON_COLUMNS and canonical_tag(key):
            return cls(JSON_COLUMNS[kind], canonical_tag(key))
        if not colon and kind in PLAIN_COLUMNS:
            return cls(kind)
        raise ValueError(f"{text!r} is not tag:NAME, cost_category:NAME or one of {', '.join(sorted(PLAIN_COLUMNS))}")

    def __str__(self) -> str:
        prefix = {column: kind for kind, column in JSON_COLUMNS.items()}.get(self.column)
        return f"{prefix}:{self.key}" if prefix else self.column


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A charge whose `dimension` (see `Place.parse`) matches `glob`, in any case, gets `values` by attribute."""

    dimension: str
    glob: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Per attribute the first non-blank hit wins: rule list, accounts (cost center only), patterns, default.

    `cost_center`, `ai_model` and `environment` list places (see `Place.parse`); spellings of one tag key are one
    place. `accounts` maps a sub or billing account to a cost center. `defaults` maps an attribute to a value.
    The markers "(untagged)" and "(none)" are no values: a tag that says so literally is read as blank, so that a
    marker in a column always means that nothing placed the charge; as a configured value it is an error.

    Raises ConfigError with every problem found.
    """

    cost_center: tuple[str, ...] = ()
    ai_model: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[Pattern, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise ConfigError(problems)
        for attribute in ATTRIBUTES:
            places = dict.fromkeys(str(Place.parse(text)) for text in getattr(self, attribute))
            object.__setattr__(self, attribute, tuple(places))
        object.__setattr__(self, "accounts", {account_key(k): v.strip() for k, v in self.accounts.items()})

    def _problems(self) -> Iterator[Problem]:
        named = [(f"{name}[{i}]", text) for name in ATTRIBUTES for i, text in enumerate(self.places(name))]
        named += [(f"patterns[{i}].dimension", pattern.dimension) for i, pattern in enumerate(self.patterns)]
        for key, text in named:
            try:
                Place.parse(text)
            except ValueError as wrong:
                yield _problem(key, str(wrong))
        for i, pattern in enumerate(self.patterns):
            if not pattern.glob.strip():
                yield _problem(f"patterns[{i}].glob", "is blank; write * to match everything")
        given = [(f"patterns[{i}].values", pattern.values) for i, pattern in enumerate(self.patterns)]
        given.append(("defaults", self.defaults))
        for key, attributes in given:
            for attribute in attributes.keys() - set(ATTRIBUTES):
                yield _problem(key, f"{attribute!r} is not one of {', '.join(ATTRIBUTES)}")
        values = [(f"{key}.{attribute}", value) for key, known in given for attribute, value in known.items()]
        values += [(f"accounts.{account}", value) for account, value in self.accounts.items()]
        for key, value in values:
            if not meaning(value):
                yield _problem(key, f"{value!r} cannot be a value: it is blank or stands for a charge nothing placed")

    def places(self, attribute: str) -> tuple[str, ...]:
        places: tuple[str, ...] = getattr(self, attribute)
        return places

    def keep_tags(self) -> frozenset[str]:
        """Canonical tag keys that a scan must keep for these rules."""
        return self._keys("tags")

    def keep_cost_categories(self) -> frozenset[str]:
        """Canonical cost categories that a scan must keep for these rules."""
        return self._keys("x_cost_categories")

    def _keys(self, column: str) -> frozenset[str]:
        texts = [text for attribute in ATTRIBUTES for text in self.places(attribute)]
        texts += [pattern.dimension for pattern in self.patterns]
        return frozenset(place.key for place in map(Place.parse, texts) if place.column == column)

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits, equal exactly when the rules place every charge alike by construction."""
        text = json.dumps(
            {
                **{attribute: self.places(attribute) for attribute in ATTRIBUTES},
                "accounts": dict(self.accounts),
                "patterns": [
                    [str(Place.parse(p.dimension)), p.glob.strip().casefold(), _stripped(p.values)]
                    for p in self.patterns
                ],
                "defaults": _stripped(self.defaults),
            },
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def meaning(value: str) -> str:
    """Stripped value, or '' where it says nothing (blank, or spelled like a marker).

    NUL and lone surrogates, which neither PostgreSQL nor Arrow can hold, become U+FFFD.
    """
    text = value.replace("\0", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace").strip()
    return "" if text.casefold() in MARKERS else text


def account_key(account: str) -> str:
    """Account ids compare without case: Azure writes one GUID in both."""
    return account.strip().casefold()


def glob_matches(glob: str, text: str) -> bool:
    """Shell glob over the whole of `text`, in any case."""
    return fnmatch.fnmatchcase(text.casefold(), glob.strip().casefold())


def _problem(key: str, message: str) -> Problem:
    return Problem(file="", column=f"allocation.{key}", message=message)


def _stripped(values: Mapping[str, str]) -> dict[str, str]:
    return {attribute: value.strip() for attribute, value in values.items()}
