"""Jobs that a request asks for: run one after another beside the server, asked twice run once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from finops_ai.domain.errors import FinopsError, Unavailable

PATIENCE_SECONDS = 5.0
TRIES = 12

log = structlog.get_logger()


class Work:
    """`ask` returns at once; `close` lets the running job end. What was asked and not begun is left to the schedule:
    every job looks at all that is new, so a lost hint costs time and nothing else.
    """

    def __init__(self, run: Callable[[str], object], patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._run = run
        self._patience = patience_seconds
        self._asked: dict[str, None] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="asked-jobs", daemon=True)
        self._thread.start()

    def ask(self, job: str) -> None:
        with self._changed:
            self._asked[job] = None
            self._changed.notify_all()

    def close(self, patience_seconds: float) -> bool:
        """True when the running job ended within the time."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(patience_seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._closing)
                if self._closing:
                    return
                job = next(iter(self._asked))
                # Taken out before it runs: what is asked meanwhile may be too new for this run.
                del self._asked[job]
            self._once(job)

    def _once(self, job: str) -> None:
        for _ in range(TRIES):
            try:
                self._run(job)
            except Unavailable as error:
                log.info("job asked for waits", job=job, error=str(error))
            except FinopsError as error:
                log.warning("job failed", job=job, error=str(error))
                return
            else:
                return
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, self._patience):
                    return
