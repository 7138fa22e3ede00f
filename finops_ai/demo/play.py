"""First run: the demo company's bills, cluster and repository through the whole chain, three mornings long.

Between the first and the second morning a person merges one pull request; the bills after that tell what it saved.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from finops_ai.app import App, kinds, open_app
from finops_ai.app.parts import installed_policies
from finops_ai.config import load
from finops_ai.demo.files import AS_OF, DemoFiles, write_demo
from finops_ai.demo.incidents import Incident
from finops_ai.demo.merging import merge
from finops_ai.demo.page import page
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import end_of_day

MARKER = ".finops-demo"
MORNINGS = (26, 9, 0)
"""Days before the last morning: March as first told, the week in which two incidents began, and today."""

MERGED = "finops/rightsize/prod/search/deployment-search-api"
MERGED_DAYS_AGO = 16
"""What the reviewer merges between the first and the second morning: two whole weeks of it are billed by the last."""

Tell = Callable[[str], None]
Table = Callable[[str, Sequence[Mapping[str, Any]]], None]


def play(folder: Path, *, as_of: date = AS_OF, reset: bool, tell: Tell, table: Table) -> dict[str, Any]:
    """Write the demo's world, run every job on each morning, print tables, and say where things lie.

    Run again, it finds everything as it left it: nothing is doubled. Raises UsageError for a folder that is not ours.
    """
    began = time.monotonic()
    _own(folder, reset)
    policies = installed_policies()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FINOPS_")}
    environ["FINOPS_HOME"] = str((folder / "home").resolve())
    tell(f"demo as of {as_of}: everything is local, nothing leaves this machine")
    files = _world(folder, policies, as_of, as_of - timedelta(days=MORNINGS[0]))
    config = load(files.layout.config, environ, kinds())
    with open_app(config, environ) as app:
        tell(f"PostgreSQL is up ({time.monotonic() - began:.1f} s)")
        month_ends: Sequence[Mapping[str, Any]] = ()
        for back in MORNINGS:
            morning = as_of - timedelta(days=back)
            files = _world(folder, policies, as_of, morning)
            month_ends = _morning(app, morning, tell)
            if back == MORNINGS[0]:
                _reviewed(files, as_of - timedelta(days=MERGED_DAYS_AGO), tell)
        told = _told(app, files, as_of, month_ends)
        told |= _shown(app, files, told)
    _show(told, table)
    tell(f"done in {time.monotonic() - began:.0f} s")
    _next(files, told, tell)
    return told


def _own(folder: Path, reset: bool) -> None:
    """Only a folder that the demo made may be emptied or written to."""
    marker = folder / MARKER
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise UsageError(f"{folder} holds something else: name another with --folder")
    if reset and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _world(folder: Path, policies: Path, as_of: date, known_on: date) -> DemoFiles:
    return write_demo(folder, policies=policies, as_of=as_of, known_on=known_on)


def _morning(app: App, morning: date, tell: Tell) -> Sequence[Mapping[str, Any]]:
    """The whole chain as it would have run that day, and the month ends it forecast. Raises what a job raises."""
    forecast: Sequence[Mapping[str, Any]] = ()
    for outcome in app.run_all(end_of_day(morning)):
        counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items() if count) or "nothing new"
        tell(f"{morning}  {outcome.job:<10} {counts}")
        for problem in outcome.problems:
            tell(f"{morning}  {outcome.job:<10} {problem.severity}: {problem}")
        if outcome.job == "forecast":
            forecast = outcome.results
    return forecast


def _reviewed(files: DemoFiles, on: date, tell: Tell) -> None:
    """One pull request is merged by hand; from the day after on the cluster runs, and is billed, with its values."""
    if merge(files.layout.repository, MERGED, on):
        tell(f"{on}  a person   git merge --no-ff {MERGED}")


def _shown(app: App, files: DemoFiles, told: Mapping[str, Any]) -> dict[str, Any]:
    """The merged pull request as a page beside the report, with what was said on it since."""
    keys = [pull["key"] for pull in told["pulls"]]
    if MERGED not in keys:
        return {"page": None}
    pull = app.pull(MERGED)
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(files.layout.pulls.glob("*.json"))]
    comments = [comment["text"] for one in records if one["key"] == MERGED for comment in one["comments"]]
    place = files.layout.reports / "pull-request.html"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(page(pull["title"], MERGED, pull["state"], pull["body"], *comments), encoding="utf-8")
    return {"page": str(place)}


def _told(app: App, files: DemoFiles, as_of: date, month_ends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Everything the demo says, as plain data; `month_ends` are those of the last morning."""
    now = end_of_day(as_of)
    episodes = app.episodes(now)
    pulls = app.pulls()
    week = app.report(now, dry_run=False)
    months = app.costs(days=None, group_by=("billing_period", "source"), where=(), currency=None, as_of=now)
    billed = {(bill.source, str(bill.billing_period)): bill.billed_cost for bill in files.bills}
    return {
        "as_of": str(as_of),
        "bills": [
            {
                "source": row["source"],
                "billing_period": row["billing_period"],
                "currency": row["currency"],
                "billed_cost": row["billed_cost"],
                "written": billed.get((row["source"], row["billing_period"])),
                "difference": row["billed_cost"] - billed[row["source"], row["billing_period"]],
            }
            for row in months
        ],
        "forecast": [_month(row) for row in month_ends if len(row["scope"]) <= 1],
        "episodes": episodes,
        "planted": [_found(incident, episodes) for incident in files.incidents],
        "pulls": pulls,
        "pages": sorted(str(path) for path in files.layout.messages.glob("*.json")),
        "report": {row["format"]: row["file"] for row in week.results},
        "config": str(files.layout.config),
        "repository": str(files.layout.repository),
        "pull_requests": sorted(str(path) for path in files.layout.pulls.glob("*.md")),
    }


