"""What events say of themselves beside the trails' own columns: any property, as numbers of its distinct words.

Names are those of ``where`` (polku.journey.where): ``event``, ``source``, ``channel``, ``value``, ``properties.x.y``,
``context.x``, ``traits.x`` (what the event itself said of its customer). A project's come from history and are kept
beside the layers (polku.trails.property_store); those of trails in memory from the table that they were made of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.errors import MeasureError, nearest
from polku.language import N_
from polku.trails.layout import Bucket, Trails, Words

if TYPE_CHECKING:
    from polku.trails.build import Progress
    from polku.trails.layers import Layer
    from polku.trails.property_store import PropertyStore
    from polku.trails.property_values import Names, Place

U32 = npt.NDArray[np.uint32]
F64 = npt.NDArray[np.float64]
#: Columns of history that are text, and those that hold JSON; ``traits`` lie in an event's context.
TEXTS, JSON = ("event", "source", "channel"), ("properties", "context", "traits")
#: Names told in an error.
MOST_TOLD = 30
#: A number as JSON writes it, and as people do.
NUMBER = r"^\s*-?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,4})?\s*$"


@dataclasses.dataclass(frozen=True, eq=False)
class Property:
    """One property of every event, or of every customer.

    ``codes`` has an array for each bucket with customers, in the order of the view's columns: uint32[N] for events,
    uint32[C] for customers; 0 = absent, else the row of ``words`` (whose row 0 is the empty text). A number is the word
    of its shortest form, true and false are words; lists and objects are absent.
    """

    name: str
    codes: tuple[U32, ...]
    words: Words

    def numbers(self) -> tuple[F64, ...]:
        """float64 of the same lengths: values that are numbers, or texts written as one; NaN for all else."""
        of_word = numbers_of(self.words.array)
        return tuple(of_word[codes] for codes in self.codes)

    def counts(self) -> npt.NDArray[np.int64]:
        """int64[words]: how many events (or customers) have each word; those of customers in newer layers besides."""
        total = np.zeros(len(self.words), np.int64)
        for codes in self.codes:
            total += np.bincount(codes, minlength=len(total))
        return total


@dataclasses.dataclass(frozen=True, slots=True)
class PropertyName:
    """A property that was seen: its name as in ``where``, how many events have it, and which (frequent first)."""

    name: str
    count: int
    events: tuple[str, ...]


class Facts(Protocol):
    """Where the properties of some trails come from; each property is an array a bucket with customers."""

    def columns(self, places: Sequence[Place], progress: Progress | None) -> list[tuple[tuple[U32, ...], Words]]: ...

    def names(self, progress: Progress | None) -> Names: ...

    def place(self, name: str) -> Place | None: ...


# -- names -----------------------------------------------------------------------------------------------------------


def place_of(name: str) -> Place:
    """Where a property stands in history: the column, and the keys inside it.

    >>> place_of("properties.cart.size"), place_of('context."utm source"'), place_of("traits.city")
    (('properties', 'cart', 'size'), ('context', 'utm source'), ('context', 'traits', 'city'))

    Raises MeasureError for a name that ``where`` would not know.
    """
    keys = _split(name)
    root = keys[0] if keys else ""
    if root == "traits" and len(keys) > 1:
        return ("context", *keys)
    if (root in JSON and len(keys) > 1) or (root in (*TEXTS, "value") and len(keys) == 1):
        return keys
    near = nearest(name, ["properties", "context", "traits", *TEXTS, "value"])
    guess = f"properties.{name}" if root not in JSON and near is None and name else near
    raise MeasureError(
        N_(
            "{name!r} is no name of a property.{meant} Write event, source, channel, value, properties.x, context.x "
            "or traits.x."
        ),
        name=name,
        meant=f" → {guess}?" if guess else "",
        nearest=guess,
    )


def name_of(place: Place) -> str:
    """The name of a place, as ``where`` writes it.

    >>> name_of(("context", "traits", "city")), name_of(("properties", "utm source"))
    ('traits.city', 'properties."utm source"')
    """
    if place[:2] == ("context", "traits") and len(place) > 2:
        place = place[1:]
    return ".".join([place[0], *(k if k.replace("_", "a").isalnum() else f'"{k}"' for k in place[1:])])


def _split(name: str) -> Place:
    """A dotted name's keys; those in double quotes may have dots and other signs in them."""
    keys, rest = [], name.strip()
    while rest:
        if rest[0] == '"':
            key, found, rest = rest[1:].partition('"')
            if not found or (rest and rest[0] != "."):
                return ()
            rest = rest[1:]
        else:
            key, _, rest = rest.partition(".")
        if not key:
            return ()
        keys.append(key)
    return () if name.strip().endswith(".") else tuple(keys)


