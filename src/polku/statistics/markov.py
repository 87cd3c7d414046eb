"""Absorbing Markov chains of paths: the chance to convert, and what it would be without a channel, by linear algebra.

A state is what a path has met last (the last k channels in a chain of order k, the start included); a path ends by
converting or by not. E. Anderl, I. Becker, F. von Wangenheim, J. H. Schumann, International Journal of Research in
Marketing 33 (2016); J. G. Kemeny and J. L. Snell, Finite Markov Chains (1960), chapter 3.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
#: Chains of more states than this are solved as sparse systems, one for each channel.
MOST_DENSE = 400
START = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """Where a path can be and how it goes on.

    ``last`` int64[S]: the channel that was met last in each state, START before the first. ``after`` int64[S, C]: the
    state after each channel from each state, any number where it never came. ``counts`` float64[S, C + 2]: how often
    each channel came next, then how often the path converted, then how often it ended without. Exactly one state is
    the START.
    """

    last: I64
    after: I64
    counts: F64

    @property
    def channels(self) -> int:
        return int(self.after.shape[1])

    def again(self, counts: F64) -> Chain:
        """The same states with other counts."""
        return Chain(self.last, self.after, counts)


@dataclasses.dataclass(frozen=True, eq=False)
class Removal:
    """``conversion``: the chance that a path converts. ``effects`` float64[C]: by what share of it that chance falls
    when every path that would come to a channel ends there without converting. ``shares``: effects / their sum. All NaN
    when nothing converts or no channel was met.
    """

    conversion: float
    effects: F64
    shares: F64


def removal(chain: Chain) -> Removal:
    """The removal effect of every channel, exact for the chain.

    From the fundamental matrix N = (I - Q)^-1: the chance from state i to convert without ever entering the set A is
    x_i - N[i, A] N[A, A]^-1 x_A, where x are the chances of the whole chain. Large chains solve the system without A.

    Raises ValueError when the chain has not exactly one start.

    >>> one = Chain(np.array([START, 0]), np.array([[1], [1]]), np.array([[4.0, 0, 0], [0, 1.0, 3.0]]))
    >>> removal(one).conversion, removal(one).shares.tolist()
    (0.25, [1.0])
    """
    starts = np.flatnonzero(chain.last == START)
    if len(starts) != 1:
        raise ValueError(f"a chain has one start, not {len(starts)}")
    start = int(starts[0])
    to, won = _probabilities(chain)
    places = [np.flatnonzero(chain.last == c) for c in range(chain.channels)]
    conversion, without = (_dense if len(chain.last) <= MOST_DENSE else _sparse)(chain, to, won, start, places)
    if not conversion > 0:
        nothing = np.full(chain.channels, np.nan)
        return Removal(conversion, nothing, nothing)
    effects = np.clip(1 - without / conversion, 0.0, 1.0)
    total = effects.sum()
    return Removal(conversion, effects, effects / total if total > 0 else np.full(chain.channels, np.nan))


def _probabilities(chain: Chain) -> tuple[F64, F64]:
    """[S, C] of each channel next, and [S] of converting next; a state that nothing leaves converts never."""
    total = chain.counts.sum(axis=1)
    shares = chain.counts / np.where(total > 0, total, 1.0)[:, None]
    return shares[:, : chain.channels], shares[:, chain.channels]


def _dense(chain: Chain, to: F64, won: F64, start: int, places: list[I64]) -> tuple[float, F64]:
    states = len(chain.last)
    q = np.zeros((states, states))
    s, c = np.nonzero(to)
    q[s, chain.after[s, c]] = to[s, c]
    n = np.linalg.inv(np.eye(states) - q)
    x = n @ won
    without = np.full(chain.channels, x[start])
    for channel, there in enumerate(places):
        if len(there):
            without[channel] -= n[start, there] @ np.linalg.solve(n[np.ix_(there, there)], x[there])
    return float(x[start]), without


def _sparse(chain: Chain, to: F64, won: F64, start: int, places: list[I64]) -> tuple[float, F64]:
    from scipy import sparse
    from scipy.sparse.linalg import splu

    states = len(chain.last)
    s, c = np.nonzero(to)
    q = sparse.csr_array((to[s, c], (s, chain.after[s, c])), shape=(states, states))
    system: Any = sparse.eye_array(states, format="csr") - q

    def chance(kept: I64) -> float:
        part = system[kept][:, kept].tocsc()
        return float(splu(part).solve(won[kept])[int(np.searchsorted(kept, start))])

    everything = np.arange(states)
    conversion = chance(everything)
    without = np.full(chain.channels, conversion)
    for channel, there in enumerate(places):
        if len(there):
            without[channel] = chance(np.setdiff1d(everything, there))
    return conversion, without
