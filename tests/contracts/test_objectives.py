"""Budgets asked of Prometheus over real sockets: what is asked, at which instants, and what becomes of the answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from finops_ai.app import kinds
from finops_ai.app.following import Follower
from finops_ai.app.parts import world_of
from finops_ai.config import Config, load
from finops_ai.domain.usage import Workload

MERGED, NOW = datetime(2026, 4, 13, tzinfo=UTC), datetime(2026, 4, 20, 12, tzinfo=UTC)
CHECKOUT = Workload("prod", "shop", "Deployment", "checkout")
RATIO = 'bad{ns="$namespace",w="$workload"}[$window]'


class Prometheus:
    """Answers with the ratio of the window that a query names; `ratios` maps a window to it, None to no series."""

    def __init__(self) -> None:
        self.ratios: dict[str, float | None] = {"1h": 0.02, "5m": 0.03, "1d": 0.0001}
        self.asked: list[dict[str, str]] = []
        self.url = ""


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    made = Prometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            made.asked.append(form)
            ratio = made.ratios[form["query"].rpartition("[")[2].rstrip("]")]
            series = [] if ratio is None else [{"metric": {}, "values": [[float(form["end"]), str(ratio)]]}]
            body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{listening.server_port}"
    yield made
    listening.shutdown()
    listening.server_close()


def follower(prometheus: Prometheus, folder: Path, **objective: object) -> Follower:
    told = {"name": "errors", "source": "prom", "bad_ratio": RATIO, "objective": 0.999, **objective}
    tree = {
        "usage": [{"name": "prom", "kind": "prometheus", "url": prometheus.url}],
        "savings": {"objectives": [told]},
    }
    path = folder / "finops.yaml"
    path.write_text(json.dumps(tree))
    config: Config = load(path, {"FINOPS_HOME": str(folder)}, kinds())
    return Follower(config=config, world=world_of(config, {}), forges={}, costs=lambda **_: [])


def test_a_budget_burns_as_fast_as_its_slower_window(prometheus: Prometheus, tmp_path: Path) -> None:
    (burn,), problems = follower(prometheus, tmp_path).burns(CHECKOUT, MERGED, NOW)
    assert problems == []
    assert (burn.now, burn.before, burn.at) == (pytest.approx(20.0), pytest.approx(0.1), 14.4)
    assert {form["query"] for form in prometheus.asked} == {
        f'bad{{ns="shop",w="checkout"}}[{window}]' for window in ("1h", "5m", "1d")
    }
    ends = sorted({round(float(form["end"])) for form in prometheus.asked})
    assert ends == [int(MERGED.timestamp()) - 60, int(NOW.timestamp())]


def test_a_window_without_answer_is_unknown(prometheus: Prometheus, tmp_path: Path) -> None:
    prometheus.ratios["5m"] = None
    (burn,), _ = follower(prometheus, tmp_path).burns(CHECKOUT, MERGED, NOW)
    assert burn.now is None


def test_an_objective_is_of_the_workloads_that_it_names(prometheus: Prometheus, tmp_path: Path) -> None:
    assert follower(prometheus, tmp_path, workload="cart-*").burns(CHECKOUT, MERGED, NOW) == ([], [])
    assert prometheus.asked == []


def test_a_name_that_is_none_is_not_put_into_a_query(prometheus: Prometheus, tmp_path: Path) -> None:
    hostile = Workload("prod", 'x"} or vector(1) #', "Deployment", "checkout")
    burns, (problem,) = follower(prometheus, tmp_path).burns(hostile, MERGED, NOW)
    assert burns == []
    assert "no name of Kubernetes" in problem.message
    assert prometheus.asked == []


def test_a_server_that_is_away_is_a_warning(prometheus: Prometheus, tmp_path: Path) -> None:
    prometheus.url = "http://127.0.0.1:9"
    burns, (problem,) = follower(prometheus, tmp_path, source="nobody").burns(CHECKOUT, MERGED, NOW)
    assert (burns, problem.severity) == ([], "warning")
    assert "no usage source 'nobody'" in problem.message
