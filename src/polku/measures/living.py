"""The living map: the journey with its live numbers, one value that the page, the terminal and the API all draw."""

from __future__ import annotations

import dataclasses
import datetime as dt

from polku.measures.result import Count, Money, Period, Quantiles, Rate, State


@dataclasses.dataclass(frozen=True, slots=True)
class Deviation:
    """Where what happened differs from the plan.

    kind: ``missing`` (planned here, passed by), ``out_of_sequence`` (met after a later stage), ``failed`` (its fails
    events), ``ad_hoc`` (frequent, not on the map), ``no_data`` (planned, its events were never seen).
    """

    kind: str
    rate: Rate | None = None
    count: Count | None = None
    event: str | None = None             # ad_hoc: the event or page
    page: str | None = None
    stage: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a stage or a touchpoint over the period, and the same of the compared period."""

    reached: Count                       # ever, up to the period's end
    entered: Count                       # in the period
    went_on: Rate                        # of those who entered in the period and have had their time
    drop_off: Rate                       # the rest of the same
    to_next: Quantiles                   # seconds from here to the next stage, of those who went on
    value: Money | None                  # money of the events here in the period
    within: int                          # seconds given to go on
    target: float | None = None
    target_at_least: bool = True
    state: State = "no_target"
    before: Figures | None = None        # the compared period


@dataclasses.dataclass(frozen=True, slots=True)
class StageFigures:
    id: str
    now: Count                           # current stage, not lapsed
    lapsed: Count                        # lapsed from here, now
    lapsed_in: Count                     # lapsed in the period
    won_back: Count                      # won back in the period
    skipped: Count                       # entered a later stage without ever entering this one
    figures: Figures


@dataclasses.dataclass(frozen=True, slots=True)
class TouchpointFigures:
    id: str
    stage: str
    events: int                          # in the period
    figures: Figures
    deviations: tuple[Deviation, ...] = ()
    felt: float | None = None            # measured feeling, -2 to 2
    felt_n: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class LivingMap:
    """All that ``/`` and ``polku status`` show."""

    as_of: dt.datetime                   # the moment up to which time has passed for everyone
    period: Period
    compare: Period | None
    persona: str | None
    segment: str | None
    customers: Count                     # with at least one event of the map
    outside: Count                       # known customers without any
    without_customer: int                # events kept in history that no customer could be named for
    events: int
    first: dt.datetime | None
    last: dt.datetime | None
    stages: tuple[StageFigures, ...]
    touchpoints: tuple[TouchpointFigures, ...]
    ad_hoc: tuple[Deviation, ...]        # off the map, most customers first
    warnings: tuple[str, ...] = ()       # matchers on events never seen, currencies mixed, ... (translated)
