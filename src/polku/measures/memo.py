"""What several measures need and one pass finds: kept for the views of one generation of trails and one map."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """The last few results by key. Whoever shares one vouches that trails, map and customers are the same.

    >>> memo = Memo()
    >>> memo.once("a", lambda: 1), memo.once("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, most: int = 12) -> None:
        self.most = most
        self._kept: dict[Hashable, Any] = {}
        self._guard = threading.Lock()

    def __reduce__(self) -> tuple[type[Memo], tuple[int]]:
        """Sent elsewhere it is empty: what is kept here is of no use there."""
        return Memo, (self.most,)

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """What ``work`` gave for ``key``; two threads that ask at once may both work it out."""
        with self._guard:
            if key in self._kept:
                found: T = self._kept[key]
                return found
        made = work()
        with self._guard:
            self._kept[key] = made
            while len(self._kept) > self.most:
                del self._kept[next(iter(self._kept))]
        return made
