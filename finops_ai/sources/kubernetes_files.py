"""Recorded live state: the lists that `kubectl get -o json` prints, one or many to a file, in a folder or a bucket."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.errors import Malformed, Problem, Unavailable
from finops_ai.world.world import ObjectInfo, ObjectStore, World

ENDS = (".json", ".json.gz")
LARGEST_BYTES = 512 * 2**20
"""Of one file, unpacked; a cluster of ten thousand workloads records about 200 MB."""


class Settings(BaseModel):
    """`uri` is a file or a folder; `path` the folder of the repository that declares this cluster, all by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["kubernetes_files"] = "kubernetes_files"
    name: str
    uri: str
    cluster: str = Field(min_length=1)
    path: str = ""
    endpoint_url: str | None = None
    region: str | None = None


def make(settings: Settings, world: World) -> KubernetesFiles:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
    return KubernetesFiles(name=settings.name, cluster=settings.cluster, path=settings.path, store=store)


@dataclass(frozen=True, kw_only=True)
class KubernetesFiles:
    name: str
    cluster: str
    path: str
    store: ObjectStore = field(repr=False)

    def objects(self) -> Iterator[Mapping[str, Any]]:
        found = [info for info in self.store.list() if info.key.lower().endswith(ENDS)]
        if not found:
            raise Unavailable(f"{self.store.root} holds no .json file: record one with kubectl get … -A -o json")
        for info in found:
            yield from self._lists(info)

    def _lists(self, info: ObjectInfo) -> Iterator[Mapping[str, Any]]:
        decoder, place = json.JSONDecoder(), 0
        text = ""
        try:
            text = _text(self.store.fetch(info), packed=info.key.lower().endswith(".gz"))
            while place < len(text) and (place := place + len(text[place:]) - len(text[place:].lstrip())) < len(text):
                one, place = decoder.raw_decode(text, place)
                if not isinstance(one, dict):
                    raise ValueError("not an object of Kubernetes")
                yield one
        except (ValueError, RecursionError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            line = text.count("\n", 0, getattr(error, "pos", place)) + 1
            message = f"not what kubectl get -o json prints: {getattr(error, 'msg', error)}"
            raise Malformed([Problem(file=info.uri, line=line, message=message)]) from None


def _text(path: Path, *, packed: bool) -> str:
    """Raises ValueError for what is no text or too much of it."""
    with gzip.open(path) if packed else path.open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(f"larger than {LARGEST_BYTES} bytes")
    return data.decode("utf-8-sig")
