"""From paths and labels to the columns of the ledger: whose workload a file or an object belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_TOKENS = re.compile(r"(\*\*/|\*\*|\*|\?|\{[a-z_][a-z0-9_]*\})")
_MEANINGS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _names_once(glob: str) -> str:
    try:
        pattern(glob)
    except re.error:
        raise PydanticCustomError("wrong", "names the same {{column}} twice") from None
    return glob


Glob = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_names_once)]


class PathPlace(BaseModel):
    """What fits the glob `path` belongs to `place`; `{x_cost_center}` in the glob takes the column from the path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Glob
    place: dict[str, str] = {}


def pattern(glob: str) -> re.Pattern[str]:
    """`**` spans folders, `*` and `?` do not, and `{column}` is one whole part of a path that is given that name."""
    parts = (
        _MEANINGS.get(token) or (f"(?P<{token[1:-1]}>[^/]+)" if _TOKENS.fullmatch(token) else re.escape(token))
        for token in _TOKENS.split(glob)
    )
    return re.compile("".join(parts), re.S)


def by_path(path: str, places: Sequence[PathPlace]) -> dict[str, str]:
    """What the first glob that fits says; nothing where none does."""
    for one in places:
        if found := pattern(one.path).fullmatch(path):
            return {**found.groupdict(), **one.place}
    return {}


def by_labels(metadata: Any, labels: Mapping[str, str]) -> dict[str, str]:
    """What an object's metadata says: its namespace, and the columns that `labels` maps to keys of its labels."""
    told = metadata if isinstance(metadata, Mapping) else {}
    given = told.get("labels")
    given = given if isinstance(given, Mapping) else {}
    found = {column: given[label] for column, label in labels.items() if isinstance(given.get(label), str)}
    namespace = told.get("namespace")
    return {**({"namespace": namespace} if isinstance(namespace, str) and namespace else {}), **found}
