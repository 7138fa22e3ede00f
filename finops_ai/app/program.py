"""The program put together: every method is one call of a job or one read, with its parts handed in."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from finops_ai.allocation.rules import Rules
from finops_ai.allocation.splits import Pool, keys_needed, share
from finops_ai.app import alerts, drifting, oncall, parts
from finops_ai.app.kubernetes import Clusters
from finops_ai.app.models import Models
from finops_ai.config import Config
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import ConfigError
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.jobs import answers
from finops_ai.jobs.run import Progress, Turn, run, silent
from finops_ai.sources.base import Keep
from finops_ai.world import log
from finops_ai.world.world import World

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.forges.base import Forge
    from finops_ai.sinks.base import Sink

JOBS = ("ingest", "forecast", "nearby", "detect", "drift", "recommend", "follow", "deliver", "report")
EVERY_DAY = Days(date(1, 1, 2), date(9999, 12, 30))


@contextmanager
def open_app(config: Config, environ: Mapping[str, str], progress: Progress = silent) -> Iterator[App]:
    """Put the program together; everything it started ends with the block."""
    world = parts.world_of(config, environ)
    log.configure(world.secrets, world.clock)
    with closing(world), parts.database(config) as engine:
        yield App(config=config, world=world, engine=engine, progress=progress)


@dataclass(frozen=True, kw_only=True)
class App:
    config: Config
    world: World
    engine: Engine
    progress: Progress

    def now(self) -> datetime:
        return self.world.clock.now()

    @cached_property
    def rules(self) -> Rules:
        return parts.rules_of(self.config)

    @cached_property
    def keep(self) -> Keep:
        return parts.keep_of(self.config, self.rules)

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        return parts.pools_of(self.config)

    @cached_property
    def sinks(self) -> dict[str, Sink]:
        return parts.made(parts.kinds().sinks, self.config.sinks, self.world)

    @cached_property
    def forges(self) -> dict[str, Forge]:
        return parts.made(parts.kinds().forges, self.config.forges, self.world)

    def schedule(self) -> dict[str, str]:
        return {job: line for job, line in self.config.schedule.lines().items() if job in JOBS}

    def run(self, job: str, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        """One job by its name."""
        return cast(Outcome, getattr(self, job)(as_of, dry_run=dry_run))

    def run_all(self, as_of: datetime, *, dry_run: bool = False) -> Iterator[Outcome]:
        for job in JOBS:
            self.progress(f"{job} …")
            yield self.run(job, as_of, dry_run=dry_run)

    def ingest(self, as_of: datetime, *, names: Sequence[str] = (), dry_run: bool = False) -> Outcome:
        from finops_ai.app.ingestion import ingestion

        work = ingestion(self.config, self.world, self.rules, self.keep, names)
        return self._run("ingest", as_of, dry_run, work)

    def forecast(self, as_of: datetime, *, where: Sequence[tuple[str, str]] = (), dry_run: bool = False) -> Outcome:
        from finops_ai.jobs.forecast import forecast

        def work(turn: Turn) -> Outcome:
            return forecast(
                turn,
                cost_basis=self.config.forecast.cost_basis,
                horizon_days=self.config.forecast.horizon_days,
                settle_days=parts.settle_days(self.config),
                settings=parts.forecast_settings(self.config),
                announced=parts.known_events(self.config),
                where=where,
            )

        return self._run("forecast", as_of, dry_run, work)

    def nearby(self, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        from finops_ai.jobs.nearby import gather

        told = parts.change_sources(self.config, self.world)
        return self._run("nearby", as_of, dry_run, lambda turn: gather(turn, told))

    def detect(self, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        from finops_ai.jobs.detect import detect

        def work(turn: Turn) -> Outcome:
            return detect(
                turn,
                cost_basis=self.config.forecast.cost_basis,
                settle_days=parts.settle_days(self.config),
                settings=parts.detect_settings(self.config),
                announced=parts.known_events(self.config),
                budgets=parts.budgets_of(self.config),
                data_owners=self.config.data_quality.by_source(),
                attribution=parts.attribution(self.config, self.keep),
                gateways=parts.watched_gateways(self.config),
                voice=alerts.voice(self.config, self.world.secrets, as_of),
            )

        return self._run("detect", as_of, dry_run, work)

    def recommend(self, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        from finops_ai.jobs.follow import by_key
        from finops_ai.jobs.recommend import recommend

        told = self.config.recommend
        forge = by_key(self.forges, told.forge)
        if forge is None:
            if self.forges:
                raise ConfigError("several forges are configured: name the one for proposals in recommend.forge")
            return Outcome(job="recommend", as_of=as_of, counts={})
        with parts.policies(told.policies, told.packs) as judge:

            def work(turn: Turn) -> Outcome:
                return recommend(
                    turn,
                    forge=forge,
                    manifests=told.manifests,
                    judge=judge.manifest,
                    prices=told.prices,
                    settings=told.strategy,
                    min_saving=told.min_saving.get(told.prices.currency, told.min_saving.get("*", Decimal(0))),
                    terms=self.config.pull_requests,
                )

            return self._run("recommend", as_of, dry_run, work)

    def deliver(self, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        from finops_ai.jobs.deliver import Patience, deliver, waiting

        owner = f"{socket.gethostname()}:{os.getpid()}"
        told = self.config.delivery
        patience = Patience(**{name: value for name, value in told if name.endswith("_seconds")})
        detours = alerts.detours(self.config)
        work = waiting if dry_run else lambda turn: deliver(turn, self.sinks, self.forges, owner, patience, detours)
        return self._run("deliver", as_of, dry_run, work, alone=False)

    drift = drifting.drift

    def follow(self, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        from finops_ai.app.following import Follower

        follower = Follower(config=self.config, world=self.world, forges=self.forges, costs=self.costs)
        return self._run("follow", as_of, dry_run, follower.follow)

    def report(self, as_of: datetime, *, dry_run: bool = False) -> Outcome:
        from finops_ai.app.files import write_report
        from finops_ai.jobs.report import report

        def work(turn: Turn) -> Outcome:
            return report(
                turn,
                cost_basis=self.config.forecast.cost_basis,
                settle_days=parts.settle_days(self.config),
                rules_version=self.rules.version,
                pools=self.pools,
                forecast_settings=parts.forecast_settings(self.config),
                reporting_currency=self.config.currencies.reporting,
                alerts=alerts.alert_settings(self.config),
                detect=parts.detect_settings(self.config),
                write=lambda made: write_report(made, self.config.report_folder),
            )

        return self._run("report", as_of, dry_run, work)

    def costs(
        self,
        *,
        days: Days | None,
        group_by: tuple[str, ...],
        where: tuple[tuple[str, str], ...],
        currency: str | None,
        as_of: datetime,
        report_in: str | None = None,
    ) -> list[dict[str, Any]]:
        """What the ledger answers, see `ledger.costs.costs` and, with `report_in`, `currencies.reported`.

        Raises UsageError for a tag that is not kept.
        """
        from finops_ai.app.currencies import reported
        from finops_ai.app.nothing import must_be_kept
        from finops_ai.ledger.costs import CostQuery, costs

        for key in (*group_by, *(key for key, _ in where)):
            must_be_kept(key, self.keep)
        query = CostQuery(days=days or EVERY_DAY, group_by=group_by, where=where, currency=currency, as_of=as_of)
        return reported(self.engine, query, report_in) if report_in else costs(self.engine, query)

    def showback(self, *, days: Days, as_of: datetime) -> list[dict[str, Any]]:
        """Costs by cost center and the pool they came from, after clusters and shared costs are split."""
        keys = tuple(sorted({"x_cost_center", *keys_needed(self.pools)}))
        return answers.showback(share(self.clusters(days, as_of).shared_out(keys), self.pools))

    def models(self, days: Days, as_of: datetime) -> Models:
        """What AI models were used for and what that cost."""
        return Models(
            config=self.config,
            modules=parts.kinds().sources,
            costs=self.costs,
            keep=self.keep,
            attributing=parts.uncounted_of(self.config),
            days=days,
            as_of=as_of,
        )

    def clusters(self, days: Days, as_of: datetime) -> Clusters:
        """What clusters were billed and what ran in them."""
        return Clusters(config=self.config, modules=parts.kinds().sources, costs=self.costs, days=days, as_of=as_of)

    def export_focus(self, *, days: Days | None, file: Path, as_of: datetime) -> list[dict[str, Any]]:
        from finops_ai.app.focus_export import Reading, export

        reading = Reading(
            sources=parts.sources_of(self.config, self.world, self.keep),
            rules=self.rules,
            rules_version=parts.reading_version(self.rules, self.keep),
            progress=self.progress,
        )
        return export(self.engine, reading, days or EVERY_DAY, as_of, file)

    def episodes(self, as_of: datetime) -> list[dict[str, Any]]:
        return answers.episodes(self.engine, as_of)

    def episode(self, key: str, as_of: datetime) -> dict[str, Any]:
        return answers.episode(self.engine, key, as_of)

    def explain(self, key: str, as_of: datetime) -> dict[str, Any]:
        return answers.explain_episode(self.engine, key, as_of, settle_days=parts.settle_days(self.config))

    def feedback(
        self, key: str, verdict: FeedbackVerdict, *, until: date | None, note: str, by: str, as_of: datetime
    ) -> dict[str, Any]:
        """Keep an answer to an episode; the episode with it. Raises UsageError."""
        return oncall.feedback(self.engine, key, verdict, until=until, note=note, by=by, as_of=as_of)

    def acknowledge(self, key: str, *, note: str, by: str, as_of: datetime) -> dict[str, Any]:
        """Keep that somebody looks after an episode; the episode. Raises UsageError."""
        return oncall.acknowledge(self.engine, key, note=note, by=by, as_of=as_of)

    def budgets(self, month: BillingPeriod | None, as_of: datetime) -> list[dict[str, Any]]:
        return oncall.budgets(self.engine, self.config, month, as_of)

    def pulls(self) -> list[dict[str, Any]]:
        return answers.pulls(self.engine)

    def pull(self, key: str) -> dict[str, Any]:
        return answers.pull(self.engine, key)

    def _run(
        self, job: str, as_of: datetime, dry_run: bool, work: Callable[[Turn], Outcome], *, alone: bool = True
    ) -> Outcome:
        turn = Turn(engine=self.engine, as_of=as_of, now=self.now, dry_run=dry_run, progress=self.progress)
        return run(job, turn, work, alone=alone)
