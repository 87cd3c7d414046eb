"""Properties of a project's events as columns beside the trails, made when they are first asked for.

    lock.properties                       held by the one process that reads properties
    properties/names.json                 which names occur at which events, and up to which position of the record
    properties/<name>-<hash>/told.json    the property, its position, its files
        codes-<n>.npy, ....index.npy      uint32: codes by the events' `seq` (polku.trails.seqcodes), 0 = absent
        words-<n>.arrow                   the distinct words; row 0 is ""
        <layer>-<made>.npy                uint32: the codes of a layer's events, in its order

History is read once for a property, several in one pass; what arrives later is added as another file. A layer's column
is gathered by the events' `seq`, so that a refresh, a merge, its undo and a fold never read history again. An erasure,
and trails built anew, remove the folder. All of it is derived and can be deleted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib.format import open_memmap

from polku.errors import MeasureError, ProjectBusy
from polku.language import N_
from polku.record.steps import reached
from polku.trails.build import Progress, groups
from polku.trails.feed import Feed, Part
from polku.trails.layers import Layer
from polku.trails.layout import Words
from polku.trails.lock import locked
from polku.trails.property_values import (
    JSON,
    Names,
    Place,
    Values,
    Wordbook,
    added,
    columns_for,
    names_of,
    values_of,
)
from polku.trails.seqcodes import SeqCodes, load, pages_of, remove_files, save_index, seq_codes
from polku.trails.store import UNREADABLE, _remove, _replace

U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
T = TypeVar("T")
FORMAT = 1
READING = N_("reading properties from the history")
#: More distinct words than this are no property that people can be told apart by, and would fill the memory.
MOST_WORDS = 1 << 24
#: Rows of history that are read at once.
GROUP_ROWS = 250_000
#: Seqs (as a power of two) that a page of codes holds: of all of history, and of what came since.
WHOLE_BITS, NEWS_BITS = 16, 6
#: What came since is joined to older news that are at most so many times as many.
JOIN = 2
#: How often history is looked at again when its files are replaced while they are read.
TRIES = 3
#: Seconds to wait for another process that reads properties.
PATIENCE = 600.0


@dataclass(frozen=True)
class Told:
    """What is known of one property; JSON on disk."""

    path: Place
    position: dict[str, int]  # of the record: everything up to it is in the files
    files: tuple[str, ...]  # of codes, oldest first
    words: str  # file; "" while no event has the property
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Told | None:
        """The property's state, or None when there is none that can be used."""
        try:
            raw: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
            if raw["format"] != FORMAT:
                return None
            return cls(tuple(raw["path"]), raw["position"], tuple(raw["files"]), raw["words"])
        except (FileNotFoundError, *UNREADABLE):
            return None


@dataclass(frozen=True, eq=False)
class Column:
    """One property over the layers of a generation: codes uint32[events] of each layer, memory-mapped."""

    layers: tuple[U32, ...]
    words: Words


