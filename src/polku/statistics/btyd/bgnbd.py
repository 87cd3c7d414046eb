"""BG/NBD: customers buy at a rate of their own, and may leave for good after any repeat purchase.

P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting your customers" the easy way: an alternative to the Pareto/NBD
model, Marketing Science 24 (2005).
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
class BGNBD:
    """Rates of buying ~ Gamma(``r``, ``alpha``), ``alpha`` a time; chances to leave ~ Beta(``a``, ``b``)."""

    r: float
    alpha: float
    a: float
    b: float

    name: ClassVar[str] = "BG/NBD"
    FIRST: ClassVar[bool] = False

    def log_likelihood(self, rows: Histories) -> F64:
        """float64[n] of one customer of each row."""
        return geometric.log_likelihood(rows, self.r, self.alpha, self.a, self.b, self.FIRST)

    def alive(self, rows: Histories) -> F64:
        """float64[n]: the probability of not having left; 1 for those who bought once."""
        return geometric.alive(self, rows, self.FIRST)

    def expected(self, rows: Histories, time: float, rate: float = 0.0) -> F64:
        """float64[n]: purchases expected in the next ``time``, discounted at ``rate`` (continuous, per unit of time).

        The paper's customer who bought twice, last at week 30.43 of 38.86, over the next 39 weeks:

        >>> from polku.statistics.btyd.histories import histories
        >>> one, _ = histories([2], [30.43], [38.86])
        >>> BGNBD(0.243, 4.414, 0.793, 2.426).expected(one, 39).round(3).tolist()
        [1.226]
        """
        return geometric.coming(self, rows, time, rate, self.FIRST)

    def expected_new(self, time: float) -> float:
        """Repeat purchases expected of a new customer in the ``time`` after the first purchase."""
        return geometric.coming_new(self, time, self.FIRST)


def fit_bgnbd(rows: Histories) -> Fit[BGNBD] | NoFit:
    """Fit by maximum likelihood. ``alpha`` comes out in the unit of the rows' times."""
    return geometric.fit(BGNBD, rows, BGNBD.FIRST)
