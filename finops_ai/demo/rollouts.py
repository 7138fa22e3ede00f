"""What the demo's cluster runs with: the requests of its list, and what a person merged since, from the day after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from finops_ai.demo.cluster import CONTAINERS, Container
from finops_ai.demo.gitops import BRANCH
from finops_ai.domain.quantity import parse
from finops_ai.rightsizing.manifest import values

MEBI = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A container as Git says it, from the morning of `day` on."""

    day: date
    container: Container


def rollouts(repository: Path) -> Mapping[str, Rollout]:
    """Workloads whose manifest on the base branch says other values than the list: Flux follows the branch."""
    return {found.container.workload: found for found in _rollouts(repository)} if repository.exists() else {}


def _rollouts(path: Path) -> Iterator[Rollout]:
    from dulwich.refs import Ref
    from dulwich.repo import Repo

    with Repo(str(path)) as repository:
        head = repository[repository.refs[Ref(f"refs/heads/{BRANCH}".encode())]]
        for container in CONTAINERS:
            name = f"apps/{container.namespace}/{container.workload}.yaml".encode()
            blob = _blob(repository, head, name)
            now = _as_written(container, repository[blob].as_raw_string().decode())
            if now != container:
                merged_on = _since(repository, head, name, blob)
                yield Rollout(day=merged_on + timedelta(days=1), container=now)


def _as_written(container: Container, text: str) -> Container:
    place = {"kind": container.kind, "name": container.workload, "container": container.name}
    written = values(text, **place, namespace=container.namespace)
    cpu = {key: int(parse(written[key]) * 1000) for key in ("requests.cpu", "limits.cpu") if key in written}
    memory = {key: int(parse(written[key]) / Decimal(MEBI)) for key in ("requests.memory", "limits.memory")}
    return replace(
        container,
        cpu_request_m=cpu["requests.cpu"],
        cpu_limit_m=cpu.get("limits.cpu"),
        memory_request_mib=memory["requests.memory"],
        memory_limit_mib=memory["limits.memory"],
    )


def _since(repository: Any, head: Any, name: bytes, blob: Any) -> date:
    """The day of the first commit on the branch that has the file as it is now."""
    at = head
    while at.parents and _blob(repository, before := repository[at.parents[0]], name) == blob:
        at = before
    return datetime.fromtimestamp(at.commit_time, UTC).date()


def _blob(repository: Any, commit: Any, name: bytes) -> Any:
    try:
        return repository[commit.tree].lookup_path(repository.__getitem__, name)[1]
    except KeyError:
        return None
