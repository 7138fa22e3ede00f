"""GPU metrics in files: scrapes in the Prometheus text format, and answers of the Prometheus API to range queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.series import FloatArray
from finops_ai.sources.gpus import METRICS
from finops_ai.sources.hourly import Hourly, Labels, Series, by_labels, hourly, labels_of, step_of
from finops_ai.sources.prometheus_api import series_of

_FIGURES = {metric: name for name, (metric, _) in METRICS.items()}
_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*(?:#.*)?"
)
_LABEL = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*\"((?:[^\"\\]|\\.)*)\"\s*(?:,|$)")
_TIME = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})[T_](\d{2})[:-]?(\d{2})[:-]?(\d{2})?(?:\.\d+)?Z")
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Samples of one series of a GPU figure (see METRICS)."""

    figure: str
    series: Series


def read(path: Path, name: str) -> tuple[list[Sampled], tuple[Problem, ...]]:
    """Samples of one unpacked file, JSON or a scrape by its name, and a warning for what is left out of it.

    Raises Malformed for a file that cannot be trusted.
    """
    text = path.read_text(encoding="utf-8")
    if ".json" not in name.lower():
        found = list(scrape(text, name))
        timed = [one for one in found if not np.isnan(one.series.at).any()]
        why = "tells no time: name the file after it, such as scrape-2026-04-01T12:00:00Z.prom"
        return timed, () if len(timed) == len(found) else (_left_out(name, why),)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(name, f"is no whole JSON: {error}") from None
    if isinstance(told, dict) and {"status", "data"} <= told.keys():
        return list(matrix(told, name)), ()
    return [], (_left_out(name, "is no answer of Prometheus"),)


def scrape(text: str, name: str) -> Iterator[Sampled]:
    """Samples of a scrape; their time stands beside them or in the file's name, else it is NaN.

    Raises Malformed with the line that is none of the format.
    """
    known = _time_of(name, at.groups(default="0")) if (at := _TIME.search(name)) else None
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        found = _SAMPLE.fullmatch(content.strip())
        if not found:
            raise _malformed(name, "is no line of the Prometheus text format", line, content)
        metric, labels, value, milliseconds = found.groups()
        if metric not in _FIGURES:
            continue
        try:
            number = float(value)
        except ValueError:
            raise _malformed(name, "is no number", line, value) from None
        instant = int(milliseconds) / 1000 if milliseconds else known.timestamp() if known else np.nan
        series = Series(labels=_labels(labels or "", name, line), at=np.array([instant]), values=np.array([number]))
        yield Sampled(figure=_FIGURES[metric], series=series)


def matrix(told: Any, name: str) -> Iterator[Sampled]:
    """Samples of a range query's answer. Raises Malformed for another answer."""
    try:
        series = [(str(one["metric"].get("__name__", "")), series_of(one)) for one in told["data"]["result"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _malformed(name, "is no answer to a range query (data.result[].metric and .values)") from None
    for metric, one in series:
        if metric in _FIGURES:
            yield Sampled(figure=_FIGURES[metric], series=one)


def metrics(found: Iterable[Sampled]) -> dict[str, Mapping[Labels, Hourly]]:
    """Figures by hours of all files together: what one scrape adds to another's series counts as one series."""
    pieces: dict[str, dict[Labels, list[Series]]] = {}
    for one in found:
        pieces.setdefault(one.figure, {}).setdefault(one.series.labels, []).append(one.series)
    told: dict[str, Mapping[Labels, Hourly]] = {}
    for name, by_label in pieces.items():
        step = step_of(_joined([series.at for parts in by_label.values() for series in parts]))
        scale = METRICS[name][1]
        told[name] = by_labels(
            (
                labels,
                hourly(
                    Series(labels=labels, at=_joined([p.at for p in parts]), values=_joined([p.values for p in parts])),
                    step,
                    scale,
                ),
            )
            for labels, parts in by_label.items()
        )
    return told


def _joined(arrays: list[FloatArray]) -> FloatArray:
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _time_of(name: str, parts: Sequence[str]) -> datetime:
    year, month, day, hour, minute, second = map(int, parts)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _malformed(name, "has a time in its name that is none") from None


def _labels(text: str, name: str, line: int) -> Labels:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        found = _LABEL.match(text, at)
        if not found or found[1] in pairs:
            raise _malformed(name, "has labels that cannot be read", line, text[at : at + 100])
        pairs[found[1]] = re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), found[2])
        at = found.end()
    return labels_of(pairs)


def _malformed(name: str, message: str, line: int | None = None, value: str | None = None) -> Malformed:
    return Malformed([Problem(file=name, line=line, value=value[:200] if value else None, message=message)])


def _left_out(name: str, why: str) -> Problem:
    return Problem(file=name, message=f"left out, it {why}", severity="warning")
