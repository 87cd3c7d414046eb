"""Quality of leads by where they came from: how many become customers, how soon, for how long, and what they say."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.journey.values import duration
from polku.kernels import features as kernel
from polku.kernels import purchases
from polku.kernels.columns import Columns, frozen
from polku.language import N_, Reader
from polku.measures.acquisition.costs import NO_COSTS_HERE, Costs, costs_in, costs_table
from polku.measures.acquisition.winning import cost_of_a_customer
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Chart, Forest, Lines, Series
from polku.measures.feeling.answers import answered
from polku.measures.feeling.feeling import Kind, kind_of, parts_of, written
from polku.measures.leads.reaching import goal_named, goal_title, reached_at
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of
from polku.measures.value import buying as ask
from polku.measures.value.buying import EVERYONE, Group, money, silence_of
from polku.measures.view import Mask, View, known
from polku.statistics.multiple import benjamini_hochberg
from polku.statistics.rates import Compared, newcombe, two_proportions, wilson
from polku.statistics.scores import mean_of, net_promoter_score
from polku.statistics.survival import Curve, LogRank, kaplan_meier, log_rank

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
DAY = 86400
FEW = N_("few customers, so it is rough")
NOT_HALF = N_("not half of them yet")
NOBODY_YET = N_("nobody has become a customer yet")
NO_ANSWERS = N_("nobody answered")
#: Points of the drawn curves, and curves drawn.
DRAWN, CURVES = 60, 5
#: Which kind of feedback is told when there are several with as many answers.
KINDS: tuple[Kind, ...] = ("nps", "csat", "ces", "review")


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """The leads of one source. ``against`` is its rate less that of all other leads, ``p`` adjusted for the number of
    sources (None: nothing to test).
    """

    group: Group
    leads: Count
    rate: Rate  # of those who have had their time
    against: Estimate
    p: float | None
    customers: Count  # those who became one by now, whenever
    time: Estimate  # seconds until half have become customers (Kaplan-Meier)
    length: Estimate  # seconds of the relationship, median
    feedback: Estimate  # in the unit of Leads.feedback
    value: Estimate  # money of a lead so far, net of refunds
    cost: Estimate  # of a lead
    cost_of_customer: Estimate


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """The share of a source's leads who have become customers by an age in seconds."""

    source: str
    seconds: int
    share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leads(Answer):
    name = "leads"
    says = (
        N_(
            "A lead is a customer whose first such event lies in the period; it belongs to the first origin named up "
            "to then, and to none where none was named (direct)."
        ),
        N_(
            "Rate to customer = leads who reached the goal within the time / leads who have had that time; the others "
            "are not yet. Intervals are Wilson's, 95 %."
        ),
        N_(
            "Against the rest = the source's rate less that of all other leads (Newcombe's interval); p is adjusted "
            "for the number of sources (Benjamini and Hochberg)."
        ),
        N_(
            "Time to customer = when half of the leads have become customers, with those who have not counted for as "
            "long as they were watched (Kaplan and Meier). The log-rank test asks whether sources differ in it."
        ),
        N_(
            "Length = from becoming a customer to the last event, as seen a silence ago: who has been active since "
            "then still goes on (Kaplan and Meier's median)."
        ),
        N_(
            "Value = what a lead has paid so far, net of refunds. Cost = costs of the source / its leads, and / its "
            "customers, over the days of which costs are known."
        ),
        N_("Sources differ in whom they reach: that a source's leads buy more does not show that it made them."),
    )

    from_: str | None
    to: str
    title: Text
    within: int
    by: str
    silence: int
    currency: str
    feedback: str | None  # nps, csat, ces or review: what the feedback is
    costs_reason: str | None  # why no cost can be told at all
    alike: LogRank  # whether the sources differ in time to customer
    sources: tuple[Source, ...]  # most leads first
    total: Source
    curves: tuple[Step, ...]

    @property
    def rate(self) -> Rate:
        return self.total.rate

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        heads = (
            N_("lead source"), N_("leads"), N_("rate to customer"), N_("against the rest"), N_("p"), N_("customers"),
            N_("time to customer"), N_("length of the relationship"), N_("feedback"), N_("value of a lead"),
            N_("cost of a lead"), N_("cost of a customer"),
        )  # fmt: skip
        write = money(reader, self.currency)
        rows = [self._row(s.group.title(reader), s, reader, write) for s in self.sources]
        rows.append(self._row(reader("all leads"), self.total, reader, write))
        title = reader(
            "Leads: {goal} within {time}", goal=reader.said(self.title), time=reader.duration(self.within)
        )  # fmt: skip
        found = [Table(title, tuple(reader(h) for h in heads), tuple(rows))]
        test = self.alike
        cells = (
            words(reader("time to customer, log-rank test")),
            Cell("–" if test.statistic is None else reader.number(test.statistic, 2), test.statistic, number=True),
            Cell(str(test.freedom), test.freedom, number=True),
            Cell("–" if test.p is None else reader.number(test.p, 4), test.p, number=True,
                 note=reader(test.reason) if test.reason else None),
        )  # fmt: skip
        named = (reader("test"), reader("chi-square"), reader("degrees of freedom"), reader("p"))
        found.append(Table(reader("Do sources differ?"), named, (cells,)))
        return tuple(found)

    def _row(self, title: str, s: Source, reader: Reader, write: Callable[[float], str]) -> tuple[Cell, ...]:
        kind: Kind | None = next((k for k in KINDS if k == self.feedback), None)

        def said(value: float) -> str:
            return reader.number(value, 1) if kind is None else written(kind, reader, value)

        def told(e: Estimate) -> Estimate:  # that there are no costs at all is told once, in the last row
            quiet = self.costs_reason is not None and e.reason == self.costs_reason and s.group.name is not None
            return dataclasses.replace(e, reason=None) if quiet else e

        return (
            words(title, s.group.name),
            count_cell(s.leads, reader),
            rate_cell(s.rate, reader),
            estimate_cell(s.against, reader, lambda v: _points(v, reader)),
            Cell("–" if s.p is None else reader.number(s.p, 4), s.p, number=True),
            count_cell(s.customers, reader),
            estimate_cell(s.time, reader, reader.duration),
            estimate_cell(s.length, reader, reader.duration),
            estimate_cell(s.feedback, reader, said),
            estimate_cell(s.value, reader, write),
            estimate_cell(told(s.cost), reader, write),
            estimate_cell(told(s.cost_of_customer), reader, write),
        )

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        rows = [(s, s.rate.interval()) for s in self.sources if s.rate.value is not None]
        if not rows:
            return ()
        series = Series(
            reader("rate to customer"), tuple(s.rate.value for s, _ in rows),
            tuple(e[0] if e else None for _, e in rows), tuple(e[1] if e else None for _, e in rows),
            behind=tuple(s.rate.behind for s, _ in rows),
        )  # fmt: skip
        labels = tuple(s.group.title(reader) for s, _ in rows)
        forest = Forest(
            reader("Rate to customer by source, beside that of all"), labels, series, self.total.rate.value, "share"
        )  # fmt: skip
        found: list[Chart] = [forest]
        ages = sorted({c.seconds for c in self.curves})
        if len(ages) > 1:
            of = {(c.source, c.seconds): c.share for c in self.curves}
            names = list(dict.fromkeys(c.source for c in self.curves))
            lines = tuple(
                Series(Group(self.by, n).title(reader), tuple(of.get((n, a)) for a in ages)) for n in names
            )  # fmt: skip
            found.append(
                Lines(
                    reader("Share of leads who have become customers, by age"), tuple(reader.duration(a) for a in ages),
                    lines, "share", tuple(float(a) for a in ages), steps=True, x_title=reader("age"),
                )
            )  # fmt: skip
        return tuple(found)


