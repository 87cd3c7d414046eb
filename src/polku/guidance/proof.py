"""Whether a rule helped: everyone it would have reached, treated against held out, with the interval that may be read
on any day, in conversion and in euros.

Both groups are those for whom the rule's first message was due: who was held out is decided by a hash, so the only
difference between them is the rule (a randomised hold-out; R. Kohavi, D. Tang and Y. Xu, Trustworthy online
controlled experiments, Cambridge 2020, chapter 3). A message that was capped, or found no address, leaves its
customer among the treated: they are compared as they were dealt (intention to treat), else the groups would no longer
be alike.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from polku.errors import MeasureError
from polku.guidance.outbox import SENT
from polku.journey.model import Journey, Text
from polku.kernels import experiments as columns_of_acts
from polku.kernels import guidance as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.result import Estimate, Rate
from polku.measures.steps import codes_of, goal_of, title_of
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import View, view_of
from polku.record import tables
from polku.record.clock import moment
from polku.statistics.effects import Effect, Moments, SampleRatio, compare, sample_ratio
from polku.statistics.rates import Compared
from polku.statistics.sequential import confidence_sequence

if TYPE_CHECKING:
    from polku.guidance.rules import Rule
    from polku.record.project import Project

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
DAY = 86400
LEVEL = 0.95
#: The number of people at which the always-valid interval is narrowest: rules of most shops reach some hundreds. With
#: ten times as many it is a tenth wider than it could be, with a tenth as many half as wide again.
TUNED_FOR = 500
TREATED, HELD_OUT = 0, 1
#: The notes by which the engine says to which group a run was dealt.
ARMS = ("treated", "held_out")
#: A forecast of when it will be known looks no further than this.
LONGEST = 365
#: The pace of entries is that of these last days.
PACE = 28
#: The sizes of the groups are an alarm below this p (Fabijan and others, KDD 2019).
MISMATCH = 0.001

NOBODY_HELD = N_("nobody is held out, so there is nothing to compare with")
NOBODY_YET = N_("nobody has entered yet")
NOT_UP = N_("nobody has had their time yet")
FEW = N_("so few that this is rough")
NO_PACE = N_("nobody entered in the last {days} days, so it cannot be told when")
TOO_FAR = N_("not within a year at the present pace and effect")
NO_EFFECT = N_("so far there is no difference that could become known")
NO_GOAL = N_("nothing in the map says what the goal is; name a measure with judge_by")
NO_MONEY = N_("the goal's events have no money")


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Treated or held out: ``entered`` customers, of whom ``reached`` the goal (those whose time is not up apart), and
    the money of the goal a customer.
    """

    entered: int
    reached: Rate
    money: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """When the difference will be known: ``already``, or on ``day``, or None with a ``reason`` (``facts`` fill it)."""

    already: bool
    day: dt.date | None = None
    reason: str | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Funnel:
    """Runs of a rule by how they stand, and its messages: made, by state of the outbox (sent, capped, failed, ...),
    and of the sent those delivered (taken by the receiver and not come back), opened and clicked by people (None: the
    channel tells nothing of it).
    """

    runs: Mapping[str, int]
    made: int
    states: Mapping[str, int]
    delivered: int | None = None
    opened: int | None = None
    clicked: int | None = None
    bounced: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """What a rule did. ``uplift`` is relative where ``of_relative``, else in points; it and ``money`` (of the goal, a
    treated customer) carry the interval that stays true however often one looks. ``credited``: money that all treated
    brought more than they would have, each order counted for one rule only.
    """

    rule: str
    judge_by: str | None
    goal: str | None
    goal_title: Text
    within: int
    level: float
    currency: str | None
    treated: Group
    held_out: Group
    uplift: Estimate
    of_relative: bool
    difference: Estimate
    money: Estimate
    credited: Estimate
    known: Known
    sizes: SampleRatio | None
    messages: Funnel
    unseen: int  # entered, and without an event since: erased, or of a merge

    @property
    def mismatch(self) -> bool:
        """Whether the groups' sizes are an alarm: then no other figure can be trusted."""
        return self.sizes is not None and self.sizes.p is not None and self.sizes.p < MISMATCH


