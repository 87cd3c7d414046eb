"""Stages of the map: who is where, who went on, who lapsed."""

from polku.language import N_
from polku.measures.definition import Measure

MEASURES = (
    Measure(
        "stages",
        N_("Stages"),
        N_("Customers by stage: now, entered, went on, dropped off, lapsed, won back."),
        run="polku.measures.stages.table:stages",
    ),
    Measure(
        "standing",
        N_("Current stages"),
        N_("Where everyone is now: customers by current stage, the quickest answer there is."),
        run="polku.measures.stages.standing:standing",
        selects={"standing": ("outside", "at")},
        members="polku.measures.stages.standing:members",
    ),
)
