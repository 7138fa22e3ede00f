"""Kustomize by kubectl, in a folder of its own and without the network: the files of a repository, rendered."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from finops_ai.domain.errors import Rejected, Unavailable

TIMEOUT_SECONDS = 60
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_REMOTE = re.compile(r"^\s*-?\s*[\"']?(?:[a-z+]+://|git@|github\.com|[^\s#]*\?ref=)", re.MULTILINE)


def program() -> str | None:
    """Where kubectl is, if it is there."""
    return shutil.which("kubectl")


def render(files: Mapping[str, str], folder: str) -> str:
    """What `kubectl kustomize` makes of `folder` of a repository. Files outside the repository cannot be reached.

    Raises Rejected for what cannot be rendered, remote bases among it: they are somebody else's and not in Git.
    Raises Unavailable without kubectl.
    """
    kubectl = program()
    if kubectl is None:
        raise Unavailable("kubectl is not installed: kustomizations cannot be rendered")
    for path, text in files.items():
        if PurePosixPath(path).name in NAMES and (found := _REMOTE.search(text)):
            raise Rejected(f"{path} takes from elsewhere: {found[0].strip()[:80]}; only what is in Git is rendered")
    with tempfile.TemporaryDirectory(prefix="finops-kustomize-") as root:
        _write(Path(root), files)
        place = Path(root, *PurePosixPath(folder).parts)
        try:
            done = subprocess.run(  # noqa: S603 - no shell, a fixed program, a path of our own making
                [kubectl, "kustomize", str(place)],
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                # No path to git, no home, no proxy: nothing can be fetched and nothing of ours is seen.
                env={"PATH": "/nonexistent", "HOME": root, "KUBECONFIG": "/nonexistent"},
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Rejected(f"{folder}: kubectl kustomize took longer than {TIMEOUT_SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").replace(root, "").strip().splitlines()
        raise Rejected(f"{folder or '.'}: kubectl kustomize: {(lines or ['no reason given'])[-1][:300]}")
    return done.stdout.decode("utf-8", "replace")


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
            raise Rejected(f"not a path inside the repository: {path!r}")
        place = root.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")