class PropertyStore:
    """The properties' folder of a project's trails (``folder`` is that of the trails)."""

    def __init__(self, folder: Path, feed: Feed, threads: int | None = None, progress: Progress | None = None) -> None:
        self.trails, self.folder, self.feed = folder, folder / "properties", feed
        self.threads, self.progress = threads or os.cpu_count() or 1, progress

    def columns(self, layers: Sequence[Layer], position: Mapping[str, int], places: Sequence[Place]) -> list[Column]:
        """The columns of ``places`` over ``layers``, whose trails stand at ``position`` of the record.

        Raises MeasureError for a property of more than ``MOST_WORDS`` distinct words, ProjectBusy when another process
        has been reading properties for too long.
        """
        return self._tried(lambda: self._columns(layers, position, places))

    def names(self, position: Mapping[str, int]) -> Names:
        """(event, place) and how many events have it, as of ``position`` or later."""
        return self._tried(lambda: self._names_at(position))

    # -- the order of things -----------------------------------------------------------------------------------------

    def _tried(self, work: Callable[[], T]) -> T:
        """``work``, again when files were removed meanwhile (by an erasure, or a vacuum of history), and from the
        beginning when a stop of the machine has cut some short.
        """
        for _ in range(TRIES - 1):
            try:
                return work()
            except FileNotFoundError:
                continue
            except (ValueError, EOFError):
                _remove(self.folder)
        return work()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self.trails / "lock.properties", PATIENCE) as held:
            if not held:
                raise ProjectBusy(
                    N_("Another process is still reading properties in {folder}. Try again when it is done."),
                    folder=str(self.folder),
                )
            yield

    def _columns(self, layers: Sequence[Layer], position: Mapping[str, int], places: Sequence[Place]) -> list[Column]:
        if not all(self._ready(place, layers, position) for place in places):
            with self._alone():
                self._bring(places, position, names=False)
                for place in places:
                    self._gather(place, layers)
        return [self._open(place, layers) for place in places]

    def _names_at(self, position: Mapping[str, int]) -> Names:
        known = self._read_names()
        if known is None or _behind(known[0], position):
            with self._alone():
                self._bring((), position, names=True)
            known = self._read_names()
        if known is None:
            raise FileNotFoundError(self.folder / "names.json")
        return known[1]

    def _ready(self, place: Place, layers: Sequence[Layer], position: Mapping[str, int]) -> bool:
        folder = self.folder_of(place)
        told = Told.read(folder)
        if told is None or _behind(told.position, position):
            return False
        return not told.words or all(_file(folder, la).exists() for la in layers if la.events)

    def folder_of(self, place: Place) -> Path:
        """Where a property's files stand."""
        mark = hashlib.sha256("\0".join(place).encode()).hexdigest()[:12]
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', '.'.join(place))[:60]}-{mark}"

    # -- reading the record ------------------------------------------------------------------------------------------

    def _bring(self, places: Sequence[Place], position: Mapping[str, int], names: bool) -> None:
        """Bring the properties (and the names) up to the record; the caller holds the lock."""
        later: dict[tuple[tuple[str, int], ...], list[Place | None]] = {}  # None stands for the names
        anew: list[Place | None] = []
        for place in places:
            told = Told.read(self.folder_of(place))
            if told is None:
                anew.append(place)
            elif _behind(told.position, position):
                later.setdefault(tuple(sorted(told.position.items())), []).append(place)
        known = self._read_names()
        if names and known is None:
            anew.append(None)
        elif names and known is not None and _behind(known[0], position):
            later.setdefault(tuple(sorted(known[0].items())), []).append(None)
        for since, group in later.items():
            if not self._add_news(dict(since), group):
                anew += group
        if anew:
            self._read_all([p for p in anew if p is not None], names=None in anew)

    def _add_news(self, since: dict[str, int], group: Sequence[Place | None]) -> bool:
        """Add what came since; False when all has to be read from the beginning."""
        places = [p for p in group if p is not None]
        news = self.feed.news(since, sorted({"seq", "event", *columns_for(places), *JSON}))
        if news is None or news.erased:
            return False
        seq = news.rows.column("seq").to_numpy().astype(np.int64)
        for place, values in zip(places, values_of(news.rows, places), strict=True):
            told = Told.read(self.folder_of(place))
            if told is None:
                raise FileNotFoundError(self.folder_of(place))
            self._extend(told, news.position, seq, values)
        if None in group:
            known = self._read_names()
            self._write_names(news.position, added(known[1] if known else {}, names_of(news.rows)))
        return True

    def _extend(self, told: Told, position: dict[str, int], seq: I64, values: Values) -> None:
        """Add the values of new rows to a property."""
        folder = self.folder_of(told.path)
        present = np.flatnonzero(values.codes)
        if not len(present):
            self._write_told(folder, dataclasses.replace(told, position=position))
            return
        book = Wordbook(_read_words(folder / told.words) if told.words else None)
        before = book.count
        number = np.append(np.uint32(0), book.take(values.words))
        _check(told.path, book)
        words = told.words
        if book.count > before:
            words = _next(folder, "words", ".arrow")
            _write_words(folder / words, book.words())
        files, parts = list(told.files), [(seq[present], number[values.codes[present]])]
        while len(files) > 1:  # small files are joined, so that there are never many
            last = load(folder / files[-1])
            if len(last.codes) > JOIN * (sum(len(s) for s, _ in parts) << NEWS_BITS):
                break
            parts.append(last.present())
            files.pop()
        name = _next(folder, "codes", ".npy")
        made = seq_codes(pages_of([s for s, _ in parts], NEWS_BITS), NEWS_BITS)
        for seqs, codes in parts:
            made.place(seqs, codes, np.arange(book.count + 1, dtype=np.uint32))
        save_index(made, folder / name)
        files.append(name)
        self._write_told(folder, Told(told.path, position, tuple(files), words))
        gone = [f for name in set(told.files) - set(files) for f in remove_files(folder / name)]
        for file in (*gone, *([folder / told.words] if told.words not in ("", words) else [])):
            _remove(file)

    def _read_all(self, places: Sequence[Place], names: bool) -> None:
        """Read all of history once for several properties, and the names."""
        making = self.folder / f"making-{uuid.uuid4().hex[:8]}"
        making.mkdir(parents=True)
        try:
            whole = self.feed.whole()
            reading = _Reading(making, places, names, self._pages(whole.parts) if places else np.empty(0, np.int64))
            self._read_parts(whole.parts, reading)
            for place, (folder, files, words) in zip(places, reading.written(), strict=True):
                self._write_told(folder, Told(place, whole.position, files, words))
                target = self.folder_of(place)
                _remove(target)
                folder.rename(target)
                reached("properties: read")
            if names:
                self._write_names(whole.position, reading.names)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _pages(self, parts: Sequence[Part]) -> I64:
        def seqs(group: Sequence[Part]) -> I64:
            return pages_of([p.read(["seq"]).column("seq").to_numpy() for p in group], WHOLE_BITS)

        with ThreadPoolExecutor(self.threads, "polku-properties") as pool:
            return np.unique(np.concatenate(list(pool.map(seqs, groups(parts, GROUP_ROWS)))))

    def _read_parts(self, parts: Sequence[Part], reading: _Reading) -> None:
        """Groups of parts are read in threads; words are numbered in the parts' order, so that numbers do not depend
        on the threads.
        """
        total, done = sum(p.rows for p in parts), 0
        columns = sorted({"seq", *columns_for(reading.places), *(("event", *JSON) if reading.with_names else ())})

        def scan(group: Sequence[Part]) -> list[_Scanned]:
            return [s for part in group for s in reading.scan((part.plain or part.read)(columns))]

        with ThreadPoolExecutor(self.threads, "polku-properties") as pool:
            for scanned in _in_order(pool, scan, groups(parts, GROUP_ROWS), 2 * self.threads):
                for each in scanned:
                    reading.take(each)
                    done += len(each.seq)
                if self.progress is not None:
                    self.progress(READING, done, total)

    # -- a layer's column --------------------------------------------------------------------------------------------

    def _gather(self, place: Place, layers: Sequence[Layer]) -> None:
        """Make the columns of the layers that lack one, and remove those of layers that are gone."""
        folder = self.folder_of(place)
        told = Told.read(folder)
        if told is None:
            raise FileNotFoundError(folder)
        if not told.words:
            return
        there = {_file(folder, layer) for layer in layers}
        for file in folder.glob("L*.npy"):
            if file not in there and not (self.trails / "layers" / file.name.split("-")[0]).exists():
                _remove(file)
        known = [load(folder / name) for name in told.files]
        for layer in layers:
            if layer.events and not _file(folder, layer).exists():
                self._gather_layer(known, layer, folder)

    def _gather_layer(self, known: Sequence[SeqCodes], layer: Layer, folder: Path) -> None:
        making = folder / f"{layer.name}.{uuid.uuid4().hex[:8]}"
        out: U32 = np.asarray(open_memmap(making, mode="w+", dtype=np.uint32, shape=(layer.events,)))
        start = np.concatenate([[0], np.cumsum([b.events for b in layer.buckets])]).astype(np.int64)

        def fill(b: int) -> None:
            bucket = layer.buckets[b]
            assert bucket.seq is not None  # layers have it
            for codes in known:
                codes.gather(bucket.seq, layer.seq_base, out[start[b] : start[b + 1]])

        with ThreadPoolExecutor(self.threads, "polku-properties") as pool:
            list(pool.map(fill, range(len(layer.buckets))))
        _replace(making, _file(folder, layer))
        reached("properties: gathered")

    def _open(self, place: Place, layers: Sequence[Layer]) -> Column:
        folder = self.folder_of(place)
        told = Told.read(folder)
        if told is None:
            raise FileNotFoundError(folder)
        if not told.words:
            return Column(tuple(_zeros(layer.events) for layer in layers), Words([""]))
        columns = []
        for layer in layers:
            codes = _zeros(0)
            if layer.events:
                codes = np.asarray(np.load(_file(folder, layer), mmap_mode="r", allow_pickle=False))
            if len(codes) != layer.events:
                _remove(folder)  # cut short by a stop of the machine
                raise FileNotFoundError(folder)
            columns.append(codes)
        return Column(tuple(columns), Words(_read_words(folder / told.words)))

    # -- files -------------------------------------------------------------------------------------------------------

    def _write_told(self, folder: Path, told: Told) -> None:
        _write_text(folder / "told.json", json.dumps(dataclasses.asdict(told), ensure_ascii=False))
        reached("properties: told")

    def _read_names(self) -> tuple[dict[str, int], Names] | None:
        try:
            raw = json.loads((self.folder / "names.json").read_text(encoding="utf-8"))
            if raw["format"] != FORMAT:
                return None
            return raw["position"], {(event, tuple(place)): int(n) for event, place, n in raw["names"]}
        except (FileNotFoundError, *UNREADABLE):
            return None

    def _write_names(self, position: Mapping[str, int], names: Names) -> None:
        told = {"format": FORMAT, "position": dict(position), "names": [[e, p, n] for (e, p), n in names.items()]}
        _write_text(self.folder / "names.json", json.dumps(told, ensure_ascii=False))


