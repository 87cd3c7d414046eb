"""Trails of a plain table without a map: what funnels over anyone's data stand on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.errors import TrailsError
from polku.kernels.hashing import hash_strings
from polku.language import N_
from polku.trails.build import bucket_in_memory, order_by_bucket
from polku.trails.days import Offsets, offsets_between
from polku.trails.layers import buckets_for
from polku.trails.layout import Bucket, Tables, Trails, Words, default_as_of, moment
from polku.trails.origins import NONE
from polku.trails.properties import KeptFacts
from polku.trails.scan import distinct
from polku.trails.sorting import MICRO, Rows, times_fit
from polku.trails.tables import arrow_table

I64 = npt.NDArray[np.int64]
#: Event names that can be told apart.
MOST_EVENTS = 32_000
#: The greatest epoch number of each unit that lies before February 2106, and how many of the unit a second has.
UNITS = ((2**32, 1), (2**32 * 1_000, 1_000), (2**32 * MICRO, MICRO), (2**63, 1_000_000_000))


def trails_of_plain(
    table: Any,
    *,
    customer: str,
    time: str,
    event: str,
    session: str | None = None,
    value: str | None = None,
    properties: Sequence[str] = (),
    timezone: str = "UTC",
) -> Trails:
    """See :meth:`polku.trails.layout.Trails.from_table`."""
    optional = [c for c in (session, value) if c is not None]
    arrow = arrow_table(table, [customer, time, event, *optional, *properties])
    total = arrow.num_rows
    arrow = _of_somebody(arrow, customer)
    for name in (time, event):
        _full(arrow[name], name)
    names, keys = _words(arrow[customer])
    if (nobody := pc.index(names, "").as_py()) >= 0:  # an empty text names nobody either, as in a CSV file
        arrow = arrow.filter(pa.array(keys != nobody))
        names, keys = _words(arrow[customer])
    titles, codes = _events(arrow[event], event)
    n = arrow.num_rows
    times = micros_of(arrow[time], time)
    rows = Rows(
        customer=keys + 1,
        time=times,
        seq=np.arange(n, dtype=np.int64),
        code=codes,
        page=np.zeros(n, np.uint32),
        origin=np.zeros(n, np.uint32),
        session=np.zeros(n, np.uint64) if session is None else hash_strings(arrow[session]),
        value=None if value is None else _amounts(arrow[value], value),
    )
    first, last = (int(times.min()), int(times.max())) if n else (0, 0)
    zone = offsets_between(timezone, first // MICRO, last // MICRO)
    buckets = _sorted(rows, zone)
    numbers = np.arange(len(titles), dtype=np.int16)
    none = np.full(len(titles), -1, np.int16)
    numbers.setflags(write=False)
    none.setflags(write=False)
    end = moment(last / MICRO) if n else None
    return Trails(
        buckets=buckets,
        tables=Tables(titles, titles, numbers, none, (None,) * len(titles), Words([""]), (NONE,), ()),
        position=None,
        as_of=default_as_of(end),
        first=moment(first / MICRO) if n else None,
        last=end,
        events=n,
        without_customer=total - n,
        names=names,
        timezone=timezone,
        facts=KeptFacts(arrow.select([event, *dict.fromkeys(properties)]), None, buckets, plain=True, event=event),
    )


def _sorted(rows: Rows, zone: Offsets) -> tuple[Bucket, ...]:
    """Buckets of their own arrays, sorted on all cores; a table of few rows is one bucket."""
    buckets = buckets_for(len(rows))
    if buckets == 1:
        return (bucket_in_memory(rows, zone),)
    start, order = order_by_bucket(rows.customer, buckets)

    def bucket(b: int) -> Bucket:
        return bucket_in_memory(rows.take(order[start[b] : start[b + 1]]), zone)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return tuple(pool.map(bucket, range(buckets)))


def _full(column: pa.ChunkedArray, name: str) -> None:
    """Nothing can be known of an event without a time or a name."""
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise TrailsError(
            N_("{n} rows have nothing in the column {column!r}; the first is row {row}. Leave them out first."),
            n=column.null_count,
            column=name,
            row=row,
        )


def _of_somebody(arrow: pa.Table, customer: str) -> pa.Table:
    """The rows that name a customer; a NaN names nobody."""
    column = arrow[customer]
    if pa.types.is_floating(column.type):
        known = pc.is_finite(column).fill_null(False)
        return arrow if pc.all(known).as_py() in (True, None) else arrow.filter(known)
    return arrow.filter(column.is_valid()) if column.null_count else arrow


def _words(column: pa.ChunkedArray) -> tuple[pa.Array, I64]:
    """The distinct values as large_string, in the order of their first rows, and each row's number."""
    column = _plain(column)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        keys = list(pool.map(_keys, column.chunks))
    codes, first = distinct(np.concatenate(keys) if keys else np.empty(0, np.uint64))
    words = column.take(pa.array(first)).combine_chunks()
    if pa.types.is_dictionary(words.type):
        words = _plain(words.dictionary_decode())
    if pa.types.is_floating(words.type):
        told = [str(int(w)) if float(w).is_integer() else repr(w) for w in words.to_pylist()]
        return pa.array(told, pa.large_string()), codes.astype(np.int64)
    return words.cast(pa.large_string()), codes.astype(np.int64)


