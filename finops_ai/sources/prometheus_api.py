"""Range queries of the Prometheus HTTP API: whole hours, in windows that the server can answer, no sample twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.sources.hourly import HOUR_SECONDS, Series, labels_of
from finops_ai.world.http import Http, Response

MOST_POINTS = 11_000
"""Prometheus' limit of points per series in one answer (web/api/v1, "exceeded maximum resolution")."""

LARGEST_BYTES = 16 * 2**20
"""An answer larger than this is asked for in halves: parsed it takes ten times as much memory."""

JUST_BEFORE = 0.001
"""A window from hour to hour holds its first instant and not its last; the server's clock counts milliseconds."""

JUDGED = frozenset({400, 401, 403, 404, 422, 503})
"""Statuses that are told with their remedy: the body of 400, 422 and 503 says what is wrong, or too much."""

TOO_MUCH = ("too many samples", "too many series", "too many chunks", "exceeded maximum", "timed out", "too large")
SERVER_SHARE = 0.9
"""The server gives up a little before this side does, so that it can say so."""


class _TooMuch(Exception):
    """The server, or this side, cannot take so much at once."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """One server. `warnings` collects what it says beside its answers, each once."""

    url: str
    timeout_seconds: float
    headers: Callable[[], Mapping[str, str]] = field(repr=False)
    http: Http = field(repr=False)
    warnings: dict[str, None] = field(default_factory=dict)

    def range(self, name: str, query: str, start: int, end: int, step: int) -> Iterator[list[Series]]:
        """Series of [start, end) (seconds; whole hours), window by window; each point tells of the `step` before it.

        Raises Unavailable when the server cannot be reached, Rejected with the remedy when it refuses the query.
        """
        window = min(end - start, MOST_POINTS * step // HOUR_SECONDS * HOUR_SECONDS)
        while start < end:
            until = min(start + window, end)
            try:
                yield self._range(name, query, start, until, step)
            except _TooMuch as error:
                if window <= HOUR_SECONDS:
                    raise Rejected(
                        f"{self.url}: the query {name!r} is too much even for one hour ({error}): narrow it with "
                        "`matchers`, raise `resolution_minutes`, or raise the server's --query.max-samples"
                    ) from None
                window = max(HOUR_SECONDS, (until - start) // 2 // HOUR_SECONDS * HOUR_SECONDS)
                continue
            start = until

    def _range(self, name: str, query: str, start: int, end: int, step: int) -> list[Series]:
        form = {
            "query": query,
            "start": f"{start + step - JUST_BEFORE:.3f}",
            "end": f"{end - JUST_BEFORE:.3f}",
            "step": str(step),
            "timeout": f"{self.timeout_seconds * SERVER_SHARE:.0f}s",
        }
        answer = self._post(form)
        try:
            data = self._data(name, answer.json())
            if data["resultType"] != "matrix":
                raise Rejected(f"{self.url}: the query {name!r} gives no vector: mend it under `queries`")
            return [series_of(each) for each in data["result"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            what = f"{self.url}: the answer to {name!r} (status {answer.status}) is none of Prometheus"
            raise Unavailable(f"{what}: is the URL the base of its API?") from None

    def _post(self, form: Mapping[str, str]) -> Response:
        answer = self._ask(form, JUDGED)
        if answer.status == 503 and not _is_too_much(answer.text):
            answer = self._ask(form, JUDGED - {503})  # starting up or overloaded: patience may help
        if answer.status in (401, 403):
            raise Rejected(f"{self.url}: status {answer.status}: set `token`, or `username` and `password`")
        if answer.status == 404:
            raise Rejected(f"{self.url}: status 404: write the base of the API, the part before /api/v1")
        return answer

    def _ask(self, form: Mapping[str, str], accept: frozenset[int]) -> Response:
        try:
            return self.http.request(
                "POST",
                f"{self.url.rstrip('/')}/api/v1/query_range",
                content=urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded", **self.headers()},
                idempotent=True,
                timeout_seconds=self.timeout_seconds,
                accept=accept,
                largest_bytes=LARGEST_BYTES,
            )
        except Rejected as error:
            if f"larger than {LARGEST_BYTES} bytes" in str(error):
                raise _TooMuch("its answer is larger than this side reads at once") from None
            raise

    def _data(self, name: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        if told["status"] != "success":
            why = str(told["error"])
            if _is_too_much(why):
                raise _TooMuch(why)
            raise Rejected(f"{self.url}: the query {name!r} is refused: {why}; mend it under `queries` or `matchers`")
        for warning in told.get("warnings") or ():
            self.warnings[str(warning)] = None
        data: Mapping[str, Any] = told["data"]
        return data


def series_of(told: Mapping[str, Any]) -> Series:
    """One series of a matrix. Raises ValueError, TypeError, AttributeError or KeyError for what is none."""
    values = told["values"]
    return Series(
        labels=labels_of(told["metric"]),
        at=np.array([float(at) for at, _ in values], dtype=np.float64),
        values=np.array([float(value) for _, value in values], dtype=np.float64),
    )


def _is_too_much(text: str) -> bool:
    return any(word in text for word in TOO_MUCH)
