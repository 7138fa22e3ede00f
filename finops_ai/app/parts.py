"""The parts of the program, each built from its section of the configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from finops_ai.allocation.rules import Pattern, Rules
from finops_ai.allocation.splits import Pool
from finops_ai.app import kubernetes
from finops_ai.config import Config, Kinds, PlugIn
from finops_ai.config.schema import Placed
from finops_ai.detection.settings import DetectSettings, ScopeFloor
from finops_ai.domain.budget import Budget
from finops_ai.domain.change import ChangeSource
from finops_ai.domain.errors import ConfigError
from finops_ai.domain.focus import canonical_tag
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.sources.base import ChargeSource, Keep
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.objects import Store
from finops_ai.world.secrets import Secrets
from finops_ai.world.spark import Spark
from finops_ai.world.world import World

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.jobs.workloads import Attribution
    from finops_ai.policy.judge import Judge

PACKAGE = Path(__file__).resolve().parents[1]
CAME_WITH = (PACKAGE.parent / "config" / "policies", PACKAGE / "policies")
"""Where the packs lie in a checkout, and in an installed wheel."""
DEFAULT_POLICIES = Path("config/policies")


def kinds() -> Kinds:
    from finops_ai import kinds as known

    return Kinds(
        sources=known.SOURCES,
        usage=known.USAGE,
        live=known.LIVE,
        sinks=known.SINKS,
        forges=known.FORGES,
        changes=known.CHANGES,
    )


def world_of(config: Config, environ: Mapping[str, str]) -> World:
    secrets = Secrets(environ)
    clock = SystemClock()
    objects = Store(config.home / "cache", secrets, clock)
    http = Http(secrets, clock)
    scan = config.scan
    return World(
        clock=clock,
        http=http,
        objects=objects,
        secrets=secrets,
        recordings=config.home / "recordings",
        spark=Spark(master=scan.spark_master, memory=scan.spark_memory) if scan.engine == "spark" else None,
    )


@contextmanager
def server(config: Config) -> Iterator[Engine]:
    """The database that is configured, or an embedded one for as long as the block runs; schema as it is."""
    from finops_ai.ledger import connect

    with ExitStack() as stack:
        if config.database_url is not None:
            url = config.database_url.get_secret_value()
        else:
            from finops_ai.world.postgres import embedded

            url = stack.enter_context(embedded(config.home))
        engine = connect.open_engine(url)
        stack.callback(engine.dispose)
        yield engine


@contextmanager
def database(config: Config) -> Iterator[Engine]:
    """The ledger at the newest schema; an empty or an embedded database is brought there at first use.

    Raises ConfigError when a configured one is behind.
    """
    from finops_ai.ledger import connect

    with server(config) as engine:
        current, newest = connect.status(engine)
        if current is None or (current != newest and config.database_url is None):
            connect.upgrade(engine)
        elif current != newest:
            raise ConfigError(
                f"the database is at schema {current}, this program at {newest}: run finops-ai db upgrade"
            )
        yield engine


def upgrade_database(config: Config) -> str:
    """Bring the database to the newest schema; the version it is at then."""
    from finops_ai.ledger import connect

    with server(config) as engine:
        connect.upgrade(engine)
        return str(connect.status(engine)[0])


def database_status(config: Config) -> dict[str, Any]:
    from finops_ai.ledger import connect

    with server(config) as engine:
        current, newest = connect.status(engine)
        return {"current": current, "newest": newest, "up_to_date": current == newest}


def policies(folder: Path | None, packs: Sequence[str] = ()) -> Judge:
    """The judge made of the packs in `folder`, or of those named. Raises ConfigError when there are none.

    Without a folder: config/policies of the working directory, else the packs that came with the program.
    """
    from finops_ai.policy.bundles import load
    from finops_ai.policy.judge import Judge

    place = folder or DEFAULT_POLICIES
    if not place.is_dir() and place == DEFAULT_POLICIES:
        place = installed_policies()
    if not place.is_dir():
        raise ConfigError(f"no folder of policy packs at {place}: name one with --policies or recommend.policies")
    files = {
        str(path.relative_to(place).as_posix()): path.read_text(encoding="utf-8")
        for path in sorted(place.rglob("*.rego"))
    }
    bundles = [one for one in load(files, {}) if not packs or one.name in packs]
    missing = sorted(set(packs) - {one.name for one in bundles})
    if missing or not bundles:
        raise ConfigError(f"no policy pack {missing[0] if missing else ''} in {place}".replace("  ", " "))
    return Judge(bundles)


def installed_policies() -> Path:
    """The folder of the packs that came with the program."""
    return next((folder for folder in CAME_WITH if folder.is_dir()), CAME_WITH[0])


def rules_of(config: Config) -> Rules:
    told = config.allocation
    patterns = tuple(Pattern(dimension=one.key, glob=one.glob, values=_placed(one)) for one in told.patterns)
    return Rules(
        cost_center=told.cost_center,
        ai_model=told.ai_model,
        environment=told.environment,
        accounts=told.accounts,
        patterns=patterns,
        defaults=_placed(told.defaults),
    )


def pools_of(config: Config) -> tuple[Pool, ...]:
    return tuple(
        Pool(name=one.pool, match=one.match, method=one.method, to=one.to, shares=one.shares)
        for one in config.allocation.shared
    )


def keep_of(config: Config, rules: Rules) -> Keep:
    """What the cube keeps of tags: what rules look at, what the configuration asks for, and a kind's own `TAGS`."""
    asked = {key if key == "*" else canonical_tag(key) for key in config.ledger.tags}
    modules = kinds().sources
    asked |= {tag for one in config.sources for tag in getattr(modules[one.kind], "TAGS", ())}
    asked |= kubernetes.tags_needed(config, modules)
    bill = config.savings.bill
    asked |= {canonical_tag(tag.removeprefix("tag:")) for tag in (bill.tags if bill else ())}
    return Keep(tags=frozenset(rules.keep_tags()) | asked, cost_categories=frozenset(rules.keep_cost_categories()))


