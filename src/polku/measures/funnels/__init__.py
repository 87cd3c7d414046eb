"""Funnels: who takes steps in order, and where they drop off."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import BY_CUSTOMER

MEASURES = (
    Measure(
        "funnel",
        N_("Funnel"),
        N_("Who takes the steps in order, and where they drop off."),
        (
            Option("steps", "steps", N_("steps"), N_("touchpoints or events in order, two or more"), required=True),
            Option(
                "within",
                "duration",
                N_("within"),
                N_("the time given from the first step, for example 7d; by default no limit"),
            ),
            BY_CUSTOMER,
        ),
        run="polku.measures.funnel:funnel",
        example={"steps": "one,two", "within": "7d"},
    ),
)