@dataclass(frozen=True, eq=False)
class _Scanned:
    """A batch of history on its way: its seqs, the local words of each property, the names in it."""

    seq: I64
    values: list[Values]
    names: Names


class _Reading:
    """One reading of all of history: codes go straight into their files."""

    def __init__(self, making: Path, places: Sequence[Place], names: bool, pages: I64) -> None:
        self.making, self.places, self.with_names = making, places, names
        self.names: Names = {}
        self.books = [Wordbook() for _ in places]
        self.codes: list[SeqCodes] = []
        for n in range(len(places)):
            self.folder(n).mkdir()
            self.codes.append(seq_codes(pages, WHOLE_BITS, self.folder(n) / "codes-000001.npy"))

    def folder(self, n: int) -> Path:
        return self.making / str(n)

    def scan(self, table: pa.Table) -> Iterator[_Scanned]:
        """The batches of a table; from any thread."""
        for batch in table.to_batches():
            if batch.num_rows:
                seq = batch.column("seq").to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
                names = names_of(batch) if self.with_names else {}
                yield _Scanned(seq, values_of(batch, self.places), names)

    def take(self, scanned: _Scanned) -> None:
        """Number the words of a batch and place its codes."""
        for place, book, codes, values in zip(self.places, self.books, self.codes, scanned.values, strict=True):
            if len(values.words):
                number = np.append(np.uint32(0), book.take(values.words))
                _check(place, book)
                codes.place(scanned.seq, values.codes, number)
        if scanned.names:
            self.names = added(self.names, scanned.names)

    def written(self) -> Iterator[tuple[Path, tuple[str, ...], str]]:
        """Finish each property: its folder, its files of codes and of words; none where no event has it."""
        for n, book in enumerate(self.books):
            folder, file = self.folder(n), self.folder(n) / "codes-000001.npy"
            if book.count:
                save_index(self.codes[n], file)
                _write_words(folder / "words-000001.arrow", book.words())
                yield folder, (file.name,), "words-000001.arrow"
            else:
                _remove(file)
                yield folder, (), ""


