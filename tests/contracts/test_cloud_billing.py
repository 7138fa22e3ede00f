"""Google's Cloud Billing API over REST: a stub on loopback that answers as the API's published description says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.errors import Malformed, Unavailable
from finops_ai.domain.list_price import ListPrice, Tier
from finops_ai.domain.money import Money
from finops_ai.sources import gcp_billing, gcp_prices
from finops_ai.world.cloud_billing import CloudBilling
from finops_ai.world.secrets import Secrets
from tests.conftest import Finops
from tests.unit.sources.gcp_export import jsonl, row, write

ACCOUNT = "0A1B2C-3D4E5F-607182"
PAGED = {"pageSize", "pageToken"}
ALWAYS = {"$alt", "alt", "fields", "key", "prettyPrint", "quotaUser"}

PATHS = {
    r"/v1/billingAccounts": ("billingAccounts", {*PAGED, "filter", "parent"}),
    rf"/v1/billingAccounts/{ACCOUNT}": (None, set()),
    rf"/v1/billingAccounts/{ACCOUNT}/projects": ("projectBillingInfo", PAGED),
    r"/v1/services": ("services", PAGED),
    r"/v1/services/[0-9A-F-]+/skus": ("skus", {*PAGED, "startTime", "endTime", "currencyCode"}),
}
"""Path, the list in its answer, and the parameters it may have: from the API's published discovery document."""


def sku(number: int, *tiers: tuple[float, str, int], usage_type: str = "OnDemand", **told: Any) -> dict[str, Any]:
    rates = [
        {"startUsageAmount": start, "unitPrice": {"currencyCode": "USD", "units": units, "nanos": nanos}}
        for start, units, nanos in tiers
    ]
    return {
        "name": f"services/95FF-2EF5-5EA1/skus/{number:04d}-0000-0000",
        "skuId": f"{number:04d}-0000-0000",
        "description": f"Standard Storage US {number}",
        "category": {
            "serviceDisplayName": "Cloud Storage",
            "resourceFamily": "Storage",
            "resourceGroup": "RegionalStorage",
            "usageType": usage_type,
        },
        "serviceRegions": ["us-central1"],
        "pricingInfo": [
            {
                "effectiveTime": "2026-03-01T00:00:00.5Z",
                "summary": "",
                "pricingExpression": {"usageUnit": "GiBy.mo", "displayQuantity": 1, "tieredRates": rates},
                "aggregationInfo": {
                    "aggregationLevel": "ACCOUNT",
                    "aggregationInterval": "MONTHLY",
                    "aggregationCount": 1,
                },
                "currencyConversionRate": 1,
            }
        ],
        "serviceProviderName": "Google",
        **told,
    }


