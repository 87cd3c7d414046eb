"""For whom time alone changes something, and when: one number a customer, kept beside each layer of the trails.

A million customers are eight megabytes. The numbers are derived: a restart works them out again by a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.kernels import fold
from polku.measures.view import columns_of
from polku.trails.layout import Trails

I64 = npt.NDArray[np.int64]


class Moments:
    """The next moments of all customers of the trails. Not for several threads at once."""

    def __init__(self) -> None:
        self._next: dict[tuple[object, ...], I64] = {}
        self._asked: object = None

    def due(self, trails: Trails, parts: Sequence[fold.Rules], since: int, until: int) -> list[int]:
        """Customers for whom a moment of one of ``parts`` lies in (since, until], seconds; ascending.

        The next call takes ``until`` as its ``since``, else everything is worked out anew.
        """
        marks = tuple(tuple(array.tobytes() for array in rules) for rules in parts)
        if self._asked != (hash(marks), since):
            self._next.clear()
        found: list[int] = []
        now: dict[tuple[object, ...], I64] = {}
        for layer in trails.layers:
            for number, bucket in enumerate(layer.buckets):
                if not bucket.customers:
                    continue
                key = (layer.name, layer.made, number)
                of = columns_of(bucket)
                upcoming = self._next.get(key)
                if upcoming is None:
                    everyone = np.arange(bucket.customers)
                    upcoming = _upcoming(of, parts, everyone, since)
                due = np.flatnonzero(upcoming <= until)
                if len(due):
                    theirs = due if bucket.masked is None else due[~bucket.masked[due]]
                    found += bucket.customer[theirs].tolist()
                    upcoming[due] = _upcoming(of, parts, due, until)
                now[key] = upcoming
        self._next, self._asked = now, (hash(marks), until)
        return sorted(found)


def _upcoming(of: object, parts: Sequence[fold.Rules], customers: I64, since: int) -> I64:
    best = np.full(len(customers), fold.NEVER, np.int64)
    for rules in parts:
        np.minimum(best, fold.upcoming(of, rules, customers, since), out=best)
    return best