def _file(folder: Path, layer: Layer) -> Path:
    """The column of a layer; a name may come again for another layer, so the moment it was made is told too."""
    return folder / f"{layer.name}-{layer.made:x}.npy"


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[list[Part]], T], groups: Sequence[list[Part]], ahead: int
) -> Iterator[T]:
    """``work`` of each group in order, at most ``ahead`` of them waiting."""
    waiting: deque[Future[T]] = deque()
    for group in groups:
        waiting.append(pool.submit(work, group))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _behind(position: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether a position lies before another one, or counts otherwise."""
    return {*position} != {*other} or any(position[k] < other[k] for k in other)


def _check(place: Place, book: Wordbook) -> None:
    if book.count > MOST_WORDS:
        raise MeasureError(
            N_("The property {name} has more than {most} different values, too many to count by."),
            name=".".join(place),
            most=MOST_WORDS,
        )


def _zeros(n: int) -> U32:
    """Absent for everybody; read-only as all columns are."""
    zeros = np.zeros(n, np.uint32)
    zeros.setflags(write=False)
    return zeros


def _next(folder: Path, kind: str, ending: str) -> str:
    """A file name that no file of the kind ever had in this folder."""
    there = [int(p.name.split(".")[0].split("-")[1]) for p in folder.glob(f"{kind}-*")]
    return f"{kind}-{max(there, default=0) + 1:06d}{ending}"


def _write_words(file: Path, words: pa.Array) -> None:
    table = pa.table({"word": words})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))


def _read_words(file: Path) -> pa.Array:
    with pa.memory_map(str(file)) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all().column(0).chunk(0)


def _write_text(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}")
    fresh.write_text(text, encoding="utf-8")
    _replace(fresh, file)