def numbers_of(words: pa.Array) -> F64:
    """float64[w] of words: numbers, and texts that are written as one; NaN for anything else.

    >>> numbers_of(pa.array(["", "12.5", "x", "1e3"])).tolist()
    [nan, 12.5, nan, 1000.0]
    """
    written = pc.match_substring_regex(words, NUMBER)
    numbers = pc.if_else(written, pc.utf8_trim_whitespace(words), None).cast(pa.float64())
    made: F64 = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    made[~np.isfinite(made)] = np.nan
    return made


# -- asking ----------------------------------------------------------------------------------------------------------


def properties_of(
    trails: Trails, names: Sequence[str], facts: Facts | None, progress: Progress | None = None
) -> list[Property]:
    """Several properties of the trails' events in one pass over the record.

    ``facts`` is where they come from (:func:`facts_of`). Raises MeasureError for a name that was never seen, with those
    that were.
    """
    own = {name: _own(trails, name) for name in names}
    places = {name: _place(facts, name) for name in names if own[name] is None}
    found: dict[str, Property] = {name: p for name, p in own.items() if p is not None}
    if places:
        source = _needed(facts)
        for name, (codes, words) in zip(places, source.columns(list(places.values()), progress), strict=True):
            if len(words) <= 1:
                raise _unknown(name, source, progress)
            found[name] = Property(name, codes, words)
    return [found[name] for name in names]


def property_names(facts: Facts | None, progress: Progress | None = None) -> tuple[PropertyName, ...]:
    """The properties that were seen, those of the most events first."""
    if facts is None:
        return ()
    events: dict[str, dict[str, int]] = {}
    for (event, place), count in facts.names(progress).items():
        events.setdefault(name_of(place), {})[event] = count
    made = [
        PropertyName(name, sum(of.values()), tuple(sorted(of, key=lambda e: (-of[e], e))))
        for name, of in events.items()
    ]
    return tuple(sorted(made, key=lambda p: (-p.count, p.name)))


def facts_of(trails: Trails, project: Any = None) -> Facts | None:
    """Where the properties of ``trails`` come from: their own table, or the record of ``project``; None: nowhere."""
    if trails.facts is not None:
        return trails.facts
    if project is None or not trails.layers:
        return None
    from polku.trails.project_feed import ProjectFeed
    from polku.trails.property_store import PropertyStore

    folder = trails.layers[0].folder.parent.parent
    return StoredFacts(
        trails.layers, trails.position or {}, lambda p: PropertyStore(folder, ProjectFeed(project), progress=p)
    )


def _own(trails: Trails, name: str) -> Property | None:
    """What the trails' own columns tell."""
    buckets = _with_customers(trails)
    if name == "event":
        return _of_codes(name, trails.tables.code_event, buckets)
    if name == "channel":
        return _of_codes(name, trails.tables.code_channel, buckets)
    if name == "value":
        return _of_numbers(name, [b.value for b in buckets], buckets)
    return None


def _with_customers(trails: Trails) -> list[Bucket]:
    return [b for b in trails.buckets if b.customers]


def _of_codes(name: str, words: Iterable[str | None], buckets: Sequence[Bucket]) -> Property:
    number: dict[str, int] = {"": 0}
    of_code = np.array([number.setdefault(w or "", len(number)) for w in words] or [0], np.uint32)
    return Property(name, tuple(_frozen(of_code[b.code]) for b in buckets), Words(list(number)))


def _of_numbers(name: str, columns: Sequence[F64 | None], buckets: Sequence[Bucket]) -> Property:
    given = [c[~np.isnan(c)] for c in columns if c is not None]
    numbers = np.unique(np.concatenate(given)) if given else np.empty(0)
    codes = []
    for column, bucket in zip(columns, buckets, strict=True):
        made = np.zeros(bucket.events, np.uint32)
        if column is not None:
            known = ~np.isnan(column)
            made[known] = np.searchsorted(numbers, column[known]) + 1
        codes.append(_frozen(made))
    whole = [str(int(x)) if x.is_integer() and abs(x) < 1e15 else repr(x) for x in numbers.tolist()]
    return Property(name, tuple(codes), Words(["", *whole]))


