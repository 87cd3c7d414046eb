"""From rows of history to coded events: the same steps for a whole history, for what is new, and for people in a test.

Texts are looked at once a distinct value (Arrow's dictionaries), rows only by numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.errors import TrailsError
from polku.kernels.hashing import combine, hash_strings
from polku.language import N_
from polku.trails.layout import moment
from polku.trails.matching import PAGE, Matching
from polku.trails.origins import NONE, narrow_to_host, of_channel, of_referrer
from polku.trails.scan import Found, Keys, distinct, find_keys, hash_spans
from polku.trails.sorting import MICRO, Rows, times_fit
from polku.trails.vocabulary import Vocabulary
from polku.trails.wheres import evaluate

#: Columns that trails read of every event; ``properties`` only where something needs it.
ALWAYS = ("time", "seq", "event", "channel", "session_id", "value", "currency", "context")
IDS = {"person": ("user_id", "anonymous_id"), "account": ("account_id",)}
#: Columns of few distinct values, or of values worth looking at once.
AS_DICTIONARY = ("event", "source", "channel", "consent", "currency", "context", "properties")

CONTEXT = Keys.of(["page.path", "page.url", "page.referrer", "campaign.source", "campaign.medium", "campaign.name"])
PATH, URL, REFERRER, SOURCE, MEDIUM, NAME = range(6)
PROPERTIES = Keys.of(["path", "url"])

Resolve = Callable[[pa.Table], npt.NDArray[np.int64]]
I32 = npt.NDArray[np.int32]
Ids = npt.NDArray[np.uint32]


def columns_for(matching: Matching) -> list[str]:
    """The columns of history that coding reads under this map; ``properties`` is fetched only when it is needed."""
    return sorted({*ALWAYS, *IDS[matching.subject], *matching.columns} - {"properties"})


@dataclass(frozen=True)
class Dictionary:
    """A text column as numbers of its distinct words; a null is ``len(words)``."""

    indices: I32
    words: pa.Array

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Dictionary:
        if not pa.types.is_dictionary(column.type):
            if pa.types.is_null(column.type) or column.null_count == len(column):
                return cls(np.zeros(len(column), np.int32), pa.array([], pa.string()))
            column = column.dictionary_encode()
        array = column.unify_dictionaries().combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], pa.string()).dictionary_encode()
        words = array.dictionary
        indices = array.indices
        if indices.null_count:
            indices = pc.fill_null(indices.cast(pa.int32()), len(words))
        return cls(indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), words)

    def spread(self, of_words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Numbers of the words, spread over the rows; a null gets 0."""
        return np.append(of_words, np.uint32(0))[self.indices]


@dataclass(frozen=True)
class Coded:
    """The coded events of some rows of history."""

    rows: Rows  # those of known customers
    without_customer: int
    total: int


@dataclass(frozen=True)
class Coder:
    """Codes rows of history under one map. Safe for threads: all that is shared is the vocabulary."""

    matching: Matching
    vocabulary: Vocabulary
    resolve: Resolve
    page_matches: dict[int, frozenset[int]] = field(default_factory=dict)  # page -> matchers whose path it meets

    def code(self, table: pa.Table, properties: Callable[[], pa.ChunkedArray]) -> Coded:
        """Coded events of ``table`` (columns of :func:`columns_for`); ``properties`` fetches that column when needed.

        Raises TrailsError for a time that 32 bits of seconds since 1970 cannot hold.
        """
        total = table.num_rows
        customer = self.resolve(table)
        known = customer >= 0
        if not known.all():
            kept = np.flatnonzero(known)
            chosen = pa.array(kept)
            table, customer = table.take(chosen), customer[kept]
            everything = properties
            properties = lambda: everything().take(chosen)  # noqa: E731
        if table.num_rows == 0:
            return Coded(Rows.empty(), total, total)
        reading = _Reading(self, table, _once(properties))
        rows = reading.rows(customer)
        return Coded(rows, total - len(rows), total)


def _once(make: Callable[[], pa.ChunkedArray]) -> Callable[[], pa.ChunkedArray]:
    made: list[pa.ChunkedArray] = []

    def get() -> pa.ChunkedArray:
        if not made:
            made.append(make())
        return made[0]

    return get


