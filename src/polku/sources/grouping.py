"""Rows that are lines of one event, put together: an order's lines into the order, a receipt's into the receipt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.events import jsontext
from polku.events.ids import content_hashes
from polku.events.pipeline import GROUP, Batch
from polku.events.schema import MOMENT

#: The property in which an event keeps its lines, as Segment's order events do.
LINES = "products"
#: Besides the named columns, rows of one event agree in these: what, who, and in which money.
AGREE = ("event", "user_id", "anonymous_id", "account_id", "currency")
#: Of these an event takes the first that its rows name.
FIRST = ("received_at", "original_event", "session_id", "consent", "source", "channel", "context")
#: No amount on any line is no amount; what no line names is none.
_OPTIONS = {"sum": pc.ScalarAggregateOptions(min_count=1), "first": pc.ScalarAggregateOptions(skip_nulls=True)}


def grouped(batches: Sequence[Batch]) -> Batch:
    """The events of a file whose ``batches`` hold their lines, in the order of their first lines.

    An event has the time of the earliest line, the sum of the values, and every line's properties in the list
    ``products``. A row that names none of the columns grouped by is an event of its own. There is a row at least.
    """
    tables = [_with_own(batch) for batch in batches if batch.table.num_rows]
    rows = pa.concat_tables(tables, promote_options="default").combine_chunks()
    row = np.arange(rows.num_rows)
    alone = np.where(np.asarray(rows[GROUP].is_null(), dtype=np.bool_), row, -1)
    columns = {
        **{name: rows[name] for name in rows.column_names if name not in ("time", "properties")},
        "time": rows["time"].cast(pa.int64()),
        "line": pc.fill_null(rows["properties"], "{}") if "properties" in rows.column_names else _empty(rows.num_rows),
        "row": pa.array(row),
        "alone": pa.array(alone),
    }
    keys = [name for name in (GROUP, *AGREE) if name in columns]
    first = [name for name in (*FIRST, "own") if name in columns]
    wanted = [("time", "min"), ("row", "min"), ("line", "list"), *((name, "first") for name in first)]
    if "value" in columns:
        wanted.append(("value", "sum"))
    found = (
        pa.table(columns)
        .group_by([*keys, "alone"], use_threads=False)
        .aggregate([(name, how, _OPTIONS.get(how)) for name, how in wanted])
        .sort_by("row_min")
        .combine_chunks()
    )
    made: dict[str, pa.Array] = {"time": _one(found["time_min"]).cast(MOMENT)}
    made |= {name: _one(found[name]) for name in keys if name != GROUP}
    made |= {name: _one(found[f"{name}_first"]) for name in first if name != "own"}
    if "value" in columns:
        made["value"] = pc.round(_one(found["value_sum"]), 9)
    lists = pc.binary_join_element_wise("[", pc.binary_join(_one(found["line_list"]), ","), "]", "")
    products = jsontext.joined([jsontext.encoded_json(LINES, lists)], len(lists))
    heads = _one(found[GROUP])
    made["properties"] = products if heads.null_count == len(heads) else jsontext.merged([heads, products])
    own = _one(found["own_first"]) if "own" in first else None
    hashes = content_hashes(made) if own is None or own.null_count else None
    return Batch(pa.table(made), own, hashes, np.zeros(0, np.uint8))


def _with_own(batch: Batch) -> pa.Table:
    """The batch's rows with texts plain (their dictionaries differ from batch to batch) and their own ids beside."""
    table = batch.table
    columns = {
        name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    columns.setdefault(GROUP, pa.nulls(table.num_rows, pa.string()))
    if batch.own is not None:
        columns["own"] = batch.own.cast(pa.string())
    return pa.table(columns)


def _empty(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar("{}"), rows)


def _one(column: pa.ChunkedArray) -> pa.Array:
    """A column that stands in one piece."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
