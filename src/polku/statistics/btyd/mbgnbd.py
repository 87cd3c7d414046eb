"""MBG/NBD: as BG/NBD, but a customer may leave right after the first purchase too.

So those who bought once are not held to be alive for ever, which suits shops where most buy only once.

E. P. Batislam, M. Denizel and A. Filiztekin, Empirical validation and comparison of models for customer base analysis,
International Journal of Research in Marketing 24 (2007).
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from polku.statistics.btyd import geometric
from polku.statistics.btyd.fitting import Fit, NoFit
from polku.statistics.btyd.histories import Histories

F64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class MBGNBD:
    """Rates of buying ~ Gamma(``r``, ``alpha``), ``alpha`` a time; chances to leave ~ Beta(``a``, ``b``)."""

    r: float
    alpha: float
    a: float
    b: float

    name: ClassVar[str] = "MBG/NBD"
    FIRST: ClassVar[bool] = True

    def log_likelihood(self, rows: Histories) -> F64:
        """float64[n] of one customer of each row."""
        return geometric.log_likelihood(rows, self.r, self.alpha, self.a, self.b, self.FIRST)

    def alive(self, rows: Histories) -> F64:
        """float64[n]: the probability of not having left."""
        return geometric.alive(self, rows, self.FIRST)

    def expected(self, rows: Histories, time: float, rate: float = 0.0) -> F64:
        """float64[n]: purchases expected in the next ``time``, discounted at ``rate`` (continuous, per unit of time).

        >>> from polku.statistics.btyd.histories import histories
        >>> one, _ = histories([2], [30.43], [38.86])
        >>> MBGNBD(0.525, 6.183, 0.891, 1.614).expected(one, 39).round(2).tolist()
        [1.26]
        """
        return geometric.coming(self, rows, time, rate, self.FIRST)

    def expected_new(self, time: float) -> float:
        """Repeat purchases expected of a new customer in the ``time`` after the first purchase."""
        return geometric.coming_new(self, time, self.FIRST)


def fit_mbgnbd(rows: Histories) -> Fit[MBGNBD] | NoFit:
    """Fit by maximum likelihood. ``alpha`` comes out in the unit of the rows' times."""
    return geometric.fit(MBGNBD, rows, MBGNBD.FIRST)