def _place(facts: Facts | None, name: str) -> Place:
    found = facts.place(name) if facts is not None else None
    return found if found is not None else place_of(name)


def _needed(facts: Facts | None) -> Facts:
    if facts is None:
        raise MeasureError(
            N_(
                "These trails keep no properties of their events. Name the columns when they are made: "
                "Trails.from_table(..., properties=['platform'])."
            )
        )
    return facts


def _unknown(name: str, facts: Facts, progress: Progress | None) -> MeasureError:
    known = list(dict.fromkeys(name_of(place) for _, place in facts.names(progress)))
    near = nearest(name, known) or nearest(f"properties.{name}", known)
    return MeasureError(
        N_("No event has the property {name!r}.{meant} Seen so far: {known}."),
        name=name,
        meant=f" → {near}?" if near else "",
        nearest=near,
        known=(", ".join(known[:MOST_TOLD]) + (", ..." if len(known) > MOST_TOLD else "")) or "-",
    )


def _frozen(array: U32) -> U32:
    array.setflags(write=False)
    return array


# -- of a project ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class StoredFacts:
    """Properties of a project's trails, from its record by way of the files beside the layers."""

    layers: tuple[Layer, ...]
    position: Mapping[str, int]
    store: Callable[[Progress | None], PropertyStore]

    def columns(self, places: Sequence[Place], progress: Progress | None) -> list[tuple[tuple[U32, ...], Words]]:
        found = self.store(progress).columns(self.layers, self.position, places)
        return [(tuple(_by_bucket(self.layers, column.layers)), column.words) for column in found]

    def names(self, progress: Progress | None) -> Names:
        return self.store(progress).names(self.position)

    def place(self, name: str) -> Place | None:
        return None


def _by_bucket(layers: Sequence[Layer], columns: Sequence[U32]) -> Iterable[U32]:
    for layer, column in zip(layers, columns, strict=True):
        at = 0
        for bucket in layer.buckets:
            if bucket.customers:
                yield column[at : at + bucket.events]
            at += bucket.events


# -- in memory -------------------------------------------------------------------------------------------------------


class KeptFacts:
    """Properties of trails in memory, from the table they were made of.

    ``table`` has history's columns, or columns of its own (``plain``); ``seq`` int64[n] says which event is which row
    (None: its own number). What was asked for once is kept.
    """

    def __init__(
        self,
        table: pa.Table,
        seq: npt.NDArray[np.int64] | None,
        buckets: Sequence[Bucket],
        *,
        plain: bool,
        event: str = "event",
    ) -> None:
        self.table, self.plain, self.event = table, plain, event
        self.seq, self.order = seq, None
        if seq is not None and np.any(np.diff(seq) <= 0):
            self.order = np.argsort(seq, kind="stable")
            self.seq = seq[self.order]
        self.buckets = [b for b in buckets if b.customers]
        self._kept: dict[Place, tuple[tuple[U32, ...], Words]] = {}

    def columns(self, places: Sequence[Place], progress: Progress | None) -> list[tuple[tuple[U32, ...], Words]]:
        missing = [p for p in dict.fromkeys(places) if p not in self._kept]
        if missing:
            self._kept.update(zip(missing, self._read(missing), strict=True))
        return [self._kept[p] for p in places]

    def _read(self, places: Sequence[Place]) -> list[tuple[tuple[U32, ...], Words]]:
        from polku.trails.property_values import Values, Wordbook, values_of

        if self.plain:
            found = [_of_column(self.table.column(p[0])) if p[0] in self.table.column_names else None for p in places]
        else:
            found = list(values_of(self.table, places))
        made = []
        for values in found:
            if values is None:
                values = Values(np.zeros(self.table.num_rows, np.uint32), pa.array([], pa.large_string()))
            book = Wordbook()
            number = np.append(np.uint32(0), book.take(values.words))
            codes = number[values.codes]
            made.append((tuple(_frozen(codes[rows]) for rows in map(self._rows, self.buckets)), Words(book.words())))
        return made

    def _rows(self, bucket: Bucket) -> npt.NDArray[np.int64]:
        assert bucket.seq is not None  # trails in memory keep it
        wanted = np.asarray(bucket.seq, np.int64) + bucket.seq_base
        if self.seq is None:
            return wanted
        at = np.searchsorted(self.seq, wanted)
        return at if self.order is None else self.order[at]

    def names(self, progress: Progress | None) -> Names:
        from polku.trails.property_values import names_of

        if not self.plain:
            return names_of(self.table)
        found: Names = {}
        events = self.table.column(self.event)
        for name in self.table.column_names:
            if name != self.event:
                given = events.filter(self.table.column(name).is_valid())
                for each in pc.value_counts(given).to_pylist():
                    found[str(each["values"]), ("properties", name)] = int(each["counts"])
        return dict(sorted(found.items()))

    def place(self, name: str) -> Place | None:
        """A plain table's columns go by their own names, and by those that they would have in a history."""
        if not self.plain:
            return None
        bare = name.removeprefix("properties.").strip('"')
        return (name,) if name in self.table.column_names else (bare,)


