"""Many looks at once: p-values adjusted so that they can be read as if there had been one look.

A p-value that is None (there was nothing to test) stays None and does not count as a look.
"""

from __future__ import annotations

from collections.abc import Sequence


def _ranked(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    for p in p_values:
        if p is not None and not 0.0 <= p <= 1.0:
            raise ValueError(f"a p-value lies between 0 and 1, not {p}")
    return sorted((p, i) for i, p in enumerate(p_values) if p is not None)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values of Holm's step-down method, in the order given: rejecting those <= alpha holds the chance of
    even one false finding at alpha, whatever the dependence.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    ranked = _ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    so_far = 0.0
    for k, (p, i) in enumerate(ranked):
        so_far = max(so_far, min(1.0, (len(ranked) - k) * p))
        adjusted[i] = so_far
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values of the step-up method of Benjamini and Hochberg, in the order given: of those <= q, a share of
    at most q is expected to be false findings, for independent or positively dependent tests.

    Y. Benjamini and Y. Hochberg, Controlling the false discovery rate, JRSS B 57 (1995).

    >>> benjamini_hochberg([0.01, 0.04, None, 0.03])
    [0.03, 0.04, None, 0.04]
    """
    ranked = _ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    so_far = 1.0
    for k in range(len(ranked) - 1, -1, -1):
        p, i = ranked[k]
        so_far = min(so_far, p * len(ranked) / (k + 1))
        adjusted[i] = so_far
    return adjusted


def selected_level(level: float, selected: int, of: int) -> float:
    """The level at which intervals of ``selected`` findings out of ``of`` looks keep their promise on average.

    Intervals that are shown because their effect was found are too narrow at ``level``; at 1 - (1 - level) x selected /
    of, the expected share of shown intervals that miss is at most 1 - level (Y. Benjamini and D. Yekutieli, False
    discovery rate-adjusted multiple confidence intervals, JASA 100, 2005). Nothing selected: ``level`` itself.

    >>> round(selected_level(0.95, 5, 100), 4)
    0.9975
    """
    if not 0 <= selected <= of:
        raise ValueError(f"{selected} of {of} cannot have been selected")
    return level if not selected else 1.0 - (1.0 - level) * selected / of
