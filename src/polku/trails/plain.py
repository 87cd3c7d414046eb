"""Trails of a plain table without a map: what funnels over anyone's data stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.errors import TrailsError, nearest
from polku.kernels.hashing import hash_strings
from polku.language import N_
from polku.trails.build import bucket_in_memory
from polku.trails.days import offsets_between
from polku.trails.layout import Tables, Trails, Words, default_as_of, moment
from polku.trails.origins import NONE
from polku.trails.sorting import MICRO, Rows, times_fit


def trails_of_plain(
    table: Any, *, customer: str, time: str, event: str, session: str | None, value: str | None, timezone: str = "UTC"
) -> Trails:
    """See :meth:`polku.trails.layout.Trails.from_table`."""
    arrow = _arrow(table)
    wanted = [c for c in (customer, time, event, session, value) if c is not None]
    for name in wanted:
        if name not in arrow.column_names:
            raise TrailsError(
                N_("The table has no column {column!r}. It has {known}. Did you mean {nearest!r}?"),
                column=name,
                known=", ".join(arrow.column_names),
                nearest=nearest(name, arrow.column_names) or arrow.column_names[0] if arrow.column_names else "",
            )
    total = arrow.num_rows
    # Only what is wanted, texts as Arrow's plain ones: Polars hands over views, which Arrow can do little with.
    texts = {c for c in (customer, event, session) if c is not None}
    arrow = pa.table({c: _words(arrow[c]) if c in texts else arrow[c] for c in dict.fromkeys(wanted)})
    kept = pc.and_(pc.is_valid(arrow[customer]), pc.and_(pc.is_valid(arrow[time]), pc.is_valid(arrow[event])))
    arrow = arrow.filter(kept)
    people = arrow[customer].dictionary_encode().unify_dictionaries().combine_chunks()
    names, keys = _split(people)
    events, codes = _split(arrow[event].dictionary_encode().unify_dictionaries().combine_chunks())
    order = np.argsort(np.array(events.to_pylist(), dtype=object)) if len(events) else np.empty(0, np.int64)
    if len(events) > 32_000:
        raise TrailsError(
            N_("The column {column!r} holds {n} different event names; at most {most} can be told apart."),
            column=event,
            n=len(events),
            most=32_000,
        )
    number = np.empty(len(events), np.uint16)
    number[order] = np.arange(len(events), dtype=np.uint16)
    titles = tuple(events.take(pa.array(order)).to_pylist())
    n = arrow.num_rows
    times = _micros(arrow[time], time)
    amount = None if value is None else arrow[value].cast(pa.float64()).to_numpy(zero_copy_only=False)
    rows = Rows(
        customer=keys.astype(np.int64) + 1,
        time=times,
        seq=np.arange(n, dtype=np.int64),
        code=number[codes],
        page=np.zeros(n, np.uint32),
        origin=np.zeros(n, np.uint32),
        session=np.zeros(n, np.uint64) if session is None else hash_strings(arrow[session]),
        value=amount,
    )
    first, last = (moment(int(f(times)) / MICRO) for f in (np.min, np.max)) if n else (None, None)
    zone = offsets_between(timezone, *((int(times.min()) // MICRO, int(times.max()) // MICRO) if n else (0, 0)))
    numbers = np.arange(len(titles), dtype=np.int16)
    none = np.full(len(titles), -1, np.int16)
    numbers.setflags(write=False)
    none.setflags(write=False)
    return Trails(
        buckets=(bucket_in_memory(rows, zone),),
        tables=Tables(titles, titles, numbers, none, (None,) * len(titles), Words([""]), (NONE,), ()),
        position=None,
        as_of=default_as_of(last),
        first=first,
        last=last,
        events=n,
        without_customer=total - n,
        names=names,
        timezone=timezone,
    )


def _arrow(table: Any) -> pa.Table:
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    raise TrailsError(
        N_("A {kind} is no table. Give an Arrow, pandas or Polars table, or anything with Arrow's C stream."),
        kind=type(table).__name__,
    )


def _words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string())


def _split(encoded: Any) -> tuple[pa.Array, np.ndarray[Any, Any]]:
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.large_string()).dictionary_encode()
    return encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)


def _micros(column: pa.ChunkedArray, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    kind = column.type
    if pa.types.is_integer(kind):
        times = column.cast(pa.int64()).to_numpy() * MICRO
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False).cast(pa.int64()).to_numpy()
    else:
        raise TrailsError(
            N_("The column {column!r} holds {kind}, not times. Give timestamps or whole seconds since 1970."),
            column=name,
            kind=str(kind),
        )
    if not times_fit(times):
        raise TrailsError(N_("The column {column!r} holds times before 1970 or after 2106."), column=name)
    checked: np.ndarray[Any, np.dtype[np.int64]] = times
    return checked