@dataclasses.dataclass(frozen=True, eq=False)
class Entries:
    """First acts of a rule, by customer: ``customer`` int64[n] ascending, ``at`` int64[n] seconds, ``held`` bool[n],
    ``until`` int64[n]: the second from which another rule has credit for what the customer does. ``share`` float64[n]:
    the hold-out by which each was dealt; None: that of the rule.
    """

    customer: I64
    at: I64
    held: npt.NDArray[np.bool_]
    until: I64
    share: F64 | None = None


def entries_of(project: Project, rule: str, since: int = 0) -> Entries:
    """Who came to the first act of ``rule`` first at or after ``since`` (microseconds), from the notes of its runs.

    The engine notes ``treated`` or ``held_out`` at the moment when the message was due and all conditions held, so both
    groups are of those who would have got it. Where a share was held out at some time, those who came while none was
    are left out.
    """
    notes = tables.run_notes
    dealt = (notes.c.what.in_(ARMS), notes.c.known >= since)
    columns = (notes.c.customer, notes.c.known, notes.c.id, notes.c.what, notes.c.facts)
    mine = sa.select(*columns).where(notes.c.rule == rule, *dealt)
    whose = sa.select(notes.c.customer).where(notes.c.rule == rule, *dealt)
    others = sa.select(notes.c.customer, notes.c.known).where(notes.c.rule != rule, notes.c.customer.in_(whose), *dealt)
    first: dict[int, tuple[int, int, bool]] = {}
    shares: dict[int, float] = {}
    nexts: dict[int, int] = {}
    with project.state.engine.connect() as connection:
        for customer, at, number, what, facts in connection.execute(mine):
            key = (at, number, what == ARMS[HELD_OUT])
            if customer not in first or key < first[customer]:
                first[customer] = key
                shares[customer] = json.loads(facts).get("share", math.nan)
        for customer, at in connection.execute(others):
            if at > first[customer][0] and at < nexts.get(customer, 1 << 62):
                nexts[customer] = at
    # who came while nobody could be held out is compared with nobody: it was another time
    compared = [c for c in first if shares[c] != 0]
    order = sorted(compared or first)
    return Entries(
        np.array(order, np.int64),
        np.array([first[c][0] // 1_000_000 for c in order], np.int64),
        np.array([first[c][2] for c in order], np.bool_),
        np.array([nexts[c] // 1_000_000 if c in nexts else int(columns_of_acts.UNLIMITED) for c in order], np.int64),
        np.array([shares[c] for c in order], np.float64),
    )


def planned(entries: Entries, share: float) -> float:
    """The share of those who entered that was to be held out: a map may change it, and the groups are judged by the
    shares by which they were dealt. ``share``: the rule's own, where a deal says none."""
    if entries.share is None or not len(entries.share):
        return share
    return float(np.where(np.isnan(entries.share), share, entries.share).mean())


def judged(journey: Journey, rule: Rule) -> tuple[str | None, int]:
    """The goal (a touchpoint or an event) and the seconds after entry that judge ``rule``.

    Those of its ``judge_by``; else what it leads to (``until``), what calls it off (``without``), or the map's goal,
    within the map's window. None where nothing says what the goal is.
    """
    measure = journey.measures.get(rule.judge_by) if rule.judge_by else None
    if measure is not None:
        goal = measure.to or (measure.steps[-1] if measure.steps else None)
        return goal or _goal_of(journey), measure.within or journey.window
    for matcher in (*rule.exits, *rule.trigger.without):
        if matcher.kind in ("touchpoint", "event") and matcher.where is None:
            return matcher.name, journey.window
    return _goal_of(journey), journey.window


def _goal_of(journey: Journey) -> str | None:
    try:
        return goal_of(journey)
    except MeasureError:  # the map names none: then there is nothing to judge by
        return None


def proof(project: Project, rule: Rule, *, since: int = 0, level: float = LEVEL, view: View | None = None) -> Proof:
    """The proof of ``rule``: those who first entered it at or after ``since`` (microseconds since 1970).

    ``view``: of the project's trails, where one is open already. Raises MissingExtraError without tea-tasting (extra
    ``models``).
    """
    view = view_of(project) if view is None else view
    entries = entries_of(project, rule.id, since)
    return proof_of(view, rule, entries, level=level, messages=messages_of(project, rule.id, since))


def proof_of(view: View, rule: Rule, entries: Entries, *, level: float = LEVEL, messages: Funnel) -> Proof:
    """The same of entries that are known already."""
    goal, within = judged(view.journey, rule)
    did, up, held = acts_of(view, entries, goal, within)
    unseen = len(entries.customer) - len(held)
    sums = [_moments(did[up & (held == bool(k))]) for k in (TREATED, HELD_OUT)]
    reached, value, credited = ([parts[i] for parts in sums] for i in range(3))
    groups = [_group(did[held == bool(k)], up[held == bool(k)], reached[k], value[k]) for k in (TREATED, HELD_OUT)]
    why = NO_GOAL if goal is None else _why_not(groups)
    found = compare(reached[TREATED], reached[HELD_OUT], cuped=True, rate=True, level=level)
    estimate, relative = uplift_of(found, level, why)
    money = no_sums(view)
    if money is None and value[TREATED].n + value[HELD_OUT].n and not (value[TREATED] + value[HELD_OUT]).scatter[0, 0]:
        money = NO_MONEY
    each = _money(value, level, why or money)
    share = planned(entries, rule.holdout)
    sizes = sample_ratio((groups[0].entered, groups[1].entered), (1 - share, share)) if 0 < share < 1 else None
    return Proof(
        rule=rule.id, judge_by=rule.judge_by, goal=goal, goal_title=title_of(view.journey, goal or ""),
        within=within, level=level, currency=currency_of(view), treated=groups[TREATED], held_out=groups[HELD_OUT],
        uplift=estimate, of_relative=relative, difference=_sequence(found.absolute, found.error, found, level, why),
        money=each, credited=_times(_money(credited, level, why or money), groups[TREATED].reached.denominator),
        known=known_when(found, level, view.as_of, within, entries, why), sizes=sizes, messages=messages,
        unseen=unseen,
    )  # fmt: skip


def acts_of(view: View, entries: Entries, goal: str | None, within: int) -> tuple[F64, npt.NDArray[np.bool_], Any]:
    """What those who entered did (float64[n, 5], see the kernel), whether their time is up, and whether they were held
    out; those without a trail left out.
    """
    starts, untils, held = [], [], []
    for bucket in view.buckets:
        place = np.searchsorted(entries.customer, bucket.customer)
        at = np.minimum(place, max(len(entries.customer) - 1, 0))
        if len(entries.customer):
            here = entries.customer[at] == bucket.customer
        else:
            here = np.zeros(bucket.customers, np.bool_)
        start, until = np.full(bucket.customers, -1, np.int64), np.zeros(bucket.customers, np.int64)
        start[here], until[here] = entries.at[at[here]], entries.until[at[here]]
        dealt = np.zeros(bucket.customers, np.bool_)
        dealt[here] = entries.held[at[here]]
        starts.append(start)
        untils.append(until)
        held.append(dealt)
    codes = (
        codes_of(view, goal) if goal is not None and _seen(view, goal) else np.zeros(view.trails.tables.codes, np.bool_)
    )
    work = functools.partial(_acts, codes, within, view.as_of)
    parts = view.map_with(work, starts, untils)
    kept = [(s >= 0) & ~c.skip for s, c in zip(starts, view.columns, strict=True)]
    if not parts:
        return np.zeros((0, 5)), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    did = np.concatenate([d[k] for (d, _), k in zip(parts, kept, strict=True)])
    up = np.concatenate([u[k] for (_, u), k in zip(parts, kept, strict=True)])
    return did, up, np.concatenate([h[k] for h, k in zip(held, kept, strict=True)])


def _seen(view: View, goal: str) -> bool:
    """Whether the goal is a touchpoint, or an event that has happened."""
    return goal in view.journey.touchpoint_ids or goal in view.trails.tables.code_event


def _acts(goal: Any, within: int, as_of: int, bucket: Columns, start: I64, until: I64) -> tuple[F64, Any]:
    did, up = kernel.outcomes_after(bucket, start, until, goal, within, 30 * DAY, as_of)
    return did, up


def _moments(did: F64) -> tuple[Moments, Moments, Moments]:
    """Of conversion, of money, and of money that is this rule's alone; each with the time before beside it."""
    one = np.ones(len(did))
    count, value, before, before_value = (did[:, k] for k in range(4))
    return (
        Moments.of(np.column_stack([count > 0, one, before > 0, one]).astype(np.float64)),
        Moments.of(np.column_stack([value, one, before_value, one])),
        Moments.of(np.column_stack([did[:, kernel.CREDITED], one, before_value, one])),
    )


def _group(did: F64, up: npt.NDArray[np.bool_], reached: Moments, value: Moments) -> Group:
    n = int(np.count_nonzero(did[up][:, 0] > 0))
    rate = Rate(n, int(np.count_nonzero(up)), int(np.count_nonzero(~up)))
    return Group(len(did), rate, float(value.mean[0]) if value.n else None)


def _why_not(groups: Sequence[Group]) -> str | None:
    if not groups[TREATED].entered:
        return NOBODY_YET
    if not groups[HELD_OUT].entered:
        return NOBODY_HELD
    return NOT_UP if not all(g.reached.denominator for g in groups) else None


def uplift_of(found: Effect, level: float, why: str | None = None) -> tuple[Estimate, bool]:
    """The uplift with its always-valid interval, relative where the held-out did reach the goal, else in points."""
    if found.relative_error is not None:
        return _sequence(found.relative, found.relative_error, found, level, why), True
    return _sequence(found.absolute, found.error, found, level, why), False


def _sequence(read: Compared, error: float | None, found: Effect, level: float, why: str | None) -> Estimate:
    n = found.n + found.base_n
    if why is not None:
        return Estimate(None, n=n, reason=why)
    sequence = confidence_sequence(read.value, error, n, level, TUNED_FOR)
    rough = FEW if found.tested.method == "fisher" else None
    reason = read.reason or found.tested.reason if error is None else rough
    return Estimate(sequence.value, sequence.low, sequence.high, n, reason)


def _money(sums: Sequence[Moments], level: float, why: str | None) -> Estimate:
    if why is not None:
        return Estimate(None, n=sums[TREATED].n + sums[HELD_OUT].n, reason=why)
    found = compare(sums[TREATED], sums[HELD_OUT], cuped=True, level=level)
    return _sequence(found.absolute, found.error, found, level, None)


def _times(each: Estimate, n: int) -> Estimate:
    """A figure a customer, over ``n`` of them."""
    value, low, high = (None if x is None else x * n for x in (each.value, each.low, each.high))
    return Estimate(value, low, high, each.n, each.reason)


def known_when(found: Effect, level: float, as_of: int, within: int, entries: Entries, why: str | None) -> Known:
    """When the interval of the difference will leave 0 out, if effect and pace stay as they are.

    The standard error shrinks with the root of the number of people, so the confidence sequence's half-width at n
    people is known beforehand; the least n at which it is below the difference is looked for.
    """
    if why is not None or found.error is None or found.absolute.value is None:
        return Known(False, reason=why or found.absolute.reason or found.tested.reason)
    value, n = found.absolute.value, found.n + found.base_n
    if _half(found.error, n, n, level) < abs(value):
        return Known(True)
    recent = int(np.count_nonzero(entries.at > as_of - PACE * DAY))
    if not recent:
        return Known(False, reason=NO_PACE, facts={"days": PACE})
    if value == 0:
        return Known(False, reason=NO_EFFECT)
    begun = int(entries.at.min())
    a_day = recent / max(1.0, min(PACE, (as_of - begun) / DAY))
    most = n + math.ceil(a_day * LONGEST)
    if _half(found.error, n, most, level) >= abs(value):
        return Known(False, reason=TOO_FAR)
    low, high = n, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _half(found.error, n, middle, level) < abs(value) else (middle, high)
    pending = len(entries.at) - n
    days = max(high - n - pending, 0) / a_day + within / DAY
    day = dt.datetime.fromtimestamp(as_of, dt.UTC) + dt.timedelta(days=math.ceil(days))
    return Known(False, day.date())


def _half(error: float, n: int, then: int, level: float) -> float:
    """Half the width of the confidence sequence once ``then`` people have had their time."""
    found = confidence_sequence(0.0, error * math.sqrt(n / then), then, level, TUNED_FOR)
    return found.high if found.high is not None else math.inf


def messages_of(project: Project, rule: str, since: int = 0) -> Funnel:
    """What became of a rule's runs and messages since, from the state."""
    box, runs = tables.outbox, tables.runs
    ran = (
        sa.select(runs.c.status, sa.func.count())
        .where(runs.c.rule == rule, runs.c.entered_at >= since)
        .group_by(runs.c.status)
        .order_by(runs.c.status)
    )
    made = (
        sa.select(box.c.state, sa.func.count())
        .where(box.c.rule == rule, box.c.made_at >= since)
        .group_by(box.c.state)
        .order_by(box.c.state)
    )
    back = sa.select(sa.func.count()).where(
        box.c.rule == rule, box.c.made_at >= since, box.c.state == SENT, box.c.reason.like("bounced%")
    )
    with project.state.engine.connect() as connection:
        stand = {status: int(n) for status, n in connection.execute(ran)}
        states = {state: int(n) for state, n in connection.execute(made)}
        bounced = int(connection.execute(back).scalar_one())
        channels = set(connection.execute(sa.select(box.c.channel).where(box.c.rule == rule).distinct()).scalars())
    sent = states.get(SENT, 0)
    opened, clicked = read_by_people(project, rule, since, channels) if sent else (None, None)
    return Funnel(stand, sum(states.values()), states, sent - bounced if sent else None, opened, clicked, bounced)


#: What tells that a message was seen, and that it was followed; robots and mail scanners are refused at arrival.
SEEN = ("Email Opened", "Message Shown")
FOLLOWED = ("Email Clicked", "Message Clicked", "Message Submitted")


def read_by_people(project: Project, rule: str, since: int, channels: Collection[str]) -> tuple[int | None, int | None]:
    """Messages of ``rule`` made since that were opened, and followed, each counted once; None where nothing tells it.

    Of those who allow analytics only: of all others it is not asked.
    """
    track = project.settings.mail.track if "email" in channels else "none"
    opens, clicks = track == "opens" or "site" in channels, track != "none" or "site" in channels
    if not (opens or clicks):
        return None, None
    wanted = ", ".join(f"'{event}'" for event in (*SEEN, *FOLLOWED))
    day = moment(since).date().isoformat()
    found = project.sql(
        "select event, json_extract_string(properties, '$.message') as message from events "
        f"where event in ({wanted}) and day >= date '{day}' "
        "and json_extract_string(properties, '$.rule') = '" + rule.replace("'", "''") + "'"
    ).to_pylist()
    keys = [{row["message"] for row in found if row["event"] in events} for events in (SEEN, FOLLOWED)]
    # who followed a link has seen the message, also where no picture told it
    return (len(keys[0] | keys[1]) if opens else None), (len(keys[1]) if clicks else None)
