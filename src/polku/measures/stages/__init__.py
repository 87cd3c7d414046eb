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
)
