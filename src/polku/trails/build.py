"""Whole trails: from all of history to a base layer, or to buckets in memory."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.kernels.compiled import kernel
from polku.language import N_
from polku.trails.coding import Coder, columns_for
from polku.trails.days import Offsets, offsets_between
from polku.trails.feed import Part
from polku.trails.layers import Layer, buckets_for, write_layer
from polku.trails.layout import Bucket, Trails, default_as_of, moment
from polku.trails.matching import Matching
from polku.trails.properties import KeptFacts
from polku.trails.sorting import MICRO, Columns, Rows, Sorted, sort_bucket
from polku.trails.vocabulary import Renumbering, Vocabulary

#: Rows that are coded at once: large enough for Arrow's and Numba's calls to cost nothing, small enough for the memory.
GROUP_ROWS = 500_000
READING, SORTING = N_("reading the history"), N_("sorting the trails")

#: Told what is being done, how much of it is done, and how much there is; from whichever thread did it.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Coded rows ordered by bucket: those of bucket b are ``rows[start[b]:start[b + 1]]``."""

    rows: Rows
    start: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """What is known of rows as a whole."""

    events: int
    times: tuple[int, int]  # microseconds, lowest and highest; (0, 0) when there is no row
    seqs: tuple[int, int]
    micros: bool
    value: bool

    @classmethod
    def of(cls, many: Iterable[Rows], micros: bool | None = None) -> Span:
        """Of these rows; ``micros``: whether any time has a part of a second, where that is known already."""
        some = [r for r in many if len(r)]
        if not some:
            return cls(0, (0, 0), (0, 0), False, False)
        return cls(
            sum(len(r) for r in some),
            (min(int(r.time.min()) for r in some), max(int(r.time.max()) for r in some)),
            (min(int(r.seq.min()) for r in some), max(int(r.seq.max()) for r in some)),
            any(bool((r.time % MICRO).any()) for r in some) if micros is None else micros,
            any(r.value is not None for r in some),
        )

    @classmethod
    def joined(cls, spans: Iterable[Span]) -> Span:
        """Of all rows together."""
        some = [s for s in spans if s.events]
        if not some:
            return cls.of([])
        return cls(
            sum(s.events for s in some),
            (min(s.times[0] for s in some), max(s.times[1] for s in some)),
            (min(s.seqs[0] for s in some), max(s.seqs[1] for s in some)),
            any(s.micros for s in some),
            any(s.value for s in some),
        )


@kernel
def _by_bucket(customer, mask, start, order):  # type: ignore[no-untyped-def]
    """A stable counting sort of rows by bucket (customer & mask)."""
    for i in range(len(customer)):
        start[(customer[i] & mask) + 1] += 1
    for b in range(len(start) - 1):
        start[b + 1] += start[b]
    cursor = start.copy()
    for i in range(len(customer)):
        b = customer[i] & mask
        order[cursor[b]] = i
        cursor[b] += 1


def by_bucket(rows: Rows, buckets: int) -> Chunk:
    """Order rows by bucket, those of one bucket in the order they came."""
    if buckets == 1:
        return Chunk(rows, np.array([0, len(rows)], np.int64))
    start, order = order_by_bucket(rows.customer, buckets)
    return Chunk(rows.take(order), start)


