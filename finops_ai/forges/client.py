"""JSON over REST as Git hosts speak it: pages, a pause between writes, and refusals told with their remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.world.http import Response
from finops_ai.world.world import World

READS = frozenset({"GET"})
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
JUDGED = frozenset({401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 400})
MOST_PAGES = 200
SECONDARY_LIMIT_SECONDS = 60.0
SHOWN = 300

_NEXT = re.compile(r"<[^>]*>\s*;[^,]*\brel=\"?next\b")


class Client:
    """Calls one host's API. `headers` are made anew for every call, because tokens are short-lived.

    `remedy` says what the token needs. Raises Unavailable for whatever a person or time can mend (a rate limit, with
    the wait it asks for; a token that is refused), Rejected for a request that will never be taken.
    """

    def __init__(
        self,
        world: World,
        base: str,
        headers: Callable[[], Mapping[str, str]],
        *,
        remedy: str,
        page_size: tuple[str, int] = ("per_page", 100),
        pause_seconds: float = 1.0,
    ) -> None:
        self._http, self._clock, self._redact = world.http, world.clock, world.secrets.redact
        self._base = base.rstrip("/")
        self._headers = headers
        self._remedy = remedy
        self._page_size = page_size
        self._pause_seconds = pause_seconds
        self._wrote_at: datetime | None = None

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return self.call("GET", path, params=params).json()

    def find(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        """As `get`; None where there is no such thing."""
        answer = self.call("GET", path, params=params, accept=(404,))
        return None if answer.status == 404 else answer.json()

    def pages(self, path: str, params: Mapping[str, str | int] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list. The next page is asked for by number: an address from an answer is never followed."""
        name, size = self._page_size
        received = 0
        for page in range(1, MOST_PAGES + 1):
            answer = self.call("GET", path, params={**(params or {}), name: size, "page": page})
            items = answer.json()
            if not isinstance(items, list):
                raise Unavailable(f"GET {path}: the answer is no list")
            yield from items
            received += len(items)
            total = answer.headers.get("x-total-count", "")
            has_more = bool(_NEXT.search(answer.headers.get("link", ""))) or (
                total.isascii() and total.isdigit() and received < int(total[:12])
            )
            if not items or not has_more:
                return
        raise Unavailable(f"GET {path}: more than {MOST_PAGES} pages")

    def send(self, method: str, path: str, body: Any = None, accept: Collection[int] = ()) -> Any:
        """A write; None where the answer is empty or its status is in `accept`."""
        answer = self.call(method, path, body=body, accept=accept)
        return None if answer.status in accept or not answer.content else answer.json()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
        accept: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        if method not in READS:
            self._pause()
        response = self._http.request(
            method,
            self._base + path,
            idempotent=method in REPEATABLE,
            headers={**self._headers(), **(headers or {})},
            json=body,
            params=params,
            accept=JUDGED,
        )
        if response.status in accept or response.status < 300:
            return response
        raise self._refusal(f"{method} {self._base}{path}", response)

    def _pause(self) -> None:
        """Hosts ask for a second between writes, or take them for abuse."""
        now = self._clock.now()
        if self._wrote_at is not None:
            self._clock.sleep(max(0.0, self._pause_seconds - (now - self._wrote_at).total_seconds()))
        self._wrote_at = self._clock.now()

    def _refusal(self, what: str, response: Response) -> Exception:
        # Masked before it is cut: half a secret would not be recognised.
        said = " ".join(self._redact(response.text[: 20 * SHOWN]).split())[:SHOWN]
        told = f"{what}: {response.status} {said}".strip()
        if response.status in (403, 429):
            wait = rate_limit_wait(response, self._clock.now())
            if wait is not None or response.status == 429:
                known = f"; it asks to wait {wait:.0f} s" if wait is not None else ""
                return Unavailable(f"{what}: the rate limit is reached{known}", retry_after_seconds=wait)
        if response.status in (401, 403):
            return Unavailable(f"{told} ({self._remedy})")
        if response.status == 404:
            return Unavailable(f"{told} (check the repository's name; {self._remedy})")
        return Rejected(told)


def rate_limit_wait(response: Response, now: datetime) -> float | None:
    """Seconds until a rate limit ends; None where the refusal is no rate limit, or does not say."""
    headers = response.headers
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return float(after[:9])
    for prefix in ("x-ratelimit", "ratelimit"):
        reset = headers.get(f"{prefix}-reset", "")
        if headers.get(f"{prefix}-remaining", "").strip() == "0" and reset.isascii() and reset.isdigit():
            return max(1.0, float(reset[:12]) - now.timestamp())
    if "secondary rate limit" in response.text.lower():
        return SECONDARY_LIMIT_SECONDS
    return None


def known_instant(text: Any) -> datetime:
    """As `instant`, where a host always tells one."""
    moment = instant(text)
    if moment is None:
        raise Unavailable("the host tells no moment where it should")
    return moment


def instant(text: Any) -> datetime | None:
    """A moment as hosts write it; None for null and for the year 1 that stands for null."""
    if not isinstance(text, str) or not text or text.startswith("0001"):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unavailable(f"the host tells a moment that is none: {text[:40]!r}") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
