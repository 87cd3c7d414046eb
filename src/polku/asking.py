"""Every measure as a method, for notebooks: ``shop.funnel(...)``, ``trails.funnel(...)``.

Written by scripts/write_asking.py from the catalogue of measures; do not edit by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from polku.measures.answer import Answer
    from polku.measures.conversion import Conversion, Leaving
    from polku.measures.funnel import Funnel
    from polku.measures.pages import Bounce, Exit
    from polku.measures.paths.transitions import Transitions
    from polku.measures.paths.variants import Variants
    from polku.measures.sources import Sources
    from polku.measures.stages.table import Stages


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

    def conversion(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
        within: str | int | None = None,
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
        within: str | int | None = None,
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

    def funnel(
        self,
        steps: Sequence[str] | str,
        *,
        within: str | int | None = None,
        by: Literal["customer", "session"] = "customer",
        period: str = "all",
        compare: str = "none",
        persona: str | None = None,
        segment: str | None = None,
    ) -> Funnel:
        """Who takes the steps in order, and where they drop off.

        steps: touchpoints or events in order, two or more
        within: the time given from the first step, for example 7d; by default no limit
        by: count customers, or sessions each by itself
        """
        return cast(
            "Funnel", self.measure("funnel", period, compare, persona, segment, steps=steps, within=within, by=by)
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
