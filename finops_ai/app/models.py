"""Unit costs of AI models and their reconciliation: the ledger's rows and the price table, handed to the engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.resources import files
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from finops_ai.allocation import reconciliation
from finops_ai.allocation.model_prices import ModelPrice, PriceTable
from finops_ai.allocation.unit_costs import KEYS, TAGS, Charge, charge_of, unit_costs
from finops_ai.config import Config
from finops_ai.domain.errors import UsageError
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.period import Days
from finops_ai.sources.base import Keep

Row = Mapping[str, Any]
STATUS = "tag:request-status"
AI = "AI and Machine Learning"
"""Service category of what is billed for models."""

OWN_TAGS = (STATUS, *TAGS.values())
RECONCILED = ("source", STATUS, *KEYS)


@dataclass(frozen=True, kw_only=True)
class Models:
    """AI models over some days, as known at an instant. `costs` is `App.costs`, `modules` are the kinds of sources.

    `attributing` names the sources that only attribute what others bill.
    """

    config: Config
    modules: Mapping[str, ModuleType]
    costs: Callable[..., list[dict[str, Any]]]
    keep: Keep
    attributing: frozenset[str]
    days: Days
    as_of: datetime

    @cached_property
    def prices(self) -> PriceTable:
        """The packaged table, under what configuration says."""
        told = self.config.models
        return PriceTable.of([*packaged_prices(), *told.prices], told.aliases)

    @property
    def gateways(self) -> tuple[str, ...]:
        """Configured sources that log requests on their way to a provider."""
        return gateways_of(self.config, self.modules)

    def unit_costs(
        self, keys: Sequence[str], where: Sequence[tuple[str, str]], *, cost_basis: str
    ) -> list[dict[str, Any]]:
        """Cost of a unit of use by `keys`, one row for each meter and one for each unit as a whole.

        What no bill counts is taken from the sources that only attribute, unless `where` names a source.
        """
        named = any(key == "source" for key, _ in where)
        charges = list(self._charges(keys, where, cost_basis, counted=True))
        others = sorted(self.attributing) if not named else ()
        if others:
            beside = [*where, *(("source", name) for name in others)]
            charges += self._charges(keys, beside, cost_basis, counted=False)
        return [one.row(keys) for one in unit_costs(charges, self.prices)]

    def reconcile(self, gateway: str | None, where: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """A gateway's spend against what the models' providers bill, by day and model; of the gateway's models only.

        Raises UsageError when it is not clear which source is the gateway.
        """
        if gateway is None and len(self.gateways) != 1:
            known = ", ".join(self.gateways) or "none is configured: add a source of kind litellm"
            raise UsageError(f"name the gateway's source with --gateway ({known})")
        name = gateway or self.gateways[0]
        if name not in {one.name for one in self.config.sources}:
            raise UsageError(f"no source named {name!r} is configured")
        logged = [_use(row) for row in self._rows(RECONCILED, [*where, ("source", name)])]
        models = {self.prices.canonical(use.charge.model) for use in logged}
        bill = self._rows(RECONCILED, [*where, ("service_category", AI)])
        billed = [_use(row) for row in bill if row["source"] not in self.gateways]
        of_models = [use for use in billed if self.prices.canonical(use.charge.model) in models]
        return [row.row() for row in reconciliation.reconcile(logged, of_models, self.prices)]

    def _charges(
        self, keys: Sequence[str], where: Sequence[tuple[str, str]], cost_basis: str, *, counted: bool
    ) -> Iterator[Charge]:
        for row in self._rows((*keys, *KEYS), where):
            yield charge_of(row, keys, cost_basis=cost_basis, counted=counted)

    def _rows(self, keys: Sequence[str], where: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """The ledger's rows; of tags that no source brings, nothing is known."""
        kept = self.keep.tags
        unknown = [key for key in OWN_TAGS if key in keys and not kept & {"*", key.removeprefix("tag:")}]
        asked = tuple(dict.fromkeys(key for key in keys if key not in unknown))
        rows = self.costs(days=self.days, group_by=asked, where=tuple(where), currency=None, as_of=self.as_of)
        return [{**row, **dict.fromkeys(unknown, UNTAGGED)} for row in rows]


def gateways_of(config: Config, modules: Mapping[str, ModuleType]) -> tuple[str, ...]:
    """Configured sources that log requests on their way to a provider."""
    return tuple(one.name for one in config.sources if getattr(modules[one.kind], "GATEWAY", False))


def _use(row: Row) -> reconciliation.Use:
    status = row[STATUS]
    charge = charge_of(row, (), cost_basis="billed", counted=True)
    return reconciliation.Use(charge=charge, status=reconciliation.SERVED if status == UNTAGGED else status)


def packaged_prices() -> tuple[ModelPrice, ...]:
    """The table of well-known models that came with the program."""
    from ruamel.yaml import YAML

    text = files("finops_ai.allocation").joinpath("model_prices.yaml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[ModelPrice, ...]).validate_python(YAML(typ="safe").load(text))
