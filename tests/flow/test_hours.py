"""A bill by the hour: read, kept, judged on its own day, and told to the person on call with the hour it began."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.flow.conftest import Configure, Program
from tests.unit.sources.exports import charge, csv_text
from tests.unit.sources.test_litellm import request
from tests.unit.sources.test_litellm import write as write_log

FIRST, FAULT = date(2026, 2, 2), date(2026, 4, 15)
BURST = (13, 14)  # UTC hours in which somebody else uses a key
EXTRA = 90.0
COURSE = 1 + 0.6 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)
USES = (("search", "Compute", 400.0), ("ads", "Tokens", 150.0))
CONFIG = """
sources:
  - {name: bill, kind: focus_files, uri: "file://%s"}
allocation: {cost_center: ["tag:cost-center"]}
ledger: {hours: [%s]}
detect: {page_at: info}
sinks: [{name: pager, kind: folder, path: outbox}]
"""


def write(folder: Path, until: datetime) -> None:
    """The bill as it stands at an instant: days that differ by a sixth, hours that follow the day's course."""
    random = np.random.default_rng(5)
    rows = []
    for day in (FIRST + timedelta(days=n) for n in range((until.date() - FIRST).days + 1)):
        for center, service, level in USES:
            busy = np.exp(np.clip(random.normal(0, 0.15), -0.3, 0.3))  # so that no day is strange by chance
            noise = np.exp(random.normal(0, 0.05, 24))
            costs = level / 24 * COURSE * noise * (1.0 if day == FAULT else busy)
            costs[list(BURST)] += EXTRA if (day, center) == (FAULT, "search") else 0.0
            begun = [datetime.combine(day, time(hour), UTC) for hour in range(24)]
            rows += [
                line(begin, center, service, f"{cost:.6f}")
                for begin, cost in zip(begun, costs, strict=True)
                if begin < until
            ]
    folder.mkdir(exist_ok=True)
    (folder / "bill.csv").write_text(csv_text(rows), encoding="utf-8")


def line(begin: datetime, center: str, service: str, cost: str, **tags: str) -> dict[str, str]:
    return charge(
        BilledCost=cost,
        EffectiveCost=cost,
        ListCost=cost,
        ContractedCost=cost,
        BillingPeriodStart=f"{begin:%Y-%m-01T00:00:00Z}",
        ChargePeriodStart=f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        ServiceName=service,
        Tags=json.dumps({"cost-center": center, **tags}),
    )


def at(hour: int, day: int = 0) -> datetime:
    return datetime.combine(FAULT + timedelta(days=day), time(hour), UTC)


def look(program: Program, folder: Path, now: datetime) -> list[dict[str, Any]]:
    """The rises known once the bill of that instant was read and judged, and what there was to say was said."""
    write(folder, now)
    return judged(program, now)


def judged(program: Program, now: datetime) -> list[dict[str, Any]]:
    for job in ("ingest", "detect", "deliver"):
        program("--as-of", now.isoformat(), job)
    found = program("--as-of", now.isoformat(), "episodes", "list", "--output", "json").json
    return [one for one in found if one["kind"] == "rise"]


def told(program: Program) -> list[dict[str, Any]]:
    files = sorted((program.finops.folder / "outbox").glob("episode_*.json"))
    return [json.loads(file.read_text(encoding="utf-8"))["message"] for file in files]


