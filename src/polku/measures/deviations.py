"""Where what happened differs from the plan: missing, out of sequence, failed, ad hoc, no data."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.journey.model import Touchpoint
from polku.kernels import living as kernel
from polku.kernels.columns import Columns, frozen
from polku.kernels.offmap import off_map
from polku.measures.result import Count, Rate
from polku.measures.rules import fails_of
from polku.measures.selectors import Maker
from polku.measures.view import View

#: An event off the map is told when at least this share of the period's customers had it, and at least so many.
AD_HOC_SHARE = 0.01
AD_HOC_LEAST = 1
AD_HOC_MOST = 20
#: Fewer than this share of those who met a touchpoint out of sequence are a figure and no sign on the map.
MINOR_SHARE = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Deviation:
    """Where what happened differs from the plan.

    kind: ``missing`` (planned here, passed by), ``out_of_sequence`` (met for the first time ever after a later stage
    had been entered), ``failed`` (its fails events), ``ad_hoc`` (frequent, not on the map), ``no_data`` (planned, its
    events were never seen; what failed there is told besides).
    """

    kind: str
    rate: Rate | None = None
    count: Count | None = None
    event: str | None = None  # ad_hoc: the event or page
    page: str | None = None
    stage: str | None = None

    @property
    def minor(self) -> bool:
        """Out of sequence for so few that it is no sign on the map, only a figure: people do come by other ways."""
        share = self.rate.value if self.rate is not None else None
        return self.kind == "out_of_sequence" and share is not None and share < MINOR_SHARE


def deviations(
    view: View, touchpoint: Touchpoint, row: npt.NDArray[np.int64], seen: bool, select: Maker
) -> tuple[Deviation, ...]:
    """The deviations of one touchpoint from its row of the living map's counts; those that nobody made are left out."""
    stage = next(s.id for _, s, t in view.journey.touchpoints() if t.id == touchpoint.id)
    found = [Deviation("no_data", stage=stage)] if touchpoint.match and not seen else []

    def add(kind: str, part: int, whole: int, what: str, of: str) -> None:
        if row[part]:
            behind, everyone = (select("touchpoint", touchpoint.id, asked) for asked in (what, of))
            rate = Rate(int(row[part]), int(row[whole]), behind=behind, behind_all=everyone)
            found.append(Deviation(kind, rate, Count(int(row[part]), behind), stage=stage))

    if seen and touchpoint.match and not touchpoint.optional and for_persona(touchpoint, view.persona):
        add("missing", kernel.T_MISSING, kernel.T_PASSED, "missing", "passed")
    add("out_of_sequence", kernel.T_LATE, kernel.T_ENTERED, "out_of_sequence", "entered")
    add("failed", kernel.T_FAILED, kernel.T_TRIED, "failed", "tried")
    return tuple(found)


def for_persona(touchpoint: Touchpoint, persona: str | None) -> bool:
    """Whether passing the touchpoint by means anything: one that is meant for some personas is only missed by those."""
    return not touchpoint.personas or persona in touchpoint.personas


@dataclasses.dataclass(frozen=True, eq=False)
class OffMap:
    """Events and customers off the map, by event name and by page (int64[n, 2]); and all customers there."""

    groups: npt.NDArray[np.int64]
    pages: npt.NDArray[np.int64]
    customers: int

    def __add__(self, other: OffMap) -> OffMap:
        return OffMap(self.groups + other.groups, self.pages + other.pages, self.customers + other.customers)


def codes_off(view: View) -> npt.NDArray[np.bool_]:
    """bool[codes]: neither a touchpoint nor the failure of one, nor the survey that measures a touchpoint's feeling."""
    off = (view.rules.code_touchpoint < 0) & (fails_of(view.trails.tables, view.journey.touchpoint_ids) < 0)
    surveys = {f.event for _, _, t in view.journey.touchpoints() if (f := view.journey.felt_at(t)) is not None}
    told = np.array([name in surveys or name in QUIET for name in view.trails.tables.code_event], np.bool_)
    return np.asarray(frozen(off & ~told, np.bool_))


#: The canonical name of a page view.
PAGE = "page"
#: Events by which tools introduce a customer; no meeting, so no deviation.
QUIET = frozenset({"identify", "alias", "group"})


def ad_hoc(view: View) -> tuple[Deviation, ...]:
    """Frequent events of the period that the map lacks, most customers first; page views are told page by page.

    Told are those of at least 1 % of the view's customers, the 20 most frequent of them.
    """
    off = codes_off(view)
    if not off.any() or not view.columns:
        return ()
    tables = view.trails.tables
    names = sorted({name for code, name in enumerate(tables.code_event) if off[code]})
    group = frozen([names.index(n) if off[c] else -1 for c, n in enumerate(tables.code_event)], np.int32)
    work = functools.partial(_count, group, len(names), len(tables.pages), view.start, view.end)
    zero = OffMap(np.zeros((len(names), 2), np.int64), np.zeros((len(tables.pages), 2), np.int64), 0)
    total = view.sum(work, zero)
    customers = total.customers
    least = max(AD_HOC_LEAST, AD_HOC_SHARE * customers)
    found = []

    def add(n: int, behind: str, event: str, page: str | None) -> None:
        if n >= least:
            found.append(Deviation("ad_hoc", Rate(n, customers, behind=behind), Count(n, behind), event, page))

    for g, name in enumerate(names):
        if name != PAGE:
            add(int(total.groups[g, 1]), view.select("event", name, "seen"), name, None)
    for page in np.flatnonzero(total.pages[:, 1] >= least):
        path = tables.pages[int(page)]
        add(int(total.pages[page, 1]), view.select("page", path, "seen"), PAGE, path)
    found.sort(key=lambda d: (-(d.count.n if d.count else 0), d.event or "", d.page or ""))
    return tuple(found[:AD_HOC_MOST])


def _count(group: npt.NDArray[np.int32], groups: int, pages: int, start: int, end: int, bucket: Columns) -> OffMap:
    return OffMap(*off_map(bucket, group, groups, pages, start, end))
