"""Leads: which sources bring leads that become customers, and how likely each lead is to."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import LIMIT

BY = Option(
    "by", "choice", N_("by"), N_("one row for each source, medium, campaign, or origin (all three)"), "source",
    ("source", "medium", "campaign", "origin"),
)  # fmt: skip
TO = Option(
    "to", "text", N_("to"), N_("the stage, touchpoint or event to be reached; by default the map's own goal")
)  # fmt: skip

MEASURES = (
    Measure(
        "leads",
        N_("Leads"),
        N_("Quality of leads by source and campaign: rate to customer, time to win, length, feedback, value, cost."),
        (
            Option("from", "step", N_("lead"), N_("the touchpoint or event that makes a lead; by default any event")),
            TO,
            Option(
                "within", "duration", N_("within"),
                N_("the time that a lead is given to become a customer; by default the map's window"),
            ),
            BY,
            Option(
                "silence", "duration", N_("silence"),
                N_("how long without any event ends the relationship; by default the map's longest lapses_after"),
            ),
            LIMIT,
        ),
        run="polku.measures.leads.quality:leads",
        selects={"lead": ("leads", "won", "not", "pending", "had_time", "customers")},
        members="polku.measures.leads.quality:members",
        example={"to": "two"},
    ),
    Measure(
        "score",
        N_("Lead score"),
        N_("How likely each lead is to reach a stage or touchpoint within a time: calibrated, checked, with reasons."),
        (
            TO,
            Option(
                "within", "duration", N_("within"),
                N_("the time ahead that the probability is of, for example 30d; by default the map's window"),
            ),
            Option(
                "model", "choice", N_("model"), N_("logistic regression, or gradient boosting"), "logistic",
                ("logistic", "boosting"),
            ),
            Option(
                "properties", "texts", N_("properties"),
                N_(
                    "properties of events to score by, as in where (properties.x, context.x, traits.x), or none; by "
                    "default the traits that the events carry"
                ),
            ),
            Option(
                "silence", "duration", N_("silence"),
                N_("who has been silent longer is no longer a lead; by default the map's longest lapses_after"),
            ),
            LIMIT,
        ),
        run="polku.measures.leads.score:score",
        selects={"score": ("scored", "a", "b", "c", "d")},
        members="polku.measures.leads.score:members",
        example={"to": "two", "within": "1d"},
        needs=("models",),
    ),
)  # fmt: skip