def _points(value: float, reader: Reader) -> str:
    return reader("{n} points", n=("+" if value >= 0 else "−") + reader.number(abs(value) * 100, 1))


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """Every lead: int64[n] place of its group, seconds of becoming a lead and a customer (NEVER: not yet) and of
    the last event, its key, and float64[n] money so far (NaN where nothing says what money is).
    """

    bucket: I64
    place: I64
    customer: I64
    group: I64
    begun: I64
    won: I64
    last: I64
    paid: F64


def find(view: View, from_: str | None, to: str, group: I64) -> Found:
    """The leads of the view's period. Who had reached the goal before is none: they were customers already."""
    codes = view.trails.tables.codes
    first = frozen(codes_of(view, from_) if from_ is not None else np.ones(codes, np.bool_), np.bool_)
    reached = reached_at(view, to)
    try:
        question: ask.Buying | None = ask.buying(view)
    except MeasureError:  # nothing says what a purchase is, so nothing is told of value
        question = None
    work = functools.partial(_find, first, question, group, view.start, view.end, view.as_of)
    parts = view.map_with(work, reached)
    keys = [b.customer for b in view.buckets]
    made = [
        (np.full(len(rows), b), rows[:, 0], keys[b][rows[:, 0]], *rows.T[1:], paid)
        for b, (rows, paid) in enumerate(parts)
    ]
    whole: list[I64] = [
        np.concatenate([np.empty(0, np.int64), *(np.asarray(m[k], np.int64) for m in made)]) for k in range(7)
    ]
    paid = np.concatenate([np.empty(0), *(m[7] for m in made)])
    return Found(whole[0], whole[1], whole[2], whole[3], whole[4], whole[5], whole[6], paid)


