"""Loopback servers that answer as the published usage and cost APIs do, and refuse what those refuse."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-admin-canary-9f3b71"
DAY = timedelta(days=1)

OPENAI_GROUPS = {
    "costs": {"project_id", "line_item", "api_key_id"},
    "usage/completions": {"project_id", "user_id", "api_key_id", "model", "batch", "service_tier"},
    "usage/embeddings": {"project_id", "user_id", "api_key_id", "model"},
    "usage/moderations": {"project_id", "user_id", "api_key_id", "model"},
    "usage/images": {"project_id", "user_id", "api_key_id", "model", "size", "source"},
    "usage/audio_speeches": {"project_id", "user_id", "api_key_id", "model"},
    "usage/audio_transcriptions": {"project_id", "user_id", "api_key_id", "model"},
    "usage/web_search_calls": {"project_id", "user_id", "api_key_id", "model", "context_level"},
    "usage/file_search_calls": {"project_id", "user_id", "api_key_id", "vector_store_id"},
    "usage/code_interpreter_sessions": {"project_id"},
    "usage/vector_stores": {"project_id"},
}
ANTHROPIC_GROUPS = {
    "cost_report": {"workspace_id", "description"},
    "usage_report/messages": {"workspace_id", "api_key_id", "model", "service_tier", "context_window"},
}

Results = Mapping[str, Mapping[date, Sequence[Mapping[str, Any]]]]
Fault = Callable[[str, int, dict[str, Any]], tuple[int, bytes] | None]
"""What to answer instead: of the report, the number of the request (from 1) and the whole answer."""


@dataclass
class Api:
    """`results` by report and day; `per_page` buckets a page. `asked` are paths with their queries."""

    url: str = ""
    results: dict[str, dict[date, Sequence[Mapping[str, Any]]]] = field(default_factory=dict)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    per_page: int = 4
    fault: Fault | None = None
    asked: list[str] = field(default_factory=list)
    grows: bool = False


class Refused(Exception):
    """The request is not what the published description allows."""


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.asked.append(self.path)
            try:
                report, document = _answer(api, self.path, {k.lower(): v for k, v in self.headers.items()})
                status, body = 200, json.dumps(document).encode()
                if api.fault and (instead := api.fault(report, len(api.asked), document)):
                    status, body = instead
            except Refused as error:
                status, body = 400, json.dumps({"error": {"message": str(error)}}).encode()
            except PermissionError:
                status, body = 401, b'{"error": {"message": "no such key"}}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(api: Api, target: str, headers: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(target)
    query = parse_qs(parts.query, strict_parsing=True)
    if parts.path.startswith("/v1/organization/"):
        if headers.get("authorization") != f"Bearer {KEY}":
            raise PermissionError
        return _openai(api, parts.path.removeprefix("/v1/organization/"), query)
    if parts.path.startswith("/v1/organizations/"):
        if headers.get("x-api-key") != KEY or headers.get("anthropic-version") != "2023-06-01":
            raise PermissionError
        return _anthropic(api, parts.path.removeprefix("/v1/organizations/"), query)
    if parts.path == "/spend/logs/v2":
        if headers.get("authorization") != f"Bearer {KEY}":
            raise PermissionError
        return "logs", _logs(api, query)
    raise Refused(f"no such path: {parts.path}")


def _openai(api: Api, report: str, query: dict[str, list[str]]) -> tuple[str, dict[str, Any]]:
    groups = OPENAI_GROUPS.get(report)
    if groups is None or set(query.get("group_by", ())) - groups:
        raise Refused(f"{report}: cannot group by {query.get('group_by')}")
    if set(query) - {"start_time", "end_time", "bucket_width", "limit", "page", "group_by"}:
        raise Refused(f"unknown parameters among {sorted(query)}")
    start, end = (datetime.fromtimestamp(int(query[name][0]), UTC).date() for name in ("start_time", "end_time"))
    days, following = _paged(api, start, end, query)
    data = [
        {
            "object": "bucket",
            "start_time": int(_midnight(day).timestamp()),
            "end_time": int(_midnight(day + DAY).timestamp()),
            "results": list(api.results.get(report, {}).get(day, ())),
        }
        for day in days
    ]
    return report, {"object": "page", "data": data, "has_more": following is not None, "next_page": following}


def _anthropic(api: Api, report: str, query: dict[str, list[str]]) -> tuple[str, dict[str, Any]]:
    groups = ANTHROPIC_GROUPS.get(report)
    if groups is None or set(query.get("group_by[]", ())) - groups:
        raise Refused(f"{report}: cannot group by {query.get('group_by[]')}")
    if set(query) - {"starting_at", "ending_at", "bucket_width", "limit", "page", "group_by[]"}:
        raise Refused(f"unknown parameters among {sorted(query)}")
    start, end = (datetime.fromisoformat(query[name][0]).date() for name in ("starting_at", "ending_at"))
    days, following = _paged(api, start, end, query)
    data = [
        {
            "starting_at": f"{day}T00:00:00Z",
            "ending_at": f"{day + DAY}T00:00:00Z",
            "results": list(api.results.get(report, {}).get(day, ())),
        }
        for day in days
    ]
    return report, {"data": data, "has_more": following is not None, "next_page": following}


def _paged(api: Api, start: date, end: date, query: Mapping[str, Sequence[str]]) -> tuple[list[date], str | None]:
    limit = int(query.get("limit", ["7"])[0])
    if query.get("bucket_width", ["1d"]) != ["1d"] or not 1 <= limit <= 31 or not start < end:
        raise Refused("bucket_width=1d has at most 31 buckets a page")
    days = [start + DAY * number for number in range((end - start).days)]
    at = int(query["page"][0].removeprefix("page_")) if "page" in query else 0
    upto = at + min(limit, api.per_page)
    return days[at:upto], f"page_{upto}" if upto < len(days) else None


def _logs(api: Api, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    start, end = query["start_date"][0], query["end_date"][0]
    datetime.strptime(start, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the form that the gateway asks for, UTC
    page, size = int(query["page"][0]), int(query["page_size"][0])
    if not 1 <= size <= 1000:
        raise Refused("page_size is at most 1000")
    rows = [row for row in api.rows if start <= str(row["startTime"])[:19].replace("T", " ") <= end]
    total = len(rows) + (page if api.grows and rows else 0)
    size = min(size, api.per_page)
    pages = -(-len(rows) // size)
    return {
        "data": rows[(page - 1) * size : page * size],
        "total": total,
        "page": page,
        "page_size": size,
        "total_pages": pages,
    }


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
