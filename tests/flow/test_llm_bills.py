"""Bills of AI models, answers out: every figure of the shared samples through ingest, costs and unit-costs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Configure, Program

pytestmark = pytest.mark.shared


def amounts(program: Program, key: str, *more: str, measure: str = "billed_cost") -> dict[str, Decimal]:
    rows = program("costs", "--group-by", key, "--output", "json", *more).json
    return {row[key]: Decimal(row[measure] or 0) for row in rows}


def exact(told: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in told.items()}


def tokens(program: Program, *where: str) -> dict[tuple[str, ...], Decimal]:
    """By model and meter, of whatever is counted in tokens."""
    keys = "tag:model,x_sku_group,tag:token-direction,tag:token-cache-action"
    told = program("costs", "--group-by", keys, "--where", "consumed_unit=Tokens", *where, "--output", "json").json
    return {tuple(row[key] for key in keys.split(",")): Decimal(row["consumed_quantity"]) for row in told}


@pytest.fixture
def truth(shared: Path) -> Any:
    return json.loads((shared / "data/llm-usage/totals.json").read_text())


def loaded(program: Program) -> None:
    assert {entry["status"] for entry in program("ingest", "--output", "json").json} == {"loaded"}
    assert {entry["status"] for entry in program("ingest", "--output", "json").json} == {"unchanged"}


def test_openai(shared: Path, configure: Configure, truth: Any) -> None:
    bill = configure(f"""
        sources:
          - {{name: openai, kind: openai_usage, uri: "file://{shared}/data/llm-usage/openai"}}
        allocation:
          accounts: {{proj_search: search, proj_risk: risk}}
    """)
    loaded(bill)
    assert amounts(bill, "day") == exact(truth["openai"]["cost_by_day"])
    projects = exact(truth["openai"]["cost_by_project"])
    assert amounts(bill, "sub_account_id") == projects
    assert amounts(bill, "x_cost_center") == {name.removeprefix("proj_"): cost for name, cost in projects.items()}
    assert set(amounts(bill, "x_ai_model")) == set(truth["openai"]["tokens_by_model"])
    counted = tokens(bill)
    for model, (whole, cached, output) in truth["openai"]["tokens_by_model"].items():
        of_model = {key[2:]: amount for key, amount in counted.items() if key[0] == model}
        assert of_model == {
            ("Input", "Uncached"): whole - cached,
            ("Input", "Read"): cached,
            ("Output", "(untagged)"): output,
        }


def test_anthropic(shared: Path, configure: Configure, truth: Any) -> None:
    bill = configure(f"""
        sources:
          - {{name: anthropic, kind: anthropic_usage, uri: "file://{shared}/data/llm-usage/anthropic"}}
    """)
    loaded(bill)
    assert amounts(bill, "day") == exact(truth["anthropic"]["cost_usd_by_day"])
    assert amounts(bill, "sub_account_id") == exact(truth["anthropic"]["cost_usd_by_workspace"])
    meters = {
        "uncached_input_tokens": "input",
        "cache_read_input_tokens": "cached input",
        "cache_creation.ephemeral_5m_input_tokens": "cache write 5m input",
        "cache_creation.ephemeral_1h_input_tokens": "cache write 1h input",
        "output_tokens": "output",
    }
    for model, told in truth["anthropic"]["tokens_by_model"].items():
        counted = {key[1]: amount for key, amount in tokens(bill).items() if key[0] == model}
        assert counted == {meters[name]: Decimal(amount) for name, amount in told.items()}


def test_litellm_alone_counts(shared: Path, configure: Configure, truth: Any) -> None:
    log = configure(f"""
        sources:
          - {{name: gateway, kind: litellm, uri: "file://{shared}/data/llm-usage/litellm"}}
    """)
    loaded(log)
    assert log("ingest", "--output", "json").json[0]["rows"] == truth["litellm"]["distinct_requests"]
    assert amounts(log, "day") == exact(truth["litellm"]["spend_by_day_utc"])
    assert amounts(log, "x_ai_model") == exact(truth["litellm"]["spend_by_model"])
    assert amounts(log, "x_cost_center") == exact(truth["litellm"]["spend_by_cost_center"])
    counted = tokens(log)
    for model, (prompt, completion) in truth["litellm"]["tokens_by_model"].items():
        by_direction = {key[2]: amount for key, amount in counted.items() if key[0] == model}
        assert by_direction.get("Input", 0) == prompt
        assert by_direction.get("Output", 0) == completion


ALL = """
    sources:
      - {{name: openai, kind: openai_usage, uri: "file://{data}/openai"}}
      - {{name: anthropic, kind: anthropic_usage, uri: "file://{data}/anthropic"}}
      - {{name: gateway, kind: litellm, uri: "file://{data}/litellm"}}
    models:
      aliases: {{claude-sonnet: claude-sonnet-4-5, embed-small: text-embedding-3-small}}