def _keys(chunk: pa.Array) -> npt.NDArray[np.uint64]:
    """uint64[n] that are equal where the values are."""
    if pa.types.is_integer(chunk.type):
        whole: npt.NDArray[np.int64] = chunk.to_numpy(zero_copy_only=False).astype(np.int64)
        return whole.view(np.uint64)
    return hash_strings(chunk)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Texts as Arrow's plain ones: Polars and DuckDB hand over views, which Arrow can do little with."""
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _events(column: pa.ChunkedArray, name: str) -> tuple[tuple[str, ...], npt.NDArray[np.uint16]]:
    """Event names in the order of the alphabet, and each row's."""
    words, codes = _words(column)
    if len(words) > MOST_EVENTS:
        raise TrailsError(
            N_("The column {column!r} holds {n} different event names; at most {most} can be told apart."),
            column=name,
            n=len(words),
            most=MOST_EVENTS,
        )
    titles: list[str] = words.to_pylist()
    order = sorted(range(len(titles)), key=titles.__getitem__)
    number = np.empty(len(titles), np.uint16)
    number[order] = np.arange(len(titles), dtype=np.uint16)
    return tuple(titles[k] for k in order), number[codes]


def _amounts(column: pa.ChunkedArray, name: str) -> npt.NDArray[np.float64]:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise TrailsError(
            N_("The column {column!r} holds {kind}, not numbers. Turn it into numbers first."),
            column=name,
            kind=str(kind),
        )
    numbers: npt.NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if (endless := np.isinf(numbers)).any():
        raise TrailsError(
            N_("The column {column!r} holds endless numbers; the first is in row {row}. Leave them empty."),
            column=name,
            row=int(endless.argmax()),
        )
    return numbers


def micros_of(column: pa.ChunkedArray, name: str) -> I64:
    """Microseconds since 1970 UTC of timestamps (without a zone they are UTC), dates, texts, or numbers since 1970.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by the size of the greatest. Texts are read as the
    import reads them (polku.events.times). Raises TrailsError for what is no time, and for times that trails cannot
    hold (before 1970, after February 2106).

    >>> micros_of(pa.chunked_array([["2026-01-01 00:00", "1.1.2026 klo 2.00"]]), "at").tolist()
    [1767225600000000, 1767232800000000]
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False).cast(pa.int64()).to_numpy()
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        times = _epoch(column, name)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        times = _written(column, name)
    else:
        raise TrailsError(
            N_("The column {column!r} holds {kind}, not times. Give timestamps, dates, texts or numbers since 1970."),
            column=name,
            kind=str(kind),
        )
    if not times_fit(times):
        raise TrailsError(N_("The column {column!r} holds times before 1970 or after 2106."), column=name)
    checked: I64 = times
    return checked


def _epoch(column: pa.ChunkedArray, name: str) -> I64:
    """Numbers since 1970, their unit by the greatest."""
    if pa.types.is_integer(column.type):
        raw = column.cast(pa.int64()).to_numpy()
        top = int(raw.max()) if len(raw) else 0
        a_second = next(many for limit, many in UNITS if top < limit)
        whole: I64 = raw * (MICRO // a_second) if a_second <= MICRO else raw // (a_second // MICRO)
        return whole
    real = column.cast(pa.float64()).to_numpy()
    if not np.isfinite(real).all():
        raise TrailsError(N_("The column {column!r} holds times that are no numbers (NaN)."), column=name)
    greatest = float(real.max()) if len(real) else 0.0
    a_second = next((many for limit, many in UNITS if greatest < limit), 1_000_000_000)
    rounded: I64 = np.rint(real * (MICRO / a_second)).astype(np.int64)
    return rounded


def _written(column: pa.ChunkedArray, name: str) -> I64:
    """Times written as text."""
    from polku.events.times import Order, order_evidence, read_times

    whole = _plain(column).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], pa.large_string())
    words = whole.dictionary if pa.types.is_dictionary(whole.type) else whole
    day, month, _ = order_evidence(words)
    order = Order.DAY_FIRST if day > month else Order.MONTH_FIRST if month else Order.UNKNOWN
    found = read_times(whole, "UTC", 2**62, order)
    wrong = np.flatnonzero(found.refused)
    if len(wrong):
        row = int(wrong[0])
        raise TrailsError(
            N_(
                "{n} texts in the column {column!r} are no times that can be read; the first is {text!r} in row {row}. "
                "Turn the column into timestamps first."
            ),
            n=len(wrong),
            column=name,
            text=str(whole[row].as_py()),
            row=row,
        )
    return found.micros
