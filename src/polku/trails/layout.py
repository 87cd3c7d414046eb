"""Trails as values: every customer's events in order, as columns, and the small tables that their numbers point into.

The arrays of a project's trails are memory-mapped and read-only; those of :func:`polku.trails.people.trails_of` and
:meth:`Trails.from_table` live in memory. Kernels see no difference.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.asking import Asking

if TYPE_CHECKING:
    from polku.measures.answer import Answer
    from polku.trails.layers import Layer
    from polku.trails.properties import Facts

#: (source, medium, campaign); None where not given.
Origin = tuple[str | None, str | None, str | None]

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
U16 = npt.NDArray[np.uint16]
I16 = npt.NDArray[np.int16]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """The trails of some customers: C customers, N events, sorted by (customer, time, seq).

    ``offsets`` are relative to this bucket. A bucket of a project is a view of a memory map; its arrays are read-only.
    """

    customer: I64  # [C] customer keys, ascending
    offsets: I64  # [C + 1] events of customer i: offsets[i]:offsets[i + 1]
    time: U32  # [N] seconds since 1970 UTC
    micros: U32 | None  # [N] microseconds of the second, None where all are 0
    code: U16  # [N] row of the code table
    day: U16  # [N] local day in the map's time zone, days since 1970
    page: U32  # [N] row of the page table, 0 = not a page view
    origin: U32  # [N] row of the table of (source, medium, campaign), 0 = none given
    session: U32  # [N] the source's own session, numbered within the bucket from 1; 0 = none given
    value: F64 | None  # [N] NaN where absent; None where the bucket has none
    masked: Bools | None = None  # [C] this customer stands in a newer layer, skip; None: nobody
    seq: npt.NDArray[Any] | None = None  # [N] order of arrival (less the layer's lowest); only refreshing reads it
    seq_base: int = 0  # what to add to `seq`
    session_hash: U64 | None = None  # [sessions + 1] what each session number stands for; only refreshing reads it

    @property
    def customers(self) -> int:
        """How many customers stand here, those masked included."""
        return len(self.customer)

    @property
    def events(self) -> int:
        return len(self.time)

    def index(self, customer: int) -> int | None:
        """The row of ``customer``, or None when they do not stand here (or are masked)."""
        i = int(np.searchsorted(self.customer, customer))
        if i == len(self.customer) or self.customer[i] != customer or (self.masked is not None and self.masked[i]):
            return None
        return i


class Words(Sequence[str]):
    """A table of texts that may be long (pages): an Arrow array that is read word by word, not all at once.

    >>> pages = Words(pa.array(["", "/", "/shop"], pa.large_string()))
    >>> pages[2], len(pages), pages.index("/")
    ('/shop', 3, 1)
    """

    def __init__(self, words: pa.Array | Sequence[str]) -> None:
        self.array = words if isinstance(words, pa.Array) else pa.array(list(words), pa.large_string())

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Words: ...
    def __getitem__(self, i: int | slice) -> str | Words:
        if isinstance(i, slice):
            return Words(self.array[i])
        return str(self.array[int(i)].as_py())

    def __iter__(self) -> Iterator[str]:
        return iter(self.array.to_pylist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and bool(self.array.equals(other.array))

    __hash__ = None  # type: ignore[assignment]  # how Python says unhashable; typeshed lacks it

    def __repr__(self) -> str:
        return f"Words({len(self)})"


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What the numbers in the columns mean."""

    touchpoints: tuple[str, ...]  # ids in the map's order; index = touchpoint number
    code_event: tuple[str, ...]  # event name of each code
    code_touchpoint: I16  # [codes] touchpoint number, -1 = none
    code_fails: I16  # [codes] touchpoint that this event says has failed, -1 = none
    code_channel: tuple[str | None, ...]
    pages: Words  # path of each page; row 0 is "" (not a page view)
    origins: tuple[Origin, ...]  # row 0 is (None, None, None): none given
    currencies: tuple[str, ...]  # all that were seen, sorted

    @property
    def codes(self) -> int:
        return len(self.code_event)


