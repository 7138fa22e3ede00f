"""The only HTTP client: deadlines, retries where a repeat is harmless, masked errors, no way into private networks."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from finops_ai import __version__
from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.world.addresses import Resolve, public_addresses, system_resolve
from finops_ai.world.clock import Clock
from finops_ai.world.deadline import Deadline, cut_at
from finops_ai.world.log import printable
from finops_ai.world.secrets import Secrets

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 5.0
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
"""A longer wait, asked for by Retry-After, is left to the caller, who is told of it."""

LARGEST_BYTES = 32 * 1024 * 1024
SHOWN_BODY = 300
RETRIED = frozenset({429, 502, 503, 504})
TEMPORARY = RETRIED | {408, 425}
DOUBTFUL = frozenset({500, 502, 504})
"""After these the peer, or one behind it, may have done what it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer in full. `headers` have lower-case names; repeated ones are joined with commas."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises Unavailable when it is none: something else answered in the peer's place."""
        import json

        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise Unavailable(f"the answer (status {self.status}) is not JSON") from None


class _Failure(Exception):
    """One attempt that failed for now; `unsure` when the peer may have got the request all the same."""

    def __init__(
        self, message: str, *, retry: bool = True, unsure: bool = False, retry_after_seconds: float | None = None
    ) -> None:
        self.retry = retry
        self.unsure = unsure
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class Http:
    """Calls peers over HTTP; every attempt opens its own connection, so that none is found stale.

    `transport` and `resolve` stand in for the network and the resolver.
    """

    def __init__(
        self,
        secrets: Secrets,
        clock: Clock,
        *,
        transport: httpx.BaseTransport | None = None,
        resolve: Resolve = system_resolve,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._transport = transport
        self._resolve = resolve
        self._clients: dict[bool, httpx.Client] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        idempotent: bool,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        public_only: bool = False,
        accept: Collection[int] = (),
        largest_bytes: int = LARGEST_BYTES,
    ) -> Response:
        """The answer, if its status is 2xx or in `accept`; redirects are never followed.

        `idempotent` says that a repeat is harmless (by nature or by a key): only then are network errors and
        statuses 429, 502, 503 and 504 tried again. `timeout_seconds` bounds the whole call, waits included.
        `public_only` is for URLs that came from data: every address of the host must be public.
        Raises Rejected for any other 3xx or 4xx and for an answer beyond `largest_bytes`, Unavailable for the rest
        (with `retry_after_seconds` where the peer named it), ConfigError for a URL that is none.
        """
        request = self._request(method, url, params, headers=headers, json=json, content=content)
        what = f"{method} {self._shown(str(request.url))}"
        deadline = Deadline.after(timeout_seconds)
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._send(request, attempt, deadline, public_only, largest_bytes)
                self._judge(response, accept)
                return response
            except Rejected as error:
                raise Rejected(f"{what}: {self._shown(str(error))}") from None
            except _Failure as error:
                asked = error.retry_after_seconds
                wait = _back_off(attempt) if asked is None else asked
                may_repeat = idempotent and error.retry and attempt < ATTEMPTS
                if not may_repeat or wait > min(LONGEST_WAIT_SECONDS, deadline.left):
                    doubt = "; it may have been taken all the same" if error.unsure and not idempotent else ""
                    times = f" (tried {attempt} times)" if attempt > 1 else ""
                    message = f"{what}: {self._shown(str(error))}{doubt}{times}"
                    raise Unavailable(message, retry_after_seconds=asked, unsure=error.unsure) from None
            self._clock.sleep(wait)

    def _request(self, method: str, url: str, params: Mapping[str, str | int] | None, **parts: Any) -> httpx.Request:
        import httpx

        try:
            target = httpx.URL(url)
            # Only where there are some: merging writes the whole query anew, and a signed one must stay as it is.
            request = httpx.Request(method, target.copy_merge_params(params) if params else target, **parts)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{self._shown(url)}: not a URL: {self._shown(str(error))}") from None
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise ConfigError(f"{self._shown(url)}: not an http:// or https:// URL")
        for name, value in (("User-Agent", f"finops-ai/{__version__}"), ("Accept-Encoding", "gzip, deflate")):
            request.headers.setdefault(name, value)
        return request

    def _send(
        self, request: httpx.Request, attempt: int, deadline: Deadline, public_only: bool, largest_bytes: int
    ) -> Response:
        import httpx

        late = f"no whole answer within {deadline.seconds:g} s"
        url, extensions = self._destination(request, attempt, public_only)
        timeout = httpx.Timeout(deadline.left, connect=min(CONNECT_SECONDS, deadline.left))
        with cut_at(deadline) as (was_cut, trace):
            once = httpx.Request(
                request.method,
                url,
                headers=request.headers,
                content=request.content,
                extensions={**extensions, "timeout": timeout.as_dict(), "trace": trace},
            )
            try:
                answer = self._client(public_only).send(once, stream=True)
                try:
                    body = _body(answer, largest_bytes)
                finally:
                    answer.close()
            except (httpx.ConnectTimeout, httpx.PoolTimeout):
                raise _Failure("connecting took too long") from None
            except httpx.ConnectError as error:
                raise _Failure(f"cannot connect: {error}") from None
            except httpx.TimeoutException:
                raise _Failure(late, unsure=True) from None
            except httpx.RequestError as error:
                broke = f"the connection broke: {str(error) or type(error).__name__}"
                raise _Failure(late if was_cut.is_set() else broke, unsure=True) from None
        names = {name.lower() for name in answer.headers}
        return Response(status=answer.status_code, headers={name: answer.headers[name] for name in names}, content=body)

    def _destination(
        self, request: httpx.Request, attempt: int, public_only: bool
    ) -> tuple[httpx.URL, Mapping[str, Any]]:
        """Where to connect. A judged address is used as it is: asking for the name again could answer otherwise."""
        if not public_only:
            return request.url, {}
        host = request.url.raw_host.decode()
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = public_addresses(host.strip("[]"), port, self._resolve)
        address = addresses[(attempt - 1) % len(addresses)]
        return request.url.copy_with(host=address), {"sni_hostname": host}

    def _client(self, public_only: bool) -> httpx.Client:
        if public_only not in self._clients:
            import httpx

            self._clients[public_only] = httpx.Client(
                transport=self._transport,
                verify=httpx.create_ssl_context(),
                # A proxy would resolve the name once more, behind the judgement.
                trust_env=not public_only,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._clients[public_only]

    def _judge(self, response: Response, accept: Collection[int]) -> None:
        status = response.status
        if 200 <= status < 300 or status in accept:
            return
        wait = self._retry_after(response)
        said = f"{status} {_phrase(status)}"
        # GitHub tells of a rate limit by 403 with Retry-After.
        if status in TEMPORARY or status >= 500 or (status == 403 and wait is not None):
            raise _Failure(
                said,
                retry=status in RETRIED or status == 403,
                unsure=status in DOUBTFUL,
                retry_after_seconds=wait,
            )
        if 300 <= status < 400:
            raise Rejected(f"{said}: redirects to {response.headers.get('location', 'nowhere')}; set that address")
        # Masked before it is cut: half a secret would not be recognised.
        body = self._shown(response.text[: 20 * SHOWN_BODY])[:SHOWN_BODY]
        raise Rejected(f"{said}: {body}" if body else said)

    def _retry_after(self, response: Response) -> float | None:
        """Seconds that the peer asks to wait, given as seconds or as an HTTP date."""
        text = response.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        with suppress(ValueError, TypeError):
            moment = parsedate_to_datetime(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, (moment - self._clock.now()).total_seconds())
        return None

    def _shown(self, text: str) -> str:
        return printable(self._secrets.redact(text))


def _body(answer: httpx.Response, largest_bytes: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > largest_bytes:
            raise Rejected(f"the answer is larger than {largest_bytes} bytes")
    return bytes(body)


def _back_off(attempt: int) -> float:
    """Doubling waits with jitter, so that many callers do not come back together."""
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
