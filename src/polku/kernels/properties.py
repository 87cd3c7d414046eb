"""Properties of events, looked at by customer: the first or last value given, whether all agree."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel


@kernel
def first_given(offsets, codes):  # type: ignore[no-untyped-def]
    """uint32[C]: each customer's first code that is not 0; 0 where there is none. codes uint32[N].

    >>> first_given(np.array([0, 3, 4]), np.array([0, 5, 6, 0], np.uint32)).tolist()
    [5, 0]
    """
    out = np.zeros(len(offsets) - 1, np.uint32)
    for c in range(len(out)):
        for i in range(offsets[c], offsets[c + 1]):
            if codes[i] != 0:
                out[c] = codes[i]
                break
    return out


@kernel
def last_given(offsets, codes):  # type: ignore[no-untyped-def]
    """uint32[C]: each customer's last code that is not 0; 0 where there is none. codes uint32[N].

    >>> last_given(np.array([0, 3, 4]), np.array([0, 5, 6, 0], np.uint32)).tolist()
    [6, 0]
    """
    out = np.zeros(len(offsets) - 1, np.uint32)
    for c in range(len(out)):
        for i in range(offsets[c + 1] - 1, offsets[c] - 1, -1):
            if codes[i] != 0:
                out[c] = codes[i]
                break
    return out


@kernel
def carried(offsets, codes):  # type: ignore[no-untyped-def]
    """uint32[N]: each event's code, or where it has none the one that the same customer's events gave last before it.

    >>> carried(np.array([0, 3, 5]), np.array([0, 5, 0, 0, 7], np.uint32)).tolist()
    [0, 5, 5, 0, 7]
    """
    out = np.zeros(len(codes), np.uint32)
    for c in range(len(offsets) - 1):
        last = np.uint32(0)
        for i in range(offsets[c], offsets[c + 1]):
            if codes[i] != 0:
                last = codes[i]
            out[i] = last
    return out
