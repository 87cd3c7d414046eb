"""The columns of one bucket of trails as kernels take them: always the same dtypes, always read-only.

Numba compiles a kernel anew for every combination of types, and a read-only array (a memory map) is another type than a
writable one. Passing everything through :func:`columns` keeps every kernel at one signature, compiled once and cached.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Columns(NamedTuple):
    """One bucket: events of customer ``c`` are ``offsets[c]:offsets[c + 1]``, in order of (time, arrival).

    ``micros`` and ``value`` are empty where the bucket has none. ``skip`` marks customers that are not to be counted:
    masked in the base, or outside the persona or segment asked for. ``day`` is the local day, since 1970.
    """

    offsets: npt.NDArray[np.int64]
    time: npt.NDArray[np.uint32]
    micros: npt.NDArray[np.uint32]
    code: npt.NDArray[np.uint16]
    page: npt.NDArray[np.uint32]
    origin: npt.NDArray[np.uint32]
    session: npt.NDArray[np.uint32]
    value: npt.NDArray[np.float64]
    skip: npt.NDArray[np.bool_]
    day: npt.NDArray[np.uint16]


def frozen(array: Any, dtype: Any) -> npt.NDArray[Any]:
    """A plain, contiguous, read-only array of ``dtype`` over the same memory where that is possible.

    >>> frozen([1, 2], np.int64).flags.writeable
    False
    """
    plain = np.ascontiguousarray(array, dtype=dtype).view(np.ndarray)
    if plain.flags.writeable:
        plain = plain[:]
        plain.flags.writeable = False
    return plain


def columns(
    offsets: Any, time: Any, code: Any, *,
    micros: Any = None, page: Any = None, origin: Any = None, session: Any = None, value: Any = None, skip: Any = None,
    day: Any = None,
) -> Columns:  # fmt: skip
    """Columns of plain arrays; ``page``, ``origin`` and ``session`` are all 0 where they are not given, ``day`` is
    that of UTC.

    >>> columns([0, 2], [10, 20], [0, 1]).session.tolist()
    [0, 0]
    """
    events, customers = len(time), len(offsets) - 1
    zeros = np.zeros(events, np.uint32) if page is None or origin is None or session is None else None
    return Columns(
        frozen(offsets, np.int64),
        frozen(time, np.uint32),
        frozen(() if micros is None else micros, np.uint32),
        frozen(code, np.uint16),
        frozen(zeros if page is None else page, np.uint32),
        frozen(zeros if origin is None else origin, np.uint32),
        frozen(zeros if session is None else session, np.uint32),
        frozen(() if value is None else value, np.float64),
        frozen(np.zeros(customers, np.bool_) if skip is None else skip, np.bool_),
        frozen(np.asarray(time, np.uint32) // 86400 if day is None else day, np.uint16),
    )
