"""What workers do when trails are made: code rows of history, and later sort the buckets of a piece.

Both stages are the local builder's own steps (:mod:`polku.trails.build`): the same coder, the same order by bucket, the
same sorting into the same files. Between them lie chunks on the shared storage: coded rows ordered by bucket, each
chunk with numbers of its own for codes, pages and origins, and the words that they mean. A chunk, once written, does
not depend on the worker that wrote it: when one is lost, only what it was just doing is done again.
"""

from __future__ import annotations

import json
import pickle
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.engines.spark.sending import loads
from polku.errors import EngineError, PolkuError
from polku.language import N_
from polku.record.hashes import id_hash
from polku.trails.build import GROUP_ROWS, Span, by_bucket, renumbered
from polku.trails.coding import AS_DICTIONARY, Coder
from polku.trails.days import Offsets
from polku.trails.layers import flush, write_layer
from polku.trails.matching import Matching
from polku.trails.resolve import Resolver
from polku.trails.sorting import Rows
from polku.trails.vocabulary import Renumbering, Vocabulary

#: Coded rows in one chunk, at least and at most, 50 bytes each: a worker holds some three times that in memory.
CHUNK_ROWS, MOST_CHUNK_ROWS = 2_000_000, 50_000_000
#: Chunks that one process keeps mapped, five files each (Linux allows a process 65,530 maps); a history has no more
#: of them while they can be made larger. Past that they are opened anew for each bucket.
MOST_KEPT = 4000
#: One coded row on the shared storage. All of a row lies together, so that a bucket is one stretch of each chunk.
ROW = np.dtype(
    [
        ("customer", np.int64), ("time", np.int64), ("seq", np.int64), ("session", np.uint64), ("value", np.float64),
        ("page", np.uint32), ("origin", np.uint32), ("code", np.uint16),
    ]
)  # fmt: skip
#: What a worker tells of the first stage: a finished chunk, or a pickled fault that people can mend.
TOLD = pa.schema([("told", pa.string()), ("fault", pa.binary())])
SPARK_TOLD = "told string, fault binary"


@dataclass(frozen=True)
class Coding:
    """The first stage's work order; ``folder`` lies on the shared storage."""

    folder: Path
    matching: Matching
    columns: tuple[str, ...]
    buckets: int
    chunk_rows: int

    def resolver(self) -> Resolver:
        """From raw ids to customers by the table in the folder, mapped: one copy for all processes of a machine."""
        return Resolver.opened(self.folder / "ids", self.matching.subject, id_hash)


@dataclass(frozen=True)
class Coded:
    """A finished chunk, as it is told to the driver."""

    name: str
    events: int
    total: int
    times: tuple[int, int]
    seqs: tuple[int, int]
    micros: bool
    value: bool
    without_customer: int

    @property
    def span(self) -> Span:
        return Span(self.events, self.times, self.seqs, self.micros, self.value)

    @classmethod
    def from_json(cls, text: str) -> Coded:
        raw: dict[str, Any] = json.loads(text)
        return cls(**{**raw, "times": tuple(raw["times"]), "seqs": tuple(raw["seqs"])})


