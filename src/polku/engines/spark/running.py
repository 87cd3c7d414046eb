"""What a worker does: one task is some neighbouring buckets, one partial result comes back of each."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from polku.engines.spark.sending import loads
from polku.errors import PolkuError

#: What a task sends back: the bucket's place, whether it failed in a way that people can mend, the pickled result.
SCHEMA = pa.schema([("bucket", pa.int64()), ("failed", pa.bool_()), ("partial", pa.binary())])
SPARK_SCHEMA = "bucket long, failed boolean, partial binary"


class Tasks:
    """Called in a worker with the batches of a partition, each row the number of a task."""

    def __init__(self, work: bytes, tasks: Sequence[tuple[int, bytes]]) -> None:
        self.work = work
        self.tasks = list(tasks)  # the first bucket's place, and the buckets' columns

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                first, columns = self.tasks[number]
                yield from run(self.work, first, columns)


def run(work: bytes, first: int, columns: bytes) -> Iterator[pa.RecordBatch]:
    """One batch a bucket. A PolkuError is sent back as a result: trying again on another worker would not help."""
    place = first
    try:
        function = loads(work)
        for bucket in loads(columns):
            yield _row(place, False, function(*bucket))
            place += 1
    except PolkuError as fault:
        yield _row(place, True, fault)


def _row(place: int, failed: bool, value: Any) -> pa.RecordBatch:
    told = pickle.dumps(value, protocol=5)
    return pa.RecordBatch.from_arrays(
        [pa.array([place], pa.int64()), pa.array([failed]), pa.array([told], pa.binary())], schema=SCHEMA
    )
