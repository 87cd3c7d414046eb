"""Waiting times as counts in bins, so that millions of them add up by ``+`` and give quantiles.

The bins are those of a high dynamic range histogram: every second by itself up to 128 s, beyond that 64 equal bins in
each doubling, so that a value is known to within 1 / 64 of itself (0.8 % from a bin's middle) over all of 2^32 seconds.
Gil Tene's HdrHistogram is the same idea.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import inner

EXACT = 128
PARTS = 64
#: 128 exact bins, then 64 for each of the doublings 2^7 .. 2^31.
BINS = EXACT + 25 * PARTS


@inner
def bin_of(seconds):  # type: ignore[no-untyped-def]
    """The bin of a waiting time, int64 in [0, 2^32)."""
    if seconds < EXACT:
        return seconds
    doubling = 0
    left = seconds >> 7
    while left > 1:
        left >>= 1
        doubling += 1
    return EXACT + doubling * PARTS + ((seconds >> (doubling + 1)) - PARTS)


def edges() -> npt.NDArray[np.float64]:
    """float64[BINS + 1]: the lower end of each bin in seconds, and the end of the last.

    >>> edges()[[0, 127, 128, 129]].tolist()
    [0.0, 127.0, 128.0, 130.0]
    """
    found = [float(s) for s in range(EXACT)]
    found += [float((PARTS + part) << (doubling + 1)) for doubling in range(25) for part in range(PARTS)]
    return np.array([*found, float(1 << 32)])


def quantile(counts: npt.NDArray[np.int64], share: float) -> float | None:
    """The waiting time, in seconds, that ``share`` of those counted in ``counts`` int64[BINS] do not exceed.

    The middle of the bin in which it lies (exact below 128 s); None when nobody is counted. The
    nearest-rank definition: the smallest value with at least ``share`` of all at or below it.

    >>> counts = np.zeros(BINS, np.int64)
    >>> counts[[10, 20, 60]] = 1
    >>> quantile(counts, 0.5), quantile(counts, 0.95)
    (20.0, 60.0)
    """
    total = int(counts.sum())
    if total == 0:
        return None
    rank = max(1, int(np.ceil(share * total)))
    place = int(np.searchsorted(np.cumsum(counts), rank))
    ends = edges()
    return float((ends[place] + ends[place + 1] - 1) / 2)