def _of_column(column: pa.ChunkedArray) -> Any:
    """A plain column as codes of words: texts as they are, numbers in their shortest form."""
    from polku.trails.property_values import Values

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_floating(kind):
        encoded = _encoded(pc.if_else(pc.is_finite(column), column, None))
        raw = encoded.dictionary.cast(pa.float64()).to_pylist()
        words = pa.array([str(int(x)) if x.is_integer() and abs(x) < 1e15 else repr(x) for x in raw], pa.large_string())
    else:
        encoded = _encoded(column)
        words = encoded.dictionary.cast(pa.large_string())
    codes = pc.fill_null(pc.add(encoded.indices.cast(pa.int64()), 1), 0).to_numpy(zero_copy_only=False)
    empty = np.append(False, np.asarray(pc.equal(words, "")))
    if empty.any():
        codes = np.where(empty[codes], 0, codes)
    return Values(codes.astype(np.uint32), words)


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = encoded.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type).dictionary_encode()
    return whole


# -- of customers ----------------------------------------------------------------------------------------------------


def trait_of(trails: Trails, name: str, profiles: pa.Table | None, facts: Facts | None) -> Property:
    """The latest value of a trait, for each customer: from ``profiles`` (columns ``customer`` int64 and ``traits`` as
    JSON), or where there are none from what the customer's events said last.

    ``name`` may begin with ``traits.``. Raises MeasureError for a trait that nobody has, with those that there are.
    """
    bare = name.removeprefix("traits.")
    if profiles is None:
        return _said_last(trails, bare, facts)
    from polku.trails.property_values import Wordbook, names_of, values_of

    keys = _split(bare)
    if not keys:
        raise MeasureError(N_("{name!r} is no name of a trait."), name=name)
    table = pa.table({"properties": profiles.column("traits")})
    values = values_of(table, [("properties", *keys)])[0]
    if not len(values.words):
        everyone = pa.array(["customer"] * profiles.num_rows, pa.string())
        known = sorted(
            {name_of(("traits", *p[1:])) for _, p in names_of(table.append_column("event", everyone), ["properties"])}
        )
        near = nearest(f"traits.{bare}", known)
        raise MeasureError(
            N_("No customer has the trait {name!r}.{meant} Known traits: {known}."),
            name=f"traits.{bare}",
            meant=f" → {near}?" if near else "",
            nearest=near,
            known=", ".join(known[:MOST_TOLD]) or "-",
        )
    book = Wordbook()
    number = np.append(np.uint32(0), book.take(values.words))
    customers = np.asarray(profiles.column("customer").to_numpy(), np.int64)
    order = np.argsort(customers, kind="stable")
    customers, codes = customers[order], number[values.codes][order]
    made = []
    for bucket in _with_customers(trails):
        at = np.minimum(np.searchsorted(customers, bucket.customer), len(customers) - 1)
        made.append(_frozen(np.where(customers[at] == bucket.customer, codes[at], np.uint32(0)).astype(np.uint32)))
    return Property(f"traits.{bare}", tuple(made), Words(book.words()))


def _said_last(trails: Trails, bare: str, facts: Facts | None) -> Property:
    from polku.kernels.properties import last_given

    said = properties_of(trails, [f"traits.{bare}"], facts)[0]
    codes = [last_given(b.offsets, c) for b, c in zip(_with_customers(trails), said.codes, strict=True)]
    return Property(f"traits.{bare}", tuple(_frozen(c) for c in codes), said.words)


__all__ = ["Facts", "KeptFacts", "Property", "PropertyName", "StoredFacts", "facts_of", "properties_of", "trait_of"]
