"""BG/BB: purchases at set occasions (a yearly gift, a monthly order), bought or not at each, until the customer leaves.

P. S. Fader, B. G. S. Hardie and J. Shang, Customer-base analysis in a discrete-time noncontractual setting, Marketing
Science 29 (2010).
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from polku.statistics.btyd.fitting import Fit, NoFit, Objective, fit_model, nothing_to_fit, numeric
from polku.statistics.btyd.histories import Histories

F64 = npt.NDArray[np.float64]
#: More distinct histories than this are first fitted by a sample of this many, and then as they are.
ROUGH = 300
STARTS = ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, -0.5, 1.0), (-1.0, 0.5, 0.0, 2.0))


@dataclasses.dataclass(frozen=True, slots=True)
class BGBB:
    """Chances to buy at an occasion ~ Beta(``alpha``, ``beta``); to leave before one ~ Beta(``gamma``, ``delta``).

    Times are whole numbers of occasions: ``age`` n, how many there have been since the first purchase, ``recency`` t_x,
    at which of them the last purchase was made, ``frequency`` x, at how many.
    """

    alpha: float
    beta: float
    gamma: float
    delta: float

    name: ClassVar[str] = "BG/BB"

    def log_likelihood(self, rows: Histories) -> F64:
        """float64[n] of one customer of each row: alive to the end, or left before one of the occasions after the
        last purchase.
        """
        from scipy.special import betaln

        total = np.logaddexp(self._stayed(rows), self._left(rows))
        return np.asarray(total - betaln(self.alpha, self.beta) - betaln(self.gamma, self.delta))

    def alive(self, rows: Histories) -> F64:
        """float64[n]: the probability of still being there at the next occasion, n + 1.

        >>> from polku.statistics.btyd.histories import histories
        >>> some, _ = histories([0, 3, 6], [0, 4, 6], [6, 6, 6])
        >>> BGBB(1.204, 0.750, 0.657, 2.783).alive(some).round(2).tolist()
        [0.11, 0.44, 0.93]
        """
        return self._ahead(rows, 1) * self._now(rows)

    def expected(self, rows: Histories, time: float, rate: float = 0.0) -> F64:
        """float64[n]: purchases expected at the next ``time`` occasions (a part of one counts as its share),
        discounted at ``rate`` (continuous, per occasion).

        Figures of the paper's donors over the next five years, of those who gave never, and six times of six:

        >>> from polku.statistics.btyd.histories import histories
        >>> some, _ = histories([0, 6], [0, 6], [6, 6])
        >>> BGBB(1.204, 0.750, 0.657, 2.783).expected(some, 5).round(2).tolist()
        [0.07, 3.75]
        """
        mean = (self.alpha + rows.frequency) / (self.alpha + self.beta + rows.age)
        total = np.zeros(len(rows))
        for occasion in range(1, int(np.ceil(time)) + 1):
            share = min(1.0, time - (occasion - 1))
            total += share * np.exp(-rate * occasion) * self._ahead(rows, occasion)
        return np.asarray(self._now(rows) * mean * total)

    def expected_new(self, time: float) -> float:
        """Repeat purchases expected of a new customer at the ``time`` occasions after the first purchase."""
        none = np.zeros(1)
        return float(self.expected(Histories(none.astype(np.int64), none, none, np.ones(1)), time)[0])

    def _stayed(self, rows: Histories) -> F64:
        from scipy.special import betaln

        x, n = rows.frequency.astype(np.float64), rows.age
        return np.asarray(betaln(self.alpha + x, self.beta + n - x) + betaln(self.gamma, self.delta + n))

    def _left(self, rows: Histories) -> F64:
        """The logarithm of the sum over the occasions t_x, ..., n - 1 after which the customer may have left.

        Numbers are whole, so that rows share their terms: for each pair of x and n they are added up once, from the
        last occasion backwards.
        """
        from scipy.special import betaln, gammaln

        pairs, pair_of = np.unique(np.stack([rows.frequency, rows.age.astype(np.int64)]), axis=1, return_inverse=True)
        x, n = pairs
        last = int(n.max(initial=0))
        seen = np.arange(last)
        bought, missed = gammaln(self.alpha + np.arange(last + 1)), gammaln(self.beta + np.arange(last + 1))
        shared = betaln(self.gamma + 1, self.delta + seen) - gammaln(self.alpha + self.beta + seen)
        terms = bought[x][:, None] + missed[np.maximum(seen - x[:, None], 0)] + shared
        terms = np.where((seen >= x[:, None]) & (seen < n[:, None]), terms, -np.inf)
        sums = np.full((len(x), last + 1), -np.inf)
        sums[:, :last] = np.logaddexp.accumulate(terms[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(sums[pair_of, rows.recency.astype(np.int64)])

    def _now(self, rows: Histories) -> F64:
        """The probability of having been there at the last occasion, n."""
        from scipy.special import betaln

        whole = self.log_likelihood(rows) + betaln(self.alpha, self.beta) + betaln(self.gamma, self.delta)
        return np.asarray(np.exp(self._stayed(rows) - whole))

    def _ahead(self, rows: Histories, occasions: int) -> F64:
        """The probability that one who was there at occasion n still is ``occasions`` later."""
        from scipy.special import betaln

        n = rows.age
        return np.asarray(np.exp(betaln(self.gamma, self.delta + n + occasions) - betaln(self.gamma, self.delta + n)))


def fit_bgbb(rows: Histories) -> Fit[BGBB] | NoFit:
    """Fit by maximum likelihood. Raises ValueError where times are no whole numbers of occasions, or a customer has
    bought more often than there were occasions.
    """
    if (rows.age != np.floor(rows.age)).any() or (rows.recency != np.floor(rows.recency)).any():
        raise ValueError("BG/BB counts time in occasions: recency and age must be whole numbers")
    if (rows.frequency > rows.recency).any():
        raise ValueError("a customer buys at most once at an occasion: frequency is greater than recency")
    if (nothing := nothing_to_fit(rows)) is not None:
        return nothing
    rough = _objective(rows.sample(ROUGH)) if len(rows) > ROUGH else None
    return fit_model(BGBB, _objective(rows), STARTS, rows.total, rough=rough)


def _objective(rows: Histories) -> Objective:
    def value(point: F64) -> float:
        return float(-(rows.customers @ BGBB(*np.exp(point).tolist()).log_likelihood(rows)) / rows.total)

    return numeric(value)
