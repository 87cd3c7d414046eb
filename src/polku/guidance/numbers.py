"""Numbers that events told of their customers (a lead score), from the properties kept beside the trails: what a score
was before is looked up, and no history is read for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from polku.trails.properties import facts_of, numbers_of, place_of

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.trails.layout import Trails

U32 = npt.NDArray[np.uint32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
#: What the name of a property begins with; any other is one of the properties.
ROOTS = ("properties", "context", "traits", "value")


class Numbers:
    """Numbers of some trails' events, by the name of their property; each name is read when first asked for."""

    def __init__(self, project: Project, trails: Trails) -> None:
        self.project, self.trails = project, trails
        self._read: dict[str, tuple[tuple[U32, ...], F64]] = {}

    def before(self, customer: int, path: str, position: int) -> float | None:
        """The last number at ``path`` among the customer's events, by their time, that arrived before the seq
        ``position``; None where there is none. A bare name is a property."""
        return self._last(customer, path, lambda _, seq: seq < position)

    def until(self, customer: int, path: str, second: int) -> float | None:
        """The last number at ``path`` among the customer's events before a second; None where there is none."""
        return self._last(customer, path, lambda time, _: time < second)

    def told(self, path: str, bucket: int) -> F64:
        """float64[N]: the number at ``path`` of each event of a bucket (of those with customers, by its place among
        them); NaN for none."""
        codes, values = self._of(path)
        return np.asarray(values[codes[bucket]], np.float64)

    def _last(self, customer: int, path: str, counts: Callable[[I64, I64], npt.NDArray[np.bool_]]) -> float | None:
        buckets = [b for b in self.trails.buckets if b.customers]
        for at in range(len(buckets) - 1, -1, -1):
            bucket = buckets[at]
            row = bucket.index(customer)
            if row is None:
                continue
            codes, values = self._of(path)
            part = slice(int(bucket.offsets[row]), int(bucket.offsets[row + 1]))
            told = values[codes[at][part]]
            assert bucket.seq is not None
            time, seq = bucket.time[part].astype(np.int64), bucket.seq[part].astype(np.int64) + bucket.seq_base
            there = np.flatnonzero(counts(time, seq) & ~np.isnan(told))
            return float(told[there[-1]]) if len(there) else None
        return None

    def _of(self, path: str) -> tuple[tuple[U32, ...], F64]:
        found = self._read.get(path)
        if found is None:
            name = path if path.partition(".")[0] in ROOTS else f"properties.{path}"
            facts = facts_of(self.trails, self.project)
            assert facts is not None, "a project's trails have their record"
            ((codes, words),) = facts.columns([place_of(name)], None)
            found = self._read[path] = (codes, numbers_of(words.array))
        return found