@dataclass
class Api:
    """What the stub holds and what it was asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    page: int = 2
    answers: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def api() -> Iterator[Api]:
    held = Api()
    held.answers = {
        "billingAccounts": [{"name": f"billingAccounts/{ACCOUNT}", "open": True, "displayName": "Acme"}],
        ACCOUNT: {"name": f"billingAccounts/{ACCOUNT}", "open": True, "displayName": "Acme"},
        "projectBillingInfo": [
            {"name": f"projects/{name}/billingInfo", "projectId": name, "billingEnabled": True,
             "billingAccountName": f"billingAccounts/{ACCOUNT}"}
            for name in ("shop-prod", "shop-dev", "lab")
        ],
        "services": [
            {"name": "services/95FF-2EF5-5EA1", "serviceId": "95FF-2EF5-5EA1", "displayName": "Cloud Storage"},
            {"name": "services/6F81-5844-456A", "serviceId": "6F81-5844-456A", "displayName": "Compute Engine"},
        ],
        "skus": [sku(n, (0, "0", 26_000_000), (1024, "0", 20_000_000)) for n in range(5)],
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            held.asked.append(parts.path)
            named = next((name for name in PATHS if re.fullmatch(name, parts.path)), None)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if named is None or query.keys() - PATHS[named][1] - ALWAYS:
                self._answer(404 if named is None else 400, {"error": {"code": 404, "message": f"no {self.path}"}})
                return
            wanted = PATHS[named][0]
            if wanted is None:
                self._answer(200, held.answers[ACCOUNT])
                return
            start = int(query.get("pageToken") or 0)
            page = held.answers[wanted][start : start + held.page]
            more = start + held.page < len(held.answers[wanted])
            self._answer(200, {wanted: page, "nextPageToken": str(start + held.page) if more else ""})

        def _answer(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def billing(api: Api) -> CloudBilling:
    return CloudBilling(Secrets({}), endpoint_url=api.url)


def test_accounts_and_projects_are_listed_page_by_page(api: Api) -> None:
    assert [found["displayName"] for found in billing(api).accounts()] == ["Acme"]
    assert [found["projectId"] for found in billing(api).projects(ACCOUNT)] == ["shop-prod", "shop-dev", "lab"]
    assert api.asked.count(f"/v1/billingAccounts/{ACCOUNT}/projects") == 2


def test_the_catalogue_is_read_page_by_page_and_priced_exactly(api: Api) -> None:
    found = list(gcp_prices.prices(billing(api).skus("services/95FF-2EF5-5EA1", "USD")))
    assert len(found) == 5
    assert len([path for path in api.asked if path.endswith("/skus")]) == 3
    first = found[0]
    assert (first.unit, first.added_up, first.regions) == ("GiBy.mo", "account, monthly", ("us-central1",))
    assert first.cost(Decimal(1000)) == Money(Decimal("26.000"), "USD")
    assert first.cost(Decimal(2000)) == Money(Decimal("26.624") + Decimal("19.52"), "USD")


def test_an_answer_over_the_wire_is_the_recorded_one(api: Api) -> None:
    text = json.dumps({"skus": api.answers["skus"], "nextPageToken": ""}).encode()
    recorded = list(gcp_prices.prices(gcp_prices.recorded(text, "answer.json")))
    assert recorded == list(gcp_prices.prices(billing(api).skus("services/95FF-2EF5-5EA1", "USD")))


def test_an_unknown_account_and_a_silent_address_are_told(api: Api) -> None:
    with pytest.raises(Unavailable, match="no such billing account"):
        billing(api).account("FFFFFF-FFFFFF-FFFFFF")
    with pytest.raises(Unavailable):
        CloudBilling(Secrets({}), endpoint_url="http://127.0.0.1:1").accounts()


def test_who_is_billed_for_the_projects_of_an_export(api: Api) -> None:
    told = gcp_billing.billing_links(billing(api), ACCOUNT, {"shop-prod", "gone"})
    assert told == "Acme bills 3 projects; of the export's, no longer: gone"
    assert gcp_billing.billing_links(billing(api), ACCOUNT, {"lab"}) == "Acme bills 3 projects"
    api.answers[ACCOUNT]["open"] = False
    with pytest.raises(Unavailable, match="is closed"):
        gcp_billing.billing_links(billing(api), ACCOUNT, set())


def test_doctor_checks_the_billing_account(api: Api, finops: Finops) -> None:
    bill = write(finops.folder / "bill", {"a.jsonl": jsonl([row(), row(project={"id": "moved"})])})
    config = finops.folder / "finops.yaml"
    source = {
        "name": "gcp",
        "kind": "gcp_billing",
        "uri": str(bill),
        "billing_account": ACCOUNT,
        "billing_url": api.url,
    }
    config.write_text(json.dumps({"sources": [source]}))
    rows = {found["check"]: found for found in finops("--config", config, "doctor", "--output", "json").json}
    assert rows["source gcp"]["detail"] == "1 billing period(s)"
    assert rows["source gcp: billing account"]["detail"] == "Acme bills 3 projects; of the export's, no longer: moved"


def test_prices_are_shown_tier_by_tier(api: Api, finops: Finops) -> None:
    environ = {"FINOPS_GCP_BILLING_URL": api.url}
    ran = finops("prices", "gcp", "--service", "cloud storage", "--sku", "US 3", "--output", "json", env=environ)
    assert [(found["from"], found["unit_price"], found["currency"]) for found in ran.json] == [
        ("0", "0.026", "USD"),
        ("1024", "0.02", "USD"),
    ]
    assert finops("prices", "gcp", "--service", "Storage", env=environ).exit_code == 2
    assert "it has Cloud Storage" in finops("prices", "gcp", "--service", "Storage", env=environ).stderr
    nowhere = finops("prices", "gcp", "--service", "Cloud Storage", "--region", "mars", "--output", "json", env=environ)
    assert (nowhere.exit_code, nowhere.json) == (0, [])


@pytest.mark.shared
def test_the_recorded_answer_of_google_is_priced(shared: Path, finops: Finops) -> None:
    file = shared / "data/opencost/real-fixtures/gcp_skus.json"
    found = {price.sku_id: price for price in gcp_prices.prices(gcp_prices.recorded(file.read_bytes(), file.name))}
    assert len(found) == 7
    assert found["039F-D0DA-4055"].cost(Decimal(100)) == Money(Decimal("293.390800000"), "USD")
    assert found["4756-01E4-0F32"].currency == "IDR"
    command = ("prices", "gcp", "--file", file, "--region", "us-central1", "--output", "json")
    rates = {row["setting"]: row["value"] for row in finops(*command, "--machine", "a2").json}
    assert rates == {"recommend.prices.cpu_core_hour": "0.031611", "recommend.prices.memory_gib_hour": "0.004237"}
    assert finops(*command, "--machine", "n4").exit_code == 2


@pytest.mark.parametrize(
    "broken",
    [b"[]", b"{}", b"oops", b'{"skus": [1]}'],
)
def test_what_is_no_answer_of_the_catalogue_is_refused(broken: bytes) -> None:
    with pytest.raises(Malformed, match=r"answer\.json: is no answer of the catalogue"):
        gcp_prices.recorded(broken, "answer.json")


@pytest.mark.parametrize(
    "tiers",
    [[(5, "0", 1)], [(0, "0", 1), (0, "0", 2)], [(0, "x", 1)], [(0, "0", 1), (float("nan"), "0", 1)]],
)
def test_a_price_that_is_none_is_refused(tiers: list[tuple[float, str, int]]) -> None:
    with pytest.raises(Malformed, match="tells no usable price"):
        list(gcp_prices.prices([sku(1, *tiers)]))


def test_a_sku_without_a_price_is_left_out_and_the_newest_price_counts() -> None:
    older = sku(2, (0, "1", 0))
    newer = sku(2, (0, "3", 0))["pricingInfo"][0] | {"effectiveTime": "2026-04-01T00:00:00Z"}
    older["pricingInfo"].insert(0, newer)
    found = list(gcp_prices.prices([sku(1), older]))
    assert [price.tiers[0].unit_price for price in found] == [Decimal(3)]


amounts = st.decimals(0, 10**6, places=6)
tiers_told = st.dictionaries(st.integers(1, 10**5), st.integers(0, 10**6), max_size=5)


@given(amounts, amounts, tiers_told)
def test_more_use_costs_between_the_cheapest_and_the_dearest_tier(
    one: Decimal, other: Decimal, told: dict[int, int]
) -> None:
    tiers = [Tier(start=Decimal(start), unit_price=Decimal(price).scaleb(-6)) for start, price in sorted(told.items())]
    price = ListPrice(
        provider_name="p",
        service_name="s",
        sku_id="1",
        description="",
        sku_group="",
        pricing_category="Standard",
        regions=(),
        unit="h",
        currency="USD",
        tiers=(Tier(start=Decimal(0), unit_price=Decimal(2)), *tiers),
    )
    low, high = sorted((one, other))
    step = price.cost(high).amount - price.cost(low).amount
    rates = [tier.unit_price for tier in price.tiers]
    assert min(rates) * (high - low) <= step <= max(rates) * (high - low)
    with pytest.raises(ValueError, match="nobody uses"):
        price.cost(Decimal(-1))
