"""Acquisition: what a customer costs by source, when that is paid back, and lifetime value to cost."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import LIMIT
from polku.measures.value import CREDIT, FROM, MARGIN, REFUNDS, SILENCE

BY = Option(
    "by", "choice", N_("by"), N_("one row for each source, medium, campaign, or origin (all three)"), "source",
    ("source", "medium", "campaign", "origin"),
)  # fmt: skip
EVERY = Option(
    "every", "duration", N_("step of age"), N_("the steps in which age is counted, for example 30d"), 2592000
)
WITHIN = Option(
    "within", "duration", N_("within"), N_("how old customers may grow in these figures, for example 360d"), 31104000
)

MEASURES = (
    Measure(
        "acquisition",
        N_("Acquisition"),
        N_("Costs by source, cost of a customer, time to pay back, lifetime value to cost."),
        (
            FROM,
            REFUNDS,
            BY,
            CREDIT,
            MARGIN,
            Option(
                "ltv", "choice", N_("lifetime value"),
                N_("by the formula of the measure value, or observed: what customers of the age `within` have paid"),
                "formula", ("formula", "observed"),
            ),
            SILENCE,
            EVERY,
            WITHIN,
            LIMIT,
        ),
        run="polku.measures.acquisition.by_source:acquisition",
        selects={"acquired": ("customers",)},
        members="polku.measures.acquisition.by_source:members",
        example={"from": "two"},
    ),
    Measure(
        "payback",
        N_("Payback"),
        N_("What customers won in each month have paid by age, against what they cost."),
        (
            FROM,
            REFUNDS,
            Option("source", "text", N_("source"), N_("only customers and costs of this source; by default all")),
            CREDIT,
            MARGIN,
            EVERY,
            WITHIN,
        ),
        run="polku.measures.acquisition.payback:payback",
        example={"from": "two"},
    ),
)  # fmt: skip