def test_a_burst_that_its_day_hides_is_paged_on_that_day_and_once(configure: Configure, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    program = configure(CONFIG % (folder, "bill"))
    assert look(program, folder, at(13)) == []
    (one,) = look(program, folder, at(16))
    assert (one["opened_on"], one["last_day"]) == (FAULT.isoformat(), FAULT.isoformat())
    assert one["scope"] == {"x_cost_center": "search", "service_name": "Compute"}
    assert float(one["excess"]) == pytest.approx(2 * EXTRA, rel=0.1)
    assert f"on {FAULT}, from 13:00 UTC on" in one["threshold"]
    (page,) = told(program)
    assert page["kind"] == "episode_opened"
    assert "too much since 13:00 UTC" in page["body"]["summary"]
    known = [look(program, folder, at(7, day)) for day in (1, 2)]
    assert [(found["key"], found["last_day"]) for (found,) in known] == [(one["key"], one["last_day"])] * 2
    assert all(float(found["excess"]) == pytest.approx(float(one["excess"]), rel=0.1) for (found,) in known)
    (over,) = look(program, folder, at(7, 9))
    assert (over["key"], over["state"]) == (one["key"], "resolved")
    assert {message["kind"] for message in told(program)} <= {"episode_opened", "episode_updated", "episode_resolved"}
    assert [message["kind"] for message in told(program)].count("episode_opened") <= 1


def test_without_hours_the_same_day_is_as_ever_and_asking_for_them_reads_the_bill_again(
    configure: Configure, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    by_day = configure(CONFIG % (folder, ""))
    assert look(by_day, folder, at(16)) == []
    before = by_day("costs", "--group-by", "day,service_name", "--output", "json").json
    by_hour = configure(CONFIG % (folder, "bill"))
    again = by_hour("--as-of", at(17).isoformat(), "ingest", "--output", "json").json
    assert {entry["status"] for entry in again} == {"loaded"}
    assert by_hour("costs", "--group-by", "day,service_name", "--output", "json").json == before
    by_hour("--as-of", at(17).isoformat(), "detect")
    (one,) = by_hour("--as-of", at(17).isoformat(), "episodes", "list", "--output", "json").json
    assert one["opened_on"] == FAULT.isoformat()


GATEWAY = """
sources:
  - {name: bill, kind: focus_files, uri: "file://%s"}
  - {name: gateway, kind: litellm, uri: "file://%s"}
allocation: {cost_center: ["tag:cost-center"], ai_model: ["tag:model"]}
ledger: {hours: [gateway]}
detect: {page_at: info}
sinks: [{name: pager, kind: folder, path: outbox}]
"""
MODELS = (("search", "gpt-4o", 300.0), ("ads", "claude", 120.0))


def log(folder: Path, until: datetime) -> dict[tuple[date, str, str], float]:
    """What went through the gateway until then, a request for each hour; what each whole day, owner and model cost."""
    random = np.random.default_rng(6)
    requests, days = [], {}
    for day in (FIRST + timedelta(days=n) for n in range((until.date() - FIRST).days + 1)):
        for center, model, level in MODELS:
            spends = level / 24 * COURSE * np.exp(random.normal(0, 0.15)) * np.exp(random.normal(0, 0.05, 24))
            spends[list(BURST)] += EXTRA if (day, center) == (FAULT, "search") else 0.0
            for hour, spend in enumerate(spends.tolist()):
                begun = datetime.combine(day, time(hour), UTC)
                changed = {"startTime": begun.isoformat(), "model": model, "request_tags": [f"cost-center:{center}"]}
                if begun < until:
                    requests.append(request(len(requests), spend=round(spend, 6), **changed))
            days[day, center, model] = float(spends.sum())
    write_log(folder, *requests)
    return days


def test_a_gateway_is_watched_by_its_log_while_its_provider_bills_a_day_later(
    configure: Configure, tmp_path: Path
) -> None:
    """What it logs is in no total; it is told in its own scope, and what the bill shows later is the same episode."""
    program = configure(GATEWAY % (tmp_path / "bill", tmp_path / "log"))
    (tmp_path / "bill").mkdir()

    def look_at(now: datetime, billed_before: date) -> list[dict[str, Any]]:
        spent = log(tmp_path / "log", now)
        rows = [
            line(datetime.combine(day, time(), UTC), center, "Models", f"{cost:.6f}", model=model)
            for (day, center, model), cost in spent.items()
            if day < billed_before
        ]
        (tmp_path / "bill" / "bill.csv").write_text(csv_text(rows), encoding="utf-8")
        return judged(program, now)

    assert look_at(at(13), FAULT - timedelta(days=1)) == []
    (one,) = look_at(at(16), FAULT - timedelta(days=1))
    assert one["scope"] == {"source": "gateway", "x_cost_center": "search", "x_ai_model": "gpt-4o"}
    assert (one["opened_on"], one["where"]["x_sku_group"]) == (FAULT.isoformat(), "requests")
    assert float(one["excess"]) == pytest.approx(2 * EXTRA, rel=0.1)
    assert "too much since 13:00 UTC" in told(program)[0]["body"]["summary"]
    (same,) = look_at(at(7, 3), FAULT + timedelta(days=2))
    assert same["key"] == one["key"]
    assert "from 13:00 UTC on" in program("--as-of", at(7, 3).isoformat(), "explain", one["key"]).stdout
    program("--as-of", at(7, 3).isoformat(), "report")
    page = next((program.finops.home / "reports").rglob("*.html")).read_text(encoding="utf-8")
    assert "gateway" in page


def test_a_source_that_is_not_there_cannot_be_asked_for_hours(configure: Configure, tmp_path: Path) -> None:
    ran = configure(CONFIG % (tmp_path, "bil"))("config", "check", code=4)
    assert "ledger.hours.0: no source has the name 'bil'; did you mean bill?" in ran.stderr + ran.stdout
