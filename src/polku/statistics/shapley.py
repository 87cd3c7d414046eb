"""Shapley values: what each channel adds on average, over all the orders in which the channels could be switched on.

L. S. Shapley, A value for n-person games (1953); for channels K. Zhao, S. H. Mahboobi, S. R. Bagheri, Shapley Value
Methods for Attribution Modeling in Online Advertising (2018). A coalition is a number whose bit i stands for channel i.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
U64 = npt.NDArray[np.uint64]
#: Up to so many channels all 2^n coalitions are worked out; beyond, orders are drawn.
MOST_EXACT = 15


def within(sums: F64) -> F64:
    """float64[2^n, ...] of sums by coalition: the sum over all coalitions within each (the zeta transform).

    >>> within(np.array([1.0, 10.0, 100.0, 1000.0])).tolist()
    [1.0, 11.0, 101.0, 1111.0]
    """
    found = sums.astype(np.float64, copy=True)
    step, rest = 1, found.shape[1:]
    while step < len(found):
        pairs = found.reshape(-1, 2, step, *rest)
        pairs[:, 1] += pairs[:, 0]
        step *= 2
    return found


def exact(worth: F64) -> F64:
    """float64[n, ...]: the Shapley value of each channel, of the worth float64[2^n, ...] of every coalition.

    Raises ValueError when the length is no power of two.

    >>> exact(np.array([0.0, 1.0, 2.0, 5.0])).tolist()  # 0: (1 + 3) / 2, 1: (2 + 4) / 2
    [2.0, 3.0]
    """
    n = len(worth).bit_length() - 1
    if len(worth) != 1 << n:
        raise ValueError(f"there are 2^n coalitions, not {len(worth)}")
    weight = np.array([math.factorial(s) * math.factorial(n - 1 - s) / math.factorial(n) for s in range(n)])
    sizes = np.bitwise_count(np.arange(1 << max(n - 1, 0)))
    values = np.empty((n, *worth.shape[1:]))
    for i in range(n):
        pairs = worth.reshape(-1, 2, 1 << i, *worth.shape[1:])
        gains = (pairs[:, 1] - pairs[:, 0]).reshape(-1, *worth.shape[1:])
        values[i] = np.tensordot(weight[sizes], gains, axes=1)
    return values


def orders(n: int, pairs: int, seed: int = 1953) -> npt.NDArray[np.int64]:
    """int64[2 x pairs, n]: random orders of n channels, each beside its reverse, which evens out early and late.

    The antithetic sampling of R. Mitchell, J. Cooper, E. Frank, G. Holmes, JMLR 23 (2022), section 2.
    """
    chance = np.random.default_rng(seed)
    drawn = np.array([chance.permutation(n) for _ in range(pairs)], np.int64).reshape(pairs, n)
    return np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(-1, n)


def prefixes(order: npt.NDArray[np.int64]) -> U64:
    """uint64[R, n + 1]: the coalitions that grow along each order int64[R, n], from none to all.

    >>> prefixes(np.array([[1, 0]])).tolist()
    [[0, 2, 3]]
    """
    bits = np.left_shift(np.uint64(1), order.astype(np.uint64))
    return np.concatenate([np.zeros((len(order), 1), np.uint64), np.cumsum(bits, axis=1, dtype=np.uint64)], axis=1)


def sampled(order: npt.NDArray[np.int64], worth: F64) -> tuple[F64, F64]:
    """The Shapley values float64[n, ...] and their standard errors from drawn orders.

    ``worth`` float64[R, n + 1, ...] is that of each coalition of :func:`prefixes`. Orders stand in pairs as
    :func:`orders` gives them; the error is that of the mean over pairs, from drawing alone, not from few customers.

    >>> told = sampled(np.array([[0, 1], [1, 0]]), np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 5.0]]))
    >>> told[0].tolist()
    [2.0, 3.0]
    """
    gains = np.diff(worth, axis=1)
    by_channel = np.empty_like(gains)
    rows = np.arange(len(order))[:, None]
    by_channel[rows, order] = gains
    pairs = by_channel.reshape(-1, 2, *by_channel.shape[1:]).mean(axis=1)
    count = len(pairs)
    error = pairs.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(pairs.shape[1:], np.nan)
    return pairs.mean(axis=0), error
