"""Hours of a version, kept beside its part of the cube."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from finops_ai.domain import focus
from finops_ai.domain.errors import Leak
from finops_ai.ledger import bulk
from finops_ai.ledger.connect import psycopg_connection
from finops_ai.ledger.hour_tables import charge_hour

if TYPE_CHECKING:
    import pyarrow as pa

READ_DAYS = 84
"""Days of hours, before the day from which is looked, that are judged or say what is usual: no others are kept."""

_EXACT = 1e-6  # share by which doubles may differ from the decimals they were


def keep(
    connection: sa.Connection, version: int, ids: NDArray[np.int64], hours: pa.Table, facts: pa.Table, known: date
) -> None:
    """Keep a Scan's hours of the last days before `known` with their version; `ids` are those of its dimensions.

    Raises Leak where they do not add up to the facts of their days.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    _settle(hours, facts)
    recent = hours.filter(pc.greater_equal(hours["day"], pa.scalar(known - timedelta(days=READ_DAYS))))
    costs = {
        name: pc.binary_join_element_wise("{", pc.binary_join(recent[name].cast(pa.list_(pa.string())), ","), "}", "")
        for name in focus.BY_HOUR
    }
    rows = pa.table(
        {
            "delivery_id": pa.repeat(version, recent.num_rows),
            "dimension_id": ids[recent["dimension"].to_numpy()],
            "day": recent["day"],
            **costs,
        }
    )
    bulk.copy_arrow(psycopg_connection(connection), charge_hour.name, rows)


def _settle(hours: pa.Table, facts: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in focus.BY_HOUR:
        told = float(pc.sum(pc.list_flatten(hours[name])).as_py() or 0.0)
        sizes = facts[name].cast(pa.float64())
        size = float(pc.sum(pc.abs(sizes)).as_py() or 0.0)
        booked = float(pc.sum(sizes).as_py() or 0.0)
        if abs(told - booked) > _EXACT * max(size, 1.0):
            raise Leak(f"{name}: the hours come to {told}, their days to {booked}")
