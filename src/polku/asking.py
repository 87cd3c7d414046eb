"""Every measure as a method, for notebooks: ``shop.funnel(...)``, ``trails.funnel(...)``.

Written by scripts/write_asking.py from the catalogue of measures; do not edit by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from polku.measures.acquisition.by_source import Acquisition
    from polku.measures.acquisition.payback import Payback
    from polku.measures.answer import Answer
    from polku.measures.attribution.answer import Attribution
    from polku.measures.content.content import Content
    from polku.measures.conversion import Conversion, Leaving
    from polku.measures.experiments.answer import Experiment
    from polku.measures.experiments.plan import ExperimentPlan
    from polku.measures.feeling.feeling import Feeling
    from polku.measures.forecast.what_if import WhatIf
    from polku.measures.funnels.correlation import FunnelCorrelation
    from polku.measures.funnels.funnel import Funnel
    from polku.measures.funnels.times import TimeToConvert
    from polku.measures.funnels.trend import FunnelTrend
    from polku.measures.leads.answer import Score
    from polku.measures.leads.quality import Leads
    from polku.measures.obstacles.answer import Obstacles
    from polku.measures.pages import Bounce, Exit
    from polku.measures.paths.loops import Loops
    from polku.measures.paths.onward import OnwardFrom
    from polku.measures.paths.sequences import Sequences
    from polku.measures.paths.stepwise import StepFlow, StepMatrix
    from polku.measures.paths.transitions import Transitions
    from polku.measures.paths.variants import Variants
    from polku.measures.personas.clusters import Found
    from polku.measures.personas.drifting import Drift
    from polku.measures.personas.fit import PersonaFit
    from polku.measures.retention.active import ActiveCustomers, Lifecycle
    from polku.measures.retention.churn import Churn
    from polku.measures.retention.cohorts import Retention
    from polku.measures.retention.stickiness import Stickiness
    from polku.measures.retention.subscriptions import Subscriptions
    from polku.measures.retention.survival import Survival
    from polku.measures.sessions.dropoff import DropOff
    from polku.measures.sessions.lengths import Sessions
    from polku.measures.sessions.returning import Returning
    from polku.measures.sources import Sources
    from polku.measures.stages.standing import StandingNow
    from polku.measures.stages.table import Stages
    from polku.measures.value.formula import Value
    from polku.measures.value.lifetime import Lifetime
    from polku.measures.value.rfm import Rfm


class Asking:
    """What can be asked of a shop, or of trails of any table.

    Every method takes, besides its own options: ``period`` (``30d``, ``all``, ``2026-01-01..2026-02-01``),
    ``compare`` (``none``, ``previous``, ``year``), ``persona`` and ``segment`` (of the map).
    """

    __slots__ = ()

    def measure(
        self,
        name: str,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
        **options: Any,
    ) -> Answer:
        """A measure by name. Raises MeasureError with what exists."""
        raise NotImplementedError

    def stages(
        self, *, period: str = "all", compare: str = "none", persona: str | None = None, segment: str | None = None
    ) -> Stages:
        """Customers by stage: now, entered, went on, dropped off, lapsed, won back."""
        return cast(
            "Stages",
            self.measure(
                "stages",
                period,
                compare,
                persona,
                segment,
            ),
        )

    def standing(
        self, *, period: str = "all", compare: str = "none", persona: str | None = None, segment: str | None = None
    ) -> StandingNow:
        """Where everyone is now: customers by current stage, the quickest answer there is."""
        return cast(
            "StandingNow",
            self.measure(
                "standing",
                period,
                compare,
                persona,
                segment,
            ),
        )

    def conversion(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        by: Literal["customer", "session"] = "customer",
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Conversion:
        """Converted of visitors: 50 of 1,000 is 5 %.

        from_: the touchpoint or event where they begin; by default any visit
        to: the touchpoint or event that counts as converting; by default the map's own goal
        within: the time they are given, for example 7d; by default no limit
        by: count customers, or sessions each by itself
        """
        return cast(
            "Conversion",
            self.measure("conversion", period, compare, persona, segment, from_=from_, to=to, within=within, by=by),
        )

    def leaving(
        self,
        *,
        to: str | None = None,
        by: Literal["customer", "session"] = "session",
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Leaving:
        """Left without converting, of all visits; the practitioners' exit rate.

        to: the touchpoint or event that counts as converting; by default the map's own goal
        by: count customers, or sessions each by itself
        """
        return cast("Leaving", self.measure("leaving", period, compare, persona, segment, to=to, by=by))

    def bounce(
        self,
        *,
        from_: str | None = None,
        by: Literal["page", "touchpoint"] | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Bounce:
        """Visits of one page, of all visits, by where they landed.

        from_: the touchpoint on which they landed; by default any
        by: by page, or by touchpoint; by page where pages are known
        limit: how many rows to show
        """
        return cast(
            "Bounce", self.measure("bounce", period, compare, persona, segment, from_=from_, by=by, limit=limit)
        )

    def exit(
        self,
        *,
        from_: str | None = None,
        by: Literal["page", "touchpoint"] | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Exit:
        """Visits that ended on a page, of the views of it.

        from_: the touchpoint that they left from; by default any
        by: by page, or by touchpoint; by page where pages are known
        limit: how many rows to show
        """
        return cast("Exit", self.measure("exit", period, compare, persona, segment, from_=from_, by=by, limit=limit))

    def sources(
        self,
        *,
        by: Literal["all", "source", "medium", "campaign"] = "all",
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Sources:
        """Visits, customers and conversion by source, medium and campaign.

        by: which part of the origin to group by
        to: the touchpoint or event that counts as converting; by default the map's own goal
        within: the time to convert, for example 30d; by default the map's window
        limit: how many rows to show
        """
        return cast(
            "Sources",
            self.measure("sources", period, compare, persona, segment, by=by, to=to, within=within, limit=limit),
        )

    def sessions(
        self,
        *,
        gap: str | int | dt.timedelta | None = None,
        own: bool = True,
        split: Literal["none", "day"] = "none",
        by: Literal["channel", "source", "medium", "campaign"] | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Sessions:
        """How many sessions, how long, with how many events and pages, by channel or source.

        gap: the silence that ends a session, for example 30min; by default the map's
        own: keep the sessions that the source itself names
        split: day: a session ends at midnight of the map's time zone
        by: one row for each channel, source, medium or campaign
        limit: how many rows to show
        """
        return cast(
            "Sessions",
            self.measure(
                "sessions", period, compare, persona, segment, gap=gap, own=own, split=split, by=by, limit=limit
            ),
        )

    def returning(
        self,
        *,
        gap: str | int | dt.timedelta | None = None,
        own: bool = True,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Returning:
        """The share of visits that are not the first, visits a customer, and the time between visits.

        gap: the silence that ends a session, for example 30min; by default the map's
        own: keep the sessions that the source itself names
        """
        return cast("Returning", self.measure("returning", period, compare, persona, segment, gap=gap, own=own))

    def dropoff(
        self,
        *,
        by: Literal["stage", "touchpoint", "page", "event"] | None = None,
        to: str | None = None,
        within: str | int | dt.timedelta = 604800,
        cart: str | None = None,
        gap: str | int | dt.timedelta | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> DropOff:
        """Where customers left without converting and did not come back, and what lay in their carts.

        by: by stage, touchpoint, page or event; by default stages, and without a map pages or events
        to: the touchpoint or event that counts as converting; by default the map's own goal
        within: the time they are given to come back
        cart: what puts its value into the cart; by default Product Added, less Product Removed
        gap: the silence that ends a session, for example 30min; by default the map's
        limit: how many rows to show
        """
        return cast(
            "DropOff",
            self.measure(
                "dropoff",
                period,
                compare,
                persona,
                segment,
                by=by,
                to=to,
                within=within,
                cart=cart,
                gap=gap,
                limit=limit,
            ),
        )

    def funnel(
        self,
        steps: Sequence[str] | str,
        *,
        within: str | int | dt.timedelta | None = None,
        by: Literal["customer", "session", "account"] = "customer",
        order: Literal["ordered", "strict", "increasing", "any"] = "ordered",
        starts: Literal["furthest", "first", "every"] = "furthest",
        repeats: Literal["allowed", "end"] = "allowed",
        optional: Sequence[str] | str | None = None,
        gaps: Sequence[str] | str | None = None,
        without: Sequence[str] | str | None = None,
        hold: str | None = None,
        account: str | None = None,
        breakdown: str | None = None,
        at: Literal["first", "last"] = "first",
        against: str | None = None,
        limit: int = 10,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Funnel:
        """Who takes the steps in order, and where they drop off.

        steps: touchpoints or events in order, two or more
        within: the time given from the first step, for example 7d; by default no limit
        by: count customers, sessions each by itself, or accounts
        order: in order; strict: nothing else between; increasing: each later than the one before; any: in any order
        starts: of all starts the one that gets furthest, the first only, or every one counted by itself
        repeats: of a step already taken: allowed; end: nothing counts from there on
        optional: steps that may be left out, by name or number
        gaps: the least and most time from the step before, for example cart:1h..2d or order:..30min
        without: events that must not lie between two steps, for example support_chat:cart>order
        hold: a property that stays the same over the steps, for example properties.product_id
        account: the property that tells the account of an event, for by=account
        breakdown: persona, segment, source, medium, campaign, origin, or a property such as properties.platform
        at: the event whose property counts in the breakdown: of the first step, or of the last one taken
        against: the group that the others are held against; by default the rest
        limit: how many groups to show
        """
        return cast(
            "Funnel",
            self.measure(
                "funnel",
                period,
                compare,
                persona,
                segment,
                steps=steps,
                within=within,
                by=by,
                order=order,
                starts=starts,
                repeats=repeats,
                optional=optional,
                gaps=gaps,
                without=without,
                hold=hold,
                account=account,
                breakdown=breakdown,
                at=at,
                against=against,
                limit=limit,
            ),
        )

    def funnel_trend(
        self,
        steps: Sequence[str] | str,
        *,
        within: str | int | dt.timedelta | None = None,
        by: Literal["customer", "session", "account"] = "customer",
        order: Literal["ordered", "strict", "increasing", "any"] = "ordered",
        starts: Literal["furthest", "first", "every"] = "furthest",
        repeats: Literal["allowed", "end"] = "allowed",
        optional: Sequence[str] | str | None = None,
        gaps: Sequence[str] | str | None = None,
        without: Sequence[str] | str | None = None,
        hold: str | None = None,
        account: str | None = None,
        interval: Literal["day", "week", "month"] = "week",
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> FunnelTrend:
        """The conversion of those who began in each day, week or month.

        steps: touchpoints or events in order, two or more
        within: the time given from the first step, for example 7d; by default no limit
        by: count customers, sessions each by itself, or accounts
        order: in order; strict: nothing else between; increasing: each later than the one before; any: in any order
        starts: of all starts the one that gets furthest, the first only, or every one counted by itself
        repeats: of a step already taken: allowed; end: nothing counts from there on
        optional: steps that may be left out, by name or number
        gaps: the least and most time from the step before, for example cart:1h..2d or order:..30min
        without: events that must not lie between two steps, for example support_chat:cart>order
        hold: a property that stays the same over the steps, for example properties.product_id
        account: the property that tells the account of an event, for by=account
        interval: day, week or month of the first step
        """
        return cast(
            "FunnelTrend",
            self.measure(
                "funnel_trend",
                period,
                compare,
                persona,
                segment,
                steps=steps,
                within=within,
                by=by,
                order=order,
                starts=starts,
                repeats=repeats,
                optional=optional,
                gaps=gaps,
                without=without,
                hold=hold,
                account=account,
                interval=interval,
            ),
        )

    def time_to_convert(
        self,
        steps: Sequence[str] | str,
        *,
        within: str | int | dt.timedelta | None = None,
        by: Literal["customer", "session", "account"] = "customer",
        order: Literal["ordered", "strict", "increasing", "any"] = "ordered",
        starts: Literal["furthest", "first", "every"] = "furthest",
        repeats: Literal["allowed", "end"] = "allowed",
        optional: Sequence[str] | str | None = None,
        gaps: Sequence[str] | str | None = None,
        without: Sequence[str] | str | None = None,
        hold: str | None = None,
        account: str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> TimeToConvert:
        """How long it takes from the first step to the last.

        steps: touchpoints or events in order, two or more
        within: the time given from the first step, for example 7d; by default no limit
        by: count customers, sessions each by itself, or accounts
        order: in order; strict: nothing else between; increasing: each later than the one before; any: in any order
        starts: of all starts the one that gets furthest, the first only, or every one counted by itself
        repeats: of a step already taken: allowed; end: nothing counts from there on
        optional: steps that may be left out, by name or number
        gaps: the least and most time from the step before, for example cart:1h..2d or order:..30min
        without: events that must not lie between two steps, for example support_chat:cart>order
        hold: a property that stays the same over the steps, for example properties.product_id
        account: the property that tells the account of an event, for by=account
        """
        return cast(
            "TimeToConvert",
            self.measure(
                "time_to_convert",
                period,
                compare,
                persona,
                segment,
                steps=steps,
                within=within,
                by=by,
                order=order,
                starts=starts,
                repeats=repeats,
                optional=optional,
                gaps=gaps,
                without=without,
                hold=hold,
                account=account,
            ),
        )

    def funnel_correlation(
        self,
        steps: Sequence[str] | str,
        *,
        within: str | int | dt.timedelta | None = None,
        by: Literal["customer", "session", "account"] = "customer",
        order: Literal["ordered", "strict", "increasing", "any"] = "ordered",
        starts: Literal["furthest", "first", "every"] = "furthest",
        repeats: Literal["allowed", "end"] = "allowed",
        optional: Sequence[str] | str | None = None,
        gaps: Sequence[str] | str | None = None,
        without: Sequence[str] | str | None = None,
        hold: str | None = None,
        account: str | None = None,
        step: str | None = None,
        properties: Sequence[str] | str | None = None,
        least: int = 30,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> FunnelCorrelation:
        """Touchpoints, properties and sources of those who went on, beside those who did not.

        steps: touchpoints or events in order, two or more
        within: the time given from the first step, for example 7d; by default no limit
        by: count customers, sessions each by itself, or accounts
        order: in order; strict: nothing else between; increasing: each later than the one before; any: in any order
        starts: of all starts the one that gets furthest, the first only, or every one counted by itself
        repeats: of a step already taken: allowed; end: nothing counts from there on
        optional: steps that may be left out, by name or number
        gaps: the least and most time from the step before, for example cart:1h..2d or order:..30min
        without: events that must not lie between two steps, for example support_chat:cart>order
        hold: a property that stays the same over the steps, for example properties.product_id
        account: the property that tells the account of an event, for by=account
        step: the step gone on to; by default from the first step to the last
        properties: of the step's event; by default those it has
        least: the fewest people on either side, with it and without it
        limit: how many rows to show
        """
        return cast(
            "FunnelCorrelation",
            self.measure(
                "funnel_correlation",
                period,
                compare,
                persona,
                segment,
                steps=steps,
                within=within,
                by=by,
                order=order,
                starts=starts,
                repeats=repeats,
                optional=optional,
                gaps=gaps,
                without=without,
                hold=hold,
                account=account,
                step=step,
                properties=properties,
                least=least,
                limit=limit,
            ),
        )

    def transitions(
        self,
        *,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        collapse: bool = False,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Transitions:
        """Which step follows which, how often, and how long it takes.

        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        collapse: take repeats of a step right after each other as one step
        limit: how many rows to show
        """
        return cast(
            "Transitions",
            self.measure(
                "transitions", period, compare, persona, segment, of=of, by=by, collapse=collapse, limit=limit
            ),
        )

    def variants(
        self,
        *,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        collapse: bool = False,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Variants:
        """The whole paths that people went, the most common first.

        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        collapse: take repeats of a step right after each other as one step
        limit: how many rows to show
        """
        return cast(
            "Variants",
            self.measure("variants", period, compare, persona, segment, of=of, by=by, collapse=collapse, limit=limit),
        )

    def step_matrix(
        self,
        *,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        collapse: bool = False,
        centre: str | None = None,
        occurrence: int = 1,
        before: int | None = None,
        after: int = 8,
        top: int = 20,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> StepMatrix:
        """What share of all paths is at which step, position by position.

        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        collapse: take repeats of a step right after each other as one step
        centre: the step that every path is laid around; by default its beginning
        occurrence: the first time the path meets the centre, or a later
        before: positions before the centre; by default 3
        after: positions after the beginning or the centre
        top: how many steps are told apart; others are the rest
        """
        return cast(
            "StepMatrix",
            self.measure(
                "step_matrix",
                period,
                compare,
                persona,
                segment,
                of=of,
                by=by,
                collapse=collapse,
                centre=centre,
                occurrence=occurrence,
                before=before,
                after=after,
                top=top,
            ),
        )

    def flow(
        self,
        *,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        collapse: bool = False,
        centre: str | None = None,
        occurrence: int = 1,
        before: int | None = None,
        after: int = 5,
        top: int = 8,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> StepFlow:
        """How paths flow from step to step, around any step, forwards and backwards.

        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        collapse: take repeats of a step right after each other as one step
        centre: the step that every path is laid around; by default its beginning
        occurrence: the first time the path meets the centre, or a later
        before: positions before the centre; by default 3
        after: positions after the beginning or the centre
        top: how many steps are told apart; others are the rest
        """
        return cast(
            "StepFlow",
            self.measure(
                "flow",
                period,
                compare,
                persona,
                segment,
                of=of,
                by=by,
                collapse=collapse,
                centre=centre,
                occurrence=occurrence,
                before=before,
                after=after,
                top=top,
            ),
        )

    def sequences(
        self,
        *,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        collapse: bool = False,
        length: int = 2,
        gaps: bool = False,
        least: float | str = 0.0,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Sequences:
        """Two or three steps in a row that come more often than chance would have it.

        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        collapse: take repeats of a step right after each other as one step
        length: how many steps a sequence has: 2, 3 or 4
        gaps: let other steps lie between
        least: only sequences that this share of paths has
        limit: how many rows to show
        """
        return cast(
            "Sequences",
            self.measure(
                "sequences",
                period,
                compare,
                persona,
                segment,
                of=of,
                by=by,
                collapse=collapse,
                length=length,
                gaps=gaps,
                least=least,
                limit=limit,
            ),
        )

    def loops(
        self,
        *,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Loops:
        """Steps taken again, ways there and back, and the time that goes into it.

        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        limit: how many rows to show
        """
        return cast("Loops", self.measure("loops", period, compare, persona, segment, of=of, by=by, limit=limit))

    def onward(
        self,
        from_: str,
        *,
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        of: Literal["touchpoint", "event", "stage"] | None = None,
        by: Literal["customer", "session"] = "customer",
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> OnwardFrom:
        """From one step to any other, sooner or later, beside the base rate and with the lift.

        from_: the step that they met
        to: the step that they came to; by default every other
        within: the time they are given, for example 7d; by default no limit
        of: what a step is; by default touchpoints, and events where there is no map
        by: count customers, or sessions each by itself
        limit: how many rows to show
        """
        return cast(
            "OnwardFrom",
            self.measure(
                "onward",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                to=to,
                within=within,
                of=of,
                by=by,
                limit=limit,
            ),
        )

    def retention(
        self,
        *,
        unit: Literal["day", "week", "month"] = "week",
        first: str | None = None,
        again: str | None = None,
        kind: Literal["classic", "unbounded", "bracket"] = "classic",
        brackets: Sequence[str] | str | None = None,
        intervals: int | None = None,
        rolling: bool = False,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Retention:
        """Of those who began in the same period, the share that was there again in each later one.

        unit: days, weeks (from Monday) or calendar months, in the map's time zone
        first: the touchpoint or event they begin with; by default any
        again: what counts as coming back; by default any event
        kind: classic: in just that period; unbounded: then or later; bracket: in the periods of brackets
        brackets: for kind bracket, for example 0,1-3,4-7
        intervals: how many later periods; by default as many as fit
        rolling: count periods from each customer's first moment (a month is 30 days), not by the calendar
        """
        return cast(
            "Retention",
            self.measure(
                "retention",
                period,
                compare,
                persona,
                segment,
                unit=unit,
                first=first,
                again=again,
                kind=kind,
                brackets=brackets,
                intervals=intervals,
                rolling=rolling,
            ),
        )

    def active(
        self,
        *,
        unit: Literal["day", "week", "month"] = "week",
        what: str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> ActiveCustomers:
        """Different customers by day, week or month.

        unit: days, weeks (from Monday) or calendar months, in the map's time zone
        what: the touchpoint or event that counts; by default any event
        """
        return cast("ActiveCustomers", self.measure("active", period, compare, persona, segment, unit=unit, what=what))

    def stickiness(
        self,
        *,
        what: str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Stickiness:
        """How much of a week's or a month's customers are there on a day, and on how many days.

        what: the touchpoint or event that counts; by default any event
        """
        return cast("Stickiness", self.measure("stickiness", period, compare, persona, segment, what=what))

    def lifecycle(
        self,
        *,
        unit: Literal["day", "week", "month"] = "week",
        what: str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Lifecycle:
        """New, returning, resurrected and dormant customers, period by period.

        unit: days, weeks (from Monday) or calendar months, in the map's time zone
        what: the touchpoint or event that counts; by default any event
        """
        return cast("Lifecycle", self.measure("lifecycle", period, compare, persona, segment, unit=unit, what=what))

    def survival(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
        silence: str | int | dt.timedelta | None = None,
        by: str | None = None,
        every: str | int | dt.timedelta | None = None,
        limit: int = 6,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Survival:
        """How long until something happens, or until customers lapse, those still waiting included.

        from_: the touchpoint or event they are watched from; by default any
        to: what is waited for, by default the map's goal; with a silence what counts as activity
        silence: how long without activity is to have lapsed, for example 30d
        by: one curve for each source, medium, campaign, origin, persona, segment, trait or property
        every: the step of age in the table; by default one that suits
        limit: how many groups to show
        """
        return cast(
            "Survival",
            self.measure(
                "survival",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                to=to,
                silence=silence,
                by=by,
                every=every,
                limit=limit,
            ),
        )

    def churn(
        self,
        *,
        unit: Literal["day", "week", "month"] = "month",
        what: str | None = None,
        silence: str | int | dt.timedelta | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Churn:
        """Customers who lapsed, of those who were there at the beginning of the month.

        unit: days, weeks (from Monday) or calendar months, in the map's time zone
        what: the touchpoint or event that counts; by default any event
        silence: how long without activity is to have lapsed, for example 30d
        """
        return cast(
            "Churn", self.measure("churn", period, compare, persona, segment, unit=unit, what=what, silence=silence)
        )

    def subscriptions(
        self,
        *,
        every: Literal["week", "month", "quarter", "year"] = "month",
        interval: str | None = None,
        grace: str | int | dt.timedelta = 1296000,
        trial_within: str | int | dt.timedelta | None = None,
        started: Sequence[str] | str | None = None,
        renewed: Sequence[str] | str | None = None,
        ended: Sequence[str] | str | None = None,
        trial: Sequence[str] | str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Subscriptions:
        """Recurring revenue and how it moves, churn of subscribers, trial to paid, and renewals to come.

        every: what one payment is for where nothing else says
        interval: the property that says what a payment is for (month, year ...), for example properties.interval
        grace: how late a payment may be before the subscription has ended
        trial_within: the time in which a trial is to turn into a payment; by default the map's window
        started: what begins a subscription; by default Subscription Started
        renewed: what renews a subscription; by default Subscription Renewed
        ended: what ends a subscription; by default Subscription Cancelled (Subscription Paused always does)
        trial: what begins a trial; by default Trial Started
        """
        return cast(
            "Subscriptions",
            self.measure(
                "subscriptions",
                period,
                compare,
                persona,
                segment,
                every=every,
                interval=interval,
                grace=grace,
                trial_within=trial_within,
                started=started,
                renewed=renewed,
                ended=ended,
                trial=trial,
            ),
        )

    def value(
        self,
        *,
        from_: Sequence[str] | str | None = None,
        refunds: Sequence[str] | str | None = None,
        by: Literal["source", "medium", "campaign", "origin", "persona", "segment"] | None = None,
        credit: Literal["first", "last"] = "first",
        silence: str | int | dt.timedelta | None = None,
        length: str | int | dt.timedelta | None = None,
        margin: float | str = 1.0,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Value:
        """Average purchase x purchases a year x length of the relationship, net of refunds.

        from_: the touchpoints or events that are purchases; by default those whose value the map declares, else its
            goal
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        by: one row for each source, medium, campaign, origin, persona or segment
        credit: the origin that a customer belongs to: the first or the last one named up to the first purchase
        silence: how long without a purchase ends the relationship; by default the map's longest lapses_after, else
            365d, and at most a third of the time looked at
        length: the length of a relationship, for example 3y; by default it is estimated
        margin: the share of revenue that is kept, for example 40 %
        limit: how many rows to show
        """
        return cast(
            "Value",
            self.measure(
                "value",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                refunds=refunds,
                by=by,
                credit=credit,
                silence=silence,
                length=length,
                margin=margin,
                limit=limit,
            ),
        )

    def rfm(
        self,
        *,
        from_: Sequence[str] | str | None = None,
        refunds: Sequence[str] | str | None = None,
        recency: Sequence[str] | str | None = None,
        frequency: Sequence[str] | str | None = None,
        money: Sequence[str] | str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Rfm:
        """Customers by how recently, how often and for how much they buy, in named segments.

        from_: the touchpoints or events that are purchases; by default those whose value the map declares, else its
            goal
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        recency: four ascending times since the last purchase, for example 30d,90d,180d,365d; by default fifths
        frequency: four ascending numbers of purchases, for example 2,3,5,10; by default fifths
        money: four ascending amounts, for example 50,100,250,500; by default fifths
        """
        return cast(
            "Rfm",
            self.measure(
                "rfm",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                refunds=refunds,
                recency=recency,
                frequency=frequency,
                money=money,
            ),
        )

    def lifetime(
        self,
        *,
        from_: Sequence[str] | str | None = None,
        refunds: Sequence[str] | str | None = None,
        model: Literal["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb"] = "bg_nbd",
        horizon: str | int | dt.timedelta = 31536000,
        discount: float | str = 0.1,
        margin: float | str = 1.0,
        every: str | int | dt.timedelta = 2592000,
        holdout: float | str = 0.5,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Lifetime:
        """Expected purchases, P(alive) and discounted value of every customer, by a fitted model.

        from_: the touchpoints or events that are purchases; by default those whose value the map declares, else its
            goal
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        model: the model of buying and leaving
        horizon: how far ahead, for example 365d
        discount: the yearly rate at which later money is worth less
        margin: the share of revenue that is kept, for example 40 %
        every: the length of one occasion to buy (only for bg_bb), for example 30d
        holdout: the last share of the time that is kept back to check the model against
        limit: how many rows to show
        """
        return cast(
            "Lifetime",
            self.measure(
                "lifetime",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                refunds=refunds,
                model=model,
                horizon=horizon,
                discount=discount,
                margin=margin,
                every=every,
                holdout=holdout,
                limit=limit,
            ),
        )

    def acquisition(
        self,
        *,
        from_: Sequence[str] | str | None = None,
        refunds: Sequence[str] | str | None = None,
        by: Literal["source", "medium", "campaign", "origin"] = "source",
        credit: Literal["first", "last"] = "first",
        margin: float | str = 1.0,
        ltv: Literal["formula", "observed"] = "formula",
        silence: str | int | dt.timedelta | None = None,
        every: str | int | dt.timedelta = 2592000,
        within: str | int | dt.timedelta = 31104000,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Acquisition:
        """Costs by source, cost of a customer, time to pay back, lifetime value to cost.

        from_: the touchpoints or events that are purchases; by default those whose value the map declares, else its
            goal
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        by: one row for each source, medium, campaign, or origin (all three)
        credit: the origin that a customer belongs to: the first or the last one named up to the first purchase
        margin: the share of revenue that is kept, for example 40 %
        ltv: by the formula of the measure value, or observed: what customers of the age `within` have paid
        silence: how long without a purchase ends the relationship; by default the map's longest lapses_after, else
            365d, and at most a third of the time looked at
        every: the steps in which age is counted, for example 30d
        within: how old customers may grow in these figures, for example 360d
        limit: how many rows to show
        """
        return cast(
            "Acquisition",
            self.measure(
                "acquisition",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                refunds=refunds,
                by=by,
                credit=credit,
                margin=margin,
                ltv=ltv,
                silence=silence,
                every=every,
                within=within,
                limit=limit,
            ),
        )

    def payback(
        self,
        *,
        from_: Sequence[str] | str | None = None,
        refunds: Sequence[str] | str | None = None,
        source: str | None = None,
        credit: Literal["first", "last"] = "first",
        margin: float | str = 1.0,
        every: str | int | dt.timedelta = 2592000,
        within: str | int | dt.timedelta = 31104000,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Payback:
        """What customers won in each month have paid by age, against what they cost.

        from_: the touchpoints or events that are purchases; by default those whose value the map declares, else its
            goal
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        source: only customers and costs of this source; by default all
        credit: the origin that a customer belongs to: the first or the last one named up to the first purchase
        margin: the share of revenue that is kept, for example 40 %
        every: the steps in which age is counted, for example 30d
        within: how old customers may grow in these figures, for example 360d
        """
        return cast(
            "Payback",
            self.measure(
                "payback",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                refunds=refunds,
                source=source,
                credit=credit,
                margin=margin,
                every=every,
                within=within,
            ),
        )

    def leads(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        by: Literal["source", "medium", "campaign", "origin"] = "source",
        silence: str | int | dt.timedelta | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Leads:
        """Quality of leads by source and campaign: rate to customer, time to win, length, feedback, value, cost.

        from_: the touchpoint or event that makes a lead; by default any event
        to: the stage, touchpoint or event to be reached; by default the map's own goal
        within: the time that a lead is given to become a customer; by default the map's window
        by: one row for each source, medium, campaign, or origin (all three)
        silence: how long without any event ends the relationship; by default the map's longest lapses_after
        limit: how many rows to show
        """
        return cast(
            "Leads",
            self.measure(
                "leads",
                period,
                compare,
                persona,
                segment,
                from_=from_,
                to=to,
                within=within,
                by=by,
                silence=silence,
                limit=limit,
            ),
        )

    def score(
        self,
        *,
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        model: Literal["logistic", "boosting"] = "logistic",
        properties: Sequence[str] | str | None = None,
        silence: str | int | dt.timedelta | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Score:
        """How likely each lead is to reach a stage or touchpoint within a time: calibrated, checked, with reasons.

        to: the stage, touchpoint or event to be reached; by default the map's own goal
        within: the time ahead that the probability is of, for example 30d; by default the map's window
        model: logistic regression, or gradient boosting
        properties: properties of events to score by, as in where (properties.x, context.x, traits.x), or none; by
            default the traits that the events carry
        silence: who has been silent longer is no longer a lead; by default the map's longest lapses_after
        limit: how many rows to show
        """
        return cast(
            "Score",
            self.measure(
                "score",
                period,
                compare,
                persona,
                segment,
                to=to,
                within=within,
                model=model,
                properties=properties,
                silence=silence,
                limit=limit,
            ),
        )

    def persona_fit(
        self, *, period: str = "all", compare: str = "none", persona: str | None = None, segment: str | None = None
    ) -> PersonaFit:
        """Whether the map's personas still fit: whom they catch, overlaps, who is in none, and how they behave."""
        return cast(
            "PersonaFit",
            self.measure(
                "persona_fit",
                period,
                compare,
                persona,
                segment,
            ),
        )

    def clusters(
        self,
        *,
        method: Literal["kmeans", "mixture"] = "kmeans",
        k: int | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Found:
        """Kinds of customers that behaviour shows, with the touchpoints that tell them apart.

        method: k-means, or a Gaussian mixture
        k: how many clusters; by default what the data shows, 2 to 8
        """
        return cast("Found", self.measure("clusters", period, compare, persona, segment, method=method, k=k))

    def drift(
        self,
        *,
        since: dt.date | str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Drift:
        """What has changed in customers and their behaviour since the map was last reviewed.

        since: the day from which on is held against as long a time before; by default the map's `reviewed`
        """
        return cast("Drift", self.measure("drift", period, compare, persona, segment, since=since))

    def attribution(
        self,
        *,
        to: str | None = None,
        by: str | None = None,
        touches: Sequence[str] | str | None = None,
        models: Sequence[str] | str | None = None,
        within: str | int | dt.timedelta = 7776000,
        count_pending: bool = False,
        refunds: Sequence[str] | str | None = None,
        first_share: float | str = 0.4,
        last_share: float | str = 0.4,
        half_life: str | int | dt.timedelta = 604800,
        order: int = 1,
        worth: Literal["rate", "conversions"] = "rate",
        top: int = 15,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Attribution:
        """Conversions, money and return on ad spend by channel, by every model side by side.

        to: the touchpoint or event that counts as converting; by default the map's own goal
        by: what a channel is: source, medium, campaign or origin (all three) of visits; channel of sessions;
            touchpoint; event; or a property such as properties.x; by default source, with touches touchpoint
        touches: the touchpoints or events that are touches; by default visits, or all events that `by` names
        models: the models to show, with commas between; by default all
        within: how long before a conversion a touch may lie, for example 30d; by default 90d
        count_pending: take paths whose look-back is not yet over as paths that did not convert
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        first_share: position: the share of the first touch
        last_share: position: the share of the last touch
        half_life: time decay: a touch so much earlier counts half as much; by default 7d
        order: Markov: how many touches the chain remembers
        worth: Shapley: the share of paths that convert among those that met no other channels, or the number of
            such conversions
        top: how many channels are told apart; others are the rest
        """
        return cast(
            "Attribution",
            self.measure(
                "attribution",
                period,
                compare,
                persona,
                segment,
                to=to,
                by=by,
                touches=touches,
                models=models,
                within=within,
                count_pending=count_pending,
                refunds=refunds,
                first_share=first_share,
                last_share=last_share,
                half_life=half_life,
                order=order,
                worth=worth,
                top=top,
            ),
        )

    def content(
        self,
        *,
        by: str | None = None,
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        completed: Sequence[str] | str | None = None,
        limit: int = 50,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Content:
        """Which pieces are met in which stage, what follows with and without them, and what is missing.

        by: what a piece is: page (articles, guides, tables), campaign (mails and ads), video, content (the events'
            own property), touchpoint (those with content in the map) or a property such as properties.article; by
            default all that were seen
        to: the touchpoint or event that counts as going on; by default a later stage
        within: the time they are given to go on; by default the map's window
        completed: the events that tell that a piece was seen to its end; by default Video Finished, Content
            Finished and Content Read
        limit: how many pieces of each kind to show
        """
        return cast(
            "Content",
            self.measure(
                "content",
                period,
                compare,
                persona,
                segment,
                by=by,
                to=to,
                within=within,
                completed=completed,
                limit=limit,
            ),
        )

    def experiment(
        self,
        *,
        experiment: str | None = None,
        arm: str | None = None,
        named_by: str | None = None,
        event: str | None = None,
        group: str | None = None,
        against: str | None = None,
        base: str | None = None,
        to: str | None = None,
        metrics: Sequence[str] | str = ("conversion", "value"),
        within: str | int | dt.timedelta | None = None,
        before: str | int | dt.timedelta = 2592000,
        cuped: bool = True,
        shares: Sequence[str] | str | None = None,
        correction: Literal["holm", "false_discovery", "none"] = "holm",
        tuned_for: int = 5000,
        track: Literal["week", "day", "none"] = "week",
        prior: float | None = None,
        level: float | str = 0.95,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Experiment:
        """What an arm of an experiment does against the base: differences, uplift, at any look, and in chances.

        experiment: its name in the events; by default the only one there is
        arm: the property that tells the arm, or a trait (traits.x); by default one that trackers use
        named_by: the property that tells the experiment; by default one that trackers use
        event: the event that exposes; by default any with an arm
        group: instead of an arm: a list of customers, as its selector
        against: the list of customers that the group is held against
        base: the arm that the others are held against; by default control or the like
        to: the touchpoint or event that counts as converting; by default the map's own goal
        metrics: conversion (who reached it), count (how often), value (its money), average (money each time)
        within: the time counted from the exposure, for example 7d; by default up to now
        before: the time before the exposure that CUPED leans on
        cuped: take out what people did before they were exposed
        shares: planned sizes of the arms, the base first; by default equal
        correction: for several arms and metrics: holm holds every finding, false_discovery the share of false ones
        tuned_for: the number of people at which the always valid interval is narrowest
        track: the always valid interval at the end of each week or day of the experiment, or none
        prior: the deviation of the uplift that was believed beforehand, for example 0.1; by default none
        level: the level of the intervals
        """
        return cast(
            "Experiment",
            self.measure(
                "experiment",
                period,
                compare,
                persona,
                segment,
                experiment=experiment,
                arm=arm,
                named_by=named_by,
                event=event,
                group=group,
                against=against,
                base=base,
                to=to,
                metrics=metrics,
                within=within,
                before=before,
                cuped=cuped,
                shares=shares,
                correction=correction,
                tuned_for=tuned_for,
                track=track,
                prior=prior,
                level=level,
            ),
        )

    def experiment_plan(
        self,
        *,
        at: str | None = None,
        to: str | None = None,
        metric: Literal["conversion", "count", "value", "average"] = "conversion",
        within: str | int | dt.timedelta = 604800,
        uplift: float | str = 0.1,
        arms: int = 2,
        power: float | str = 0.8,
        traffic: float | str = 1.0,
        days: int = 28,
        before: str | int | dt.timedelta = 2592000,
        cuped: bool = True,
        level: float | str = 0.95,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> ExperimentPlan:
        """How many people an experiment needs and how many days that takes, by the shop's own traffic.

        at: where people are exposed: a touchpoint or an event; by default any event
        to: the touchpoint or event that counts as converting; by default the map's own goal
        metric: conversion (who reached it), count (how often), value (its money), average (money each time)
        within: the time counted from the exposure, for example 7d
        uplift: the relative uplift that shall not be missed, for example 10 %
        arms: how many arms, the base included
        power: the chance to find the uplift if it is there
        traffic: the share of people who take part
        days: the last days that traffic and figures are taken from
        before: the time before the exposure that CUPED leans on
        cuped: take out what people did before they were exposed
        level: the level of the intervals
        """
        return cast(
            "ExperimentPlan",
            self.measure(
                "experiment_plan",
                period,
                compare,
                persona,
                segment,
                at=at,
                to=to,
                metric=metric,
                within=within,
                uplift=uplift,
                arms=arms,
                power=power,
                traffic=traffic,
                days=days,
                before=before,
                cuped=cuped,
                level=level,
            ),
        )

    def obstacles(
        self,
        *,
        to: str | None = None,
        within: str | int | dt.timedelta | None = None,
        kinds: Sequence[str] | str | None = None,
        properties: Sequence[str] | str | None = None,
        like: str | None = None,
        by_source: bool = True,
        least: float | str = 0.015,
        false_findings: float | str = 0.01,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Obstacles:
        """What stops people on the way, ranked by the money that is lost.

        to: the touchpoint or event that counts as converting; by default the map's own goal
        within: the time they are given to reach the goal, for example 30d; by default the map's window
        kinds: what is suspected: failure, no_result, slow, cost, technical, missing; by default all but missing
        properties: further properties whose values are suspected, for example properties.delivery_method
        like: the property within which people are compared; by default the kind of device where it is known
        by_source: hold only those against each other whose visits came by the same medium
        least: the least share of those who would go on that an obstacle must cost, with certainty
        false_findings: the share of false findings that is borne among what is found
        """
        return cast(
            "Obstacles",
            self.measure(
                "obstacles",
                period,
                compare,
                persona,
                segment,
                to=to,
                within=within,
                kinds=kinds,
                properties=properties,
                like=like,
                by_source=by_source,
                least=least,
                false_findings=false_findings,
            ),
        )

    def what_if(
        self,
        *,
        change: Sequence[str] | str | None = None,
        goal: str | None = None,
        to: str | None = None,
        of: Literal["stage", "touchpoint"] | None = None,
        within: str | int | dt.timedelta | None = None,
        refunds: Sequence[str] | str | None = None,
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> WhatIf:
        """A change of one step carried through the journey to customers and money, and the targets of a goal.

        change: what changes, with commas between: cart>order:+2% is two points more of those in the cart who come
            to order, cart>order:40% sets the share, start:+10% is a tenth more who begin
        goal: customers a year, for example 1200, or money a year, for example 50000 EUR
        to: the touchpoint or event that counts as converting; by default the map's own goal
        of: what a step is; by default what the change names, else stages
        within: who came to a step later than this ago is not counted yet; by default the map's window
        refunds: the touchpoints or events that give money back, or none; by default Order Refunded and Order
            Cancelled
        """
        return cast(
            "WhatIf",
            self.measure(
                "what_if",
                period,
                compare,
                persona,
                segment,
                change=change,
                goal=goal,
                to=to,
                of=of,
                within=within,
                refunds=refunds,
            ),
        )

    def feeling(
        self,
        *,
        answers: Literal["every", "last"] = "every",
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Feeling:
        """NPS, CSAT, CES and reviews by touchpoint and stage, with the number of answers and an interval.

        answers: count every answer, or the last of each customer at each touchpoint
        """
        return cast("Feeling", self.measure("feeling", period, compare, persona, segment, answers=answers))
