"""A change of one step carried through the journey to customers and money, and the targets that a goal needs."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels import progress as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.forecast.changes import Change, change_of, goal_of_text
from polku.measures.forecast.fitting import Question, ask, begun_of, first_of, fit, members_of
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.value.buying import YEAR, currency_of, money, no_sums
from polku.measures.view import Mask, View
from polku.statistics.jackknife import spread
from polku.statistics.onward import Forward, Impossible, needed_alone, needed_together

F64 = npt.NDArray[np.float64]
FEW = N_("few customers, so it is rough")
NOBODY = N_("nobody's time is up yet, so nothing can be fitted")
ALONE = N_("no share of this step alone is enough")
NOTHING_COMES = N_("nothing comes of those who go on from here")
TOGETHER = N_("no change of the shares is enough: more would have to begin")


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step of the chain, as it is and as it would be."""

    id: str
    title: Text
    onward: Rate  # went on to a later step / came at least `within` ago
    changed: float | None  # the share that goes on after the change; None without one
    a_year: Estimate  # customers who come here in a year
    a_year_changed: Estimate | None
    worth: float | None  # what is still to come of a customer here, in money
    needed_alone: Estimate | None  # the share that must go on for the goal, all else as it is
    needed_together: float | None  # the same when every step improves alike


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """A year as it is, as it would be, and the difference."""

    now: Estimate
    changed: Estimate | None
    difference: Estimate | None


