"""Ends a network call at its deadline, whatever the peer does meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """`at` is on the monotonic clock; `seconds` is what was allowed from the start."""

    seconds: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(seconds=seconds, at=time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds left, never 0: a time-out of 0 would mean "do not block"."""
        return max(0.001, self.at - time.monotonic())


@contextmanager
def cut_at(deadline: Deadline) -> Iterator[tuple[threading.Event, Any]]:
    """Shuts the connection at the deadline: a peer that sends a byte now and then never meets a read time-out.

    Yields the event that tells of it and the callback by which httpcore makes its connections known.
    """
    was_cut = threading.Event()
    streams: list[Any] = []

    def cut() -> None:
        was_cut.set()
        for stream in streams:
            with suppress(OSError):
                # Not SSLSocket.shutdown, which takes the TLS state away under the reading thread.
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            streams[:] = [info["return_value"]]
            if was_cut.is_set():
                cut()

    timer = threading.Timer(deadline.left, cut)
    timer.daemon = True
    timer.start()
    try:
        yield was_cut, trace
    finally:
        timer.cancel()