def order_by_bucket(
    customer: npt.NDArray[np.int64], buckets: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each bucket begins int64[buckets + 1], and the rows in the order of their buckets int64[n]."""
    start, order = np.zeros(buckets + 1, np.int64), np.empty(len(customer), np.int64)
    _by_bucket(customer, np.int64(buckets - 1), start, order)
    return start, order


def groups(parts: Sequence[Part], rows: int = GROUP_ROWS) -> list[list[Part]]:
    """Neighbouring parts put together to about ``rows`` rows."""
    made: list[list[Part]] = []
    count = 0
    for part in parts:
        if not made or count + part.rows > rows:
            made.append([])
            count = 0
        made[-1].append(part)
        count += part.rows
    return made


@dataclass(frozen=True)
class Built:
    """A base layer and its settled vocabulary."""

    layer: Layer
    vocabulary: Vocabulary
    span: Span
    without_customer: int


def build_layer(
    folder: Path,
    parts: Sequence[Part],
    matching: Matching,
    resolve: Callable[[pa.Table], npt.NDArray[np.int64]],
    *,
    threads: int,
    progress: Progress | None = None,
) -> Built:
    """Read ``parts`` and write the base layer ``folder``.

    Threads read and code groups of parts; then each bucket is sorted on its own. The result does not depend on which
    thread was first: tables are put in the order of their words before anything is written.
    """
    columns = columns_for(matching)
    coder = Coder(matching, Vocabulary(), resolve)
    total = sum(p.rows for p in parts)
    buckets = buckets_for(total)
    tell = _teller(progress)

    def read(group: list[Part]) -> tuple[Chunk, int]:
        table = pa.concat_tables([p.read(columns) for p in group])
        coded = coder.code(table, lambda: pa.concat_tables([p.read(["properties"]) for p in group]).column(0))
        tell(READING, coded.total, total)
        return by_bucket(coded.rows, buckets), coded.without_customer

    with ThreadPoolExecutor(max(1, threads)) as pool:
        coded = list(pool.map(read, groups(parts)))
    chunks = [c for c, _ in coded]
    vocabulary, renumbering = coder.vocabulary.settled()
    span = Span.of(c.rows for c in chunks)

    def rows_of(b: int) -> Rows:
        joined = Rows.join([c.rows.take(slice(int(c.start[b]), int(c.start[b + 1]))) for c in chunks])
        return renumbered(joined, renumbering)

    layer = write_layer(
        folder,
        [int(sum(int(c.start[b + 1] - c.start[b]) for c in chunks)) for b in range(buckets)],
        rows_of,
        zone_of(matching, span),
        micros=span.micros,
        value=span.value,
        seqs=span.seqs,
        threads=threads,
        progress=lambda n: tell(SORTING, n, span.events),
    )
    return Built(layer, vocabulary, span, sum(w for _, w in coded))


def _teller(progress: Progress | None) -> Callable[[str, int, int], None]:
    """Adds up what threads have done and tells it."""
    done: dict[str, int] = {}

    def tell(what: str, more: int, total: int) -> None:
        done[what] = done.get(what, 0) + more
        if progress is not None:
            progress(what, done[what], total)

    return tell


def zone_of(matching: Matching, span: Span) -> Offsets:
    return offsets_between(matching.timezone, span.times[0] // MICRO, span.times[1] // MICRO)


def renumbered(rows: Rows, by: Renumbering) -> Rows:
    """The same rows with the numbers of a settled vocabulary."""
    if not len(rows):
        return rows
    return Rows(
        rows.customer,
        rows.time,
        rows.seq,
        by.code.astype(np.uint16)[rows.code],
        by.page.astype(np.uint32)[rows.page],
        by.origin.astype(np.uint32)[rows.origin],
        rows.session,
        rows.value,
    )


# -- in memory -------------------------------------------------------------------------------------------------------


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
    span = Span.of([rows])
    zone = zone_of(matching, span)
    made = tuple(bucket_in_memory(rows.take(rows.customer % buckets == b), zone) for b in range(buckets))
    first, last = (moment(t / MICRO) for t in span.times) if len(rows) else (None, None)
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
        generation=content_name(made, matching.fingerprint),
        timezone=matching.timezone,
        facts=KeptFacts(table, table.column("seq").to_numpy().astype(np.int64), made, plain=False),
    )


def content_name(buckets: Iterable[Bucket], salt: str) -> str:
    """A name for trails in memory that changes with anything in them."""
    digest = hashlib.sha256(salt.encode())
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
    for array in (told.customer, told.offsets, told.session_hash, *vars(out).values()):
        array.setflags(write=False)
    return Bucket(
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