def _month(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("scope", "currency", "month", "month_to_date", "month_end", "low_80", "high_80", "forecaster")
    return {name: row[name] for name in names}


def _found(incident: Incident, episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was planted beside the episode that names its place, if there is one."""
    place = {"x_cost_center": incident.cost_center, "service_name": incident.service}
    found = [one for one in episodes if all(one["where"].get(key) == value for key, value in place.items())]
    best = max(found, key=lambda one: one["excess"], default=None)
    return {
        "planted": incident.name,
        "cost_center": incident.cost_center,
        "model": incident.model,
        "service": incident.service,
        "start": incident.start,
        "dollars": incident.dollars.quantize(Decimal("0.01")),
        "found_as": best["key"] if best else None,
        "opened_on": best["opened_on"] if best else None,
        "excess": best["excess"].quantize(Decimal("0.01")) if best else None,
        "main_cause": best["main_cause"] if best else None,
    }


def _show(told: Mapping[str, Any], table: Table) -> None:
    table("Bills: the ledger against what was written", told["bills"])
    table("Where the month will end (80 % band)", told["forecast"])
    columns = ("key", "scope", "kind", "state", "severity", "opened_on", "excess", "projected", "main_cause")
    table("Episodes", [{name: one[name] for name in columns} for one in told["episodes"]])
    table("Planted and found (the product reads none of the first five columns)", told["planted"])
    table("Pull requests", [{name: one[name] for name in ("key", "state", "title", "why")} for one in told["pulls"]])
    table("Savings: promised a month, and realised on the bill so far", _savings(told["pulls"]))


def _savings(pulls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = ("key", "saving", "realised", "realised_low", "realised_high", "booked", "realised_through", "proved_on")
    return [{name: one[name] for name in names} for one in pulls if one["realised"] is not None]


def _next(files: DemoFiles, told: Mapping[str, Any], tell: Tell) -> None:
    """Where things lie and what to try: every line can be pasted."""
    folder = files.layout.folder
    program = shlex.quote(shutil.which("finops-ai") or str(Path(sys.argv[0]).resolve()))
    home, config = shlex.quote(str(folder / "home")), shlex.quote(str(files.layout.config))
    command = f"FINOPS_HOME={home} {program} --config {config} --as-of {told['as_of']}"
    tell(f"report         {told['report'].get('html')}")
    tell(f"pages          {files.layout.messages} ({len(told['pages'])} payloads)")
    if told["page"]:
        tell(f"one as a page  {told['page']}")
    tell(f"pull requests  {files.layout.pulls} (branches in {files.layout.repository})")
    if told["episodes"]:
        tell(f"try            {command} explain {told['episodes'][0]['key']}")
    tell(f"try            {command} costs --group-by x_cost_center,x_ai_model")
    if told["pulls"]:
        tell(f"try            {command} pr show {told['pulls'][0]['key']}")
    tell("your own bill  finops-ai init, edit `sources`, finops-ai doctor, finops-ai run all --dry-run")