def _find(
    first: Mask, question: ask.Buying | None, group: I64, start: int, end: int, as_of: int, bucket: Columns,
    reached: I64,
) -> tuple[I64, F64]:  # fmt: skip
    """int64[n, 5] of the leads: place, group, begun, won, last; and float64[n] what they paid."""
    spans = np.asarray(kernel.spans(bucket, first, first, as_of))
    begun = spans[:, 0]
    there = np.flatnonzero((begun >= start) & (begun < end) & (reached >= begun))
    when = np.where(begun >= 0, begun, -1).astype(np.float64)
    origin = group[np.asarray(purchases.origin_of_first(bucket, when, False))]
    paid = np.full(len(begun), np.nan)
    if question is not None:
        rows_of = np.asarray(question.rows(bucket, 0, as_of + 1))
        unknown = (rows_of[:, purchases.ORDERS] > 0) & (rows_of[:, purchases.VALUED] == 0)
        paid = np.where(unknown, np.nan, rows_of[:, purchases.MONEY])
    rows = np.stack([there, origin[there], begun[there], reached[there], spans[there, 2]], axis=1)
    return rows.astype(np.int64), paid[there]


def leads(
    view: View,
    from_: str | None = None,
    to: str | None = None,
    within: int | None = None,
    by: str = "source",
    silence: int | None = None,
    limit: int = 50,
) -> Leads:
    """Leads of the period by origin. ``within`` and ``silence`` are seconds; ``limit`` rows are shown.

    What cannot be known (cost without costs, feedback without answers) is None with the reason. Raises MeasureError for
    unknown names.
    """
    goal = goal_named(view, to)
    span, quiet = within or view.journey.window, silence or silence_of(view)
    group, groups = ask.origin_groups(view, by)
    found = find(view, from_, goal, group)
    options: dict[str, object] = {"from": from_, "to": to, "within": within, "by": by}
    kind, scores = _feedback(view)
    spent = _costs(view)
    by_name = {} if spent is None else spent.grouped(by)
    reason = None if spent is None else spent.reason

    def select(name: str, what: str) -> str:
        return view.select("lead", name, what, **options)

    def row(what: Group, mine: Mask, cost: float | None, name: str) -> Source:
        return _source(view, what, found, mine, span, quiet, functools.partial(select, name), kind, scores, cost,
                       spent, reason or NO_COSTS_HERE)  # fmt: skip

    everyone = np.ones(len(found.group), np.bool_)
    counts = np.bincount(found.group, minlength=len(groups))
    order = [int(g) for g in np.argsort(-counts, kind="stable") if counts[g]]
    rows = []
    for g in order:
        name = str(groups[g].name)
        cost = by_name.get(name.casefold())
        rows.append(row(groups[g], found.group == g, None if cost is None else cost.amount, name))
    whole = sum(c.amount for c in by_name.values()) if by_name else None
    total = row(EVERYONE, everyone, whole, "everyone")
    rows = _against(rows, total.rate)
    curves = [_waiting(found, found.group == g, view.as_of) for g in order]
    return Leads(
        period=view.period, persona=view.persona, segment=view.segment,
        from_=from_, to=goal, title=goal_title(view, goal), within=span, by=by, silence=quiet,
        currency=ask.currency_of(view), feedback=kind, costs_reason=reason,
        alike=log_rank([_waits(found, found.group == g, view.as_of) for g in order if counts[g] >= ENOUGH]),
        sources=tuple(rows[:limit]), total=total,
        curves=_curves([(str(groups[g].name), c) for g, c in zip(order[:CURVES], curves, strict=False)]),
    )  # fmt: skip


