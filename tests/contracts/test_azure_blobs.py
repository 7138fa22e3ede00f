"""What every object store promises, over Azurite, which speaks as Azure Blob Storage; then what it promises alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finops_ai.domain.delivery import Delivery
from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.sources import azure_export
from finops_ai.sources.base import Keep
from finops_ai.world.azure_blob import PIECE_BYTES
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectStore, World
from tests.azurite import ACCOUNT, KEY, BlobServer, azurite
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
from tests.seaweedfs import Wire, proxy

__all__ = [
    "prefix",
    "test_a_key_cannot_lead_out_of_the_root",
    "test_a_root_may_be_one_object",
    "test_an_etag_changes_with_the_content_and_only_then",
    "test_objects_are_listed_by_prefix_in_order_and_fetched_whole",
    "test_what_changed_or_went_since_it_was_listed_is_unavailable",
]

# What all of it stands on is made once, by one worker.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("azurite")]
CONTAINER = "bills"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobServer]:
    with azurite(tmp_path_factory.mktemp("azurite") / "server") as server:
        server.client().create_container(CONTAINER)
        yield server


@pytest.fixture
def wire(server: BlobServer) -> Iterator[Wire]:
    with proxy(server.host_url) as wire:
        yield wire


@dataclasses.dataclass
class Container:
    server: BlobServer
    prefix: str
    cache: Path
    endpoint_url: str

    def put(self, key: str, data: bytes) -> None:
        self.server.client().get_blob_client(CONTAINER, f"{self.prefix}/{key}").upload_blob(data, overwrite=True)

    def remove(self, key: str) -> None:
        self.server.client().get_blob_client(CONTAINER, f"{self.prefix}/{key}").delete_blob()

    def store(self, under: str = "") -> ObjectStore:
        uri = f"az://{CONTAINER}/{self.prefix}/{under}"
        return opener(self.cache, self.server.environ).store(uri, endpoint_url=self.endpoint_url)


@pytest.fixture
def place(server: BlobServer, wire: Wire, tmp_path: Path, prefix: str) -> Container:
    return Container(server, prefix, tmp_path / "cache", f"{wire.url}/{ACCOUNT}")


def reads(wire: Wire, place: Container, key: str) -> int:
    return wire.count("GET", f"/{ACCOUNT}/{CONTAINER}/{place.prefix}/{key}")


def test_an_unchanged_blob_is_read_once(place: Container, wire: Wire) -> None:
    place.put("x.csv.gz", BIG)
    fetched = place.store().fetch(only(place.store(), "x.csv.gz"))
    again = place.store()  # another process would share no more than the folder
    assert again.fetch(only(again, "x.csv.gz")) == fetched
    assert reads(wire, place, "x.csv.gz") == 1
    assert fetched.name.endswith("x.csv.gz")


def test_a_broken_download_goes_on_from_what_it_has(place: Container, wire: Wire) -> None:
    large = BIG * 4
    place.put("x.parquet", large)
    store = place.store()
    info = only(store, "x.parquet")
    wire.cuts[:] = [PIECE_BYTES + 10_000, 1_000_000, 1_000_000]
    assert store.fetch(info).read_bytes() == large
    assert len(large) <= wire.read_bytes < len(large) + 2_000_000 + 100_000, "only the broken piece is read again"


def test_a_connection_that_always_breaks_is_given_up_and_leaves_nothing_half(place: Container, wire: Wire) -> None:
    place.put("x.parquet", BIG)
    store = place.store()
    wire.cuts[:] = [1_000] * 500
    with pytest.raises(Unavailable, match=r"x\.parquet"):
        store.fetch(only(store, "x.parquet"))
    wire.cuts.clear()
    assert store.fetch(only(store, "x.parquet")).read_bytes() == BIG


def test_bytes_left_by_a_process_that_died_are_proven_or_read_anew(place: Container, wire: Wire) -> None:
    place.put("x.csv", BIG)
    store = place.store()
    whole = store.fetch(only(store, "x.csv"))
    part = whole.with_name(f"{whole.name}.part")
    for left in (BIG[:2_000_000], b"?" * 2_000_000, BIG + b"more"):
        whole.unlink()
        part.write_bytes(left)
        if left[:1] == b"?":
            with pytest.raises(Unavailable, match="MD5"):
                store.fetch(only(store, "x.csv"))
        assert store.fetch(only(store, "x.csv")).read_bytes() == BIG


def test_a_blob_written_in_blocks_is_fetched_though_it_has_no_md5(place: Container, server: BlobServer) -> None:
    blob = server.client().get_blob_client(CONTAINER, f"{place.prefix}/blocks.parquet")
    for name, data in (("YQ==", BIG), ("Yg==", b"end")):
        blob.stage_block(name, data)
    blob.commit_block_list(["YQ==", "Yg=="])
    store = place.store()
    info = only(store, "blocks.parquet")
    assert info.etag.startswith("0x")
    assert store.fetch(info).read_bytes() == BIG + b"end"


def test_folders_that_the_account_lists_as_blobs_are_no_objects(place: Container, server: BlobServer) -> None:
    place.put("folder/x.csv", b"x")
    folder = server.client().get_blob_client(CONTAINER, f"{place.prefix}/folder")
    folder.upload_blob(b"", metadata={"hdi_isfolder": "true"})
    assert [info.key for info in place.store().list()] == ["folder/x.csv"]


def test_many_blobs_are_listed_page_by_page(place: Container, wire: Wire, server: BlobServer) -> None:
    wire.listed = "&maxresults=3"  # a page is 5,000 else, and the server takes a minute and a half to hold so many
    keys = sorted(f"{number:x}" for number in range(20))
    for key in keys:
        place.put(key, b"")
    environ = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_SAS_TOKEN": sas(server, 1)}
    store = opener(place.cache, environ).store(f"az://{CONTAINER}/{place.prefix}", endpoint_url=place.endpoint_url)
    assert [info.key for info in store.list()] == keys
    assert wire.count("GET", f"/{ACCOUNT}/{CONTAINER}?restype=container") == 7


def sas(server: BlobServer, hours: int) -> str:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    return generate_container_sas(
        ACCOUNT,
        CONTAINER,
        account_key=KEY,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )


def test_every_way_to_sign_in_reads_the_same(place: Container, server: BlobServer, tmp_path: Path) -> None:
    place.put("x.csv", b"one")
    uri = f"az://{CONTAINER}/{place.prefix}"
    file = tmp_path / "connection"
    file.write_text(server.connection_string)
    for environ, endpoint_url in (
        ({"AZURE_STORAGE_CONNECTION_STRING": server.connection_string}, None),
        ({"AZURE_STORAGE_CONNECTION_STRING_FILE": str(file)}, None),
        ({"AZURE_STORAGE_KEY": KEY}, server.endpoint_url),
        (server.environ, server.endpoint_url),
        ({"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_SAS_TOKEN": sas(server, 1)}, server.endpoint_url),
        ({"AZURE_STORAGE_SAS_TOKEN": "?" + sas(server, 1)}, server.endpoint_url),
    ):
        store = opener(tmp_path / "cache", environ).store(uri, endpoint_url=endpoint_url)
        assert store.fetch(only(store, "x.csv")).read_bytes() == b"one"


def test_wrong_credentials_say_what_to_check_and_are_not_shown(server: BlobServer, tmp_path: Path) -> None:
    wrong = "d3JvbmctczNjcmV0LXRoYXQtbm9ib2R5LXNob3VsZC1zZWU="
    for environ in (
        {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": wrong},
        {"AZURE_STORAGE_SAS_TOKEN": sas(server, -1)},
        {"AZURE_STORAGE_CONNECTION_STRING": server.connection_string.replace(KEY, wrong)},
    ):
        with pytest.raises(Unavailable, match="AZURE_STORAGE_CONNECTION_STRING") as caught:
            opener(tmp_path, environ).store(f"az://{CONTAINER}", endpoint_url=server.endpoint_url).list()
        assert wrong not in str(caught.value)
        assert "sig=" not in str(caught.value)


def test_what_is_not_there_is_told_with_the_remedy(server: BlobServer, tmp_path: Path) -> None:
    objects = opener(tmp_path, server.environ)
    with pytest.raises(Unavailable, match="no such container: check the uri and the storage account"):
        objects.store("az://no-such-container/x", endpoint_url=server.endpoint_url).list()
    with pytest.raises(Unavailable, match="Failed to establish a new connection"):
        objects.store("az://bills/x", endpoint_url=f"http://127.0.0.1:1/{ACCOUNT}").list()
    with pytest.raises(ConfigError, match="no storage account: set AZURE_STORAGE_CONNECTION_STRING"):
        opener(tmp_path, {}).store("az://bills/x").list()
    for uri in ("az://", "az://Bills/x", "az://b/x", "az://a--b/x", "az:///x"):
        with pytest.raises(ConfigError, match="is no container"):
            objects.store(uri)


@pytest.mark.shared
def test_an_export_on_a_breaking_wire_reads_as_it_does_on_disk_and_once(
    place: Container, wire: Wire, shared: Path
) -> None:
    root = shared / "data/azure/exports"
    for path in root.rglob("*"):
        if path.is_file():
            place.put(path.relative_to(root).as_posix(), path.read_bytes())
    objects, secrets = opener(place.cache, place.server.environ), Secrets({})
    world = World(clock=SystemClock(), http=Http(secrets, SystemClock()), objects=objects, secrets=secrets)
    keep = Keep(tags=frozenset({"cost-center"}), cost_categories=frozenset())
    near = azure_export.make(azure_export.Settings(name="bill", uri=root.as_uri()), world, keep)
    expected = [near.charges(delivery).control for delivery in near.deliveries(None) if isinstance(delivery, Delivery)]
    assert len(expected) == 3
    for again in (False, True):
        wire.requests.clear()
        wire.cuts[:] = [1_000, 1_000]
        uri = f"az://{CONTAINER}/{place.prefix}"
        settings = azure_export.Settings(name="bill", uri=uri, endpoint_url=place.endpoint_url)
        far = azure_export.make(settings, world, keep)
        assert [
            far.charges(delivery).control for delivery in far.deliveries(None) if isinstance(delivery, Delivery)
        ] == expected
        read = wire.count("GET", f"/{ACCOUNT}/{CONTAINER}/{place.prefix}/")
        assert read == 0 if again else read >= 12, "the newest run of each month of both exports, and every manifest"