def sources_of(config: Config, world: World, keep: Keep, names: Collection[str] | None = None) -> list[ChargeSource]:
    """The sources of charges that are configured, all or those in `names`, with hours where they are asked for."""
    wanted = [one for one in config.sources if names is None or one.name in names]
    asked, modules = config.ledger.hours, kinds().sources
    return [modules[one.kind].make(one, world, replace(keep, hours=one.name in asked)) for one in wanted]


def made(modules: Mapping[str, ModuleType], configured: Sequence[PlugIn], world: World) -> dict[str, Any]:
    """The parts of one family by name."""
    return {one.name: modules[one.kind].make(one, world) for one in configured}


def change_sources(config: Config, world: World) -> list[ChangeSource]:
    """Everything that tells what changed beside the bill: what is configured, and the dated prices of models."""
    from finops_ai.app.models import packaged_prices
    from finops_ai.app.price_changes import PriceChanges

    configured = made(kinds().changes, config.changes, world).values()
    return [*configured, PriceChanges([*packaged_prices(), *config.models.prices])]


def reading_version(rules: Rules, keep: Keep) -> str:
    """Changes whenever a delivery, unchanged itself, would be read differently."""
    kept = "\n".join([*sorted(keep.tags), "", *sorted(keep.cost_categories)])
    return f"{rules.version}-{hashlib.sha256(kept.encode()).hexdigest()[:8]}"


def detect_settings(config: Config) -> DetectSettings:
    told = config.detect
    defaults = DetectSettings()
    return DetectSettings(
        false_per_series_year=told.false_per_series_year,
        floor=float(told.floor.get("*", defaults.floor)),
        floors={code: float(amount) for code, amount in told.floor.items() if code != "*"},
        scope_floors=tuple(
            ScopeFloor(where=one.where, amount=float(one.amount), currency=one.currency) for one in told.floors
        ),
    )


def budgets_of(config: Config) -> tuple[Budget, ...]:
    return tuple(
        Budget(
            name=one.name,
            where=one.where,
            amount=Money(one.amount, one.currency),
            hard=one.kind == "hard",
            owner=one.owner,
            probability=one.probability,
        )
        for one in config.budgets
    )


def forecast_settings(config: Config) -> ForecastSettings:
    defaults = ForecastSettings()
    return ForecastSettings(prophet_series=defaults.prophet_series if config.forecast.prophet else 0)


def known_events(config: Config) -> tuple[KnownEvent, ...]:
    """Changes of cost that the configuration announces."""
    return tuple(
        KnownEvent(
            scope=Scope(tuple(sorted(one.where.items()))),
            days=Days(one.start, one.end + timedelta(days=1)),
            note=one.note,
            ends_use=one.ends_use,
            adds=None if one.adds_per_day is None or one.currency is None else Money(one.adds_per_day, one.currency),
            times=one.times,
        )
        for one in config.known_events
    )


def uncounted_of(config: Config) -> frozenset[str]:
    """Sources that only attribute what others bill: so configured, or because a source that bills it is configured."""
    modules = kinds().sources
    configured = {one.kind for one in config.sources}
    told = {one.name: getattr(one, "counts", "always") for one in config.sources}
    billed = {one.name for one in config.sources if configured & set(getattr(modules[one.kind], "BILLED_BY", ()))}
    return frozenset(
        name for name, counts in told.items() if counts == "never" or (counts == "auto" and name in billed)
    )


def watched_gateways(config: Config) -> frozenset[str]:
    """Gateways that tell whose the cost of others is, and are asked for hours: they are watched by their own log."""
    from finops_ai.app.models import gateways_of

    return uncounted_of(config) & {*gateways_of(config, kinds().sources)} & {*config.ledger.hours}


def attribution(config: Config, keep: Keep) -> Attribution:
    """What the ledger knows of workloads, for the place of an episode."""
    from finops_ai.jobs.workloads import Attribution

    uncounted = uncounted_of(config) & set(kubernetes.cluster_tags(config, kinds().sources))
    return Attribution(kept=bool({"namespace", "*"} & set(keep.tags)), sources=tuple(sorted(uncounted)))


def settle_days(config: Config) -> dict[str, int]:
    return {one.name: int(getattr(one, "settle_days", 1)) for one in config.sources}


def _placed(values: Placed) -> dict[str, str]:
    named = {attribute: getattr(values, f"x_{attribute}") for attribute in ("cost_center", "ai_model", "environment")}
    return {attribute: value for attribute, value in named.items() if value is not None}