def _waits(found: Found, mine: Mask, as_of: int) -> tuple[F64, Mask]:
    """float64[n] seconds until they became customers, or were last watched; bool[n] whether they did."""
    happened = found.won[mine] <= as_of
    until = np.where(happened, found.won[mine], as_of)
    return (until - found.begun[mine]).astype(np.float64), happened


def _waiting(found: Found, mine: Mask, as_of: int) -> Curve:
    return kaplan_meier(*_waits(found, mine, as_of))


def _relationships(found: Found, mine: Mask, as_of: int, silence: int) -> tuple[F64, Mask]:
    """float64[n] seconds from becoming a customer to the last event, bool[n] whether it was over, all as seen from
    ``silence`` ago: only then is it known of everyone whether more came. Who became a customer later is not looked at.
    """
    seen = as_of - silence
    rows = mine & (found.won <= seen)
    over = found.last[rows] <= seen
    until = np.where(over, found.last[rows], seen)
    return (until - found.won[rows]).astype(np.float64), over


def _median(curve: Curve, empty: str) -> Estimate:
    if curve.n == 0 or curve.events == 0:
        return Estimate(None, n=curve.n, reason=empty)
    value, low, high = curve.quantile()
    if value is None:
        return Estimate(None, n=curve.n, reason=NOT_HALF)
    # an end of the interval that the curve has not come to is not known, and half an interval says nothing
    open_end = low is None or high is None
    return Estimate(
        value, None if open_end else low, None if open_end else high, curve.n, FEW if curve.n < ENOUGH else None
    )  # fmt: skip


def _source(
    view: View, group: Group, found: Found, mine: Mask, within: int, silence: int, select: Callable[..., str],
    kind: Kind | None, scores: dict[int, list[float]], cost: float | None, spent: Costs | None, no_cost: str,
) -> Source:  # fmt: skip
    begun, won = found.begun[mine], found.won[mine]
    timely = won - begun <= within
    mature = begun + within <= view.as_of
    # who became a customer sooner counts only when the time of all who began then is up: else the quick are favoured
    rate = Rate(
        int((mature & timely).sum()), int(mature.sum()), int((~mature).sum()), select("won"), select("not"),
        select("pending"), behind_all=select("had_time"),
    )  # fmt: skip
    costed = mine
    if spent is not None and spent.lines:
        costed = mine & (found.begun >= spent.start) & (found.begun < spent.end)
    bought = costed & (found.won <= view.as_of)
    return Source(
        group, Count(int(mine.sum()), select("leads")), rate, Estimate(None), None,
        Count(int((won <= view.as_of).sum()), select("customers")),
        _median(_waiting(found, mine, view.as_of), NOBODY_YET),
        _median(kaplan_meier(*_relationships(found, mine, view.as_of, silence)), N_("nobody has left yet")),
        _felt(kind, [s for c in found.customer[mine].tolist() for s in scores.get(c, ())]),
        ask.withheld(_worth(found.paid[mine]), ask.no_sums(view)),
        cost_of_a_customer(cost, int(costed.sum()), no_cost), cost_of_a_customer(cost, int(bought.sum()), no_cost),
    )  # fmt: skip


def _worth(paid: F64) -> Estimate:
    there = paid[~np.isnan(paid)]
    if len(paid) - len(there) > np.count_nonzero(there) / 20:  # more than one in twenty buyers paid nobody knows what
        return Estimate(None, n=len(paid), reason=ask.NO_VALUE)
    mean = mean_of(there)
    reason = mean.reason if mean.value is None else FEW if len(paid) < ENOUGH else None
    return Estimate(mean.value, mean.low, mean.high, len(paid), reason)


