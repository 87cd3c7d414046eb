"""How kernels are compiled: two decorators, so that every kernel is compiled in the same way and cached.

``kernel`` is for what Python calls. ``inner`` is for what kernels call inside their loops: it is melted into its
caller and compiled without Numba's reference counting, because counting references to a dozen columns at every event,
with atomic instructions, made the fold ten times slower (190 against 16 ns an event). An ``inner`` function therefore
allocates nothing and returns no array."""

from __future__ import annotations

import numba as nb

kernel = nb.njit(cache=True, nogil=True)
inner = nb.njit(cache=True, nogil=True, forceinline=True, _nrt=False)
