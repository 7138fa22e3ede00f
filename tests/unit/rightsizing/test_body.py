"""The page of a pull request: every figure a reviewer asks for, within a forge's limits, readable by programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from finops_ai.domain.errors import Rejected
from finops_ai.domain.proposal import Change, Decision, Verdict
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.body import LONGEST, body
from finops_ai.rightsizing.marker import Marked, marked, marker
from finops_ai.rightsizing.observed import Resources
from finops_ai.rightsizing.replay import replay
from finops_ai.rightsizing.settings import MIB, Prices, Settings
from finops_ai.rightsizing.strategies import NotNow, recommend
from finops_ai.rightsizing.text_chart import bars, parsed
from tests.unit.rightsizing.test_propose import change, recommendation

FIRST = datetime(2026, 3, 2, tzinfo=UTC)


def usage(hours: int = 24 * 14, cpu: float = 0.2, peak: float = 0.4, memory: float = 300.0) -> ContainerUsage:
    """One pod, a peak of `peak` cores at noon of the third day, and `memory` MiB."""
    at = tuple(FIRST + timedelta(hours=hour) for hour in range(hours))
    highest = np.full(hours, cpu * 1.5)
    highest[2 * 24 + 12] = peak
    return ContainerUsage(
        workload=Workload("prod", "shop", "Deployment", "web"),
        container="app",
        hours=at,
        pods=("web-0",) * hours,
        cpu_cores_avg=np.full(hours, cpu),
        cpu_cores_max=highest,
        memory_bytes_avg=np.full(hours, memory * MIB),
        memory_bytes_max=np.full(hours, memory * MIB),
        throttled_ratio=np.zeros(hours),
        restarts=0,
        oom_kills=0,
        cpu_request_cores=2.0,
        cpu_limit_cores=None,
        memory_request_bytes=2048.0 * MIB,
        memory_limit_bytes=None,
    )


def page(**changed: object) -> str:
    found = recommend([usage()], prices=Prices(), settings=Settings(**changed))[0]  # type: ignore[arg-type]
    assert not isinstance(found, NotNow)
    return body("finops/rightsize/prod/shop/deployment-web", found, [])


def test_a_page_has_what_a_reviewer_asks_for() -> None:
    text = page()
    assert "| container | resource | now | proposed | p50 | p95 | p99 | max | headroom | saved a month |" in text
    assert "| **all** |" in text
    for said in (
        "throttled: no CPU limit: nothing throttles it",
        "memory over request: 0 of 20,160 pod-minutes, in 0 pod-hours",
        "worst CPU: 400.0m, 40% of the proposed request, pod web-0, hour 2026-03-04 12:00 UTC",
        "Evidence (strategy steady)",
        "```promql",
        "CPU (m), peak of each day from 2026-03-02",
        "git revert --no-edit",
    ):
        assert said in text, said
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert html.count("<table>") == 2
    assert html.count("<details>") == html.count("</details>") == 1


def test_minutes_over_a_bound_are_those_that_the_hour_spent_above_it() -> None:
    """Average 0.2 and highest 0.4 spread evenly: half of that hour above 0.2, a quarter above 0.3."""
    told = [
        replay(usage(cpu=0.2, peak=0.4), Resources(cpu_limit=Decimal(limit)))["replay_throttled"]
        for limit in ("0.5", "0.3", "0.2")
    ]
    assert [text.split(" of ")[0] for text in told] == ["0", "15", "10,080"]


def test_the_chart_shows_peaks_under_both_lines() -> None:
    drawn = bars([1.0, None, 4.0, 8.0], [("now 8", 8.0), ("proposed 4", 4.0)])
    assert drawn[0].endswith("┄ now 8")
    assert drawn[0][3] == "█"
    assert any(line.endswith("┄ proposed 4") for line in drawn[1:])
    assert drawn[-1][:4] == "█·██"
    assert bars([None], []) == bars([], []) == bars([0.0], []) == []
    assert parsed("2026-03-02 1.5 - 2") == ("2026-03-02", [1.5, None, 2.0])
    assert parsed("") == ("", [])


texts = st.text(max_size=30) | st.sampled_from(
    ["-->", "--!>", "<!--", "a|b", "`", "@x", "\u2028", "\ud800", "</details>"]
)
changes = st.builds(Change, container=texts, path=texts, now=st.none() | texts, proposed=texts)


@given(st.lists(changes, min_size=1, max_size=5), texts, texts)
def test_the_marker_is_read_back_as_it_was(made: list[Change], name: str, key: str) -> None:
    found = recommendation(*made, workload=Workload(name, name, name, name), strategy=name)
    text = marker(key, found)
    assert text.count("-->") == 1
    expected = Marked(key=key, workload=found.workload.key, strategy=name, changes=tuple(made))
    assert marked(f"what a person wrote\n\n{text}\n") == expected


@pytest.mark.parametrize(
    "text", ["", "<!-- finops:v1 {} -->", '<!-- finops:v1 {"key": 1} -->', "<!-- finops:v1 [] -->"]
)
def test_what_is_no_marker_is_none(text: str) -> None:
    assert marked(text) is None


@pytest.mark.parametrize(("containers", "said", "letter"), [(1, 300, "é"), (150, 3, "é"), (60, 40, "<"), (3, 9, "|")])
def test_a_page_fits_every_forge_and_keeps_its_marker(containers: int, said: int, letter: str) -> None:
    names = [f"{letter * 40}{number}" for number in range(containers)]
    facts = {f"figure {number}": letter * 500 for number in range(20)}
    found = recommendation(
        *(change("requests.cpu", "2", "1", name) for name in names),
        evidence=dict.fromkeys(names, facts),
        reasons=(letter * 5000,) * said,
    )
    verdicts = [Verdict(rule=letter * 90, decision=Decision.WARN, message=letter * 5000, resource=letter)] * said
    text = body("finops/rightsize/a/b/deployment-c", found, verdicts)
    assert len(text.encode()) <= 65_000
    assert marked(text) is not None
    assert LONGEST < 65_536
    assert text.count("<details>") == text.count("</details>") == 1
    assert text.count("```") % 2 == 0


def test_values_too_many_for_one_page_are_refused() -> None:
    many = recommendation(*(change("requests.cpu", "2", "1", f"{'é' * 60}{number}") for number in range(200)))
    with pytest.raises(Rejected, match="too many for the page"):
        body("finops/rightsize/a/b/deployment-c", many, [])