@dataclass(frozen=True, slots=True, eq=False)
class Trails(Asking):
    """Everybody's trail, as of one moment of the record and of the map.

    ``buckets`` are those of the base and of the newer layers above it; each customer stands unmasked in exactly one
    place.
    ``names`` gives the customers of trails made without a project (``names[key - 1]``), else it is None.
    """

    buckets: tuple[Bucket, ...]
    tables: Tables
    position: Mapping[str, int] | None  # of the record: the fields of polku.record's Position
    as_of: dt.datetime  # the moment up to which time has passed for everyone
    first: dt.datetime | None  # time of the first event, None when there is none
    last: dt.datetime | None
    events: int  # in the trails
    without_customer: int  # events kept in history that no customer could be named for
    names: pa.Array | None = None
    generation: str = ""  # changes whenever anything in the trails does: a key for caches
    timezone: str = "UTC"
    layers: tuple[Layer, ...] = ()  # of a project: what the buckets stand in
    facts: Facts | None = None  # in memory: where properties come from (polku.trails.properties)
    late: bool = False  # news was being taken in by somebody else meanwhile: these are the trails before

    @property
    def customers(self) -> int:
        """How many customers have a trail."""
        return sum(
            len(b.customer) - (int(np.count_nonzero(b.masked)) if b.masked is not None else 0) for b in self.buckets
        )

    def find(self, customer: int) -> tuple[Bucket, int] | None:
        """The bucket and row where ``customer`` (key) stands, or None when they have no event."""
        for bucket in reversed(self.buckets):
            if (i := bucket.index(customer)) is not None:
                return bucket, i
        return None

    def measure(
        self,
        name: str,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
        **options: Any,
    ) -> Answer:
        """A measure over these trails without a map: its steps are names of events. Raises MeasureError.

        >>> t = Trails.from_table(
        ...     pa.table({"who": ["a", "b", "a"], "at": [30, 10, 20], "what": ["buy", "view", "view"]}),
        ...     customer="who", time="at", event="what")
        >>> t.funnel(["view", "buy"], within="1d").reached
        [2, 1]
        """
        from polku.measures.ask import measure_trails  # measures know trails, not the other way round

        return measure_trails(self, name, period, compare, persona, segment, options)

    @classmethod
    def from_table(
        cls,
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
        """Trails of a plain table, without a map: each name of an event is a touchpoint of its own.

        ``table`` is a pandas or Polars frame (also lazy), an Arrow table, dataset or reader, a DuckDB relation, what
        has Arrow's C stream, or the path of Parquet files (``data/*.parquet``); only the named columns are read. Rows
        of equal time keep the table's order. ``time`` holds timestamps (without a zone they are UTC), dates, texts, or
        seconds, milliseconds, microseconds or nanoseconds since 1970. Rows without a customer (an
        empty text or NaN too) are counted (``without_customer``) and left out. ``properties`` are columns to break
        results down by.

        Raises TrailsError for a column that is not there (with the nearest), that stands there twice or holds values of
        several kinds; for times that cannot be read, rows without a time or a name of an event, and endless values.

        >>> t = Trails.from_table(
        ...     pa.table({"who": ["a", "b", "a"], "at": [30, 10, 20], "what": ["buy", "view", "view"]}),
        ...     customer="who", time="at", event="what")
        >>> t.customers, t.tables.touchpoints, t.buckets[0].time.tolist(), t.names.to_pylist()
        (2, ('buy', 'view'), [20, 30, 10], ['a', 'b'])
        """
        from polku.trails.plain import trails_of_plain

        return trails_of_plain(
            table,
            customer=customer,
            time=time,
            event=event,
            session=session,
            value=value,
            properties=properties,
            timezone=timezone,
        )


def moment(seconds: float) -> dt.datetime:
    """An aware UTC datetime of seconds since 1970.

    >>> moment(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return EPOCH + dt.timedelta(seconds=seconds)


def default_as_of(last: dt.datetime | None, now: dt.datetime | None = None) -> dt.datetime:
    """Now for history that goes on, the last event's time for history that ended (more than two days before now).

    A last event in the future (a wrong clock) is later than now; then now counts, so that no time is invented.
    """
    now = now or dt.datetime.now(UTC)
    if last is None or now - last <= dt.timedelta(days=2):
        return now
    return last
