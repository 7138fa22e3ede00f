"""What every object store promises, over a server that speaks as Google Cloud Storage; then what it promises alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.sources import gcp_billing
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectStore, World
from tests.contracts.test_object_stores import (
    BIG,
    only,
    opener,
    prefix,
    test_a_key_cannot_lead_out_of_the_root,
    test_a_root_may_be_one_object,
    test_an_etag_changes_with_the_content_and_only_then,
    test_objects_are_listed_by_prefix_in_order_and_fetched_whole,
    test_what_changed_or_went_since_it_was_listed_is_unavailable,
)
from tests.gcs import GcsServer, gcs
from tests.seaweedfs import Wire, proxy
from tests.unit.sources.exports import KEEP, delivered
from tests.unit.sources.gcp_export import gcp

__all__ = [
    "prefix",
    "test_a_key_cannot_lead_out_of_the_root",
    "test_a_root_may_be_one_object",
    "test_an_etag_changes_with_the_content_and_only_then",
    "test_objects_are_listed_by_prefix_in_order_and_fetched_whole",
    "test_what_changed_or_went_since_it_was_listed_is_unavailable",
]

pytestmark = pytest.mark.server
BUCKET = "bills"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    with gcs(tmp_path_factory.mktemp("gcs") / "server") as server:
        server.client().create_bucket(BUCKET)
        yield server


@pytest.fixture
def wire(server: GcsServer) -> Iterator[Wire]:
    with proxy(server.endpoint_url) as wire:
        yield wire


@dataclasses.dataclass
class Bucket:
    server: GcsServer
    prefix: str
    cache: Path
    endpoint_url: str

    def put(self, key: str, data: bytes) -> None:
        self.server.client().bucket(BUCKET).blob(f"{self.prefix}/{key}").upload_from_string(data)

    def remove(self, key: str) -> None:
        self.server.client().bucket(BUCKET).blob(f"{self.prefix}/{key}").delete()

    def store(self, under: str = "") -> ObjectStore:
        uri = f"gs://{BUCKET}/{self.prefix}/{under}"
        return opener(self.cache, {}).store(uri, endpoint_url=self.endpoint_url)


@pytest.fixture
def place(server: GcsServer, wire: Wire, tmp_path: Path, prefix: str) -> Bucket:
    return Bucket(server, prefix, tmp_path / "cache", wire.url)


def downloads(wire: Wire) -> int:
    return sum("alt=media" in line or line.startswith("GET /download/") for line in wire.requests)


def test_an_unchanged_object_is_read_once(place: Bucket, wire: Wire) -> None:
    place.put("x.parquet", BIG)
    fetched = place.store().fetch(only(place.store(), "x.parquet"))
    assert place.store().fetch(only(place.store(), "x.parquet")) == fetched
    assert downloads(wire) == 1
    place.put("x.parquet", BIG + b"!")
    assert place.store().fetch(only(place.store(), "x.parquet")).read_bytes() == BIG + b"!"


def test_a_broken_download_goes_on_from_what_it_has(place: Bucket, wire: Wire) -> None:
    place.put("x.parquet", BIG)
    store = place.store()
    info = only(store, "x.parquet")
    wire.cuts[:] = [1_000_000, 1_000_000]
    assert store.fetch(info).read_bytes() == BIG
    assert downloads(wire) == 3
    assert len(BIG) <= wire.read_bytes < len(BIG) + 600_000


def test_a_connection_that_always_breaks_is_given_up_and_leaves_nothing_half(place: Bucket, wire: Wire) -> None:
    place.put("x.parquet", BIG)
    store = place.store()
    wire.cuts[:] = [1_000] * 50
    with pytest.raises(Unavailable, match="keeps breaking"):
        store.fetch(only(store, "x.parquet"))
    wire.cuts.clear()
    assert store.fetch(only(store, "x.parquet")).read_bytes() == BIG


def test_bytes_left_by_a_process_that_died_are_proven_or_read_anew(place: Bucket) -> None:
    place.put("x.csv", BIG)
    store = place.store()
    whole = store.fetch(only(store, "x.csv"))
    part = whole.with_name(f"{whole.name}.part")
    for left in (BIG[:2_000_000], b"?" * 2_000_000, BIG + b"more"):
        whole.unlink()
        part.write_bytes(left)
        if left[:1] == b"?":
            with pytest.raises(Unavailable, match="CRC32C"):
                store.fetch(only(store, "x.csv"))
        assert store.fetch(only(store, "x.csv")).read_bytes() == BIG


def test_an_object_composed_of_others_is_fetched_though_it_has_no_md5(place: Bucket, server: GcsServer) -> None:
    bucket = server.client().bucket(BUCKET)
    pieces = [b"a" * 1000, b"b" * 1000]
    for number, piece in enumerate(pieces):
        bucket.blob(f"{place.prefix}/{number}").upload_from_string(piece)
    whole = bucket.blob(f"{place.prefix}/whole.csv")
    whole.compose([bucket.blob(f"{place.prefix}/{number}") for number in range(2)])
    store = place.store()
    assert store.fetch(only(store, "whole.csv")).read_bytes() == b"".join(pieces)


def test_many_objects_are_listed_page_by_page(place: Bucket, server: GcsServer) -> None:
    keys = sorted(f"{number:x}" for number in range(1005))
    bucket = server.client().bucket(BUCKET)
    for key in keys:
        bucket.blob(f"{place.prefix}/{key}").upload_from_string(b"x")
    assert [info.key for info in place.store().list()] == keys


def test_what_is_not_there_is_told_with_the_remedy(server: GcsServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such bucket or object: check the uri and endpoint_url"):
        opener(tmp_path, {}).store("gs://no-such-bucket/x", endpoint_url=server.endpoint_url).list()
    with pytest.raises(Unavailable, match="gs://bills/x"):
        opener(tmp_path, {}).store("gs://bills/x", endpoint_url="http://127.0.0.1:1").list()
    with pytest.raises(ConfigError, match="is no bucket: write gs://bucket/prefix"):
        opener(tmp_path, {}).store("gs://Bad_Bucket!/x")


def test_a_billing_export_in_a_bucket_reads_as_it_does_on_disk_and_once(place: Bucket, wire: Wire) -> None:
    golden = Path(__file__).resolve().parents[1] / "golden/sources/gcp_billing/jsonl/bill"
    for path in golden.iterdir():
        place.put(path.name, path.read_bytes())
    secrets, clock = Secrets({}), SystemClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=opener(place.cache, {}), secrets=secrets)
    near = gcp(golden)
    expected = [near.charges(delivery).billed() for delivery in delivered(near)]
    for fetched in (2, 0):
        wire.requests.clear()
        settings = gcp_billing.Settings(name="gcp", uri=f"gs://{BUCKET}/{place.prefix}", endpoint_url=wire.url)
        far: Any = gcp_billing.make(settings, world, KEEP)
        assert [far.charges(delivery).billed() for delivery in delivered(far)] == expected
        assert downloads(wire) == fetched