def _against(rows: list[Source], all_of: Rate) -> list[Source]:
    """Each source's rate less that of all others, with p-values adjusted for their number."""
    compared: list[tuple[Compared, float | None]] = []
    for s in rows:
        rest_n, rest_of = all_of.numerator - s.rate.numerator, all_of.denominator - s.rate.denominator
        of = s.rate.denominator
        p = two_proportions(s.rate.numerator, of, rest_n, rest_of).p if of and rest_of else None
        compared.append((newcombe(s.rate.numerator, of, rest_n, rest_of), p))
    adjusted = benjamini_hochberg([p for _, p in compared])
    return [
        dataclasses.replace(
            s, p=p,
            against=Estimate(c.value, c.low, c.high, s.rate.denominator, c.reason or _few(s.rate)),
        )
        for s, (c, _), p in zip(rows, compared, adjusted, strict=True)
    ]  # fmt: skip


def _few(rate: Rate) -> str | None:
    return FEW if rate.denominator < ENOUGH else None


def _feedback(view: View) -> tuple[Kind | None, dict[int, list[float]]]:
    """The kind of survey with the most answers, and its scores by customer; all answers up to the view's moment."""
    asked = dataclasses.replace(view, start=0, end=view.as_of + 1)
    surveys = [(kind_of(s), s.scale, customers, scores) for s, customers, scores in answered(asked).values()]
    number = {k: sum(len(x) for kind, _, _, x in surveys if kind == k) for k in KINDS}
    best = max(KINDS, key=lambda k: number[k])
    if not number[best]:
        return None, {}
    found: dict[int, list[float]] = {}
    for kind, scale, customers, scores in surveys:
        if kind != best:
            continue
        good, bad = parts_of(kind, scale, scores)
        told = scores if kind == "review" else good.astype(np.float64) - (bad if kind == "nps" else 0.0)
        for customer, score in zip(customers.tolist(), told.tolist(), strict=True):
            found.setdefault(customer, []).append(score)
    return best, found


def _felt(kind: Kind | None, scores: list[float]) -> Estimate:
    n = len(scores)
    if kind is None or not n:
        return Estimate(None, n=n, reason=NO_ANSWERS)
    caution = FEW if n < ENOUGH else None
    if kind == "nps":
        c = net_promoter_score(sum(s > 0 for s in scores), sum(s < 0 for s in scores), n)
        value, low, high = (None if x is None else 100 * x for x in (c.value, c.low, c.high))
        return Estimate(value, low, high, n, caution)
    if kind == "review":
        c = mean_of(np.array(scores))
        return Estimate(c.value, c.low, c.high, n, caution or c.reason)
    good = sum(s > 0 for s in scores)
    ends = wilson(good, n) or (None, None)
    return Estimate(good / n, ends[0], ends[1], n, caution)


def _costs(view: View) -> Costs | None:
    """The costs of the view's period; None where nothing says what money is."""
    try:
        question = ask.buying(view)
    except MeasureError:
        return None
    return costs_in(view, question, costs_table(view))


def _curves(named: list[tuple[str, Curve]]) -> tuple[Step, ...]:
    """The share who have become customers, at ages that all curves share."""
    longest = max((c.last or 0.0 for _, c in named), default=0.0)
    ages = sorted({round(longest * k / DRAWN) for k in range(DRAWN + 1)})
    found = []
    for name, curve in named:
        waiting, _, _ = curve.at(ages)
        found += [
            Step(name, age, float(1 - w)) for age, w in zip(ages, waiting.tolist(), strict=True) if not np.isnan(w)
        ]
    return tuple(found)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the leads of a source (or ``everyone``), and what became of them."""
    by = selector.option("by") or "source"
    group, groups = ask.origin_groups(view, by)
    names = [str(g.name) for g in groups]
    goal = goal_named(view, selector.option("to"))
    text = selector.option("within")
    within = view.journey.window if text is None else duration(int(text) if text.isdigit() else text)
    found = find(view, selector.option("from"), goal, group)
    chosen = np.ones(len(found.group), np.bool_)
    if selector.name != "everyone":
        chosen = found.group == known(selector.name, names, N_("No visit has come from {name!r}.{meant}"))
    mature = found.begun + within <= view.as_of
    timely = found.won - found.begun <= within
    chosen &= {
        "leads": np.ones(len(chosen), np.bool_), "won": mature & timely, "not": mature & ~timely, "pending": ~mature,
        "had_time": mature, "customers": found.won <= view.as_of,
    }[selector.what]  # fmt: skip
    made = [np.zeros(len(c.skip), np.bool_) for c in view.columns]
    for b, place in zip(found.bucket[chosen].tolist(), found.place[chosen].tolist(), strict=True):
        made[b][place] = True
    return made
