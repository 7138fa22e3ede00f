"""A BigQuery server on loopback (local-bigquery), and billing export tables in it as Google creates them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import rig
from tests.seaweedfs import free_ports

PROJECT, DATASET = "acme-billing-417", "billing"
START_SECONDS = 60

STRINGS = ("id", "description")
LABELS = ("REPEATED", {"key": "STRING", "value": "STRING"})

EXPORT: Mapping[str, Any] = {
    "billing_account_id": "STRING",
    "service": ("NULLABLE", dict.fromkeys(STRINGS, "STRING")),
    "sku": ("NULLABLE", dict.fromkeys(STRINGS, "STRING")),
    "usage_start_time": "TIMESTAMP",
    "usage_end_time": "TIMESTAMP",
    "project": (
        "NULLABLE",
        {
            "id": "STRING",
            "number": "STRING",
            "name": "STRING",
            "labels": LABELS,
            "ancestry_numbers": "STRING",
            "ancestors": ("REPEATED", {"resource_name": "STRING", "display_name": "STRING"}),
        },
    ),
    "labels": LABELS,
    "system_labels": LABELS,
    "location": ("NULLABLE", dict.fromkeys(("location", "country", "region", "zone"), "STRING")),
    "tags": ("REPEATED", {"key": "STRING", "value": "STRING", "inherited": "BOOLEAN", "namespace": "STRING"}),
    "resource": ("NULLABLE", {"name": "STRING", "global_name": "STRING"}),
    "export_time": "TIMESTAMP",
    "cost": "FLOAT",
    "currency": "STRING",
    "currency_conversion_rate": "FLOAT",
    "usage": (
        "NULLABLE",
        {"amount": "FLOAT", "unit": "STRING", "amount_in_pricing_units": "FLOAT", "pricing_unit": "STRING"},
    ),
    "credits": (
        "REPEATED",
        {"name": "STRING", "amount": "FLOAT", "full_name": "STRING", "id": "STRING", "type": "STRING"},
    ),
    "invoice": ("NULLABLE", {"month": "STRING", "publisher_type": "STRING"}),
    "cost_type": "STRING",
    "adjustment_info": ("NULLABLE", dict.fromkeys(("id", "description", "type", "mode"), "STRING")),
    "transaction_type": "STRING",
    "seller_name": "STRING",
    "cost_at_list": "FLOAT",
    "price": (
        "NULLABLE",
        {
            "effective_price": "NUMERIC",
            "tier_start_amount": "NUMERIC",
            "unit": "STRING",
            "pricing_unit_quantity": "NUMERIC",
        },
    ),
}
"""The detailed export's schema as Google documents it, before consumption models came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BigQueryServer:
    endpoint_url: str

    def client(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.bigquery import Client

        return Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": self.endpoint_url},
        )

    def table(self, name: str, schema: Mapping[str, Any] = EXPORT, partitioned_by: str | None = "export_time") -> str:
        """An empty table; its full name."""
        from google.cloud.bigquery import Table, TimePartitioning

        client, full = self.client(), f"{PROJECT}.{DATASET}.{name}"
        client.create_dataset(f"{PROJECT}.{DATASET}", exists_ok=True)
        table = Table(full, schema=fields(schema))
        if partitioned_by:
            table.time_partitioning = TimePartitioning(type_="DAY", field=partitioned_by)
        client.create_table(table)
        return full

    def append(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """One load job, as Google loads the export."""
        from google.cloud.bigquery import LoadJobConfig

        client = self.client()
        schema = client.get_table(table).schema
        known = {field.name for field in schema}
        rows = [{name: value for name, value in row.items() if name in known} for row in rows]
        config = LoadJobConfig(schema=schema, source_format="NEWLINE_DELIMITED_JSON", write_disposition="WRITE_APPEND")
        client.load_table_from_json(json.loads(json.dumps(rows)), table, job_config=config).result()


def fields(schema: Mapping[str, Any]) -> list[Any]:
    from google.cloud.bigquery import SchemaField

    return [
        SchemaField(name, kind)
        if isinstance(kind, str)
        else SchemaField(name, "RECORD", mode=kind[0], fields=fields(kind[1]))
        for name, kind in schema.items()
    ]


@contextmanager
def bigquery(folder: Path) -> Iterator[BigQueryServer]:
    """Starts a server on free ports; stops it whatever happens. The test skips where it is not installed."""
    program = rig.need("local-bigquery")
    port, grpc_port = free_ports(2)
    options = {
        "host": "127.0.0.1",
        "port": port,
        "grpc-port": grpc_port,
        "project": PROJECT,
        "dataset": DATASET,
        "data-dir": folder / "data",
    }
    command = [str(program), "serve", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    # Where the rig laid the extensions of its engine.
    environ = {**os.environ, "HOME": str(rig.RIG / "bigquery")}
    folder.mkdir(parents=True)
    server = BigQueryServer(endpoint_url=f"http://127.0.0.1:{port}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
        try:
            _await(server, process, folder / "log")
            yield server
        finally:
            process.kill()
            process.wait()


def _await(server: BigQueryServer, process: subprocess.Popen[bytes], log: Path) -> None:
    import urllib.request

    url = f"{server.endpoint_url}/bigquery/v2/projects/{PROJECT}/datasets"
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"local-bigquery did not start: {log.read_text(errors='replace')[-2000:]}")
