"""Kustomize by kubectl, in a folder of its own and without the network: the files of a repository, rendered."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.world.scratch import scratch

TIMEOUT_SECONDS = 60
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_REMOTE = re.compile(r"(?:[a-z+]+://|git@|[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev)[/:]|.*\?ref=)")
_FILES = ("resources", "bases", "components", "crds", "configurations", "patchesStrategicMerge", "envs", "files")
_FILE = ("path", "env")
_PLUGINS = ("generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator")
"""Fields that name files, and fields whose files may name further ones: those are not followed."""


def program() -> str | None:
    """Where kubectl is, if it is there."""
    return shutil.which("kubectl")


def render(files: Mapping[str, str], folder: str) -> str:
    """What `kubectl kustomize` makes of `folder` of a repository. Files outside the repository cannot be reached.

    Raises Rejected for what cannot be rendered: remote bases, which are somebody else's and not in Git, paths that lead
    out of the repository, and plug-ins. Raises Unavailable without kubectl.
    """
    kubectl = program()
    if kubectl is None:
        raise Unavailable("kubectl is not installed: kustomizations cannot be rendered")
    for path, text in files.items():
        if PurePosixPath(path).name in NAMES:
            _check(path, text)
    with scratch("kustomize") as root:
        _write(root, files)
        place = root.joinpath(*PurePosixPath(folder).parts)
        try:
            done = subprocess.run(  # noqa: S603 - no shell, a fixed program, a path of our own making
                [kubectl, "kustomize", "--load-restrictor", "LoadRestrictionsNone", str(place)],
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                # No path to git, no home, no proxy: nothing can be fetched and nothing of ours is seen.
                env={"PATH": "/nonexistent", "HOME": str(root), "KUBECONFIG": "/nonexistent"},
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Rejected(f"{folder}: kubectl kustomize took longer than {TIMEOUT_SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").replace(str(root), "").strip().splitlines()
        raise Rejected(f"{folder or '.'}: kubectl kustomize: {(lines or ['no reason given'])[-1][:300]}")
    return done.stdout.decode("utf-8", "replace")


def _check(path: str, text: str) -> None:
    """Raises Rejected where a kustomization takes anything that does not lie in the repository.

    Bases beside the folder are allowed, as controllers allow them, so every path is followed here instead.
    """
    try:
        told = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        raise Rejected(f"{path} is not readable as YAML") from None
    if not isinstance(told, Mapping):
        return
    for name in _PLUGINS:
        if told.get(name):
            raise Rejected(f"{path} uses {name}, which may take from anywhere: it is not rendered")
    for found in _named(told):
        if _REMOTE.match(found):
            raise Rejected(f"{path} takes from elsewhere: {found[:80]}; only what is in Git is rendered")
        depth = len(PurePosixPath(path).parts) - 1
        for step in PurePosixPath(found).parts:
            depth += -1 if step == ".." else step != "."
            if depth < 0 or step == "/":
                raise Rejected(f"{path} leads out of the repository: {found[:80]}")


def _named(value: Any) -> Iterator[str]:
    """Every path that a kustomization names; `key=path` of a generator is its path."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            if name in _FILES and isinstance(inside, list):
                paths = (str(one) for one in inside if not isinstance(one, Mapping))
                yield from (one.rpartition("=")[2] if name == "files" else one for one in paths)
            elif name in _FILE and isinstance(inside, str) and "op" not in value:
                yield inside
            yield from _named(inside)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
            raise Rejected(f"not a path inside the repository: {path!r}")
        place = root.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")
