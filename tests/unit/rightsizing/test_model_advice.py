"""Advice on language models: the own mix at list prices, by hand, never more than what was charged."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.rightsizing.advice import Advice
from finops_ai.rightsizing.model_advice import Mix, advise

PRICES = {
    "large": {"input": "2.50", "cached input": "1.25", "output": "10.00"},
    "medium": {"input": "1.50", "cached input": "0.75", "output": "5.00"},
    "small": {"input": "0.15", "cached input": "0.075", "output": "0.60"},
    "near": {"input": "2.40", "cached input": "1.20", "output": "9.90"},
    "text only": {"input": "0.01"},
}
# 100 M plain input, 20 M cached, 10 M output: 250 + 25 + 100 = 375 by list; charged 300 in 30 days.
MIX = Mix(
    model="large",
    currency="USD",
    tokens={"input": Decimal(100_000_000), "cached input": Decimal(20_000_000), "output": Decimal(10_000_000)},
    cost=Decimal(300),
    days=30,
    others=tuple(PRICES),
)
MONTH = Decimal(300) / 30 * (Decimal(730) / 24)


def price(model: str, meter: str, batch: bool) -> Decimal | None:
    amount = PRICES.get(model, {}).get(meter)
    return None if amount is None else Decimal(amount) / (2 if batch else 1)


def advised(mix: Mix) -> dict[str, Advice]:
    return {one.kind: one for one in advise([mix], price)}


def high(one: Advice) -> Decimal:
    assert one.saving is not None
    assert one.saving.low.amount == 0
    return one.saving.high.amount.quantize(Decimal("0.01"))


def test_the_nearest_model_that_is_much_cheaper_for_the_own_mix() -> None:
    found = advised(MIX)["cheaper_model"]
    assert found.words.startswith("medium would cost 57% of it")
    assert "measure quality" in found.words
    assert high(found) == (MONTH * (1 - Decimal(215) / 375)).quantize(Decimal("0.01"))


def test_batches_and_the_cache() -> None:
    found = advised(MIX)
    assert high(found["batch_tier"]) == (MONTH / 2).quantize(Decimal("0.01"))
    assert "17% of its input comes from the cache" in found["prompt_cache"].words
    assert high(found["prompt_cache"]) == (MONTH * Decimal("62.5") / 375).quantize(Decimal("0.01"))


def test_what_has_no_price_gets_no_advice() -> None:
    found = advised(replace(MIX, model="own-llama"))
    assert list(found) == ["none"]
    assert list(advised(replace(MIX, tokens={"speech": Decimal(5)}))) == ["none"]
    assert list(advised(replace(MIX, cost=Decimal(0)))) == ["none"]


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(["input", "cached input", "output"]), st.integers(0, 10**12).map(Decimal), min_size=1
    ),
    st.decimals("0.01", "1e6", places=2),
    st.sampled_from(["large", "medium", "small"]),
)
def test_no_saving_is_above_what_is_charged(tokens: dict[str, Decimal], cost: Decimal, model: str) -> None:
    for one in advise([replace(MIX, tokens=tokens, cost=cost, model=model)], price):
        assert one.saving is None or 0 <= one.saving.high.amount <= cost / 30 * Decimal("30.42")