def chunk_rows_for(events: int) -> int:
    """How many rows a chunk takes, of a history of so many events.

    >>> chunk_rows_for(20_000_000), chunk_rows_for(100_000_000_000)
    (2000000, 25000000)
    """
    return min(MOST_CHUNK_ROWS, max(CHUNK_ROWS, events // MOST_KEPT))


def code_batches(order: Coding, batches: Iterator[pa.RecordBatch]) -> Iterator[Coded]:
    """Code rows of history into chunks of about ``order.chunk_rows``.

    Raises EngineError where this machine does not see the folder, TrailsError for times that do not fit.
    """
    if not order.folder.is_dir():
        import socket

        raise EngineError(
            N_(
                "The worker {machine} does not see {path}. Trails must lie on storage that all machines of the cluster "
                "see under the same name: a network file system, or a mounted bucket."
            ),
            machine=socket.gethostname(),
            path=str(order.folder),
        )
    resolver = order.resolver()
    done: list[tuple[Rows, int, int]] = []
    coder = Coder(order.matching, Vocabulary(), resolver)
    for table in _groups(batches, order.columns):
        properties = table.column("properties")
        coded = coder.code(table, lambda properties=properties: properties)  # type: ignore[misc]  # bound at once
        done.append((coded.rows, coded.without_customer, coded.total))
        if sum(len(rows) for rows, _, _ in done) >= order.chunk_rows:
            yield write_chunk(order, coder.vocabulary, done)
            coder, done = Coder(order.matching, Vocabulary(), resolver), []
    if done:
        yield write_chunk(order, coder.vocabulary, done)


def _groups(batches: Iterator[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Spark's batches put together, with texts as dictionaries: the coder looks at each distinct text once."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            held.append(batch.select(list(columns)))
        if sum(b.num_rows for b in held) >= GROUP_ROWS:
            yield _encoded(pa.Table.from_batches(held))
            held = []
    if held:
        yield _encoded(pa.Table.from_batches(held))


def _encoded(table: pa.Table) -> pa.Table:
    for i, name in enumerate(table.column_names):
        if name in AS_DICTIONARY and not pa.types.is_dictionary(table.column(i).type):
            table = table.set_column(i, name, table.column(i).dictionary_encode())
    return table


def write_chunk(order: Coding, vocabulary: Vocabulary, done: Sequence[tuple[Rows, int, int]]) -> Coded:
    """Write coded rows, ordered by bucket, and the words of their numbers; it gets its name when it is whole."""
    rows = Rows.join([r for r, _, _ in done if len(r)])
    span = Span.of([rows])
    chunk = by_bucket(rows, order.buckets)
    name = uuid.uuid4().hex
    making = order.folder / f"{name}.making"
    making.mkdir()
    packed = np.empty(len(rows), ROW)
    for column in ROW.names or ():
        given = getattr(chunk.rows, column)
        packed[column] = np.nan if given is None else given
    np.save(making / "rows.npy", packed, allow_pickle=False)
    np.save(making / "start.npy", chunk.start, allow_pickle=False)
    write_words(making, vocabulary)
    making.rename(order.folder / name)
    without, total = sum(w for _, w, _ in done), sum(t for _, _, t in done)
    return Coded(name, span.events, total, span.times, span.seqs, span.micros, span.value, without)


def write_words(folder: Path, vocabulary: Vocabulary) -> None:
    """The words of a vocabulary by number; pages, of which there may be a million, as Arrow."""
    pages = pa.table({"page": pa.array(vocabulary.page_words, pa.large_string())})
    with pa.OSFile(str(folder / "pages.arrow"), "wb") as sink, pa.ipc.new_file(sink, pages.schema) as writer:
        writer.write_table(pages)
    told = {
        "codes": [[event, channel, sorted(met)] for event, channel, met in vocabulary.codes],
        "origins": list(vocabulary.origins),
        "currencies": sorted(vocabulary.currencies),
    }
    (folder / "words.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")


# -- the second stage ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sorting:
    """The second stage's work order: pieces of neighbouring buckets, each written as a small layer of its own."""

    folder: Path  # of the chunks
    pieces: Path  # where the pieces go
    chunks: tuple[str, ...]
    zone: Offsets
    micros: bool
    value: bool
    seqs: tuple[int, int]


def sort_piece(order: Sorting, first: int, end: int) -> str:
    """Sort the buckets ``first`` to ``end`` into files of their own; the name of the piece.

    Another attempt at the same piece writes under another name: whichever the driver is told of counts.
    """
    keep = len(order.chunks) <= MOST_KEPT
    chunks = [Stretch(order.folder / name, first, end, keep) for name in order.chunks]
    sizes = np.sum([chunk.sizes for chunk in chunks], axis=0).tolist()

    def rows_of(b: int) -> Rows:
        return Rows.join([chunk.rows(b, order.value) for chunk in chunks if chunk.sizes[b]])

    name = f"{first:06d}-{uuid.uuid4().hex[:8]}"
    piece = order.pieces / name
    write_layer(piece, sizes, rows_of, order.zone, micros=order.micros, value=order.value, seqs=order.seqs, threads=1)
    flush(piece)  # other machines read it as soon as it is told of
    return name


class Stretch:
    """The rows of some neighbouring buckets in one chunk; ``keep``: its files stay mapped between buckets."""

    def __init__(self, folder: Path, first: int, end: int, keep: bool) -> None:
        self.folder = folder
        self.start = np.array(_mapped(folder / "start.npy")[first : end + 1])
        self.sizes = np.diff(self.start)
        self.kept = self._open() if keep else None

    def _open(self) -> tuple[npt.NDArray[Any], Renumbering]:
        numbers = Renumbering(*(_mapped(self.folder / f"{table}.npy") for table in ("code", "page", "origin")))
        return _mapped(self.folder / "rows.npy"), numbers

    def rows(self, b: int, value: bool) -> Rows:
        """The rows of the stretch's bucket ``b``, with the numbers that hold for all chunks."""
        packed, numbers = self.kept or self._open()
        return renumbered(_unpacked(packed[self.start[b] : self.start[b + 1]], value), numbers)


def _mapped(file: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except ValueError:  # an empty array cannot be mapped
        return np.asarray(np.load(file, allow_pickle=False))


def _unpacked(part: npt.NDArray[Any], value: bool) -> Rows:
    """Columns of their own, in one reading of the stretch."""
    whole = np.array(part)
    columns: dict[str, Any] = {name: np.ascontiguousarray(whole[name]) for name in ROW.names or ()}
    if not value:
        columns["value"] = None  # all absent
    return Rows(**columns)


class Code:
    """The first stage in a worker: batches of history in, finished chunks out."""

    def __init__(self, order: bytes) -> None:
        self.order = order

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            for coded in code_batches(loads(self.order), batches):
                yield _told(json.dumps(asdict(coded)), None)
        except PolkuError as fault:  # another worker would come to the same
            yield _told(None, pickle.dumps(fault))


def _told(told: str | None, fault: bytes | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([told], pa.string()), pa.array([fault], pa.binary())], schema=TOLD)


def sort_one(order: Sorting, first: int, end: int) -> str:
    """:func:`sort_piece`, in the form that the engine's tasks take."""
    return sort_piece(order, first, end)