"""
APRIL = ("--start", "2026-04-01", "--end", "2026-05-01")


def test_a_gateway_beside_the_bills_attributes_and_is_held_against_them(
    shared: Path, configure: Configure, truth: Any
) -> None:
    program = configure(ALL.format(data=shared / "data/llm-usage"))
    loaded(program)
    billed = [
        exact(truth[name][key]) for name, key in (("openai", "cost_by_project"), ("anthropic", "cost_usd_by_workspace"))
    ]
    whole = sum((cost for costs in billed for cost in costs.values()), Decimal(0))
    assert amounts(program, "currency") == {"USD": whole}
    spend = exact(truth["litellm"]["spend_by_model"])
    assert amounts(program, "x_ai_model", "--where", "source=gateway") == spend

    rows = program("unit-costs", *APRIL, "--output", "json").json
    wholes = [row for row in rows if row["meter"] == "(all)" and row["per"] == "1M tokens"]
    known = {row["x_ai_model"]: row for row in wholes if row["allocated_cost"]}
    assert sum(Decimal(row["allocated_cost"]) for row in known.values()) == whole
    for model, row in known.items():
        parts = [
            part for part in rows if part["x_ai_model"] == model and part["per"] == "1M tokens" and part is not row
        ]
        for measure in ("quantity", "usage_cost", "allocated_cost"):
            assert sum(Decimal(part[measure]) for part in parts) == Decimal(row[measure]), (model, measure)
    # Nobody bills the own model here: its tokens are known, its cost is not.
    llama = next(row for row in wholes if row["x_ai_model"] == "llama-70b-ft")
    assert Decimal(llama["quantity"]) == truth["litellm"]["tokens_by_model"]["llama-70b-ft"][0]
    assert (llama["usage_cost"], llama["allocated_cost"], llama["estimated_cost"]) == (None, None, None)
    sonnet = {
        row["meter"]: row for row in rows if row["x_ai_model"] == "claude-sonnet-4-5" and row["per"] == "1M tokens"
    }
    assert Decimal(sonnet["output"]["usage_unit_cost"]).quantize(Decimal("1e-6")) == 15

    held = program("reconcile", "llm", *APRIL, "--output", "json").json
    buckets = list(held[0])[list(held[0]).index("difference") + 1 :]
    for row in held:
        difference = Decimal(row["billed_cost"]) - Decimal(row["gateway_spend"])
        assert Decimal(row["difference"]) == difference == sum(Decimal(row[name]) for name in buckets)
    assert sum(Decimal(row["gateway_spend"]) for row in held) == sum(spend.values())


def test_a_real_token_trace_keeps_its_tokens(shared: Path, tmp_path: Path, configure: Configure) -> None:
    """Azure's published trace of 2023, one row a request, in the shape of a gateway's log: use without any price."""
    folder = shared / "data/llm-usage/azure-llm-trace-2023"
    facts = json.loads((folder / "trace-conv-totals.json").read_text())
    lines = gzip.decompress((folder / "AzureLLMInferenceTrace_conv.csv.gz").read_bytes()).decode().split()
    (tmp_path / "log").mkdir()
    with (tmp_path / "log" / "trace.jsonl").open("w") as log:
        for number, (day, rest) in enumerate(zip(lines[1::2], lines[2::2], strict=False)):
            moment, prompt, completion = rest.split(",")
            row = {"request_id": str(number), "startTime": f"{day} {moment[:15]}", "model": "conv", "status": "success"}
            log.write(json.dumps({**row, "prompt_tokens": int(prompt), "completion_tokens": int(completion)}) + "\n")
    program = configure(f"""
        sources:
          - {{name: trace, kind: litellm, uri: "file://{tmp_path}/log"}}
    """)
    (entry,) = program("ingest", "--output", "json").json
    assert entry["rows"] == facts["requests"]
    assert "no spend: what they cost is unknown" in entry["problems"][0]["message"]
    counted = tokens(program)
    assert counted["conv", "input", "Input", "Uncached"] == facts["context_tokens"]
    assert counted["conv", "output", "Output", "(untagged)"] == facts["generated_tokens"]
    rows = program("unit-costs", "--start", "2023-11-16", "--end", "2023-11-17", "--output", "json").json
    assert {(row["usage_cost"], row["allocated_cost"], row["estimated_cost"]) for row in rows} == {(None, None, None)}
