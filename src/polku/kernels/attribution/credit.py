"""What is counted of paths: the credit of rules, the steps of a Markov chain, the sets of channels."""

from __future__ import annotations

import numpy as np

from polku.kernels.attribution.paths import BEGIN, CONVERTED, CUSTOMER, PENDING, STATE, STOP
from polku.kernels.compiled import kernel

#: The rules, in order.
FIRST, LAST, LAST_NON_DIRECT, LINEAR, POSITION, TIME_DECAY, RULES = range(7)
#: What is credited.
CONVERSIONS, MONEY, AMOUNTS = range(3)


@kernel
def credit(paths, worth, channel, time, group, groups, channels, direct, shares, half_life):  # type: ignore[no-untyped-def]
    """float64[groups, RULES, channels, AMOUNTS]: conversions and money credited to each channel by each rule.

    ``paths`` int64[P, PATH] and ``worth`` float64[P] of polku.kernels.attribution.paths; ``channel`` and ``time``
    int64[T] of the touches; ``group`` int64[C] of the customers; ``direct`` the channel that LAST_NON_DIRECT passes
    over, -1 none; ``shares`` float64[2] of the first and the last touch in POSITION; ``half_life`` seconds, 0 when
    TIME_DECAY is not wanted.
    """
    out = np.zeros((groups, RULES, channels, AMOUNTS), np.float64)
    weight = np.empty(RULES, np.float64)
    longest = np.int64(1)
    for p in range(len(paths)):
        longest = max(longest, paths[p, STOP] - paths[p, BEGIN])
    faded = np.ones(longest, np.float64)
    for p in range(len(paths)):
        begin, stop = paths[p, BEGIN], paths[p, STOP]
        n = stop - begin
        if paths[p, STATE] != CONVERTED or n == 0:
            continue
        mine = out[group[paths[p, CUSTOMER]]]
        named = stop - 1
        while named > begin and channel[named] == direct:
            named -= 1
        if channel[named] == direct:
            named = stop - 1
        left = np.float64(n)
        if half_life > 0:
            left = np.float64(0.0)
            for t in range(begin, stop):  # since the last touch: the same shares, and no sum too small to divide by
                faded[t - begin] = 2.0 ** ((time[t] - time[stop - 1]) / half_life)
                left += faded[t - begin]
        rest = max(0.0, 1.0 - shares[0] - shares[1])
        for t in range(begin, stop):
            weight[FIRST] = 1.0 if t == begin else 0.0
            weight[LAST] = 1.0 if t == stop - 1 else 0.0
            weight[LAST_NON_DIRECT] = 1.0 if t == named else 0.0
            weight[LINEAR] = 1.0 / n
            if n == 1:
                weight[POSITION] = 1.0
            elif n == 2:
                ends = shares[0] + shares[1]
                mine_of = shares[0] if t == begin else shares[1]
                weight[POSITION] = mine_of / ends if ends > 0 else 0.5
            elif t == begin:
                weight[POSITION] = shares[0]
            elif t == stop - 1:
                weight[POSITION] = shares[1]
            else:
                weight[POSITION] = rest / (n - 2)
            weight[TIME_DECAY] = faded[t - begin] / left
            for rule in range(RULES):
                mine[rule, channel[t], CONVERSIONS] += weight[rule]
                mine[rule, channel[t], MONEY] += weight[rule] * worth[p]
    return out


@kernel
def steps(paths, channel, group, order, base, as_not):  # type: ignore[no-untyped-def]
    """Every step of every path as a chain of ``order`` sees it: state int64[M], symbol int64[M], group int64[M].

    A state is its last ``order`` channels as digits (channel + 1) to ``base`` = channels + 1, 0 at the start. A symbol
    is a channel, ``base`` - 1 for converting, ``base`` for ending without. Paths without touches are left out; pending
    ones too, unless ``as_not``.
    """
    count = 0
    for p in range(len(paths)):
        if paths[p, STOP] > paths[p, BEGIN] and (as_not or paths[p, STATE] != PENDING):
            count += paths[p, STOP] - paths[p, BEGIN] + 1
    state = np.empty(count, np.int64)
    symbol = np.empty(count, np.int64)
    of_group = np.empty(count, np.int64)
    top = np.int64(1)
    for _ in range(order - 1):
        top *= base
    m = 0
    for p in range(len(paths)):
        if paths[p, STOP] == paths[p, BEGIN] or (not as_not and paths[p, STATE] == PENDING):
            continue
        here = np.int64(0)
        mine = group[paths[p, CUSTOMER]]
        for t in range(paths[p, BEGIN], paths[p, STOP]):
            state[m], symbol[m], of_group[m] = here, channel[t], mine
            here = (here % top) * base + channel[t] + 1
            m += 1
        state[m], of_group[m] = here, mine
        symbol[m] = base - 1 if paths[p, STATE] == CONVERTED else base
        m += 1
    return state, symbol, of_group


@kernel
def sets(paths, channel):  # type: ignore[no-untyped-def]
    """uint64[P]: the channels of each path, as bits; at most 63 channels."""
    out = np.zeros(len(paths), np.uint64)
    for p in range(len(paths)):
        found = np.uint64(0)
        for t in range(paths[p, BEGIN], paths[p, STOP]):
            found |= np.uint64(1) << np.uint64(channel[t])
        out[p] = found
    return out
