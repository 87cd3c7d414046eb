"""What workers do when trails are made: code rows of history, and later sort the buckets of a piece.

Both stages are the local builder's own steps (:mod:`polku.trails.build`): the same coder, the same order by bucket, the
same sorting into the same files. Between them lie chunks on the shared storage: coded rows ordered by bucket, each
chunk with numbers of its own for codes, pages and origins, and the words that they mean. A chunk, once written, does
not depend on the worker that wrote it: when one is lost, only what it was just doing is done again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.engines.spark.sending import loads
from polku.errors import EngineError
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

#: Coded rows in one chunk, about 50 bytes each: what a worker holds in memory.
CHUNK_ROWS = 2_000_000
#: One coded row on the shared storage. All of a row lies together, so that a bucket is one stretch of each chunk.
ROW = np.dtype(
    [
        ("customer", np.int64), ("time", np.int64), ("seq", np.int64), ("session", np.uint64), ("value", np.float64),
        ("page", np.uint32), ("origin", np.uint32), ("code", np.uint16),
    ]
)  # fmt: skip
TOLD = pa.schema([("told", pa.string())])
SPARK_TOLD = "told string"


@dataclass(frozen=True)
class Coding:
    """The first stage's work order; ``folder`` lies on the shared storage."""

    folder: Path
    matching: Matching
    columns: tuple[str, ...]
    buckets: int

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


def code_batches(order: Coding, batches: Iterator[pa.RecordBatch]) -> Iterator[Coded]:
    """Code rows of history into chunks of about ``CHUNK_ROWS``.

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
        if sum(len(rows) for rows, _, _ in done) >= CHUNK_ROWS:
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
    opened = [_open_chunk(order.folder / name) for name in order.chunks]
    sizes = [int(sum(start[b + 1] - start[b] for _, start, _ in opened)) for b in range(first, end)]

    def rows_of(b: int) -> Rows:
        found = []
        for packed, start, numbers in opened:
            part = packed[start[first + b] : start[first + b + 1]]
            if len(part):
                found.append(renumbered(_unpacked(part, order.value), numbers))
        return Rows.join(found)

    name = f"{first:06d}-{uuid.uuid4().hex[:8]}"
    piece = order.pieces / name
    write_layer(piece, sizes, rows_of, order.zone, micros=order.micros, value=order.value, seqs=order.seqs, threads=1)
    flush(piece)  # other machines read it as soon as it is told of
    return name


def _open_chunk(folder: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], Renumbering]:
    rows = _mapped(folder / "rows.npy")
    numbers = Renumbering(*(_mapped(folder / f"{table}.npy") for table in ("code", "page", "origin")))
    return rows, _mapped(folder / "start.npy"), numbers


def _mapped(file: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except ValueError:  # an empty array cannot be mapped
        return np.asarray(np.load(file, allow_pickle=False))


def _unpacked(part: npt.NDArray[Any], value: bool) -> Rows:
    """Columns of their own, in one reading of the stretch."""
    whole = np.array(part)
    columns = {name: np.ascontiguousarray(whole[name]) for name in ROW.names or ()}
    if not value:
        columns["value"] = None  # type: ignore[assignment]  # all absent
    return Rows(**columns)


class Code:
    """The first stage in a worker: batches of history in, finished chunks out."""

    def __init__(self, order: bytes) -> None:
        self.order = order

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from dataclasses import asdict

        for coded in code_batches(loads(self.order), batches):
            yield pa.RecordBatch.from_arrays([pa.array([json.dumps(asdict(coded))])], schema=TOLD)


def sort_one(order: Sorting, first: int, end: int) -> str:
    """:func:`sort_piece`, in the form that the engine's tasks take."""
    return sort_piece(order, first, end)
