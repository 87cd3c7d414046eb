"""Folders for work that is not done: each is its process's own, and goes when the process ends, however it ends.

A folder is alive as long as its file ``alive`` is locked; the system lets go of a lock when its process dies, also at
``kill -9``. Whoever opens the project removes the folders of the dead.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

#: Seconds to wait for another process that makes or removes folders at this moment; it takes milliseconds.
PATIENCE = 10.0

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def lock(file: IO[bytes]) -> bool:
        """Lock an open file; False when another handle holds it."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(file: IO[bytes]) -> None:
        """Let go of a lock that is held."""
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def lock(file: IO[bytes]) -> bool:
        """Lock an open file; False when another handle holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(file: IO[bytes]) -> None:
        """Let go of a lock that is held."""
        fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make ``folder`` (somewhere under staging) for the block; it is removed behind it."""
    with _alone(folder.parent):  # nobody takes a folder for dead before its lock is held
        folder.mkdir(parents=True)
        alive = (folder / "alive").open("a+b")
        lock(alive)
    try:
        yield folder
    finally:
        unlock(alive)
        alive.close()
        shutil.rmtree(folder, ignore_errors=True)


def clear(staging: Path) -> int:
    """Remove the folders of processes that died. Returns how many."""
    if not staging.is_dir() or not any(staging.iterdir()):
        return 0  # also where nothing may be written
    gone = 0
    with _alone(staging):
        for folder in staging.iterdir():
            if folder.is_dir() and not _alive(folder):
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
    return gone


def _alive(folder: Path) -> bool:
    try:
        with (folder / "alive").open("a+b") as file:
            free = lock(file)
            if free:
                unlock(file)
            return not free
    except OSError:
        return False


@contextlib.contextmanager
def _alone(staging: Path) -> Iterator[None]:
    """One process or thread at a time makes and removes folders; who has waited for long goes on."""
    locks = staging.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / "staging.lock").open("a+b") as file:
        until = time.monotonic() + PATIENCE
        while not (held := lock(file)) and time.monotonic() < until:
            time.sleep(0.005)
        try:
            yield
        finally:
            if held:
                unlock(file)
