"""Proposals, job runs, container usage, and the views that others may read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.message import Message
from finops_ai.domain.proposal import ProposalState
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.ledger import charges, findings, outbox, proposals, runs, usage
from tests.ledger.bills import LATER, bill, charge, load
from tests.ledger.nouns import a_proposal, an_episode, usd

NOW = datetime(2026, 4, 6, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)

VIEWS = {
    "v_delivery": "source billing_period fingerprint status rows rows_rejected currency billed_cost effective_cost"
    " loaded_at",
    "v_charge_day": "day source billing_period provider_name service_name charge_category currency x_cost_center"
    " x_ai_model billed_cost effective_cost",
    "v_episode": "key scope state severity opened_on resolved_on excess currency",
    "v_message": "key kind sink state attempts remote_id",
    "v_proposal": "key workload branch state saving currency",
    "v_saving": "key workload merged_on month start_day end_day currency identified realised low_80 high_80 spend_fall"
    " booked method proved_on as_of",
    "v_job_run": "job as_of state started_at ended_at problems",
    "v_approval": "key evidence by at how commit url",
}


def select(engine: sa.Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_a_proposal_keeps_every_state_it_was_in(ledger: sa.Engine) -> None:
    opened, merged = a_proposal(), a_proposal(state=ProposalState.MERGED)
    assert proposals.proposal(ledger, opened.key) is None
    saved = [proposals.save(ledger, each, NOW + HOUR * i) for i, each in enumerate((opened, opened, merged))]
    assert saved == [True, False, True]
    proposals.save(ledger, a_proposal("finops/api"), NOW)
    assert proposals.proposal(ledger, opened.key) == merged
    assert [each.key for each in proposals.proposals(ledger)] == ["finops/api", "finops/web"]
    assert proposals.history(ledger, opened.key) == [(NOW, opened), (NOW + HOUR * 2, merged)]


def test_a_proposal_and_its_message_are_kept_together(ledger: sa.Engine) -> None:
    with ledger.connect() as connection:
        proposals.save(connection, a_proposal(), NOW)
        outbox.put(connection, [Message(key="k", kind="proposal", sink="forge", body={})], NOW)
        connection.rollback()
    assert proposals.proposals(ledger) == []
    assert outbox.messages(ledger) == []


def test_runs_are_recorded_and_a_dead_one_is_told(ledger: sa.Engine) -> None:
    problem = Problem(file="x", message="y")
    died = runs.start(ledger, "ingest", NOW, NOW)
    other = runs.start(ledger, "detect", NOW, NOW)
    ran = runs.start(ledger, "ingest", NOW, NOW + HOUR)
    runs.finish(ledger, ran, "done", NOW + 2 * HOUR, {"loaded": 3}, [problem])
    latest = {run.id: run for run in runs.latest(ledger)}
    assert [latest[id].state for id in (died, other, ran)] == ["interrupted", "running", "done"]
    assert (latest[died].ended_at, latest[other].ended_at) == (NOW + HOUR, None)
    assert (latest[ran].counts, latest[ran].problems) == ({"loaded": 3}, (problem,))
    assert [run.id for run in runs.latest(ledger, 1)] == [ran]


def a_usage(name: str = "web", hours: int = 3, **changes: Any) -> ContainerUsage:
    levels = np.linspace(0.1, 1 / 3, hours)
    values: dict[str, Any] = {
        "workload": Workload("c1", "shop", "Deployment", name),
        "container": "server",
        "hours": tuple(NOW + HOUR * i for i in range(hours)),
        "pods": tuple(f"pod-{i}" for i in range(hours)),
        "cpu_cores_avg": levels,
        "cpu_cores_max": np.where(levels > 0.2, np.nan, levels),
        "memory_bytes_avg": levels * 2**30,
        "memory_bytes_max": levels * 2**31,
        "throttled_ratio": np.zeros(hours),
        "restarts": 2,
        "oom_kills": 1,
        "cpu_request_cores": 0.2,
        "cpu_limit_cores": None,
        "memory_request_bytes": 2.0**30,
        "memory_limit_bytes": None,
    }
    return ContainerUsage(**{**values, **changes})


def same_usage(one: ContainerUsage, other: ContainerUsage) -> bool:
    return all(
        np.array_equal(mine, theirs, equal_nan=True) if isinstance(mine, np.ndarray) else mine == theirs
        for name in ContainerUsage.__slots__
        for mine, theirs in [(getattr(one, name), getattr(other, name))]
    )


def test_usage_comes_back_as_it_was_read(ledger: sa.Engine) -> None:
    given = [a_usage("web"), a_usage("api", hours=0), a_usage("db", 50)]
    usage.replace(ledger, "prom", "f1", given, NOW)
    back = usage.usages(ledger, NOW)
    assert len(back) == 3
    assert all(same_usage(one, other) for one, other in zip(given, back, strict=True))
    assert usage.known_usage(ledger, "prom", NOW) == {None: "f1"}
    assert usage.known_usage(ledger, "files", NOW) == {}


def test_usage_is_replaced_whole_by_source_and_read_as_of_an_instant(ledger: sa.Engine) -> None:
    usage.replace(ledger, "prom", "f1", [a_usage("old"), a_usage("gone")], NOW)
    usage.replace(ledger, "files", "g1", [a_usage("file")], NOW)
    usage.replace(ledger, "prom", "f2", [a_usage("new")], NOW + HOUR)
    names = [[each.workload.name for each in usage.usages(ledger, at)] for at in (NOW - HOUR, NOW, NOW + HOUR)]
    assert names == [[], ["file", "old", "gone"], ["file", "new"]]
    assert usage.known_usage(ledger, "prom", LATER) == {None: "f2"}
    assert usage.prune(ledger, NOW) == 0
    assert usage.prune(ledger, NOW + HOUR) == 1
    assert [each.workload.name for each in usage.usages(ledger, NOW)] == ["file"]
    usage.replace(ledger, "prom", "f3", [], NOW + 2 * HOUR)
    assert [each.workload.name for each in usage.usages(ledger, LATER)] == ["file"]


def test_usage_that_the_tables_refuse_leaves_the_old(ledger: sa.Engine) -> None:
    usage.replace(ledger, "prom", "f1", [a_usage("old")], NOW)
    with pytest.raises(Malformed):
        usage.replace(ledger, "prom", "f2", [a_usage("a\0b")], NOW + HOUR)
    assert usage.known_usage(ledger, "prom", NOW) == {None: "f1"}


@pytest.mark.parametrize(("view", "columns"), VIEWS.items())
def test_views_have_the_columns_that_others_rely_on(ledger: sa.Engine, view: str, columns: str) -> None:
    with ledger.connect() as connection:
        assert " ".join(connection.execute(sa.text(f"SELECT * FROM {view}")).keys()) == columns


def test_views_show_what_is_current(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 1)), known_at=NOW, fingerprint="f1")
    load(ledger, bill(charge("2026-03-01", 2, service_name="S")), known_at=NOW + HOUR, fingerprint="f2")
    load(ledger, bill(), period="2026-02", known_at=NOW, fingerprint="f3")
    refused = Problem(file="x", message="y")
    charges.refuse(
        ledger,
        source="acme",
        billing_period=None,
        fingerprint="f4",
        known_at=NOW,
        rows=3,
        rows_rejected=1,
        problems=[refused],
    )
    order = "SELECT fingerprint, billing_period, status, currency, billed_cost FROM v_delivery ORDER BY 1"
    assert select(ledger, order) == [
        ("f1", "2026-03", "superseded", "USD", 1),
        ("f2", "2026-03", "loaded", "USD", 2),
        ("f3", "2026-02", "loaded", None, None),
        ("f4", None, "refused", None, None),
    ]
    assert select(ledger, "SELECT day, source, billing_period, service_name, billed_cost FROM v_charge_day") == [
        (date(2026, 3, 1), "acme", "2026-03", "S", 2)
    ]
    findings.record(ledger, as_of=NOW, episodes=[an_episode()])
    findings.record(ledger, as_of=NOW + timedelta(days=1), episodes=[an_episode(excess=usd(70))])
    assert select(ledger, "SELECT key, state, severity, excess, currency FROM v_episode") == [
        ("e1", "open", "warning", 70, "USD")
    ]
    proposals.save(ledger, a_proposal(), NOW)
    proposals.save(ledger, replace(a_proposal(), state=ProposalState.CLOSED), NOW)
    assert select(ledger, "SELECT * FROM v_proposal") == [
        ("finops/web", "c1/shop/Deployment/web", "finops/web", "closed", 20, "USD")
    ]
    runs.start(ledger, "ingest", NOW, NOW)
    assert select(ledger, "SELECT job, state, ended_at, problems FROM v_job_run") == [("ingest", "running", None, [])]
