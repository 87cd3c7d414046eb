"""Caps: at most so many in any window of that length. Windows roll; they are no calendar days."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

MICRO = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Cap:
    """At most ``times`` in any ``every`` seconds; ``every`` 0: ever."""

    times: int
    every: int = 0

    def free_at(self, times: Iterable[int], now: int) -> int | None:
        """From when (microseconds) one more is allowed, given those that were; None: never again.

        What was sent exactly ``every`` ago is out of the window.

        >>> Cap(1, 60).free_at([0], 30 * MICRO), Cap(1, 60).free_at([0], 60 * MICRO), Cap(1).free_at([0], 10**15)
        (60000000, 60000000, None)
        """
        if not self.times:
            return None
        if not self.every:
            return now if sum(1 for _ in times) < self.times else None
        window = self.every * MICRO
        counted = sorted(t for t in times if t + window > now)
        return now if len(counted) < self.times else counted[-self.times] + window
