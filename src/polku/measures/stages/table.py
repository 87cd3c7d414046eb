"""Customers by stage: where they are, who came, who went on and how long it took."""

from __future__ import annotations

import dataclasses

from polku.journey.model import Text, titled
from polku.language import N_, Reader
from polku.measures.answer import Answer, Table, count_cell, money_cell, rate_cell, time_cell, words
from polku.measures.living import StageFigures, figures_of
from polku.measures.result import STATES, Count, Rate
from polku.measures.value.buying import currency_of
from polku.measures.view import View

HEADS = (
    N_("stage"),
    N_("now"),
    N_("ever reached"),
    N_("entered"),
    N_("went on"),
    N_("dropped off"),
    N_("median time on"),
    N_("lapsed"),
    N_("won back"),
    N_("skipped"),
    N_("value"),
    N_("target"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stages(Answer):
    name = "stages"
    says = (
        N_("Now = customers whose current stage it is at the moment asked, the lapsed apart."),
        N_("Entered = those who entered it in the period; a stage is entered once, and nobody moves back by touching."),
        N_(
            "Went on = of those who entered it in the period and have had their time, the share who entered a "
            "later stage within it."
        ),
        N_("Drop-off is the rest of the same customers; those whose time is not yet up are told apart."),
        N_("Lapsed = no activity for as long as the map allows; won back = active again."),
    )

    stages: tuple[StageFigures, ...]
    titles: tuple[Text, ...]
    outside: Count
    currency: str = "EUR"

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        rows = []
        for title, stage in zip(self.titles, self.stages, strict=True):
            figures = stage.figures
            state = reader(STATES[figures.state])
            if figures.target is not None:
                sign = "≥" if figures.target_at_least else "≤"
                state = f"{sign} {reader.percent(figures.target)}: {state}"
            amount = figures.value.amount if figures.value else None
            rows.append(
                (
                    words(reader.said(title), stage.id),
                    count_cell(stage.now, reader),
                    count_cell(figures.reached, reader),
                    count_cell(figures.entered, reader),
                    rate_cell(figures.went_on, reader),
                    rate_cell(figures.drop_off, reader),
                    time_cell(figures.to_next, reader),
                    count_cell(stage.lapsed, reader),
                    count_cell(stage.won_back, reader),
                    count_cell(stage.skipped, reader),
                    money_cell(amount, self.currency, reader, figures.value.behind if figures.value else None),
                    words(state, figures.state),
                )
            )
        return (Table(reader("Stages"), tuple(reader(h) for h in HEADS), tuple(rows)),)

    @property
    def rate(self) -> Rate:
        return self.stages[0].figures.went_on


def stages(view: View) -> Stages:
    """The stages' numbers of the living map, without the touchpoints."""
    found = figures_of(view)
    return Stages(
        period=view.period, persona=view.persona, segment=view.segment, currency=currency_of(view),
        stages=tuple(found.stage(s, None) for s in range(len(view.journey.stages))),
        titles=tuple(titled(s) for s in view.journey.stages), outside=found.outside,
    )  # fmt: skip
