"""Health: alive, ready, and the numbers that Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from finops_ai.app import App, health


def router(app: App) -> APIRouter:
    made = APIRouter(tags=["health"])
    registry = CollectorRegistry()
    registry.register(_Ledger(app))

    @made.get("/livez")
    def livez() -> dict[str, str]:
        """This process answers."""
        return {"status": "alive"}

    @made.get("/readyz")
    def readyz() -> dict[str, str]:
        """The ledger answers, with the schema that this program writes; else 503."""
        return {"status": "ready", "schema": health.ready(app.engine)}

    @made.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return made


class _Ledger(Collector):
    """Reads the ledger when it is scraped: several servers tell the same."""

    def __init__(self, app: App) -> None:
        self._app = app

    def describe(self) -> Iterator[Metric]:
        # Without it, registering would scrape.
        return iter(())

    def collect(self) -> Iterator[Metric]:
        found = health.gauges(self._app.engine)
        ran = GaugeMetricFamily("finops_job_ended_timestamp_seconds", "When a job last ended.", labels=["job", "state"])
        for job, (state, at) in found.ran.items():
            ran.add_metric([job, state], at.timestamp())
        loaded = GaugeMetricFamily(
            "finops_delivery_loaded_timestamp_seconds", "When a source's newest delivery was loaded.", labels=["source"]
        )
        for source, at in found.loaded.items():
            loaded.add_metric([source], at.timestamp())
        refused = CounterMetricFamily("finops_deliveries_refused", "Deliveries refused so far.", labels=["source"])
        for source, count in found.refused.items():
            refused.add_metric([source], count)
        messages = GaugeMetricFamily("finops_messages", "Messages by what became of them.", labels=["sink", "state"])
        for (sink, state), count in found.messages.items():
            messages.add_metric([sink, state], count)
        episodes = GaugeMetricFamily("finops_episodes_open", "Episodes that are not resolved.", labels=["severity"])
        for severity, count in found.episodes.items():
            episodes.add_metric([severity], count)
        proposals = GaugeMetricFamily("finops_proposals", "Proposed changes by state.", labels=["state"])
        for state, count in found.proposals.items():
            proposals.add_metric([state], count)
        yield from (ran, loaded, refused, messages, episodes, proposals)
