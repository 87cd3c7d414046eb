"""What a worker does: a task is some neighbouring buckets; partial results come back of each, or added up."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from polku.engines.spark.sending import loads
from polku.errors import PolkuError

#: What a task sends back: the first bucket's place, how many buckets it is of, whether it failed in a way that people
#: can mend, the pickled result.
SCHEMA = pa.schema([("bucket", pa.int64()), ("buckets", pa.int64()), ("failed", pa.bool_()), ("partial", pa.binary())])
SPARK_SCHEMA = "bucket long, buckets long, failed boolean, partial binary"


class Tasks:
    """Called in a worker with the batches of a partition, each row the number of a task.

    ``add``: neighbouring partial results are added up before they are sent, where the order of adding cannot matter.
    """

    def __init__(self, work: bytes, tasks: Sequence[tuple[int, bytes]], add: bool = False) -> None:
        self.work, self.add = work, add
        self.tasks = list(tasks)  # the first bucket's place, and the buckets' columns

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                first, columns = self.tasks[number]
                yield from run(self.work, first, columns, self.add)


def run(work: bytes, first: int, columns: bytes, add: bool = False) -> Iterator[pa.RecordBatch]:
    """One batch a result. A PolkuError is sent back as a result: trying again on another worker would not help."""
    place, count, kept = first, 0, None
    try:
        function = loads(work)
        for bucket in loads(columns):
            made = function(*bucket)
            if count and add and exact(kept) and exact(made):
                kept, count = kept + made, count + 1
                continue
            if count:
                yield _row(place, count, False, kept)
            place, count, kept = place + count, 1, made
        if count:
            yield _row(place, count, False, kept)
    except PolkuError as fault:
        yield _row(place, 1, True, fault)


def exact(value: Any) -> bool:
    """Whether sums of such values are the same in whatever order they are added: nothing in it is a rounded number.

    >>> exact((1, np.array([2, 3]))), exact((1, 0.5)), exact(np.array([0.5]))
    (True, False, False)
    """
    if value is None or isinstance(value, (bool, int, str, bytes, np.integer, np.bool_)):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biu"
    if isinstance(value, (tuple, list)):
        return all(map(exact, value))
    if isinstance(value, Mapping):
        return all(map(exact, value.values()))
    if dataclasses.is_dataclass(value):
        return all(exact(getattr(value, field.name)) for field in dataclasses.fields(value))
    return False


def _row(place: int, count: int, failed: bool, value: Any) -> pa.RecordBatch:
    told = pickle.dumps(value, protocol=5)
    arrays = [pa.array([place], pa.int64()), pa.array([count], pa.int64()), pa.array([failed])]
    return pa.RecordBatch.from_arrays([*arrays, pa.array([told], pa.binary())], schema=SCHEMA)
