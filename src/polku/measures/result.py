"""What every measure's result is made of: frozen values with numerator, denominator, and who is behind."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from polku.language import N_

#: A rate over fewer customers than this is shown but not judged against a target.
ENOUGH = 30

State = Literal["on_target", "behind", "too_few", "no_target", "no_data"]
STATES: dict[State, str] = {
    "on_target": N_("on target"),
    "behind": N_("behind"),
    "too_few": N_("too few to say"),
    "no_target": N_("no target"),
    "no_data": N_("no data"),
}


#: What a number counts. Whatever it is, the list behind it is one of customers: those whose visits or events these are.
Unit = Literal["customers", "visits", "sessions", "views", "events", "answers", "accounts", "times"]


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """A span of time, ``start`` inclusive and ``end`` exclusive, both aware; None is open."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """A number of customers (or of what ``unit`` says) and the selector that lists them (polku.measures.selectors)."""

    n: int
    behind: str | None = None
    unit: Unit = "customers"


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """``numerator`` of ``denominator``; ``pending`` had not had their time and are in neither.

    ``value`` is None, with ``reason``, when there is nobody to divide by. ``unit`` is what is counted in it; where the
    denominator counts something else, ``unit_all`` says so.
    """

    numerator: int
    denominator: int
    pending: int = 0
    behind: str | None = None  # those in the numerator
    behind_not: str | None = None  # those in the denominator who did not
    behind_pending: str | None = None
    why: str | None = None  # why there can be no rate at all ("no stage follows"), whatever the counts
    behind_all: str | None = None  # those in the denominator
    unit: Unit = "customers"
    unit_all: Unit | None = None

    @property
    def value(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None

    @property
    def reason(self) -> str | None:
        if self.why is not None:
            return self.why
        if self.denominator == 0:
            return N_("nobody has had their time yet") if self.pending else N_("nobody came here in this period")
        if self.denominator < ENOUGH:
            return N_("too few to say")
        return None

    def interval(self, z: float = 1.959963984540054) -> tuple[float, float] | None:
        """Wilson's score interval (E. B. Wilson, JASA 22, 1927), 95 % by default; None when the denominator is 0."""
        n = self.denominator
        if n == 0:
            return None
        p = self.numerator / n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * ((p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5)
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclasses.dataclass(frozen=True, slots=True)
class Quantiles:
    """Seconds: lower quartile, median, upper quartile over ``n``, those timed; None when n is 0."""

    n: int
    q25: float | None = None
    median: float | None = None
    q75: float | None = None
    behind: str | None = None  # those timed
    unit: Unit = "customers"


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A figure that is estimated, with its interval (95 % unless the measure says another) and the ``n`` behind it.

    ``value`` is None, with ``reason``, when it cannot be known; a ``reason`` beside a value is a caution.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str | None = None
    behind: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Money:
    amount: float
    currency: str
    orders: int = 0
    behind: str | None = None  # those whose money it is


def to_dict(result: Any) -> Any:
    """Plain data of any result, for JSON: dataclasses to dicts, rates with their value, interval and reason spelled
    out.
    """
    if isinstance(result, Rate):
        return {
            "value": result.value,
            "numerator": result.numerator,
            "denominator": result.denominator,
            "pending": result.pending,
            "interval": result.interval(),
            "reason": result.reason,
            "behind": result.behind,
            "behind_not": result.behind_not,
            "behind_pending": result.behind_pending,
            "behind_all": result.behind_all,
            "unit": result.unit,
        }
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {f.name: to_dict(getattr(result, f.name)) for f in dataclasses.fields(result)}
    if isinstance(result, (tuple, list)):
        return [to_dict(r) for r in result]
    if isinstance(result, Mapping):
        return {str(k): to_dict(v) for k, v in result.items()}
    if isinstance(result, np.ndarray):
        return to_dict(result.tolist())
    if isinstance(result, np.generic):
        return to_dict(result.item())
    if isinstance(result, float) and not math.isfinite(result):
        return None  # JSON has no word for it
    if isinstance(result, (dt.datetime, dt.date)):
        return result.isoformat()
    return result
