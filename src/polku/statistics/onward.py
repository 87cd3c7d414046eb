"""A journey that only moves forwards as an absorbing Markov chain with rewards, and what a change of it brings.

States stand in order; from each a customer goes on to a later one or ends. Such a chain is solved from its end
backwards. J. G. Kemeny and J. L. Snell, Finite Markov Chains (1960), chapter 3; rewards: R. A. Howard, Dynamic
Programming and Markov Processes (1960). Arrays may have further axes in front, one chain a place.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


class Impossible(ValueError):
    """A change that the chain cannot make: ``most`` is the share of those at the step that could still be won."""

    def __init__(self, most: float) -> None:
        super().__init__(f"only {most:.4f} can be won")
        self.most = most


@dataclasses.dataclass(frozen=True, eq=False)
class Forward:
    """``start`` float64[..., S] where customers begin (adds up to 1), ``to`` float64[..., S, S] the chances to go on,
    above the diagonal only, ``reward`` float64[..., S, R] what a customer brings while in each state.
    """

    start: F64
    to: F64
    reward: F64

    @property
    def states(self) -> int:
        return int(self.start.shape[-1])

    @property
    def onward(self) -> F64:
        """float64[..., S]: the chance to go on at all."""
        return np.asarray(self.to.sum(axis=-1))

    def ahead(self) -> F64:
        """float64[..., S, R]: what is still to come of a customer who has come to each state."""
        found = self.reward.copy()
        for i in range(self.states - 2, -1, -1):
            found[..., i, :] += np.einsum("...j,...jr->...r", self.to[..., i, i + 1 :], found[..., i + 1 :, :])
        return found

    def visits(self) -> F64:
        """float64[..., S]: the share of all who begin that comes to each state (as their furthest so far)."""
        found = self.start.copy()
        for j in range(1, self.states):
            found[..., j] += np.einsum("...i,...i->...", found[..., :j], self.to[..., :j, j])
        return found

    def total(self) -> F64:
        """float64[..., R]: what one who begins brings.

        >>> chain = Forward(np.array([1.0, 0.0]), np.array([[0.0, 0.25], [0.0, 0.0]]), np.array([[0.0], [40.0]]))
        >>> chain.total().tolist(), chain.visits().tolist()
        ([10.0], [1.0, 0.25])
        """
        return np.asarray(np.einsum("...s,...sr->...r", self.start, self.ahead()))

    def reaching(self, target: int) -> F64:
        """float64[..., S]: the chance of one at each state to come to ``target`` or beyond; 1 from there on."""
        found = np.zeros(self.start.shape)
        found[..., target:] = 1.0
        for i in range(target - 1, -1, -1):
            found[..., i] = np.einsum("...j,...j->...", self.to[..., i, i + 1 :], found[..., i + 1 :])
        return found

    def changed(self, source: int, target: int, share: float, clip: bool = False) -> Forward:
        """The chain in which ``share`` more (or fewer, below 0) of those at ``source`` come to ``target`` or beyond.

        More: they are won from those who end at ``source``, come to ``target`` itself and go on from it as others do.
        Fewer: all ways on from ``source`` lose the same part, and who is lost ends there. Where not so many end there,
        or not so many come to ``target``, Impossible is raised, or with ``clip`` as many change as can. Raises
        ValueError when ``target`` does not lie behind.

        >>> chain = Forward(np.array([1.0, 0.0]), np.array([[0.0, 0.25], [0.0, 0.0]]), np.array([[0.0], [40.0]]))
        >>> chain.changed(0, 1, 0.02).total().round(6).tolist()
        [10.8]
        """
        if target <= source:
            raise ValueError("a change leads to a later state")
        to = self.to.copy()
        if share >= 0:
            most = 1 - self.onward[..., source]
            if not clip and (share > most + 1e-12).any():
                raise Impossible(float(np.min(most)))
            to[..., source, target] += np.clip(most, 0.0, share)
        else:
            now = self.reaching(target)[..., source]
            if not clip and (-share > now + 1e-12).any():
                raise Impossible(float(np.min(now)))
            part = np.divide(np.maximum(now + share, 0.0), now, out=np.zeros_like(now), where=now > 0)
            to[..., source, :] *= part[..., None]
        return Forward(self.start, to, self.reward)

    def scaled(self, odds: F64) -> Forward:
        """The chain in which the odds to go on from every state are multiplied by ``odds`` float64[..., S]; the ways on
        keep their proportions.
        """
        onward = self.onward
        raised = odds * onward / (1 - onward + odds * onward)
        part = np.divide(raised, onward, out=np.ones_like(onward), where=onward > 0)
        return Forward(self.start, self.to * part[..., None], self.reward)


def needed_alone(chain: Forward, reward: int, goal: float) -> F64:
    """float64[S]: the chance to go on from each state with which the chain brings ``goal`` of ``reward``, all else
    being equal. What it brings is linear in that chance. NaN where going on from the state changes nothing; may lie
    outside 0 to 1, which then cannot be.

    >>> chain = Forward(np.array([1.0, 0.0]), np.array([[0.0, 0.25], [0.0, 0.0]]), np.array([[0.0], [40.0]]))
    >>> needed_alone(chain, 0, 20.0).tolist()
    [0.5, nan]
    """
    ahead = chain.ahead()[:, reward]
    onward = chain.onward
    through = chain.visits() * (chain.to @ ahead)  # what comes of those who go on from each state
    missing = goal - float(chain.total()[reward])
    slope = np.divide(through, onward, out=np.zeros_like(onward), where=onward > 0)
    needed = np.full_like(onward, np.nan)
    can = slope > 0
    needed[can] = onward[can] + missing / slope[can]
    return needed


def needed_together(chain: Forward, reward: int, goal: float) -> tuple[float, F64] | None:
    """The odds ratio by which going on must rise in every state alike so that the chain brings ``goal`` of ``reward``,
    and the chances float64[S] that this means; None where no ratio does.

    >>> chain = Forward(np.array([1.0, 0.0]), np.array([[0.0, 0.25], [0.0, 0.0]]), np.array([[0.0], [40.0]]))
    >>> ratio, chances = needed_together(chain, 0, 20.0)
    >>> round(ratio, 6), chances.round(6).tolist()
    (3.0, [0.5, 0.0])
    """
    from scipy.optimize import brentq

    def miss(log_odds: float) -> float:
        odds = np.full(chain.states, np.exp(log_odds))
        return float(chain.scaled(odds).total()[reward]) - goal

    low, high = -20.0, 20.0
    if miss(low) > 0 or miss(high) < 0:
        return None
    log_odds = float(brentq(miss, low, high, xtol=1e-10))
    return float(np.exp(log_odds)), chain.scaled(np.full(chain.states, np.exp(log_odds))).onward
