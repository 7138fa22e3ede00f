"""The shipped profile: careful at first, lean once a merged change has stood and the past allows it."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from finops_ai.domain.proposal import Recommendation
from finops_ai.domain.quantity import parse
from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.observed import observe
from finops_ai.rightsizing.settings import MIB, Prices, Settings, Tier
from finops_ai.rightsizing.staged import Stood, held_back
from finops_ai.rightsizing.strategies import NotNow, recommend
from finops_ai.rightsizing.surroundings import Surroundings, surroundings
from tests.unit.rightsizing.test_strategies import START, WEB, answer, usage

STOOD = Stood(since=date(2026, 3, 1), days=45)
CAREFUL_CPU = 0.46


def rhythm(**changed: object) -> ContainerUsage:
    """0.36 cores in the mean and 0.4 at most, half of the day; runs with what `steady` asks for it."""
    facts: dict[str, object] = {
        "cpu": lambda hour: 0.4 if hour % 24 < 12 else 0.1,
        "cpu_request": CAREFUL_CPU,
        "cpu_limit": 1.0,
        "memory_request_mib": 115,
    }
    one = usage(**(facts | changed))  # type: ignore[arg-type]
    return dataclasses.replace(one, cpu_cores_avg=one.cpu_cores_max * 0.9)


def told(
    one: ContainerUsage, stood: Stood | None, around: Surroundings | None = None, **changed: object
) -> Recommendation | NotNow:
    (only,) = recommend(
        [one],
        prices=Prices(),
        settings=Settings(**changed),  # type: ignore[arg-type]
        stood=lambda workload: stood,
        around=lambda workload: around or Surroundings(),
    )
    return only


def cpu(found: Recommendation | NotNow) -> Decimal | None:
    changes = found.changes if isinstance(found, Recommendation) else ()
    return next((parse(one.proposed) for one in changes if one.path == "requests.cpu"), None)


def test_lean_is_asked_for_once_the_careful_values_have_stood() -> None:
    first = told(rhythm(cpu_request=0.6), None)
    assert (cpu(first), first.strategy) == (Decimal("0.46"), "steady")  # type: ignore[union-attr]
    assert any("once a merged change has stood 28 days" in reason for reason in first.reasons)

    later = told(rhythm(), STOOD)
    assert isinstance(later, Recommendation)
    assert later.strategy == "lean"
    assert cpu(later) == Decimal("0.361")  # nine hours of ten it uses no more than 0.36 in the mean, rounded up
    (why,) = [reason for reason in later.reasons if "(profile lean): its change" in reason]
    assert "its change of 2026-03-01 has stood 45 days" in why
    assert "none was throttled" in why


@pytest.mark.parametrize(
    ("one", "stood", "why"),
    [
        (rhythm(), None, "once a merged change"),
        (rhythm(), Stood(since=date(2026, 4, 1), days=27), "has stood 27 days, 28 are needed"),
        (rhythm(), dataclasses.replace(STOOD, was_taken_back=True), "had to be taken back"),
        (rhythm(throttled=0.5), STOOD, "OOM-killed or throttled"),
        (rhythm(oom_kills=2), STOOD, "OOM-killed or throttled"),
        (dataclasses.replace(rhythm(), oom_kills=None), STOOD, "or nothing tells"),
        (rhythm(cpu_request=0.9), STOOD, "not run with the careful request yet"),
        (rhythm(cpu_request=None), STOOD, "not run with the careful request yet"),
        (
            rhythm(days=14, cpu=lambda hour: 0.2 if hour < 168 else 0.28, cpu_request=0.35),
            STOOD,
            "more CPU than a week before",
        ),
        (
            rhythm(days=8, cpu=lambda hour: 0.1 if hour < 150 else 0.35, cpu_request=0.4),
            STOOD,
            "above the lean request",
        ),
        (rhythm(days=8, cpu=lambda hour: 0.1 if hour < 150 else 0.7, cpu_limit=0.6), STOOD, "throttled for"),
        (
            rhythm(days=8, memory_mib=lambda hour: 100 if hour < 150 else 300, memory_limit_mib=128),
            STOOD,
            "memory would have been over its limit",
        ),
    ],
)
def test_without_evidence_it_stays_careful(one: ContainerUsage, stood: Stood | None, why: str) -> None:
    careful = answer(one, profile="steady")
    found = told(one, stood)
    assert getattr(found, "changes", ()) == getattr(careful, "changes", ())
    if isinstance(found, Recommendation):
        assert found.strategy == "steady"
        assert any(why in reason for reason in found.reasons), found.reasons
    else:
        assert cpu(told(one, stood, profile="lean")) is not None  # lean would have gone on


def test_a_job_and_a_latency_service_stay_careful() -> None:
    job = dataclasses.replace(rhythm(), workload=dataclasses.replace(WEB, kind="CronJob"))
    assert cpu(told(job, STOOD)) == cpu(told(job, None))
    assert told(rhythm(), STOOD, Surroundings(is_latency=True)).reasons == told(rhythm(), None).reasons
    assert cpu(told(rhythm(), STOOD, Surroundings(is_latency=True))) is None


@pytest.mark.parametrize("place", ["metadata: {name: web, labels: {slo-class: latency}}", "metadata: {name: web}"])
def test_the_class_of_service_is_read_from_git(place: str) -> None:
    labels = "" if "labels" in place else "metadata: {labels: {slo-class: latency}}, "
    text = f"kind: Deployment\n{place}\nspec: {{template: {{{labels}spec: {{containers: [{{name: app}}]}}}}}}\n"
    assert surroundings({"web.yaml": text}, WEB, Settings()).is_latency
    other = {"web.yaml": text.replace("latency", "batch")}
    assert not surroundings(other, WEB, Settings()).is_latency


def test_one_container_without_evidence_keeps_its_workload_careful() -> None:
    pair = [rhythm(), rhythm(container="side", throttled=0.5)]
    (found,) = recommend(pair, prices=Prices(), settings=Settings(), stood=lambda workload: STOOD)
    assert isinstance(found, Recommendation)
    assert found.strategy == "steady"


def test_a_named_profile_is_not_asked_for_evidence() -> None:
    found = told(rhythm(), None, tiers=(Tier(match="*", profile="lean"),))
    assert isinstance(found, Recommendation)
    assert found.strategy == "lean"
    assert not any("sized by its" in reason for reason in found.reasons)


def test_the_part_held_back_is_not_learned_from() -> None:
    """Only the last quarter is busy: what is learned before it knows nothing of that."""
    one = rhythm(days=8, cpu=lambda hour: 0.1 if hour < 150 else 0.2)
    seen = held_back(one, Settings())
    assert seen is not None
    assert seen.borrowed > 0.4
    assert held_back(dataclasses.replace(one, cpu_cores_avg=np.full(len(one.hours), np.nan)), Settings()) is None


def test_hours_are_chosen_with_all_that_is_known_of_them() -> None:
    one = rhythm(days=8)
    late = one.where(np.array([hour >= START + timedelta(days=7) for hour in one.hours]))
    assert len(late.hours) == len(late.pods) == len(late.cpu_cores_max) == len(late.memory_bytes_avg) == 48
    assert min(late.hours) == START + timedelta(days=7)
    assert observe(late, Settings()).memory_max == 100 * MIB


@pytest.mark.parametrize(
    ("one", "changed", "is_obsolete"),
    [
        (rhythm(), {}, True),
        (rhythm(days=3), {}, False),
        (rhythm(restarts=900, cpu_request=1.5), {}, False),
    ],
)
def test_what_fits_makes_an_open_proposal_pointless_and_silence_does_not(
    one: ContainerUsage, changed: dict[str, object], is_obsolete: bool
) -> None:
    found = told(one, None, **changed)
    assert isinstance(found, NotNow)
    assert found.is_obsolete == is_obsolete
