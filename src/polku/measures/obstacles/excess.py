"""What of an event that stops people is above the ordinary: payments fail for all at times, for one browser often."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.kernels import obstacles as kernel
from polku.kernels import sessions
from polku.kernels.columns import Columns
from polku.measures.obstacles.comparing import (
    NOTHING,
    Comparison,
    Ground,
    both_show,
    compare,
    shown_at,
    visit_of,
)
from polku.measures.obstacles.suspects import U8, Looked
from polku.statistics.rates import normal_quantile

LEVEL = 0.95
#: What surely comes to some so many times as often as to the others is theirs; less is no fault of one browser.
FAR_MORE = 5.0


@dataclasses.dataclass(frozen=True, eq=False)
class Excess:
    """How much of an event that stops people is above what is ordinary: it comes in a share ``here`` of the visits of
    some (one browser), ``elsewhere`` in those of the others; ``found`` prices it among the former.
    """

    found: Comparison
    what: str  # the property, and the touchpoint's number
    own: int
    here: float
    elsewhere: float
    error: float  # of ``share``

    @property
    def share(self) -> float:
        """Of the former's meetings, those that would not be if it came to them as it comes to the others."""
        return 1 - self.elsewhere / self.here


def excess(base: Ground, accused: Looked, signs: Sequence[Looked]) -> Excess | None:
    """Where an event comes far more often to some than to the others; None where nothing tells them apart, or too few
    met it there.

    ``signs`` are the properties' values in which it shows. Those of the property and touchpoint that tell most go
    together. What comes to everyone now and then (a card that is declined) cannot be mended with them.
    """
    together: dict[tuple[str, int], list[Looked]] = {}
    for sign in signs:
        together.setdefault((sign.suspect.what, sign.own), []).append(sign)
    best: tuple[float, Looked, tuple[float, float, float, float]] | None = None
    for some in together.values():
        hits = tuple(_any_of(parts) for parts in zip(*(s.hits for s in some), strict=True))
        sign = dataclasses.replace(some[0], hits=hits)
        work = functools.partial(both_show, base.way.place, sign.own, accused.own)
        counts = np.sum(base.view.map_with(work, base.segments, sign.hits, accused.hits), axis=0, initial=0)
        both, here, both_others, others = (float(n) for n in counts)
        if not both or not others:
            continue
        p, q = both / here, both_others / others
        error = math.sqrt(p * (1 - p) / here + q * (1 - q) / others)
        if error > 0 and (best is None or (p - q) / error > best[0]):
            best = ((p - q) / error, sign, (both, here, both_others, others))
    if best is None:
        return None
    _, sign, (both, here, both_others, others) = best
    p, q = both / here, both_others / others
    # the error of a ratio of two independent shares, by their logarithms (Katz and others, Biometrics 34, 1978)
    logarithm = math.sqrt((1 - p) / both + ((1 - q) / both_others if both_others else 0.0))
    if q > 0 and math.log(p / q) - normal_quantile(LEVEL) * logarithm < math.log(FAR_MORE):
        return None
    there = functools.partial(_in_visits_of, base.way.place, sign.own)
    met = base.view.map_with(there, base.segments, accused.hits, sign.hits)
    priced = compare(base, dataclasses.replace(accused, hits=tuple(met)), [NOTHING] * len(met))
    if not priced:
        return None
    return Excess(priced[0], sign.suspect.what, sign.own, p, q, q / p * logarithm)


def _any_of(hits: Sequence[U8]) -> U8:
    """Words of ``hit``: SUSPECT where any of them says so, UNKNOWN where any knows nothing, else OTHER."""
    parts = np.stack(hits)
    found = np.where((parts == kernel.UNKNOWN).any(axis=0), kernel.UNKNOWN, kernel.OTHER)
    found[(parts == kernel.SUSPECT).any(axis=0)] = kernel.SUSPECT
    return found.astype(np.uint8)


def _in_visits_of(
    place: npt.NDArray[np.int16], own: int, bucket: Columns, segments: sessions.Segments, hit: U8, sign: U8
) -> U8:
    """uint8[N]: ``hit``, but only in visits in which the sign shows."""
    visit = visit_of(bucket, segments)
    shows = np.zeros(len(segments.starts), np.bool_)
    shows[visit[shown_at(sign, kernel.SUSPECT, place, own, bucket, visit)]] = True
    kept = np.zeros(len(hit), np.bool_)
    kept[visit >= 0] = shows[visit[visit >= 0]]
    return np.where(kept, hit, kernel.OTHER).astype(np.uint8)
