"""How kernels are compiled: two decorators, so that every kernel is compiled in the same way and cached.

``kernel`` is for what Python calls. ``inner`` is for what kernels call inside their loops: it is melted into its
caller and compiled without Numba's reference counting, because counting references to a dozen columns at every event,
with atomic instructions, made the fold ten times slower (190 against 16 ns an event). An ``inner`` function therefore
allocates nothing and returns no array.

Before it loads machine code from its cache, Numba imports all that it needs to compile: SciPy's linear algebra and
some eighty modules of its own, a quarter of a first call in a new process. Machine code that was linked needs none of
it, only Numba's runtime. Whatever must be compiled after all brings the rest in by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

#: The Numba whose cache was seen to load so; another one loads in its own way, only slower.
QUICK = nb.version_info.short == (0, 68)


class Kept(FunctionCache):  # type: ignore[misc]  # numba tells no types
    """Machine code in Numba's own cache, loaded without what only compiling needs."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # what Numba's own does too, among the rest: linked code calls it to allocate
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def _compiled(nogil: bool = True, **how: Any) -> Callable[[Callable[..., Any]], Any]:
    def wrap(function: Callable[..., Any]) -> Any:
        dispatcher = nb.njit(nogil=nogil, cache=not QUICK, **how)(function)
        if QUICK and not nb.config.DISABLE_JIT:
            dispatcher._cache = Kept(function)
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
