"""Retention: who comes back, how often, and who stays away."""

from polku.language import N_
from polku.measures.definition import Measure, Option

UNIT = Option(
    "unit", "choice", N_("unit"), N_("days, weeks (from Monday) or calendar months, in the map's time zone"), "week",
    ("day", "week", "month"),
)  # fmt: skip
WHAT = Option("what", "step", N_("what counts"), N_("the touchpoint or event that counts; by default any event"))

MEASURES = (
    Measure(
        "retention",
        N_("Retention"),
        N_("Of those who began in the same period, the share that was there again in each later one."),
        (
            UNIT,
            Option("first", "step", N_("beginning"), N_("the touchpoint or event they begin with; by default any")),
            Option("again", "step", N_("coming back"), N_("what counts as coming back; by default any event")),
            Option(
                "kind", "choice", N_("kind"),
                N_("classic: in just that period; unbounded: then or later; bracket: in the periods of brackets"),
                "classic", ("classic", "unbounded", "bracket"),
            ),
            Option("brackets", "texts", N_("brackets"), N_("for kind bracket, for example 0,1-3,4-7")),
            Option("intervals", "number", N_("periods"), N_("how many later periods; by default as many as fit")),
            Option(
                "rolling", "flag", N_("from each one's own beginning"),
                N_("count periods from each customer's first moment (a month is 30 days), not by the calendar"), False,
            ),
        ),
        run="polku.measures.retention.cohorts:retention",
        selects={"retention": ("all", "so_far", "back", "away", "pending")},
        members="polku.measures.retention.cohorts:members",
    ),
    Measure(
        "active",
        N_("Active customers"),
        N_("Different customers by day, week or month."),
        (UNIT, WHAT),
        run="polku.measures.retention.active:active",
        selects={"active": ("there", "new", "returning", "resurrected", "dormant")},
        members="polku.measures.retention.active:members",
    ),
    Measure(
        "stickiness",
        N_("Stickiness"),
        N_("How much of a week's or a month's customers are there on a day, and on how many days."),
        (WHAT,),
        run="polku.measures.retention.stickiness:stickiness",
        selects={"days_there": ("days",)},
        members="polku.measures.retention.stickiness:members",
    ),
    Measure(
        "lifecycle",
        N_("Lifecycle"),
        N_("New, returning, resurrected and dormant customers, period by period."),
        (UNIT, WHAT),
        run="polku.measures.retention.active:lifecycle",
    ),
)  # fmt: skip
