"""Credits of every model from the sums, each with its interval."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels.attribution import credit as kernel
from polku.language import N_
from polku.measures.attribution.sums import Settings, Sums
from polku.statistics import shapley
from polku.statistics.jackknife import GROUPS, Spread, left_out, spread
from polku.statistics.markov import START, Chain, Removal, removal

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
RULES = {
    "first": kernel.FIRST, "last": kernel.LAST, "last_non_direct": kernel.LAST_NON_DIRECT, "linear": kernel.LINEAR,
    "position": kernel.POSITION, "time_decay": kernel.TIME_DECAY,
}  # fmt: skip
#: A chain of more states than this is worked out once, and has no interval.
MOST_STATES = 600
#: Pairs of orders that are drawn where channels are too many for all their coalitions.
PAIRS = 250
NO_CONVERSIONS = N_("no path converted")
TOO_LARGE = N_("the chain has too many states to be worked out again for an interval")


@dataclasses.dataclass(frozen=True, eq=False)
class Credited:
    """What one model credits: conversions and money float64[C, 2], with their spreads; ``reason`` where it cannot.

    ``sampling`` float64[C, 2] is the standard error that drawing orders has, of Shapley with many channels.
    ``removal`` are the effects of the Markov model.
    """

    spread: Spread
    reason: str | None = None
    sampling: F64 | None = None
    removal: Removal | None = None
    states: int | None = None


def credits(sums: Sums, models: tuple[str, ...], channels: int, settings: Settings, worth: str) -> dict[str, Credited]:
    """The credits by model: each shares out the conversions, and the money, of paths with a touch."""
    some = sums.customers > 0
    rules = left_out(sums.credit)
    total = rules[:, kernel.LAST].sum(axis=1)  # [G + 1, AMOUNTS]: what there is to credit
    found = {}
    for model in models:
        if model in RULES:
            found[model] = Credited(spread(rules[:, RULES[model]], some))
        elif not total[0, kernel.CONVERSIONS] > 0:
            nowhere = np.full((channels, kernel.AMOUNTS), np.nan)
            found[model] = Credited(Spread(nowhere, nowhere, nowhere, nowhere), NO_CONVERSIONS)
        elif model == "markov":
            found[model] = _markov(sums, channels, settings.order, total, some)
        else:
            found[model] = _shapley(sums, channels, worth, total, some)
    return found


def chain_of(keys: I64, channels: int, order: int) -> Chain:
    """The chain of the states ``keys`` (ascending, as polku.kernels.attribution.credit.steps numbers them)."""
    base = channels + 1
    next_key = (keys % base ** (order - 1))[:, None] * base + np.arange(1, base)
    after = np.minimum(np.searchsorted(keys, next_key), len(keys) - 1)
    last = np.where(keys == 0, START, keys % base - 1)
    return Chain(last, after, np.zeros((len(keys), channels + 2)))


def check_order(channels: int, order: int) -> None:
    """Raises MeasureError when the states of such a chain cannot be numbered."""
    if (channels + 2) ** order >= 2**62:
        raise MeasureError(N_("A chain of order {order} over {n} channels is too long."), order=order, n=channels)


def _markov(sums: Sums, channels: int, order: int, total: F64, some: npt.NDArray[np.bool_]) -> Credited:
    chain = chain_of(sums.steps.keys, channels, order)
    counts = left_out(sums.steps.sums)
    all_of = removal(chain.again(counts[0]))
    states = len(sums.steps.keys)
    large = states > MOST_STATES
    shares = np.full((GROUPS + 1, channels), np.nan)
    shares[:] = all_of.shares  # of a group that holds nobody too
    for g in np.flatnonzero(some):
        shares[g + 1] = np.nan if large else removal(chain.again(counts[g + 1])).shares
    figures = shares[:, :, None] * total[:, None, :]
    return Credited(spread(figures, some), TOO_LARGE if large else None, removal=all_of, states=states)


def _shapley(sums: Sums, channels: int, worth: str, total: F64, some: npt.NDArray[np.bool_]) -> Credited:
    amounts = left_out(sums.sets.sums)  # [G + 1, K, COALITION]
    keys = sums.sets.keys
    if worth == "conversions":
        # worth of a set: conversions of paths within it; each path's is then shared evenly (Zhao et al. 2018)
        bits = (keys[:, None].astype(np.uint64) >> np.arange(channels, dtype=np.uint64)) & np.uint64(1)
        even = bits / np.maximum(bits.sum(axis=1), 1)[:, None]
        return Credited(spread(np.einsum("kc,gka->gca", even, amounts[:, :, 1:]), some))
    if channels <= shapley.MOST_EXACT:
        dense = np.zeros((1 << channels, *amounts[:, 0].shape))
        dense[keys] = amounts.transpose(1, 0, 2)
        values = shapley.exact(_rates(shapley.within(dense)))
        sampling = None
    else:
        order = shapley.orders(channels, PAIRS)
        asked = shapley.prefixes(order)
        distinct, place = np.unique(asked, return_inverse=True)
        flat = amounts.transpose(1, 0, 2).reshape(len(keys), -1)
        within = np.empty((len(distinct), flat.shape[1]))
        outside = ~distinct
        for i in range(0, len(distinct), 1024):  # keys within a set: nothing of theirs outside it
            inside = (keys.astype(np.uint64)[None, :] & outside[i : i + 1024, None]) == 0
            within[i : i + 1024] = inside.astype(np.float64) @ flat
        rates = _rates(within.reshape(len(distinct), *amounts[:, 0].shape))
        values, errors = shapley.sampled(order, rates[place.reshape(asked.shape)])
        sampling = errors[:, 0]
    # values are shares of paths [C, G + 1, AMOUNTS]; the total is what there is to credit
    values = values.transpose(1, 0, 2)
    whole = values.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(whole > 0, total[:, None, :] / whole, 0.0)
    return Credited(
        spread(values * scale, some), sampling=None if sampling is None else sampling * scale[0, 0]
    )  # fmt: skip


def _rates(within: F64) -> F64:
    """[..., G + 1, 2]: conversions and money a path, of paths whose channels all lie in each set; 0 where there are
    none, so that a set nobody kept to is worth as little as no set at all.
    """
    paths = within[..., :1]
    return np.divide(within[..., 1:], paths, out=np.zeros_like(within[..., 1:]), where=paths > 0)
