"""The map's ``where``s over many rows: in DuckDB, or row by row where there are so few that starting it costs more.

Both give the same answers; the room ``journey`` tests them on one table of cases.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from polku.journey.where import Where
from polku.trails.layout import Bools

#: Up to so many rows are asked one by one.
FEW = 500
JSON = ("properties", "context")


def evaluate(wheres: Sequence[Where], rows: pa.Table) -> list[Bools]:
    """bool[n] for each ``where``: which rows of history (the columns that they read) it is true for.

    >>> from polku.journey.where import parse_where
    >>> rows = pa.table({"properties": ['{"a": 1}', None, '{"a": "1"}']})
    >>> evaluate([parse_where("properties.a = 1")], rows)[0].tolist()
    [True, False, False]
    """
    return one_by_one(wheres, rows) if rows.num_rows <= FEW else in_duckdb(wheres, rows)


def one_by_one(wheres: Sequence[Where], rows: pa.Table) -> list[Bools]:
    """As :func:`evaluate`, with compiled closures."""
    events: list[dict[str, Any]] = rows.to_pylist()
    for event in events:
        for name in JSON:
            text = event.get(name)
            event[name] = json.loads(text) if text else {}
        event["traits"] = event["context"].get("traits") or {}
    compiled = [w.compile() for w in wheres]
    return [np.array([meets(e) is True for e in events], np.bool_) for meets in compiled]


def in_duckdb(wheres: Sequence[Where], rows: pa.Table) -> list[Bools]:
    """As :func:`evaluate`, in DuckDB."""
    import duckdb  # here, because a small refresh does without it and starts quicker

    select = ", ".join(f"coalesce({w.to_duckdb()}, false) as w{i}" for i, w in enumerate(wheres))
    with duckdb.connect(":memory:", config={"threads": 1, "preserve_insertion_order": True}) as connection:
        connection.register("asked", rows)
        told = connection.sql(f"select {select} from asked").to_arrow_table()
    return [told.column(i).to_numpy(zero_copy_only=False).astype(np.bool_) for i in range(len(wheres))]
