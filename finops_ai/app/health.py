"""What a run needs, checked one by one, each with the line that mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from finops_ai.app import parts
from finops_ai.config import Config, unset_secrets
from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import FinopsError
from finops_ai.sources.base import Keep
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World

LEAST_FREE_BYTES = 1024**3


def examine(open_config: Callable[[], Config], environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per check: what, state (ok, warn, fail), detail, remedy. Never raises for what it examines."""
    try:
        config = open_config()
    except FinopsError as error:
        return [_row("configuration", "fail", str(error), "mend the lines named, then: finops-ai config check")]
    rows = [_row("configuration", "ok", str(config.path or "defaults"), "")]
    for problem in unset_secrets(config, Secrets(environ)):
        rows.append(_row("secret", "fail", str(problem), "export the variable, or its _FILE twin"))
    rows.append(_disk(config.home))
    rows.append(_checked("database", "start PostgreSQL, or unset FINOPS_DATABASE_URL", lambda: _database(config)))
    world = parts.world_of(config, environ)
    known = parts.kinds()
    keep = parts.keep_of(config, parts.rules_of(config))
    for one in config.sources:

        def listed(one: Any = one) -> str:
            found = list(known.sources[one.kind].make(one, world, keep).deliveries(None))
            refused = sum(isinstance(each, Refusal) for each in found)
            if not found:
                raise FinopsError("no delivery found there")
            return f"{len(found)} billing period(s)" + (f", {refused} of them refused" if refused else "")

        rows.append(_checked(f"source {one.name}", "check uri and credentials", listed))
        for what, check in _further(known.sources[one.kind], one, world, keep):
            rows.append(_checked(f"source {one.name}: {what}", "check the settings and the identity's roles", check))
    for one in config.forges:

        def reached(one: Any = one) -> str:
            forge = known.forges[one.kind].make(one, world)
            manifests = sum(1 for _ in forge.files(config.recommend.manifests))
            forge.dashboard()  # a read that the host's API answers, not only Git
            return f"{manifests} files match {config.recommend.manifests}"

        rows.append(_checked(f"forge {one.name}", "check the address, the token and its rights", reached))
    rows.append(_checked("policy packs", "finops-ai policy test", lambda: _policies(config)))
    return rows


def _further(kind: ModuleType, settings: Any, world: World, keep: Keep) -> Iterator[tuple[str, Callable[[], str]]]:
    """The checks that a kind of source has of its own."""
    if hasattr(kind, "examine"):
        yield from kind.examine(settings, world, kind.make(settings, world, keep))


def _checked(what: str, remedy: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return _row(what, "ok", check(), "")
    except FinopsError as error:
        return _row(what, "fail", str(error), remedy)


def _database(config: Config) -> str:
    with parts.database(config) as engine:
        return f"{'configured' if config.database_url else 'embedded'} PostgreSQL, {engine.dialect.name}"


def _policies(config: Config) -> str:
    with parts.policies(config.recommend.policies, config.recommend.packs) as judge:
        results = judge.test()
    failed = [result["test"] for result in results if result["result"] != "pass"]
    if failed:
        raise FinopsError(f"{len(failed)} of {len(results)} tests fail, first {failed[0]}")
    return f"{len(results)} tests pass"


def _disk(home: Path) -> dict[str, Any]:
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free
    state = "ok" if free >= LEAST_FREE_BYTES else "warn"
    return _row("disk", state, f"{free // 1024**2:,} MiB free at {there}", "" if state == "ok" else "free some space")


def _row(what: str, state: str, detail: str, remedy: str) -> dict[str, Any]:
    return {"check": what, "state": state, "detail": detail, "remedy": remedy}
