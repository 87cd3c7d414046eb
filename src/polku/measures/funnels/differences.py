"""How much two rates differ, with an interval, and how sure one can be after many looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from polku.language import N_, Reader
from polku.measures.answer import Cell
from polku.measures.result import Rate
from polku.statistics.multiple import holm
from polku.statistics.rates import newcombe, two_proportions

NO_BASE = N_("what the others are held against")


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A rate minus another, with Newcombe's 95 % interval; ``p`` of a two-sided test, ``p_adjusted`` for all looks.

    What cannot be known is None, with ``reason``.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    reason: str | None = None


def difference(rate: Rate, other: Rate | None) -> Difference:
    """``rate`` minus ``other``; None: there is nothing to hold it against.

    >>> d = difference(Rate(56, 70), Rate(48, 80))
    >>> round(d.value, 4), round(d.low, 4), round(d.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    if other is None:
        return Difference(None, reason=NO_BASE)
    found = newcombe(rate.numerator, rate.denominator, other.numerator, other.denominator)
    test = two_proportions(rate.numerator, rate.denominator, other.numerator, other.denominator)
    return Difference(found.value, found.low, found.high, test.p, test.p, found.reason or test.reason)


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """The same with p-values adjusted by Holm's method over all of them."""
    found = holm([d.p for d in differences])
    return [dataclasses.replace(d, p_adjusted=p) for d, p in zip(differences, found, strict=True)]


def difference_cell(found: Difference, reader: Reader) -> Cell:
    """ "+3.1 %" with its interval as the note; or a dash with the reason."""
    if found.value is None or found.low is None or found.high is None:
        return Cell("–", found.value, number=True, note=reader(found.reason) if found.reason else None)
    note = reader(N_("{low} to {high}"), low=signed(found.low, reader), high=signed(found.high, reader))
    return Cell(signed(found.value, reader), found.value, number=True, note=note)


def signed(share: float, reader: Reader) -> str:
    """A share with its sign; what rounds to nothing has none.

    >>> signed(0.031, Reader("en")), signed(-0.0002, Reader("en"))
    ('+3.1%', '0.0%')
    """
    if abs(share) < 0.0005:
        return reader.percent(0.0)
    return ("+" if share > 0 else "") + reader.percent(share)


def p_cell(found: Difference, reader: Reader) -> Cell:
    if found.p_adjusted is None:
        return Cell("–", None, number=True, note=reader(found.reason) if found.reason else None)
    shown = "< 0.001" if found.p_adjusted < 0.001 else reader.number(found.p_adjusted, 3)
    return Cell(shown.replace(".", ",") if reader.language == "fi" else shown, found.p_adjusted, number=True)