@dataclasses.dataclass(frozen=True, slots=True)
class Changed:
    """One change with the share it changes, before and after. Without a target it is how many begin in a year."""

    text: str
    before: float
    after: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class WhatIf(Answer):
    name = "what_if"
    says = (
        N_(
            "The journey as an absorbing Markov chain: a customer's state is the furthest step so far (in the map's "
            "order); from each, some go on to a later step and others end there."
        ),
        N_(
            "Chance to go on = those who went on / those who came here at least `within` ago. Customers and money a "
            "year = those who begin in a year x what one who begins brings by this chain."
        ),
        N_(
            "A rise wins so many of those who end at the step; they come to the target and go on from it as others do. "
            "A fall takes evenly from all ways on."
        ),
        N_(
            "It assumes that those who are won behave like those who went on by themselves, that how one goes on hangs "
            "on the furthest step alone, and that as many begin as in the period. Those won are seldom as keen: take "
            "the figure as an upper end, and an experiment as the proof."
        ),
        N_(
            "95 % intervals are of the delete-a-group jackknife over 32 random groups of customers; how many begin is "
            "taken as it was."
        ),
    )

    of: str
    to: str
    within: int
    refunds: tuple[str, ...]
    currency: str
    starters: Count  # whose first step lies in the period
    starters_a_year: float | None
    actual: Rate  # of those who began at least `within` ago, who have reached the goal
    modelled: Estimate  # the same by the chain
    converted: Outcome  # who reach the goal, a year
    money: Outcome
    changes: tuple[Changed, ...]
    goal: float | None
    goal_is_money: bool
    starters_needed: float | None  # a year, for the goal with the chances as they are
    odds_ratio: float | None  # by which going on must rise everywhere for the goal
    no_ratio: str | None
    steps: tuple[Step, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        write = money(reader, self.currency)
        whole = functools.partial(reader.number, digits=0)
        heads: list[str] = [reader("a year"), reader("as it is")]
        if self.changes:
            heads += [reader("after the change"), reader("difference")]
        year = []
        for title, outcome, show in (
            (reader("customers who reach the goal"), self.converted, whole), (reader("money"), self.money, write),
        ):  # fmt: skip
            figures = (outcome.now, outcome.changed, outcome.difference)
            year.append((words(title), *(estimate_cell(f, reader, show) for f in figures if f is not None)))
        found = [Table(reader("Customers and money a year"), tuple(heads), tuple(year))]
        if self.changes:
            rows = tuple(
                (words(c.text), self._share(c, c.before, reader), self._share(c, c.after, reader)) for c in self.changes
            )
            found.append(
                Table(reader("The change"), (reader("change"), reader("as it is"), reader("after the change")), rows)
            )
        found += [self._steps(reader), self._check(reader)]
        return tuple(found)

    def _share(self, change: Changed, value: float, reader: Reader) -> Cell:
        text = reader.percent(value) if ">" in change.text else reader.number(value, 0)
        return Cell(text, value, number=True)

    def _steps(self, reader: Reader) -> Table:
        write = money(reader, self.currency)

        def share(value: float | None) -> Cell:
            return Cell("–" if value is None else reader.percent(value), value, number=True, share=value)

        heads = [reader("step"), reader("went on"), reader("customers a year"), reader("still to come of one here")]
        if self.changes:
            heads += [reader("goes on after the change"), reader("customers a year after it")]
        if self.goal is not None:
            heads += [reader("needed of this step alone"), reader("needed if all improve alike")]
        rows = []
        for s in self.steps:
            cells = [
                words(reader.said(s.title), s.id), rate_cell(s.onward, reader),
                estimate_cell(s.a_year, reader, lambda v: reader.number(v, 0)),
                Cell("–" if s.worth is None else write(s.worth), s.worth, number=True),
            ]  # fmt: skip
            if self.changes and s.a_year_changed is not None:
                cells += [share(s.changed), estimate_cell(s.a_year_changed, reader, lambda v: reader.number(v, 0))]
            if self.goal is not None and s.needed_alone is not None:
                cells += [estimate_cell(s.needed_alone, reader, reader.percent), share(s.needed_together)]
            rows.append(tuple(cells))
        return Table(reader("Steps of the journey"), tuple(heads), tuple(rows))

    def _check(self, reader: Reader) -> Table:
        rows = [
            (words(reader("customers who began in the period")), count_cell(self.starters, reader)),
            (words(reader("reached the goal, counted")), rate_cell(self.actual, reader)),
            (words(reader("reached the goal, by the chain")), estimate_cell(self.modelled, reader, reader.percent)),
        ]
        if self.goal is not None:
            goal = reader.money(self.goal, self.currency) if self.goal_is_money else reader.number(self.goal)
            rows.append((words(reader("goal a year")), Cell(goal, self.goal, number=True)))
            needed = self.starters_needed
            text = "–" if needed is None else reader.number(needed, 0)
            rows.append(
                (words(reader("must begin a year, with the shares as they are")), Cell(text, needed, number=True))
            )
            ratio = self.odds_ratio
            rows.append(
                (
                    words(reader("odds to go on must rise everywhere by the factor")),
                    Cell("–" if ratio is None else reader.number(ratio, 2), ratio, number=True,
                         note=reader(self.no_ratio) if self.no_ratio else None),
                )
            )  # fmt: skip
        return Table(reader("The chain against what was counted"), (reader("figure"), reader("number")), tuple(rows))

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        labels = tuple(reader.said(s.title) for s in self.steps)

        def bars(title: str, figures: list[Estimate | None], behind: bool) -> Series:
            known = [f or Estimate(None) for f in figures]
            return Series(
                title, tuple(f.value for f in known), tuple(f.low for f in known), tuple(f.high for f in known),
                behind=tuple(s.a_year.behind for s in self.steps) if behind else (),
            )  # fmt: skip

        series = [bars(reader("as it is"), [s.a_year for s in self.steps], True)]
        if self.changes:
            series.append(bars(reader("after the change"), [s.a_year_changed for s in self.steps], False))
        charts: list[Chart] = [Bars(reader("Customers a year at each step"), labels, tuple(series), across=True)]
        if self.goal is not None:
            now = Series(reader("as it is"), tuple(s.onward.value for s in self.steps))
            alone = Series(
                reader("needed of this step alone"),
                tuple(s.needed_alone.value if s.needed_alone is not None else None for s in self.steps),
            )
            alike = Series(reader("needed if all improve alike"), tuple(s.needed_together for s in self.steps))
            charts.append(
                Bars(reader("The share that goes on, and what the goal needs"), labels, (now, alone, alike), "share",
                     across=True)
            )  # fmt: skip
        return tuple(charts)


def what_if(
    view: View,
    change: Sequence[str] | None = None,
    goal: str | None = None,
    to: str | None = None,
    of: str | None = None,
    within: int | None = None,
    refunds: Sequence[str] | None = None,
) -> WhatIf:
    """The chain of customers who began in the period, changed and held against a goal. ``within`` is seconds.

    Raises MeasureError for unknown steps, for changes that cannot be, and for what is no change or goal.
    """
    wanted = tuple(change_of(text) for text in change or ())
    named = [n for c in wanted if c.target is not None for n in (c.source, c.target)]
    question = ask(view, named, to, of, within, refunds)
    target = None if goal is None else goal_of_text(goal, currency_of(view))
    unsummed = no_sums(view)
    if unsummed is not None and target is not None and target[1]:
        raise MeasureError(
            N_("The amounts are in several currencies ({currencies}), so there can be no goal of money."),
            currencies=", ".join(view.trails.tables.currencies),
        )
    sums = fit(view, question)
    chains = sums.chains()
    some = sums.starters[:, kernel.ALL] > 0
    starters = int(sums.starters[:, kernel.ALL].sum())
    begun = max(view.start, int(view.trails.first.timestamp()) if view.trails.first else view.start)
    a_year = starters * YEAR / (view.end - begun) if view.end > begun else None
    n_old = int(sums.starters[:, kernel.OLD].sum())
    fitted = bool(sums.counts[:, :-1].sum()) and a_year is not None
    changed, factor, told = _changed(chains, question, wanted, a_year or 0.0)
    # how many begin is taken as it was, so the figures without a group are of as many as all
    now = chains.total() * (a_year or 0.0)
    then = changed.total() * (a_year or 0.0) * factor
    select = functools.partial(
        view.select, "what_if", of=question.of, to=chain_text([question.buying.purchases[0]]), within=question.within,
        refunds=question.buying.options["refunds"],
    )  # fmt: skip

    def estimate(figures: F64, n: int, behind: str | None = None, least: float | None = 0.0) -> Estimate:
        if not fitted:
            return Estimate(None, n=n, reason=NOBODY)
        told_by = spread(figures, some)
        low, high = (None if math.isnan(float(end)) else float(end) for end in (told_by.low, told_by.high))
        if low is not None and least is not None:
            low = max(least, low)
        return Estimate(float(told_by.value), low, high, n, FEW if n < ENOUGH else None, behind)

    def outcome(amount: int, least: float | None) -> Outcome:
        if amount == kernel.MONEY and unsummed is not None:
            none = Estimate(None, n=starters, reason=unsummed)
            return Outcome(none, none if wanted else None, none if wanted else None)
        if not wanted:
            return Outcome(estimate(now[:, amount], starters, least=least), None, None)
        return Outcome(
            estimate(now[:, amount], starters, least=least), estimate(then[:, amount], starters, least=least),
            estimate(then[:, amount] - now[:, amount], starters, least=None),
        )  # fmt: skip

    one = first_of(chains)
    amount = kernel.MONEY if target is not None and target[1] else kernel.CUSTOMERS
    needs = _needs(one, target, amount, a_year if fitted else None)
    visits, visits_then = chains.visits() * (a_year or 0.0), changed.visits() * (a_year or 0.0) * factor
    counts = sums.counts.sum(axis=0)
    worth = one.ahead()[:, kernel.MONEY]
    onward_then = changed.onward[0]
    states = len(question.names)

    def step(i: int) -> Step:
        name = question.names[i]
        came = int(counts[i].sum())
        went = came - int(counts[i, states])
        rate = Rate(
            went, came, int(sums.pending[i]), select(name, "went_on"), select(name, "ended"), select(name, "pending"),
            why=N_("no step follows") if i == states - 1 else None, behind_all=select(name, "had_time"),
        )  # fmt: skip
        alone = None if needs is None else _alone(float(needs[0][i]), rate)
        return Step(
            name, question.titles[i], rate, float(onward_then[i]) if wanted else None,
            estimate(visits[:, i], came, select(name, "entered")),
            estimate(visits_then[:, i], came) if wanted else None,
            float(worth[i]) if came and unsummed is None else None, alone,
            None if needs is None or needs[1] is None or i == states - 1 else float(needs[1][1][i]),
        )  # fmt: skip

    each = float(one.total()[amount])
    return WhatIf(
        period=view.period, persona=view.persona, segment=view.segment, of=question.of,
        to=question.buying.purchases[0], within=question.within, refunds=question.buying.refunds,
        currency=currency_of(view), starters=Count(starters, select("", "entered")), starters_a_year=a_year,
        actual=Rate(
            int(sums.starters[:, kernel.OLD_WON].sum()), n_old, starters - n_old, select("", "reached_goal"),
            select("", "no_goal"), select("", "goal_pending"), behind_all=select("", "goal_had_time"),
        ),
        modelled=estimate(_modelled(chains), n_old), converted=outcome(kernel.CUSTOMERS, 0.0),
        money=outcome(kernel.MONEY, None), changes=told, goal=target[0] if target else None,
        goal_is_money=bool(target and target[1]),
        starters_needed=target[0] / each if target is not None and fitted and each > 0 else None,
        odds_ratio=needs[1][0] if needs is not None and needs[1] is not None else None,
        no_ratio=TOGETHER if needs is not None and needs[1] is None else None,
        steps=tuple(step(i) for i in range(states)),
    )  # fmt: skip


def _modelled(chains: Forward) -> F64:
    return chains.total()[:, kernel.CUSTOMERS]


def _changed(
    chains: Forward, question: Question, changes: tuple[Change, ...], a_year: float
) -> tuple[Forward, float, tuple[Changed, ...]]:
    """The chains after all changes, by what factor more begin, and each change with its share before and after."""
    factor, told = 1.0, []
    for change in changes:
        if change.target is None:
            before, factor = a_year * factor, factor * (1 + change.share)
            told.append(Changed(change.text, before, a_year * factor))
            continue
        source, target = question.place(change.source), question.place(change.target)
        if target <= source:
            raise MeasureError(
                N_("{target} does not come after {source} in the map, so nobody can go on to it from there."),
                source=change.source, target=change.target,
            )  # fmt: skip
        now = float(chains.reaching(target)[0, source])
        share = change.share - now if change.whole else change.share
        try:
            first_of(chains).changed(source, target, share)
        except Impossible as error:
            raise MeasureError(
                N_("{change} cannot be: only {most} of those at {source} are there to be won or lost."),
                change=change.text, most=f"{100 * error.most:.1f} %", source=change.source,
            ) from error  # fmt: skip
        chains = chains.changed(source, target, share, clip=True)  # without a group it may be a little less
        told.append(Changed(change.text, now, float(chains.reaching(target)[0, source])))
    return chains, factor, tuple(told)


def _needs(
    chain: Forward, target: tuple[float, bool] | None, amount: int, a_year: float | None
) -> tuple[F64, tuple[float, F64] | None] | None:
    """What every step must come to for the goal: alone, and together."""
    if target is None or not a_year:
        return None
    each = target[0] / a_year
    return needed_alone(chain, amount, each), needed_together(chain, amount, each)


def _alone(needed: float, rate: Rate) -> Estimate:
    if math.isnan(needed):
        return Estimate(None, n=rate.denominator, reason=NOTHING_COMES)
    if not 0 <= needed <= 1:
        return Estimate(None, n=rate.denominator, reason=ALONE)
    return Estimate(needed, n=rate.denominator)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who began, or came to a step that a selector names, and what became of them there."""
    refunds = selector.option("refunds")
    question = ask(
        view, (), chain_of(selector.option("to") or "")[0] or None, selector.option("of"),
        int(selector.option("within") or 0) or None, chain_of(refunds) if refunds else None,
    )  # fmt: skip
    reached = {
        "reached_goal": (kernel.WENT_ON,), "no_goal": (kernel.ENDED,), "goal_pending": (kernel.PENDING,),
        "goal_had_time": (kernel.WENT_ON, kernel.ENDED),
    }.get(selector.what)  # fmt: skip
    if reached is not None:
        return begun_of(view, question, reached)
    state = question.place(selector.name) if selector.name else -1
    fates = {
        "entered": (kernel.WENT_ON, kernel.ENDED, kernel.PENDING), "went_on": (kernel.WENT_ON,),
        "ended": (kernel.ENDED,), "pending": (kernel.PENDING,), "had_time": (kernel.WENT_ON, kernel.ENDED),
    }  # fmt: skip
    return members_of(view, question, state, fates[selector.what])
