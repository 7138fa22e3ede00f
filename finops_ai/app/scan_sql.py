"""The SQL that adds up a source's bill where it lies, for an engine that is not this program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finops_ai.app import parts
from finops_ai.config import Config
from finops_ai.domain.delivery import Delivery
from finops_ai.domain.errors import Malformed, Unavailable, UsageError
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.base import DIALECTS, RenderedSource


def scan_sql(
    config: Config,
    environ: Mapping[str, str],
    name: str,
    dialect: str,
    tables: Sequence[str],
    period: BillingPeriod | None = None,
) -> str:
    """For the newest delivery of source `name`, or that of `period`: its files say which columns and labels there are.

    Raises UsageError for an unknown engine or source, or one that is laid out on this machine before it is read,
    Malformed when the delivery is refused, Unavailable when there is none.
    """
    known = next((one for one in DIALECTS if one == dialect), None)
    if known is None:
        raise UsageError(f"--dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
    settings = {one.name: one for one in config.sources}
    if name not in settings:
        raise UsageError(f"no source named {name!r}; configured: {', '.join(sorted(settings))}")
    world = parts.world_of(config, environ)
    keep = parts.keep_of(config, parts.rules_of(config))
    source = parts.kinds().sources[settings[name].kind].make(settings[name], world, keep)
    if not isinstance(source, RenderedSource):
        raise UsageError(f"{name} is of kind {settings[name].kind}, which is laid out here before it is read")
    found = [one for one in source.deliveries(period) if period in (None, one.billing_period)]
    if not found:
        raise Unavailable(f"{name} has no delivery of {period or 'any billing period'}")
    if not isinstance(found[-1], Delivery):
        raise Malformed(found[-1].problems)
    return source.sql(found[-1], known, tables)
