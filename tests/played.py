"""The demo, played once for every test that asks what it left behind (a plug-in).

Such tests carry `xdist_group("demo")`, so that one worker makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finops


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Any], Mapping[str, Any]]:
    """The demo's folder and what it said, the first time and the second."""
    finops = Finops(folder=tmp_path_factory.mktemp("demo"))
    said = []
    for _ in range(2):
        ran = finops("demo", "--output", "json", timeout_seconds=280)
        assert ran.exit_code == 0, ran.stderr
        said.append(ran.json[0])
    return finops.folder / ".finops-demo", said[0], said[1]
