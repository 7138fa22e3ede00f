"""What the configuration file may say, section by section, with defaults; plug-ins bring their own settings."""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from finops_ai.allocation.kubernetes import WeighBy
from finops_ai.allocation.model_prices import ModelPrice
from finops_ai.allocation.rules import ATTRIBUTES, PLAIN_COLUMNS, Place, meaning
from finops_ai.allocation.splits import Method, Pool
from finops_ai.config.alerts import Alerts
from finops_ai.config.announced import KnownEvent
from finops_ai.config.budgets import Budgets
from finops_ai.config.data_quality import DataQuality
from finops_ai.config.delivery import Delivery
from finops_ai.config.floors import ScopeFloor
from finops_ai.config.savings import Savings
from finops_ai.config.values import ANY_CURRENCY, Amounts, Text, TimeZone, currency, wrong
from finops_ai.config.web import Web
from finops_ai.domain.episode import Severity
from finops_ai.domain.errors import ConfigError
from finops_ai.domain.focus import canonical_tag
from finops_ai.forges.terms import Terms
from finops_ai.rightsizing.settings import Prices
from finops_ai.rightsizing.settings import Settings as Strategy
from finops_ai.world.secrets import SecretRef

SHARED_KEYS = PLAIN_COLUMNS | {f"x_{attribute}" for attribute in ATTRIBUTES}
"""Columns by which shared costs are told from direct ones."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _place(text: str) -> str:
    try:
        Place.parse(text)
    except ValueError:
        raise wrong(
            f"{text!r} is not a rule: write tag:NAME, cost_category:NAME or a column such as service_name"
        ) from None
    return text


def _value(text: str) -> str:
    if not meaning(text):
        raise wrong(f"{text!r} cannot be a value: it is blank or stands for a charge nothing placed")
    return text


def _cron(line: str) -> str:
    """Five fields; weekdays by name only, because the scheduler counts them from Monday and cron from Sunday."""
    from apscheduler.triggers.cron import CronTrigger

    fields = line.split()
    if len(fields) == 5 and re.search(r"\d", fields[4].partition("/")[0]):
        raise wrong(f"{line!r}: write weekdays as mon, tue … sun; numbers mean different days to different programs")
    try:
        CronTrigger.from_crontab(line, timezone="UTC")
    except ValueError as error:
        raise wrong(f"{line!r} is not a cron line (minute hour day month weekday): {error}") from None
    return line


PlaceText = Annotated[str, AfterValidator(_place)]
Value = Annotated[str, AfterValidator(_value)]
Cron = Annotated[str, AfterValidator(_cron)]


class Placed(Section):
    """Values that a charge is given."""

    x_cost_center: Value | None = None
    x_ai_model: Value | None = None
    x_environment: Value | None = None


class Pattern(Placed):
    """A charge whose column `key` matches `glob`, in any case, gets the values named beside it."""

    key: PlaceText
    glob: Text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.x_cost_center or self.x_ai_model or self.x_environment):
            raise wrong("says nothing: name x_cost_center, x_ai_model or x_environment")
        return self


class Shared(Section):
    """Shared costs: which charges they are, and who carries them. A charge belongs to the first pool that matches."""

    pool: Text
    match: Annotated[dict[str, Text], Field(min_length=1)]
    method: Method = "proportional"
    to: tuple[Text, ...] = ()
    shares: dict[str, Annotated[Decimal, Field(ge=0)]] = {}

    @model_validator(mode="after")
    def _makes_a_pool(self) -> Self:
        if unknown := sorted(self.match.keys() - SHARED_KEYS):
            close = get_close_matches(unknown[0], SHARED_KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(SHARED_KEYS))}"
            raise wrong(f"match: {unknown[0]!r} is not a column; {hint}")
        try:
            Pool(name=self.pool, match=self.match, method=self.method, to=self.to, shares=self.shares)
        except ConfigError as error:
            raise wrong(str(error).removeprefix(f"allocation.pools.{self.pool}").lstrip(".: ")) from None
        return self


class Nodes(Section):
    """Which charges are nodes or GPUs of a cluster, to be split over its workloads. The first rule that matches wins.

    `match` has globs by column or tag:NAME; without it a charge belongs where its well-known cluster tag says.
    `source` names the attribution, where several tell of this cluster; `weigh_by` whose attributed cost weighs.
    """

    cluster: Text
    source: Text | None = None
    match: dict[str, Text] = {}
    weigh_by: WeighBy = "node"

    @field_validator("match")
    @classmethod
    def _known_keys(cls, match: dict[str, str]) -> dict[str, str]:
        for key in match.keys() - SHARED_KEYS - {"source"}:
            if not (key.startswith("tag:") and canonical_tag(key.removeprefix("tag:"))):
                close = get_close_matches(key, SHARED_KEYS, n=1)
                hint = f"did you mean {close[0]}?" if close else "write tag:NAME or a column such as sub_account_id"
                raise wrong(f"{key!r} is not a column; {hint}")
        return match


class Allocation(Section):
    """Who owns a charge. Per attribute the first hit wins: rules in order, accounts, patterns, defaults."""

    cost_center: tuple[PlaceText, ...] = ("tag:cost-center", "tag:cost_center")
    ai_model: tuple[PlaceText, ...] = ("tag:model",)
    environment: tuple[PlaceText, ...] = ("tag:env", "tag:environment")
    accounts: dict[str, Value] = {}
    patterns: tuple[Pattern, ...] = ()
    defaults: Placed = Placed()
    shared: tuple[Shared, ...] = ()
    kubernetes: tuple[Nodes, ...] = ()


class Currencies(Section):
    """What billed money is worth in `reporting`, by the dated table `rates`; the billed currency stays beside it.

    `rates` is a CSV file: period (YYYY-MM or YYYY-MM-DD), currency, reporting_currency, rate.
    """

    reporting: Annotated[Text, AfterValidator(currency)] | None = None
    rates: Path | None = None


COMMON_TAGS = ("application", "app", "business-unit", "component", "owner", "product", "project", "team")
"""Tags that people ask for besides those of the rules; one with a value per resource would burst the cube."""


class Ledger(Section):
    """Without `url` or FINOPS_DATABASE_URL the program runs its own PostgreSQL under FINOPS_HOME.

    What the sources in `hours` bring is also kept, and judged, by the hour; a gateway among them that only attributes
    is watched by its own log.
    """

    url: SecretRef | None = None
    tags: tuple[Text, ...] = COMMON_TAGS
    hours: tuple[Text, ...] = ()
    keep_versions_days: Annotated[int, Field(ge=1)] = 400


class Scan(Section):
    """Where deliveries are added up: in this program, or by Spark at `spark_master` with a driver of `spark_memory`."""

    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_master: Text = "local[2]"
    spark_memory: Annotated[str, Field(pattern=r"^\d+[mg]$")] = "1g"


class Forecast(Section):
    horizon_days: Annotated[int, Field(ge=1, le=400)] = 62
    cost_basis: Literal["billed", "effective"] = "effective"
    prophet: bool = True


class Detect(Section):
    """An episode is opened when surprise is rare (`false_per_series_year`) and the excess is worth it (`floor`)."""

    floor: Amounts = {ANY_CURRENCY: Decimal(5)}
    floors: tuple[ScopeFloor, ...] = ()
    false_per_series_year: Annotated[float, Field(gt=0, le=365)] = 0.5
    page_at: Severity = Severity.WARNING


class Recommend(Section):
    """`forge` names the repository that receives pull requests; `manifests` which of its files are looked at."""

    forge: Text | None = None
    manifests: Text = "**/*.y*ml"
    policies: Path = Path("config/policies")
    packs: tuple[Text, ...] = ("cost-tags", "accelerators")
    min_saving: Amounts = {ANY_CURRENCY: Decimal(5)}
    strategy: Strategy = Strategy()
    prices: Prices = Prices()


class Report(Section):
    """`folder` defaults to `reports` under FINOPS_HOME."""

    folder: Path | None = None


class Schedule(Section):
    """Cron lines in `time_zone`; an empty value switches a job off."""

    time_zone: TimeZone = "UTC"
    ingest: Cron | None = "*/15 * * * *"
    forecast: Cron | None = "20 */6 * * *"
    nearby: Cron | None = "*/15 * * * *"
    detect: Cron | None = "25 * * * *"
    recommend: Cron | None = "0 5 * * mon"
    report: Cron | None = "0 6 * * mon"
    deliver: Cron | None = "* * * * *"
    follow: Cron | None = "*/10 * * * *"
    drift: Cron | None = "50 4 * * *"

    def lines(self) -> dict[str, str]:
        """Job to cron line, for the jobs that are switched on."""
        return {job: line for job, line in self if job != "time_zone" and line is not None}


class Models(Section):
    """AI models: `aliases` say which model a gateway's own name means, `prices` come before the packaged table."""

    aliases: dict[Text, Text] = {}
    prices: tuple[ModelPrice, ...] = ()


class Sections(Section):
    """Everything but the plug-ins."""

    allocation: Allocation = Allocation()
    currencies: Currencies = Currencies()
    ledger: Ledger = Ledger()
    scan: Scan = Scan()
    models: Models = Models()
    forecast: Forecast = Forecast()
    known_events: tuple[KnownEvent, ...] = ()
    detect: Detect = Detect()
    alerts: Alerts = Alerts()
    budgets: Budgets = ()
    data_quality: DataQuality = DataQuality()
    delivery: Delivery = Delivery()
    recommend: Recommend = Recommend()
    pull_requests: Terms = Terms()
    savings: Savings = Savings()
    report: Report = Report()
    schedule: Schedule = Schedule()
    web: Web = Web()
