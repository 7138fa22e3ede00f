"""The allocation API asked day by day; what it answers is kept, for it forgets and sometimes answers less."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.opencost_answers import Allocation, allocations, parsed
from finops_ai.world.recordings import Recording
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import ObjectInfo, World

PATHS = ("/allocation/compute", "/allocation", "/model/allocation")
"""OpenCost's first path, its later one, and Kubecost's."""

ANSWERS, NOTHING = "answers/", "nothing/"
"""Where days are recorded that something was told of, and those that were asked in vain."""

LARGEST_BYTES = 256 << 20
MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every day. Without `path` the first of PATHS that the server knows."""

    url: str
    path: str | None
    aggregate: str | None
    page_size: int | None
    token: SecretRef | None
    timeout_seconds: float

    def parameters(self, day: date) -> dict[str, str | int]:
        """One UTC day with idle cost; OpenCost says includeIdle, Kubecost idle, and each passes over the other's."""
        start, end = (datetime.combine(each, time(), UTC) for each in (day, day + timedelta(days=1)))
        asked: dict[str, str | int] = {
            "window": f"{start:%Y-%m-%dT%H:%M:%SZ},{end:%Y-%m-%dT%H:%M:%SZ}",
            "step": "1d",
            "includeIdle": "true",
            "idle": "true",
            "accumulate": "false",
        }
        return {**asked, "aggregate": self.aggregate} if self.aggregate else asked


@dataclass(frozen=True, kw_only=True)
class Api:
    """One server."""

    question: Question
    world: World
    recording: Recording
    _answering: list[str] = field(default_factory=list)

    def refresh(self, since: BillingPeriod | None, *, days: int, refresh_days: int) -> None:
        """Ask for the last `refresh_days` and for what of the last `days` was never asked for; today is one of them.

        An answer that covers less of its day than the one on record does not replace it: a server that was restarted
        tells only of the hours since. Raises Unavailable, Rejected, or Malformed for what is no answer; the days
        before it stay recorded.
        """
        today = self.world.clock.now().date()
        known = {info.key: info for info in self.recording.list()}
        for day in (today - timedelta(days=back) for back in range(days, -1, -1)):
            keys = [f"{folder}{day}.json.gz" for folder in (ANSWERS, NOTHING)]
            is_open = day >= today - timedelta(days=refresh_days)
            if (since and day < since.start) or (not is_open and any(key in known for key in keys)):
                continue
            content = self._ask(day)
            covered = _covered(content, str(day))
            before = self._recorded(known.get(keys[0]))
            if before is None or (content != before and covered >= _covered(before, str(day))):
                self.recording.put(keys[0] if covered else keys[1], gzip.compress(content, mtime=0))

    def _recorded(self, info: ObjectInfo | None) -> bytes | None:
        return None if info is None else gzip.decompress(self.recording.fetch(info).read_bytes())

    def _ask(self, day: date) -> bytes:
        """The answer for a day; where it came in pages, a JSON list of them."""
        parameters = self.question.parameters(day)
        if self.question.page_size is None:
            return self._get(parameters)
        pages: list[bytes] = []
        names: set[str] = set()
        for page in range(MOST_PAGES):
            size = self.question.page_size
            content = self._get({**parameters, "limit": size, "offset": page * size})
            told = [one.name for one in _allocations(content, str(day))]
            if names & set(told):
                raise Rejected(f"{self.question.url}: page {page + 1} repeats {told[0]!r}: unset page_size")
            names |= set(told)
            if told or not pages:
                pages.append(content)
            if len(told) < size:
                break
        return b"[" + b",\n".join(pages) + b"]"

    def _get(self, parameters: dict[str, str | int]) -> bytes:
        for path in self._paths():
            response = self.world.http.request(
                "GET",
                self.question.url.rstrip("/") + path,
                idempotent=True,
                headers=self._headers(),
                params=parameters,
                timeout_seconds=self.question.timeout_seconds,
                accept=(404,),
                largest_bytes=LARGEST_BYTES,
            )
            if response.status != 404:
                self._answering[:] = [path]
                return response.content
        raise Rejected(f"{self.question.url}: has no {' nor '.join(self._paths())}: set path to its allocation API")

    def _paths(self) -> tuple[str, ...]:
        return (self.question.path,) if self.question.path else tuple(self._answering) or PATHS

    def _headers(self) -> dict[str, str]:
        if self.question.token is None:
            return {}
        return {"Authorization": f"Bearer {self.world.secrets.get(self.question.token).get_secret_value()}"}


def _covered(content: bytes, file: str) -> timedelta:
    """How much of a day an answer tells of: from the first start to the last end; 0 of nothing."""
    every = list(_allocations(content, file))
    starts = [one.start for one in every if one.start]
    ends = [one.end for one in every if one.end]
    whole = timedelta(days=1) if every else timedelta()
    return max(ends) - min(starts) if starts and ends else whole


def _allocations(content: bytes, file: str) -> Iterator[Allocation]:
    """Raises Unavailable for an answer that says that the server failed, Malformed for what is none."""
    told: Any = parsed(content.decode("utf-8", "replace"), file)
    failed = [page for page in (told if isinstance(told, list) else [told]) if _failed(page)]
    if failed:
        raise Unavailable(f"{file}: the allocation API answers {failed[0]['code']}: {failed[0].get('message', '')}")
    return allocations(told, file)


def _failed(page: Any) -> bool:
    return isinstance(page, dict) and str(page.get("code", "")).startswith("5")
