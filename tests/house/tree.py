"""The production code as syntax trees, and the project's text files."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Python file; `name` is its path below the repository, such as finops_ai/domain/money.py."""

    name: str
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, name: str, text: str) -> Module:
        return cls(name=name, text=text, tree=ast.parse(text, filename=name))

    @property
    def room(self) -> str:
        """The package or module directly below finops_ai: "sources", "app" …"""
        return self.name.split("/")[1].removesuffix(".py")

    @property
    def dotted(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def modules() -> tuple[Module, ...]:
    """Every production module, sorted by path."""
    paths = sorted([*(ROOT / "finops_ai").rglob("*.py"), *(ROOT / "migrations").rglob("*.py")])
    return tuple(Module.parse(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths)


@cache
def text_files() -> tuple[Path, ...]:
    """Every UTF-8 file of the project, as Git sees them: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for name in sorted(listed.stdout.split("\0")) if name and _is_text(path := ROOT / name))


def _is_text(path: Path) -> bool:
    try:
        path.read_text("utf-8")
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return False
    return True
