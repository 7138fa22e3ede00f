"""A configured program: one call writes its configuration, every other runs the command."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.conftest import Finops, Ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    finops: Finops
    database_url: str

    @property
    def environ(self) -> dict[str, str]:
        return {"FINOPS_DATABASE_URL": self.database_url}

    def __call__(self, *arguments: str, code: int = 0) -> Ran:
        ran = self.finops(*arguments, env=self.environ)
        assert ran.exit_code == code, (
            f"finops-ai {' '.join(arguments)} ended {ran.exit_code}\n{ran.stdout}\n{ran.stderr}"
        )
        return ran


Configure = Callable[[str], Program]


def configured(finops: Finops, database_url: str, text: str) -> Program:
    """A program in the folder of `finops` with `text` as its configuration."""
    file = finops.folder / "config" / "finops.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return Program(finops=finops, database_url=database_url)


@pytest.fixture
def configure(finops: Finops, ledger_url: str) -> Configure:
    return lambda text: configured(finops, ledger_url, text)
