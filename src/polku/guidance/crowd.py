"""Everybody at once, as of one moment: who is in which segment, who stands at which stage.

Rules look at one customer at a time; campaigns and lists for ads begin with all of them. The same kernels answer both.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from polku.journey.campaigns import EVERYONE
from polku.kernels import fold
from polku.measures.view import View, segment_masks, view_of
from polku.record.clock import moment
from polku.trails import open_trails

if TYPE_CHECKING:
    from polku.kernels.columns import Columns
    from polku.record.project import Project

I64 = npt.NDArray[np.int64]


class Crowd:
    """See the module. ``view``: as of the moment that is meant."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._segments: dict[str, I64] = {}

    @classmethod
    def of(cls, project: Project, now: int) -> Crowd:
        """The customers of a project as of ``now`` (microseconds since 1970 UTC); the trails are brought up to date."""
        return cls(view_of(open_trails(project), project.journey(), as_of=moment(now), project=project))

    def segment(self, name: str) -> I64:
        """int64, ascending: the customers for whom a segment's condition holds; all of them for ``everyone``.

        Raises MeasureError for a segment that the map lacks.
        """
        found = self._segments.get(name)
        if found is None:
            found = self._segments[name] = self._everyone() if name == EVERYONE else self._members(name)
        return found

    def _members(self, name: str) -> I64:
        masks = segment_masks(self.view, name)
        parts = [b.customer[m & ~c.skip] for b, c, m in zip(self.view.buckets, self.view.columns, masks, strict=True)]
        return _sorted(parts)

    def _everyone(self) -> I64:
        return _sorted([b.customer[~c.skip] for b, c in zip(self.view.buckets, self.view.columns, strict=True)])

    def any_of(self, names: Sequence[str]) -> I64:
        """int64, ascending: the customers in at least one of several segments."""
        return np.asarray(functools.reduce(np.union1d, map(self.segment, names), np.zeros(0, np.int64)), np.int64)

    def is_in(self, customer: int, name: str) -> bool:
        """Whether a customer is in a segment."""
        return has(self.segment(name), customer)

    def stage(self, customer: int) -> str | None:
        """The stage where a customer stands; None outside the map."""
        customers, stages = self._stages
        at = int(np.searchsorted(customers, customer))
        if at == len(customers) or customers[at] != customer or stages[at] < 0:
            return None
        return self.view.journey.stages[int(stages[at])].id

    @functools.cached_property
    def _stages(self) -> tuple[I64, I64]:
        work = functools.partial(_standing, self.view.rules, self.view.paying(), self.view.as_of)
        rows = self.view.map(work)
        customers = [b.customer for b in self.view.buckets]
        if not customers:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys, stages = np.concatenate(customers), np.concatenate(rows)
        kept = ~np.concatenate([c.skip for c in self.view.columns])
        keys, stages = keys[kept], stages[kept]
        order = np.argsort(keys, kind="stable")
        return keys[order], stages[order]


def _standing(rules: fold.Rules, paying: npt.NDArray[np.bool_], as_of: int, bucket: Columns) -> I64:
    return np.asarray(fold.current(bucket, rules, paying, as_of)[:, fold.C_STAGE], np.int64)


def _sorted(parts: Iterable[I64]) -> I64:
    found = list(parts)
    return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)


def has(ascending: I64, value: int) -> bool:
    """Whether ``value`` is among ascending numbers.

    >>> has(np.array([1, 3]), 3), has(np.array([1, 3]), 2)
    (True, False)
    """
    at = int(np.searchsorted(ascending, value))
    return at < len(ascending) and int(ascending[at]) == value
