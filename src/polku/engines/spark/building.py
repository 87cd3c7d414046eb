"""Trails from history by Spark: one job codes all rows, then sorts every bucket, on storage that all machines see.

    the driver   pins history's files and identities, writes the id table beside the layer that is being made
    workers      read the files as plain Parquet, resolve customers, match the map, write chunks ordered by bucket
    the driver   puts the chunks' words together, so that every word has one number, as the local builder does
    workers      sort each bucket and write it, a piece of neighbouring buckets in a folder
    the driver   writes layer.json and gives the layer its name: before that no reader sees any of it

The arrays of every bucket are the same as the local builder's, value for value (tests/engines/test_building.py).
"""

from __future__ import annotations

import functools
import json
import pickle
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.engines.spark.coding import (
    SPARK_TOLD,
    Code,
    Coded,
    Coding,
    Sorting,
    chunk_rows_for,
    code_batches,
    sort_one,
)
from polku.engines.spark.running import Tasks
from polku.engines.spark.sending import dumps
from polku.engines.spark.session import quiet_about_pandas, told_plainly
from polku.errors import EngineError
from polku.events.schema import HISTORY
from polku.language import N_
from polku.trails.build import READING, SORTING, Built, Progress, Span, zone_of
from polku.trails.coding import columns_for
from polku.trails.feed import Part
from polku.trails.layers import buckets_for, join_pieces
from polku.trails.matching import Matching
from polku.trails.resolve import Resolver
from polku.trails.vocabulary import Code as Word
from polku.trails.vocabulary import Vocabulary

if TYPE_CHECKING:
    from polku.engines.spark.engine import SparkEngine

#: Pieces that a layer is written in, at most: each costs whoever opens it a dozen memory maps.
MOST_PIECES = 2048
#: What the kind of each of history's columns is called in Spark.
KINDS = {
    pa.string(): "string",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp",
}


def build_layer(
    engine: SparkEngine,
    folder: Path,
    parts: Sequence[Part],
    matching: Matching,
    resolve: Callable[[pa.Table], npt.NDArray[np.int64]],
    *,
    progress: Progress | None = None,
) -> Built:
    """Read ``parts`` and write the base layer ``folder``, as :func:`polku.trails.build.build_layer` does.

    Parts with a ``uri`` are read by the workers, those without (the inbox's tail) here.
    Raises FileNotFoundError when a file of history was replaced meanwhile, EngineError when Spark gives up.
    """
    if not isinstance(resolve, Resolver):
        raise EngineError(N_("Only a project's trails can be made on an engine."))
    total = sum(p.rows for p in parts)
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    chunks, pieces = making / "chunks", making / "pieces"
    chunks.mkdir(parents=True)
    pieces.mkdir()
    try:
        resolve.write(chunks / "ids")
        columns = tuple(sorted({*columns_for(matching), "properties"}))
        order = Coding(chunks, matching, columns, buckets_for(total), chunk_rows_for(total))
        tell(progress, READING, 0, total)
        coded = sorted(
            [*code_here(order, [p for p in parts if p.uri is None]), *code_there(engine, order, parts)],
            key=lambda c: c.name,
        )
        tell(progress, READING, total, total)
        vocabulary = settle(chunks, [c.name for c in coded], matching)
        span = Span.joined(c.span for c in coded)
        work = Sorting(
            chunks, pieces, tuple(c.name for c in coded), zone_of(matching, span), span.micros, span.value, span.seqs
        )
        tell(progress, SORTING, 0, span.events)
        names = sort_there(engine, work, order.buckets)
        tell(progress, SORTING, span.events, span.events)
        shutil.rmtree(chunks)
        layer = join_pieces(making, folder, names, seqs=span.seqs)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return Built(layer, vocabulary, span, sum(c.without_customer for c in coded))


def tell(progress: Progress | None, what: str, done: int, total: int) -> None:
    if progress is not None:
        progress(what, done, total)


# -- reading and coding ----------------------------------------------------------------------------------------------


def code_here(order: Coding, parts: Sequence[Part]) -> Iterator[Coded]:
    """Code what is in this process's memory: events that have not moved to history yet."""
    tables = [p.read(order.columns) for p in parts if p.rows]
    if tables:
        yield from code_batches(order, (batch for table in tables for batch in table.to_batches()))


