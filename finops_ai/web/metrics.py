"""What the program knows of itself as Prometheus metrics, read from the ledger whenever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from finops_ai.app import App
from finops_ai.app.observing import Figures, figures


class _Ledger(Collector):
    def __init__(self, found: Figures) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        found = self._found
        runs = CounterMetricFamily("finops_job_runs", "Runs of a job by how they ended.", labels=["job", "state"])
        for (job, state), count in found.runs.items():
            runs.add_metric([job, state], count)
        yield runs
        ended = GaugeMetricFamily(
            "finops_job_last_success_timestamp_seconds", "When a job last ended well.", labels=["job"]
        )
        for job, at in found.last_success.items():
            ended.add_metric([job], at.timestamp())
        yield ended
        depth = GaugeMetricFamily("finops_outbox_messages", "Messages by sink and state.", labels=["sink", "state"])
        for (sink, state), count in found.outbox.items():
            depth.add_metric([sink, state], count)
        yield depth
        oldest = GaugeMetricFamily(
            "finops_outbox_oldest_unsent_seconds", "Age of the oldest message that waits, by sink.", labels=["sink"]
        )
        for sink, seconds in found.oldest_unsent.items():
            oldest.add_metric([sink], seconds)
        yield oldest
        opened = GaugeMetricFamily("finops_episodes_open", "Episodes that are not resolved.", labels=["severity"])
        for severity, count in found.episodes.items():
            opened.add_metric([severity], count)
        yield opened
        age = GaugeMetricFamily(
            "finops_delivery_age_seconds", "Since a source's newest delivery was loaded.", labels=["source"]
        )
        for source, seconds in found.deliveries.items():
            age.add_metric([source], seconds)
        yield age


def metrics(app: App) -> tuple[bytes, str]:
    """The text and its content type."""
    registry = CollectorRegistry()
    registry.register(_Ledger(figures(app.engine, app.now())))
    return generate_latest(registry), CONTENT_TYPE_LATEST
