"""One process refreshes the trails at a time: a lock on a file, which the system lets go of when its holder dies."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_ours: dict[str, threading.Lock] = {}
_guard = threading.Lock()


@contextlib.contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[bool]:
    """Hold the lock of ``path`` for the block; gives False when another holds it after ``wait`` seconds.

    It keeps apart processes and the threads of this one.
    """
    with _guard:
        mine = _ours.setdefault(str(path.resolve()), threading.Lock())
    until = time.monotonic() + wait
    if not mine.acquire(timeout=wait) if wait > 0 else not mine.acquire(blocking=False):
        yield False
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while not (held := _take(handle)) and time.monotonic() < until:
                time.sleep(0.02)
            try:
                yield held
            finally:
                if held:
                    _give_back(handle)
        finally:
            os.close(handle)
    finally:
        mine.release()


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        os.lseek(handle, 0, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _give_back(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _give_back(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