class _Reading:
    """One table on its way to numbers, one small step after the other (see :meth:`rows`)."""

    def __init__(self, coder: Coder, table: pa.Table, properties: Callable[[], pa.ChunkedArray]) -> None:
        self.matching, self.vocabulary, self.page_matches = coder.matching, coder.vocabulary, coder.page_matches
        self.table, self.properties = table, properties
        self.n = table.num_rows
        self.event = Dictionary.of(table.column("event"))
        self.events: list[str] = self.event.words.to_pylist()
        self.channel = Dictionary.of(table.column("channel"))
        self.channels: list[str | None] = [*self.channel.words.to_pylist(), None]
        self.context = Dictionary.of(table.column("context"))
        self.has_context = len(self.context.words) > 0

    def rows(self, customer: npt.NDArray[np.int64]) -> Rows:
        time = self.times()
        found = find_keys(self.context.words, CONTEXT) if self.has_context else None
        page, path = self.pages(found)
        code, properties_of_value = self.codes(path)
        return Rows(
            customer=customer,
            time=time,
            seq=self.table.column("seq").to_numpy().astype(np.int64, copy=False),
            code=code,
            page=page,
            origin=self.origins(found),
            session=self.sessions(),
            value=self.values(properties_of_value),
        )

    def times(self) -> npt.NDArray[np.int64]:
        time: npt.NDArray[np.int64] = (
            self.table.column("time").cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        )
        if not times_fit(time):
            wrong = int(time[int(np.argmax((time < 0) | (time // MICRO >= 2**32)))])
            raise TrailsError(
                N_(
                    "An event's time is {time}. Trails hold times from 1970 to February 2106; "
                    "remove the event from the history or import it again with a right time."
                ),
                time=moment(wrong / MICRO).isoformat() if abs(wrong) < 2.5e17 else f"{wrong} µs",
            )
        return time

    # -- pages and origins -------------------------------------------------------------------------------------------

    def pages(self, found: Found | None) -> tuple[Ids, Ids]:
        """(page of each page view, path of each event that is a page view or that some matcher asks the path of)."""
        nobody = np.zeros(self.n, np.uint32)
        is_page = np.array([e == PAGE for e in self.events] + [False])
        asked = np.array(
            [e == PAGE or self.matching.paths_of_any_event or e in self.matching.path_events for e in self.events]
            + [False]
        )
        if not asked.any():
            return nobody, nobody
        wanted = asked[self.event.indices]
        path = nobody.copy()
        if found is not None:
            path = np.where(wanted, self.context.spread(self.path_ids(found, PATH, url=False)), np.uint32(0))
        missing = np.flatnonzero(wanted & (path == 0))
        if len(missing):
            column = self.properties()
            if column.null_count < len(column):
                properties = Dictionary.of(column.take(pa.array(missing)))
                inside = find_keys(properties.words, PROPERTIES)
                for key, url in ((0, False), (1, True)):
                    ids = properties.spread(self.path_ids(inside, key, url=url))
                    path[missing] = np.where(path[missing] == 0, ids, path[missing])
        if found is not None:
            ids = self.context.spread(self.path_ids(found, URL, url=True))
            path = np.where(wanted & (path == 0), ids, path)
        path = path.astype(np.uint32, copy=False)
        page = np.where(is_page[self.event.indices], path, np.uint32(0)).astype(np.uint32, copy=False)
        return page, path

    def path_ids(self, found: Found, key: int, *, url: bool) -> Ids:
        """uint32[m]: the page number of each found text, 0 where none."""
        hashes = found.hashes(key)
        codes, first = distinct(hashes)
        read = _path_of_url if url else _clean_path
        numbers = np.zeros(len(first), np.uint32)
        for i, row in enumerate(first):
            if hashes[row]:
                numbers[i] = self.vocabulary.remembered(
                    "url" if url else "path",
                    int(hashes[row]),
                    functools.partial(self._read_page, found, int(row), key, read),
                )
        return numbers[codes]

    def _read_page(self, found: Found, row: int, key: int, read: Callable[[str], str]) -> int:
        return self.vocabulary.page(read(found.word(row, key) or ""))

    def origins(self, found: Found | None) -> Ids:
        by_channel = np.array([self.vocabulary.origin(of_channel(c)) for c in self.channels], np.uint32)
        fallback = by_channel[self.channel.indices]
        if found is None:
            return fallback
        campaign = self.campaigns(found)
        referrer = np.where(campaign == 0, self.referrers(found), campaign)
        is_page = np.array([e == PAGE for e in self.events] + [False])[self.event.indices]
        origin = np.where(is_page, self.context.spread(referrer), self.context.spread(campaign))
        return np.where(origin == 0, fallback, origin).astype(np.uint32, copy=False)

    def campaigns(self, found: Found) -> Ids:
        mixed = found.hashes(SOURCE)
        any_given = mixed != 0
        for key in (MEDIUM, NAME):
            more = found.hashes(key)
            any_given |= more != 0
            combine(mixed, more)
        mixed[~any_given] = 0
        codes, first = distinct(mixed)
        numbers = np.zeros(len(first), np.uint32)
        for i, row in enumerate(first):
            if mixed[row]:
                words = (
                    found.word(row, SOURCE) or None,
                    found.word(row, MEDIUM) or None,
                    found.word(row, NAME) or None,
                )
                numbers[i] = self.vocabulary.origin(words)
        return numbers[codes]

    def referrers(self, found: Found) -> Ids:
        spans, kinds = found.spans[:, REFERRER].copy(), found.kinds[:, REFERRER].copy()
        if not kinds.any():
            return np.zeros(len(kinds), np.uint32)
        narrow_to_host(found.text.data, spans, kinds)
        hosts, own = np.empty(len(kinds), np.uint64), np.empty(len(kinds), np.uint64)
        hash_spans(found.text.data, spans, kinds, hosts)
        own_spans, own_kinds = found.spans[:, URL].copy(), found.kinds[:, URL].copy()
        narrow_to_host(found.text.data, own_spans, own_kinds)
        hash_spans(found.text.data, own_spans, own_kinds, own)
        hosts[hosts == own] = 0
        codes, first = distinct(hosts)
        numbers = np.zeros(len(first), np.uint32)
        for i, row in enumerate(first):
            if hosts[row]:
                host = found.text.data[spans[row, 0] : spans[row, 1]].tobytes().decode("utf-8", "replace")
                numbers[i] = self.vocabulary.origin(of_referrer(host))
        return numbers[codes]

    # -- codes -------------------------------------------------------------------------------------------------------

    def codes(self, path: Ids) -> tuple[npt.NDArray[np.uint16], dict[str, npt.NDArray[np.int64]]]:
        """Each row's code; and the rows whose value stands in a property, by the property's name."""
        matching = self.matching
        width = len(self.channels)
        base = self.event.indices.astype(np.int64) * width + self.channel.indices
        path_class, met_by_class = self.path_classes(path)
        answers = self.where_answers()
        if path_class is None and not answers:
            present = np.flatnonzero(np.bincount(base, minlength=len(self.events) * width))
            local = np.zeros(len(self.events) * width, np.int64)
            local[present] = np.arange(len(present))
            combination, first = local[base], None
            keys = present
        else:
            parts = [base, *([] if path_class is None else [path_class]), *answers.values()]
            mixed = _mixed(self.n, parts)
            combination, first = distinct(mixed)
            keys = base[first]
        numbers = np.empty(len(keys), np.uint16)
        value_property: list[str | None] = []
        for i, key in enumerate(keys.tolist()):
            event, channel = self.events[key // width], self.channels[key % width]
            met_here: set[int] = set()
            for number, matcher in enumerate(matching.matchers):
                if not matcher.fits(event):
                    continue
                if matcher.where is not None and (first is None or not answers[number][first[i]]):
                    continue
                if matcher.paths and (
                    first is None or path_class is None or number not in met_by_class[path_class[first[i]]]
                ):
                    continue
                met_here.add(number)
            numbers[i] = self.vocabulary.code((event, channel, frozenset(met_here)), matching)
            value_property.append(matching.value_property(met_here))
        by_property: dict[str, npt.NDArray[np.int64]] = {}
        for name in {p for p in value_property if p is not None}:
            chosen = np.array([p == name for p in value_property])
            by_property[name] = np.flatnonzero(chosen[combination])
        return numbers[combination], by_property

    def path_classes(self, path: Ids) -> tuple[Ids | None, list[frozenset[int]]]:
        """Rows by the path patterns they meet: a class each, and the matchers of each class; None: no row is asked."""
        numbers = self.matching.with_paths
        if not numbers or not any(self.matching.matchers[k].fits(e) for k in numbers for e in self.events):
            return None, []
        pages = np.unique(path)
        classes: dict[frozenset[int], int] = {}
        of_page = np.zeros(int(pages[-1]) + 1, np.uint32)
        for page in pages.tolist():
            met = self.page_matches.get(page)
            if met is None:
                word = self.vocabulary.page_words[page]
                met = frozenset(k for k in numbers if self.matching.matchers[k].meets_path(word))
                self.page_matches[page] = met
            of_page[page] = classes.setdefault(met, len(classes))
        return of_page[path], list(classes)

    def where_answers(self) -> dict[int, npt.NDArray[np.bool_]]:
        """For each matcher with a ``where``: which rows meet it (only rows whose event fits are asked)."""
        groups: dict[tuple[frozenset[str], tuple[str, ...]], list[int]] = {}
        for number in self.matching.with_where:
            matcher = self.matching.matchers[number]
            groups.setdefault((matcher.events, matcher.columns), []).append(number)
        answers: dict[int, npt.NDArray[np.bool_]] = {}
        for (events, columns), numbers in groups.items():
            fits = np.array([not events or e in events for e in self.events] + [False])
            rows = np.flatnonzero(fits[self.event.indices]) if fits.any() else np.empty(0, np.int64)
            answers.update(self.ask(numbers, rows, columns))
        return answers

    def ask(
        self, numbers: list[int], rows: npt.NDArray[np.int64], columns: Iterable[str]
    ) -> dict[int, npt.NDArray[np.bool_]]:
        """Evaluate ``where``s that read the same columns, in DuckDB, over the distinct combinations among ``rows``."""
        answers = {number: np.zeros(self.n, np.bool_) for number in numbers}
        if not len(rows):
            return answers
        chosen = pa.array(rows)
        parts: dict[str, pa.Array] = {}
        numbers_of: list[npt.NDArray[Any]] = []
        for name in columns:
            column = (self.properties() if name == "properties" else self.table.column(name)).take(chosen)
            if name == "value":
                numbers_of_value = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
                numbers_of.append(numbers_of_value.view(np.uint64))
                parts[name] = pa.array(numbers_of_value, from_pandas=True)
            else:
                words = Dictionary.of(column)
                numbers_of.append(words.indices)
                parts[name] = pa.DictionaryArray.from_arrays(
                    pa.array(words.indices, mask=words.indices == len(words.words)), words.words
                )
        combination, first = distinct(_mixed(len(rows), numbers_of))
        one_each = pa.array(first)
        asked = pa.table(
            {
                k: (v.take(one_each).cast(pa.string()) if pa.types.is_dictionary(v.type) else v.take(one_each))
                for k, v in parts.items()
            }
            or {"nothing": pa.nulls(len(first))}
        )
        wheres = [w for number in numbers if (w := self.matching.matchers[number].where) is not None]
        for number, met in zip(numbers, evaluate(wheres, asked), strict=True):
            answers[number][rows] = met[combination]
        return answers

    # -- sessions and values -----------------------------------------------------------------------------------------

    def sessions(self) -> npt.NDArray[np.uint64]:
        column = self.table.column("session_id")
        if pa.types.is_null(column.type) or column.null_count == self.n:
            return np.zeros(self.n, np.uint64)
        return hash_strings(column)

    def values(self, by_property: dict[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float64] | None:
        column = self.table.column("value")
        value: npt.NDArray[np.float64] | None = None
        if not pa.types.is_null(column.type) and column.null_count < self.n:
            value = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        for name, rows in by_property.items():
            if not len(rows):
                continue
            column = self.properties()
            if column.null_count == len(column):
                continue
            properties = Dictionary.of(column.take(pa.array(rows)))
            numbers = _numbers(find_keys(properties.words, Keys.of([name])))
            numbers = np.append(numbers, np.nan)[properties.indices]
            value = np.full(self.n, np.nan) if value is None else value.copy() if not value.flags.writeable else value
            value[rows] = np.where(np.isnan(numbers), value[rows], numbers)
        if value is not None:
            currency = Dictionary.of(self.table.column("currency"))
            if len(currency.words):
                given = currency.indices[~np.isnan(value)]
                seen = np.flatnonzero(np.bincount(given, minlength=len(currency.words) + 1)[:-1])
                self.vocabulary.currencies.update(currency.words[int(i)].as_py() for i in seen)
        return value


def _mixed(n: int, columns: Iterable[npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
    """uint64[n] that are equal where all ``columns`` are."""
    mixed = np.zeros(n, np.uint64)
    for column in columns:
        combine(mixed, column.astype(np.uint64))
    return mixed


def _numbers(found: Found) -> npt.NDArray[np.float64]:
    """float64[m] of the only wanted key: JSON numbers, and texts that are written as one; NaN for anything else."""
    hashes = found.hashes(0)
    codes, first = distinct(hashes)
    numbers = np.full(len(first), np.nan)
    for i, row in enumerate(first):
        if hashes[row]:
            try:
                numbers[i] = float(found.word(row, 0) or "nan")
            except ValueError:
                continue  # true, false or a text: no amount
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers[codes]


def _clean_path(path: str) -> str:
    """A path without its query and fragment, so that one page is one page."""
    return path.split("?", 1)[0].split("#", 1)[0]


def _path_of_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.path or ("/" if parts.netloc else "")


__all__ = ["AS_DICTIONARY", "IDS", "NONE", "Coded", "Coder", "columns_for"]
