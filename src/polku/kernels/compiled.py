"""How kernels are compiled: two decorators, so that every kernel is compiled in the same way and cached.

``kernel`` is for what Python calls. ``inner`` is for what kernels call inside their loops: it is melted into its
caller and compiled without Numba's reference counting, because counting references to a dozen columns at every event,
with atomic instructions, made the fold ten times slower (190 against 16 ns an event). An ``inner`` function therefore
allocates nothing and returns no array.

Before it loads machine code from its cache, Numba imports all that it needs to compile: SciPy's linear algebra and
some eighty modules of its own, a quarter of a first call in a new process. Machine code that was linked needs none of
it, only Numba's runtime. Whatever must be compiled after all brings the rest in by itself.

Where several processes need the same kernel at once (servers of one installation, workers of a job), one of them
compiles it and the others take what it kept. Numba alone lets each compile it, and their writing to the cache may
cross, so that what one kept is lost."""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numba as nb
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

#: The Numba whose cache was seen to load so; another one loads in its own way, only slower.
QUICK = nb.version_info.short == (0, 68)


class Kept(FunctionCache):  # type: ignore[misc]  # numba tells no types
    """Machine code in Numba's own cache, loaded without what only compiling needs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._turn = Turn(Path(self._cache_path), self._impl.filename_base)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # what Numba's own does too, among the rest: linked code calls it to allocate
        found = self._loaded(sig, target_context)
        if found is None and self._turn.wait():  # meanwhile another process may have compiled it
            found = self._loaded(sig, target_context)
        return found

    def _loaded(self, sig: Any, target_context: Any) -> Any:
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    def over(self) -> None:
        """What was asked for is compiled and kept, or cannot be."""
        self._turn.give_back()


class Turn:
    """The right to compile the function ``name``, which one process has at a time: one byte of a file beside the
    cache is locked, so that functions of a folder do not wait for one another. Where files are not locked so
    (Windows) everybody compiles."""

    _files: ClassVar[dict[Path, int]] = {}  # open while the process lives: to close one gives back all locks on it

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / "compiling.lock"
        self._byte = zlib.crc32(name.encode())
        self._mine = False

    def wait(self) -> bool:
        """Whether the turn was waited for and is this process's now."""
        if sys.platform == "win32" or self._mine:
            return False
        import fcntl

        try:
            if self._path not in self._files:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._files[self._path] = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.lockf(self._files[self._path], fcntl.LOCK_EX, 1, self._byte)
        except OSError:  # a folder where nothing can be kept or locked: nobody else takes anything from it either
            return False
        self._mine = True
        return True

    def give_back(self) -> None:
        if sys.platform != "win32" and self._mine:
            import fcntl

            self._mine = False
            fcntl.lockf(self._files[self._path], fcntl.LOCK_UN, 1, self._byte)


@contextlib.contextmanager
def _in_turn(kept: Kept) -> Iterator[None]:
    try:
        yield
    finally:
        kept.over()


def _compiled(nogil: bool = True, **how: Any) -> Callable[[Callable[..., Any]], Any]:
    def wrap(function: Callable[..., Any]) -> Any:
        dispatcher = nb.njit(nogil=nogil, cache=not QUICK, **how)(function)
        if QUICK and not nb.config.DISABLE_JIT:
            dispatcher._cache = kept = Kept(function)
            dispatcher.compile = _in_turn(kept)(dispatcher.compile)
        return dispatcher

    return wrap


kernel = _compiled()
inner = _compiled(forceinline=True, _nrt=False)
#: A kernel of some microseconds that a request waits for: to let other threads in and to wait for the turn again takes
#: many times as long.
brief = _compiled(nogil=False)


def typed(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """As ``kernel``, for these types alone: others are refused where they are given, not compiled for anew."""

    def wrap(function: Callable[..., Any]) -> Any:
        dispatcher = kernel(function)
        if nb.config.DISABLE_JIT:
            return dispatcher
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return wrap
