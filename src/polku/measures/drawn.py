"""What one pass over a bucket's columns draws out of them for many questions, kept as long as the columns are.

Columns are never written again, so what was drawn out of them stays true; a question's own filter (``skip``), period
and moment must have no part in it. It goes when the columns go: nothing here keeps the file of an older generation.
"""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from polku.kernels.columns import Columns

P = TypeVar("P", bound=tuple[npt.NDArray[Any], ...])
#: Bytes that are kept at most, in one process.
MOST = 384 << 20


class Drawn:
    """Named tuples of arrays by columns and key, ``most`` bytes of them.

    When there is no more room some go by chance: passes go over the buckets in the same order again and again, and
    what was used longest ago would always be what is needed next.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.bytes = 0
        self._kept: dict[Hashable, tuple[Any, int]] = {}
        self._of: dict[int, tuple[weakref.ref[Any], set[Hashable]]] = {}  # the keys of an array's columns
        self._guard = threading.RLock()  # a collection may run the callback below while this very thread holds it
        self._chance = random.Random(20)

    def once(self, columns: Columns, key: Hashable, work: Callable[[], P]) -> P:
        """What ``work`` gave for these columns and ``key``; two threads that ask at once may both work it out."""
        owner = columns.code if columns.code.base is None else columns.code.base
        if not isinstance(owner, np.ndarray):
            return work()
        place = columns.code.__array_interface__["data"][0]
        whole = (id(owner), place, len(columns.code), len(columns.offsets), key)
        with self._guard:
            if whole in self._kept:
                found: P = self._kept[whole][0]
                return found
        made = work()
        size = sum(array.nbytes for array in made)
        with self._guard:
            if size <= self.most and whole not in self._kept:
                gone = id(owner)
                if gone not in self._of:
                    self._of[gone] = weakref.ref(owner, lambda _: self._forget(gone)), set()
                self._of[gone][1].add(whole)
                self._kept[whole] = made, size
                self.bytes += size
                while self.bytes > self.most:
                    self._drop(self._chance.choice([k for k in self._kept if k != whole]))
        return made

    def _drop(self, whole: Any) -> None:
        _, size = self._kept.pop(whole)
        self.bytes -= size
        self._of[whole[0]][1].discard(whole)

    def _forget(self, gone: int) -> None:
        with self._guard:
            for whole in list(self._of[gone][1]):
                self._drop(whole)
            del self._of[gone]


drawn = Drawn()
