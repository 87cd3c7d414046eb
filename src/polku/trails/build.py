"""Whole trails: from all of history to buckets."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.trails.coding import Coder
from polku.trails.days import Offsets, offsets_between
from polku.trails.layout import Bucket, Trails, default_as_of, moment
from polku.trails.matching import Matching
from polku.trails.sorting import MICRO, Columns, Rows, Sorted, sort_bucket
from polku.trails.vocabulary import Renumbering, Vocabulary


def renumbered(rows: Rows, by: Renumbering) -> Rows:
    """The same rows with the numbers of a settled vocabulary."""
    return Rows(
        rows.customer,
        rows.time,
        rows.seq,
        by.code.astype(np.uint16)[rows.code] if len(rows) else rows.code,
        by.page.astype(np.uint32)[rows.page],
        by.origin.astype(np.uint32)[rows.origin],
        rows.session,
        rows.value,
    )


def trails_in_memory(
    matching: Matching,
    table: pa.Table,
    customers: npt.NDArray[np.int64],
    *,
    names: pa.Array | None = None,
    as_of: dt.datetime | None = None,
    buckets: int = 1,
) -> Trails:
    """Trails of one table of history, in memory; ``customers`` int64[n] are its rows' keys, -1 = none."""
    vocabulary = Vocabulary()
    coded = Coder(matching, vocabulary, lambda _: customers).code(table, lambda: table.column("properties"))
    vocabulary, renumbering = vocabulary.settled()
    rows = renumbered(coded.rows, renumbering)
    seconds = (int(rows.time.min()) // MICRO, int(rows.time.max()) // MICRO) if len(rows) else (0, 0)
    zone = offsets_between(matching.timezone, *seconds)
    made = tuple(bucket_in_memory(rows.take(rows.customer % buckets == b), zone) for b in range(buckets))
    last = moment(int(rows.time.max()) / MICRO) if len(rows) else None
    first = moment(int(rows.time.min()) / MICRO) if len(rows) else None
    return Trails(
        buckets=made,
        tables=vocabulary.tables(matching),
        position=None,
        as_of=as_of if as_of is not None else default_as_of(last),
        first=first,
        last=last,
        events=len(rows),
        without_customer=coded.without_customer,
        names=names,
        generation=_content(made, matching),
        timezone=matching.timezone,
    )


def _content(buckets: Iterable[Bucket], matching: Matching) -> str:
    digest = hashlib.sha256(matching.fingerprint.encode())
    for b in buckets:
        for column in (b.customer, b.offsets, b.time, b.micros, b.code, b.page, b.origin, b.session, b.value):
            digest.update(b"-" if column is None else np.ascontiguousarray(column).tobytes())
    return "memory-" + digest.hexdigest()[:16]


def bucket_in_memory(rows: Rows, zone: Offsets) -> Bucket:
    """One sorted bucket of its own arrays, read-only as those of a project are."""
    out = Columns.new(len(rows), micros=bool((rows.time % MICRO).any()), value=rows.value is not None)
    return bucket_of(sort_bucket(rows, out, zone), out)


def bucket_of(told: Sorted, out: Columns) -> Bucket:
    """A bucket of sorted columns; optional ones that hold nothing become None."""
    n = len(out.time)
    micros = out.micros if len(out.micros) == n and out.micros.any() else None
    value = out.value if len(out.value) == n and n and not np.isnan(out.value).all() else None
    bucket = Bucket(
        customer=told.customer,
        offsets=told.offsets,
        time=out.time,
        micros=micros,
        code=out.code,
        day=out.day,
        page=out.page,
        origin=out.origin,
        session=out.session,
        value=value,
        seq=out.seq,
        session_hash=told.session_hash,
    )
    for array in (
        told.customer,
        told.offsets,
        out.time,
        micros,
        out.code,
        out.day,
        out.page,
        out.origin,
        out.session,
        value,
        out.seq,
    ):
        if array is not None:
            array.setflags(write=False)
    return bucket