def code_there(engine: SparkEngine, order: Coding, parts: Sequence[Part]) -> list[Coded]:
    """Code history's files on the workers."""
    files = [p.uri for p in parts if p.uri is not None and p.rows]
    if not files:
        return []
    with told_plainly(), quiet_about_pandas():
        try:
            frame = history_frame(engine.session, files).select(*order.columns)
            told = frame.mapInArrow(Code(dumps(order)).__call__, SPARK_TOLD).toArrow()
        except Exception as fault:
            gone = [uri for uri in files if "://" not in uri and not Path(uri).exists()]
            if gone:  # replaced by a compaction and swept: whoever asked looks at history again
                raise FileNotFoundError(gone[0]) from fault
            raise
    faults = told.column("fault").drop_null()
    if len(faults):
        raise pickle.loads(faults[0].as_py())
    coded = [Coded.from_json(text) for text in told.column("told").to_pylist()]
    read, wanted = sum(c.total for c in coded), sum(p.rows for p in parts if p.uri is not None)
    if all(p.rows >= 0 for p in parts) and read != wanted:
        raise EngineError(N_("The engine read {read} of history's {all} events."), read=read, all=wanted)
    return coded


def history_frame(session: Any, files: Sequence[str]) -> Any:
    """History's files as a Spark frame: plain Parquet, the day from the folders' names, no Delta library needed."""
    # Spark asks for every file by itself, in a task each, when there are more than 32: a day is a file here.
    session.conf.set("spark.sql.sources.parallelPartitionDiscovery.threshold", "2000")
    cores = max(1, int(session.sparkContext.defaultParallelism))
    session.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", str(4 * cores))
    schema = ", ".join(f"`{field.name}` {KINDS[field.type]}" for field in HISTORY)
    base = re.split(r"/day=", files[0], maxsplit=1)[0]
    reader = session.read.schema(schema).option("basePath", hadoop_path(base, literal=True))
    return reader.parquet(*(hadoop_path(uri) for uri in files))


def hadoop_path(uri: str, literal: bool = False) -> str:
    """A path or URL as Hadoop opens it: local ones named as such, no sign in it taken for a pattern.

    ``literal``: where Hadoop looks for no pattern, as in ``basePath``.

    >>> hadoop_path("/data/my [shop]/history"), hadoop_path("s3://bucket/history")
    ('file:///data/my \\\\[shop\\\\]/history', 's3a://bucket/history')
    """
    if "://" not in uri:
        uri = "file://" + Path(uri).as_posix()
    elif uri.startswith("s3://"):
        uri = "s3a://" + uri.removeprefix("s3://")
    return uri if literal else re.sub(r"([\[\]{}*?\\])", r"\\\1", uri)


# -- words -----------------------------------------------------------------------------------------------------------


def settle(folder: Path, names: Sequence[str], matching: Matching) -> Vocabulary:
    """One vocabulary of all chunks, numbered by the words alone; beside each chunk, its numbers' new ones."""
    whole = Vocabulary()
    words: dict[str, tuple[list[Word], list[tuple[str | None, str | None, str | None]], pa.ChunkedArray]] = {}
    for name in names:
        told = json.loads((folder / name / "words.json").read_text(encoding="utf-8"))
        codes: list[Word] = [(event, channel, frozenset(met)) for event, channel, met in told["codes"]]
        origins = [(o[0], o[1], o[2]) for o in told["origins"]]
        with pa.memory_map(str(folder / name / "pages.arrow")) as source, pa.ipc.open_file(source) as reader:
            words[name] = (codes, origins, reader.read_all().column(0))
        whole.currencies.update(told["currencies"])
        for code in codes:
            whole.code(code, matching)
        for origin in origins:
            whole.origin(origin)
    pages = pa.chunked_array([c for _, _, p in words.values() for c in p.chunks], pa.large_string()).unique()
    for page in pages.to_pylist():
        whole.page(page)
    settled, new = whole.settled()
    ordered = pa.array(list(settled.pages), pa.large_string())
    for name, (codes, origins, own_pages) in words.items():
        numbers = {
            # more codes than 16 bits can number share one: asked for again, they are given that one
            "code": np.array([new.code[whole.code(c, matching)] for c in codes] or [0], np.int64),
            "origin": np.array([settled.origins[o] for o in origins], np.int64),
            "page": pc.index_in(own_pages, value_set=ordered).combine_chunks().to_numpy().astype(np.int64),
        }
        for table, array in numbers.items():
            np.save(folder / name / f"{table}.npy", array, allow_pickle=False)
    return settled


# -- sorting ---------------------------------------------------------------------------------------------------------


def sort_there(engine: SparkEngine, work: Sorting, buckets: int) -> list[str]:
    """Sort every bucket on the workers; the pieces' names, in the buckets' order."""
    count = min(buckets, MOST_PIECES)
    ends = [buckets * k // count for k in range(count + 1)]
    tasks = [(k, dumps([(ends[k], ends[k + 1])])) for k in range(count)]
    told = engine.table(Tasks(dumps(functools.partial(sort_one, work)), tasks), count)
    return engine.results(told, count)
