"""Rules applied to the dimension table of a delivery: every row gets its owner, none is dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from finops_ai.allocation.rules import ATTRIBUTES, UNPLACED, Pattern, Place, Rules, account_key, glob_matches, meaning
from finops_ai.domain.errors import Leak, Malformed, Problem
from finops_ai.domain.focus import ALLOCATED

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Hit = tuple[str, str]
"""A value and the name of the rule that gave it."""

Step = tuple[str, Callable[[str], Hit | None]]
"""A column and what a text in it says. Steps are tried in order and see distinct texts, not rows."""


def allocate(dimensions: pa.Table, rules: Rules) -> pa.Table:
    """`dimensions` with the columns focus.ALLOCATED added, or replaced where it has them already.

    Same rows in the same order. `x_allocation_rule` names the rule that placed the cost center: `tag:NAME`,
    `cost_category:NAME`, a dimension, `account:ID`, `pattern:N` (from 1), `default`, or '' when nothing did.
    Raises Malformed when `tags` or `x_cost_categories` hold something other than JSON objects.
    """
    import pyarrow as pa

    columns = _Columns(dimensions)
    placed = {attribute: _place(columns, rules, attribute) for attribute in ATTRIBUTES}
    result = dimensions.drop_columns([name for name in ALLOCATED if name in dimensions.column_names])
    for attribute, (hits, codes) in placed.items():
        values = pa.array([value for value, _ in hits], pa.string())
        result = result.append_column(f"x_{attribute}", values.take(pa.array(codes)))
    hits, codes = placed["cost_center"]
    names = pa.array([rule for _, rule in hits], pa.string())
    result = result.append_column("x_allocation_rule", names.take(pa.array(codes)))
    if not result["dimension"].equals(dimensions["dimension"]):
        raise Leak("allocation changed the rows of the dimension table")
    return result


class _Columns:
    """Dictionary-encoded columns and parsed JSON texts, each worked out once."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._encoded: dict[str, tuple[list[str], NDArray[np.int32]]] = {}
        self._objects: dict[str, dict[str, str]] = {}

    def encoded(self, name: str) -> tuple[list[str], NDArray[np.int32]]:
        """Distinct texts of a column and, for each row, the index into them."""
        if name not in self._encoded:
            import pyarrow as pa

            column = self._table[name].cast(pa.string()).combine_chunks().fill_null("").dictionary_encode()
            self._encoded[name] = (column.dictionary.to_pylist(), column.indices.to_numpy())
        return self._encoded[name]

    def says(self, place: Place, text: str) -> str:
        """What a text of `place.column` says there; '' when nothing."""
        if not place.key:
            return meaning(text)
        if text not in self._objects:
            self._objects[text] = _object(text, place.column)
        return meaning(self._objects[text].get(place.key, ""))


def _place(columns: _Columns, rules: Rules, attribute: str) -> tuple[list[Hit], NDArray[np.int32]]:
    """Hits and, for each row, the index of its own; index 0 is "nothing placed it"."""
    import numpy as np

    index: dict[Hit, int] = {(UNPLACED[attribute], ""): 0}
    codes: NDArray[np.int32] | None = None
    for column, says in _steps(columns, rules, attribute):
        texts, rows = columns.encoded(column)
        found = [0 if (hit := says(text)) is None else index.setdefault(hit, len(index)) for text in texts]
        hit_codes = np.array(found, np.int32)[rows]
        codes = hit_codes if codes is None else np.where(codes == 0, hit_codes, codes)
    if codes is None:
        codes = np.zeros(len(columns.encoded("tags")[1]), np.int32)
    if default := rules.defaults.get(attribute, ""):
        codes = np.where(codes == 0, np.int32(index.setdefault((default.strip(), "default"), len(index))), codes)
    return list(index), codes


def _steps(columns: _Columns, rules: Rules, attribute: str) -> Iterator[Step]:
    for name in rules.places(attribute):
        yield _place_step(columns, Place.parse(name))
    if attribute == "cost_center" and rules.accounts:
        yield _account_step(rules, "sub_account_id")
        yield _account_step(rules, "billing_account_id")
    for number, pattern in enumerate(rules.patterns, start=1):
        if attribute in pattern.values:
            yield _pattern_step(columns, pattern, (pattern.values[attribute].strip(), f"pattern:{number}"))


def _place_step(columns: _Columns, place: Place) -> Step:
    return place.column, lambda text: _hit(columns.says(place, text), str(place))


def _account_step(rules: Rules, column: str) -> Step:
    return column, lambda text: _hit(rules.accounts.get(account_key(text), ""), f"account:{text.strip()}")


def _pattern_step(columns: _Columns, pattern: Pattern, hit: Hit) -> Step:
    place = Place.parse(pattern.dimension)

    def says(text: str) -> Hit | None:
        said = columns.says(place, text)
        return hit if said and glob_matches(pattern.glob, said) else None

    return place.column, says


def _hit(value: str, rule: str) -> Hit | None:
    return (value, rule) if value else None


def _object(text: str, column: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Malformed([Problem(file="", column=column, message="not a JSON object", value=text[:80])])
    return {key: _text(value) for key, value in found.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
