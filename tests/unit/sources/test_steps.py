"""What a cluster is told of files that this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops_ai.domain.errors import ConfigError
from finops_ai.sources import focus_files
from finops_ai.sources.staging import engine, stage
from finops_ai.sources.steps import seen
from tests.unit.sources.exports import CHARGE, charge, csv_text


def test_a_cluster_reads_parquet_at_its_own_path(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "part [1] *.parquet"
    parquet.write_table(pa.Table.from_pylist([dict(CHARGE)]), path)
    with engine() as duck:
        (part,) = stage([(path.name, path)], focus_files.MAPPING, duck)
        assert Path(seen(part, is_local=True)) == part.file
        assert seen(part, is_local=False) == str(tmp_path.resolve() / r"part \[1\] \*.parquet")


def test_a_cluster_does_not_see_text(tmp_path: Path) -> None:
    path = tmp_path / "charges.csv"
    path.write_text(csv_text([charge()]), newline="")
    with engine() as duck:
        (part,) = stage([(path.name, path)], focus_files.MAPPING, duck)
        assert Path(seen(part, is_local=True)).exists()
        with pytest.raises(ConfigError, match=r"charges\.csv is text.*--engine duckdb"):
            seen(part, is_local=False)
