"""Cron lines to jobs: no logic of its own; a tick is only a hint to look."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog

from finops_ai.app import App
from finops_ai.domain.errors import FinopsError

DRAIN_SECONDS = 30
MISFIRE_SECONDS = 3600

log = structlog.get_logger()


def serve(app: App) -> None:
    """Run until SIGTERM or SIGINT; a running job may finish within DRAIN_SECONDS.

    Every job is idempotent and takes its own lock in the database, so that two schedulers do no harm; a missed tick
    is made up once, since the next run looks at all that is new.
    """
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.cron import CronTrigger

    stop = threading.Event()

    def asked_to_stop(_: int, __: FrameType | None) -> None:
        stop.set()

    previous = {name: signal.signal(name, asked_to_stop) for name in (signal.SIGTERM, signal.SIGINT)}
    scheduler = BackgroundScheduler(timezone="UTC")
    for job, line in app.schedule().items():
        scheduler.add_job(
            _tick,
            CronTrigger.from_crontab(line, timezone=app.config.schedule.time_zone),
            args=(app, job),
            id=job,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=MISFIRE_SECONDS,
            jitter=10,
        )
    scheduler.start()
    log.info("scheduler started", jobs=sorted(app.schedule()))
    try:
        stop.wait()
    finally:
        scheduler.pause()
        drained = threading.Thread(target=scheduler.shutdown, kwargs={"wait": True}, daemon=True)
        drained.start()
        drained.join(DRAIN_SECONDS)
        for name, handler in previous.items():
            signal.signal(name, handler)
        log.info("scheduler stopped", drained=not drained.is_alive())


def _tick(app: App, job: str) -> None:
    try:
        outcome = app.run(job, app.now())
    except FinopsError as error:
        log.warning("job failed", job=job, error=str(error))
    except Exception:
        # A bug in one job must not silence the others; the record of runs keeps it.
        log.exception("job broke", job=job)
    else:
        log.info("job done", job=job, problems=len(outcome.problems), **outcome.counts)
