"""The demo company's price list: accounts, services and every meter that its teams run up."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

QUANTITY = Decimal("0.0001")
"""Smallest part of a unit that is billed."""

WEEKS: dict[str, tuple[float, ...]] = {
    "steady": (1.0,) * 7,
    "office": (1.0, 1.03, 1.04, 1.02, 0.97, 0.58, 0.52),
    "consumer": (1.0, 0.98, 0.98, 1.0, 1.06, 1.14, 1.1),
    "training": (0.95, 1.04, 1.06, 1.05, 1.02, 0.8, 0.74),
}
"""Factors of a day, Monday to Sunday."""


@dataclass(frozen=True, slots=True)
class Account:
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """`arrived_hours` of yesterday are in today's export: providers publish late, each at its own pace."""

    provider: str
    code: str
    name: str
    category: str
    subcategory: str
    product_family: str
    arrived_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One thing bought day by day: `per_day` units at `rate` USD, shaped by week, growth, noise and month end.

    `growth` is relative per day, `noise` the standard deviation of a day's relative surprise, `month_end` the factor
    of the last two days of a month and the first of the next. `list_rate` is above `rate` where a discount was
    negotiated or committed to. Without a cost center the meter carries no tags at all.
    """

    name: str
    service: Service
    account: Account
    usage_type: str
    operation: str
    instance_type: str
    region: str
    unit: str
    rate: Decimal
    list_rate: Decimal
    terms: str
    per_day: float
    week: tuple[float, ...]
    growth: float
    noise: float
    month_end: float
    cost_center: str
    model: str
    environment: str

    @property
    def tags(self) -> dict[str, str]:
        if not self.cost_center:
            return {}
        tags = {"cost-center": self.cost_center, "env": self.environment, "model": self.model}
        return {key: value for key, value in tags.items() if value}


_AI = "AI and Machine Learning"
_SERVICES = (
    Service("aws", "AmazonEC2", "Amazon Elastic Compute Cloud", "Compute", "Virtual Machines", "Compute Instance", 15),
    Service("aws", "AmazonBedrock", "Amazon Bedrock", _AI, "Generative AI", "Amazon Bedrock", 9),
    Service("aws", "AmazonSageMaker", "Amazon SageMaker", _AI, "Machine Learning Platforms", "ML Instance", 12),
    Service("aws", "AmazonS3", "Amazon Simple Storage Service", "Storage", "Object Storage", "Storage", 6),
    Service(
        "aws", "AmazonRDS", "Amazon Relational Database Service", "Databases", "Relational Databases", "Database", 15
    ),
    Service("aws", "AWSDataTransfer", "AWS Data Transfer", "Networking", "Other (Networking)", "Data Transfer", 12),
    Service("aws", "AmazonCloudWatch", "AmazonCloudWatch", "Management and Governance", "Observability", "Metric", 12),
    Service("aws", "ComputeSavingsPlans", "Savings Plans for AWS Compute usage", "Compute", "Other (Compute)", "", 15),
    Service("aws", "AWSSupportBusiness", "AWS Support (Business)", "Other", "Other (Other)", "Support", 24),
    Service("northwind", "gpu", "GPU Instances", "Compute", "Virtual Machines", "Virtual Machine", 9),
    Service("northwind", "endpoints", "Inference Endpoints", _AI, "Machine Learning Platforms", "Endpoint", 9),
    Service("northwind", "vector", "Vector Search", "Databases", "NoSQL Databases", "Vector Index", 9),
    Service("northwind", "objects", "Object Store", "Storage", "Object Storage", "Bucket", 9),
    Service("northwind", "egress", "Network Egress", "Networking", "Other (Networking)", "Gateway", 9),
    Service("northwind", "pods", "Managed Pods", "Compute", "Containers", "Pod", 9),
    Service("northwind", "support", "Support Plan", "Other", "Other (Other)", "Plan", 24),
)
_ACCOUNTS = (
    Account("210987600001", "pelican-payer"),
    Account("210987600002", "pelican-ml-prod"),
    Account("210987600003", "pelican-sandbox"),
    Account("012345600004", "pelican-data"),  # AWS account numbers may begin with zero
    Account("nw-gpu", "pelican-gpu"),
)
PAYER = _ACCOUNTS[0]
NORTHWIND_BILLING = Account("NW-00417", "Pelican Search Inc.")
NORTHWIND_PROJECT = _ACCOUNTS[-1]


@cache
def meters() -> dict[str, Meter]:
    """Every meter by name, in the order of `price_list.csv`."""
    services = {service.code: service for service in _SERVICES}
    accounts = {account.name: account for account in _ACCOUNTS}
    lines = (files(__package__) / "price_list.csv").read_text(encoding="utf-8").splitlines()
    return {row["name"]: _meter(row, services, accounts) for row in csv.DictReader(lines)}


def _meter(row: dict[str, str], services: dict[str, Service], accounts: dict[str, Account]) -> Meter:
    return Meter(
        name=row["name"],
        service=services[row["service"]],
        account=accounts[row["account"]],
        usage_type=row["usage_type"],
        operation=row["operation"],
        instance_type=row["instance_type"],
        region=row["region"],
        unit=row["unit"],
        rate=Decimal(row["rate"]),
        list_rate=Decimal(row["list_rate"] or row["rate"]),
        terms=row["terms"],
        per_day=float(row["per_day"]),
        week=WEEKS[row["week"]],
        growth=float(row["growth"]),
        noise=float(row["noise"]),
        month_end=float(row["month_end"]),
        cost_center=row["cost_center"],
        model=row["model"],
        environment=row["environment"],
    )
