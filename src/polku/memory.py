"""Free memory goes back to the system: a server that runs for months does not keep what its busiest minute took.

glibc's allocator gives every other thread a heap of its own, up to eight a core, and keeps what is freed in the middle
of one; a server whose threads move, compact and draw by turns holds several times what it uses. So a server has few
heaps (``mallopt(M_ARENA_MAX)``, see mallopt(3)), and now and then gives back what is free in them (malloc_trim(3)).
Other systems' allocators do that by themselves.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from typing import Final

import pyarrow as pa

#: Name of the number of heaps in glibc's malloc.h, and how many a server has.
M_ARENA_MAX: Final = -8
HEAPS: Final = 2
#: Seconds between two rounds of giving back, at least: a round takes milliseconds, in which others wait for memory.
EVERY: Final = 10.0


class Keeper:
    """Gives back what is free, at most every ``every`` seconds, whoever asks. One a process: :data:`KEEPER`."""

    def __init__(self, every: float = EVERY) -> None:
        self.every = every
        self._glibc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
        self._lock = threading.Lock()
        self._last = 0.0

    def few_heaps(self) -> bool:
        """Let the allocator open few heaps from now on. False where it is another, or ``MALLOC_ARENA_MAX`` is set."""
        if self._glibc is None or "MALLOC_ARENA_MAX" in os.environ:
            return False
        return bool(self._glibc.mallopt(M_ARENA_MAX, HEAPS))

    def give_back(self) -> bool:
        """Give back what is free now, unless that was done a moment ago. Returns whether it was done."""
        with self._lock:
            now = time.monotonic()
            if self._last and now - self._last < self.every:
                return False
            self._last = now
        pa.default_memory_pool().release_unused()
        if self._glibc is not None:
            self._glibc.malloc_trim(ctypes.c_size_t(0))
        return True


KEEPER: Final = Keeper()
