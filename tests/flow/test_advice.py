"""`advise` over the shared GPU samples: what a careful engineer would say of each device, at a configured price."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.conftest import Configure

AS_OF = "2026-04-04T01:00:00Z"


@pytest.mark.shared
def test_every_shared_gpu_gets_the_advice_of_its_facts(configure: Configure, shared: Path) -> None:
    program = configure(
        f"usage:\n  - {{name: gpus, kind: usage_files, uri: '{shared / 'data/dcgm/query_range.json.gz'}'}}\n"
        "recommend:\n  prices: {gpu_hour: {A100: 3.20, L4: 0.80}, rate: effective}\n"
    )
    program("ingest", "--as-of", AS_OF)
    rows = program("advise", "--as-of", AS_OF, "--output", "json").json
    by_device = {row["about"].split("/")[2].split(" ")[0]: row for row in rows}
    # The 70 B models work: nothing is said of the A100 at 71 % nor of the L4 at 35 %, which peaks at 65 %.
    assert set(by_device) == {"GPU-e71e2f23-d473-4d47-8a4d-a443c816852b", "GPU-90fc7e05-4e07-44e0-8a4d-5e16350d27f6"}
    clip = by_device["GPU-e71e2f23-d473-4d47-8a4d-a443c816852b"]
    assert clip["kind"] in {"other_gpu", "mig_slice"}
    assert 0 <= float(clip["saving_low"]) <= float(clip["saving_high"]) <= 3.20 * 730
    spare = by_device["GPU-90fc7e05-4e07-44e0-8a4d-5e16350d27f6"]
    assert spare["kind"] == "spare_gpu"
    assert float(spare["saving_high"]) == pytest.approx(0.80 * 730)
    assert "recommend.prices.gpu_hour.L4" in spare["rate"]


@pytest.mark.shared
def test_models_are_advised_on_at_what_they_were_charged(configure: Configure, shared: Path) -> None:
    program = configure(
        f"sources:\n  - {{name: openai, kind: openai_usage, uri: 'file://{shared}/data/llm-usage/openai'}}\n"
    )
    program("ingest")
    charged = {
        row["x_ai_model"]: float(row["effective_cost"])
        for row in program("costs", "--group-by", "x_ai_model", "--output", "json").json
    }
    rows = program("advise", "--start", "2026-04-01", "--end", "2026-05-01", "--output", "json").json
    assert {"cheaper_model", "batch_tier", "prompt_cache"} <= {row["kind"] for row in rows}
    for row in rows:
        assert row["saving_high"] is None or 0 <= float(row["saving_high"]) <= charged[row["about"]] * 730 / 24 / 30
        assert float(row["saving_low"] or 0) == 0
