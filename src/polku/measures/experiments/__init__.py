"""Experiments: what an arm does against the base, and how many people a plan needs."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import TO

LEVEL = Option("level", "share", N_("level"), N_("the level of the intervals"), 0.95)
METRIC = N_("conversion (who reached it), count (how often), value (its money), average (money each time)")

MEASURES = (
    Measure(
        "experiment",
        N_("Experiment"),
        N_("What an arm of an experiment does against the base: differences, uplift, at any look, and in chances."),
        (
            Option(
                "experiment", "text", N_("experiment"), N_("its name in the events; by default the only one there is")
            ),
            Option(
                "arm",
                "property",
                N_("arm"),
                N_("the property that tells the arm, or a trait (traits.x); by default one that trackers use"),
            ),
            Option(
                "named_by",
                "property",
                N_("named by"),
                N_("the property that tells the experiment; by default one that trackers use"),
            ),
            Option("event", "step", N_("event"), N_("the event that exposes; by default any with an arm")),
            Option("group", "text", N_("group"), N_("instead of an arm: a list of customers, as its selector")),
            Option("against", "text", N_("against"), N_("the list of customers that the group is held against")),
            Option(
                "base",
                "text",
                N_("base"),
                N_("the arm that the others are held against; by default control or the like"),
            ),
            TO,
            Option("metrics", "texts", N_("metrics"), METRIC, ("conversion", "value")),
            Option(
                "within",
                "duration",
                N_("within"),
                N_("the time counted from the exposure, for example 7d; by default up to now"),
            ),
            Option(
                "before", "duration", N_("before"), N_("the time before the exposure that CUPED leans on"), 30 * 86400
            ),
            Option("cuped", "flag", N_("CUPED"), N_("take out what people did before they were exposed"), True),
            Option("shares", "texts", N_("shares"), N_("planned sizes of the arms, the base first; by default equal")),
            Option(
                "correction",
                "choice",
                N_("correction"),
                N_("for several arms and metrics: holm holds every finding, false_discovery the share of false ones"),
                "holm",
                ("holm", "false_discovery", "none"),
            ),
            Option(
                "tuned_for",
                "number",
                N_("tuned for"),
                N_("the number of people at which the always valid interval is narrowest"),
                5000,
            ),
            Option(
                "track",
                "choice",
                N_("over time"),
                N_("the always valid interval at the end of each week or day of the experiment, or none"),
                "week",
                ("week", "day", "none"),
            ),
            Option(
                "prior",
                "real",
                N_("prior"),
                N_("the deviation of the uplift that was believed beforehand, for example 0.1; by default none"),
            ),
            LEVEL,
        ),
        run="polku.measures.experiments.experiment:experiment",
        selects={"experiment": ("exposed", "reached", "not_reached", "pending", "mixed")},
        members="polku.measures.experiments.experiment:experiment_members",
        example={"group": "touchpoint:one:reached", "against": "touchpoint:two:reached", "to": "two"},
        needs=("models",),
    ),
    Measure(
        "experiment_plan",
        N_("Experiment plan"),
        N_("How many people an experiment needs and how many days that takes, by the shop's own traffic."),
        (
            Option(
                "at", "step", N_("at"), N_("where people are exposed: a touchpoint or an event; by default any event")
            ),
            TO,
            Option("metric", "choice", N_("metric"), METRIC, "conversion", ("conversion", "count", "value", "average")),
            Option(
                "within",
                "duration",
                N_("within"),
                N_("the time counted from the exposure, for example 7d"),
                7 * 86400,
            ),
            Option(
                "uplift",
                "share",
                N_("uplift"),
                N_("the relative uplift that shall not be missed, for example 10 %"),
                0.1,
            ),
            Option("arms", "number", N_("arms"), N_("how many arms, the base included"), 2),
            Option("power", "share", N_("power"), N_("the chance to find the uplift if it is there"), 0.8),
            Option("traffic", "share", N_("traffic"), N_("the share of people who take part"), 1.0),
            Option("days", "number", N_("days"), N_("the last days that traffic and figures are taken from"), 28),
            Option(
                "before", "duration", N_("before"), N_("the time before the exposure that CUPED leans on"), 30 * 86400
            ),
            Option("cuped", "flag", N_("CUPED"), N_("take out what people did before they were exposed"), True),
            LEVEL,
        ),
        run="polku.measures.experiments.plan:experiment_plan",
        example={"at": "one", "to": "two"},
        needs=("models",),
    ),
)
