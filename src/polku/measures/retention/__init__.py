"""Retention: who comes back, how often, and who stays away."""

import dataclasses

from polku.language import N_
from polku.measures.definition import Measure, Option

UNIT = Option(
    "unit", "choice", N_("unit"), N_("days, weeks (from Monday) or calendar months, in the map's time zone"), "week",
    ("day", "week", "month"),
)  # fmt: skip
WHAT = Option("what", "step", N_("what counts"), N_("the touchpoint or event that counts; by default any event"))
SILENCE = Option(
    "silence", "duration", N_("silence"), N_("how long without activity is to have lapsed, for example 30d")
)

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
        selects={"retention": ("all", "so_far", "back", "away", "pending", "had_time")},
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
    Measure(
        "survival",
        N_("Survival"),
        N_("How long until something happens, or until customers lapse, those still waiting included."),
        (
            Option("from", "step", N_("from"), N_("the touchpoint or event they are watched from; by default any")),
            Option(
                "to", "step", N_("to"),
                N_("what is waited for, by default the map's goal; with a silence what counts as activity"),
            ),
            SILENCE,
            Option(
                "by", "property", N_("by"),
                N_("one curve for each source, medium, campaign, origin, persona, segment, trait or property"),
            ),
            Option("every", "duration", N_("step"), N_("the step of age in the table; by default one that suits")),
            Option("limit", "number", N_("groups"), N_("how many groups to show"), 6),
        ),
        run="polku.measures.retention.survival:survival",
        selects={"survival": ("begun", "happened", "going")},
        members="polku.measures.retention.survival:members",
        example={"from": "one", "to": "two"},
    ),
    Measure(
        "churn",
        N_("Churn"),
        N_("Customers who lapsed, of those who were there at the beginning of the month."),
        (dataclasses.replace(UNIT, default="month"), WHAT, SILENCE),
        run="polku.measures.retention.churn:churn",
        selects={"churn": ("at_risk", "lapsed", "stayed", "new", "won_back")},
        members="polku.measures.retention.churn:members",
        example={"silence": "30d"},
    ),
    Measure(
        "subscriptions",
        N_("Subscriptions"),
        N_("Recurring revenue and how it moves, churn of subscribers, trial to paid, and renewals to come."),
        (
            Option(
                "every", "choice", N_("payments are for"), N_("what one payment is for where nothing else says"),
                "month", ("week", "month", "quarter", "year"),
            ),
            Option(
                "interval", "property", N_("interval"),
                N_("the property that says what a payment is for (month, year ...), for example properties.interval"),
            ),
            Option(
                "grace", "duration", N_("grace"),
                N_("how late a payment may be before the subscription has ended"), 15 * 86400,
            ),
            Option(
                "trial_within", "duration", N_("trial"),
                N_("the time in which a trial is to turn into a payment; by default the map's window"),
            ),
            Option(
                "started", "steps", N_("first payment"),
                N_("what begins a subscription; by default Subscription Started"),
            ),
            Option(
                "renewed", "steps", N_("renewal"), N_("what renews a subscription; by default Subscription Renewed")
            ),
            Option(
                "ended", "steps", N_("end"),
                N_("what ends a subscription; by default Subscription Cancelled (Subscription Paused always does)"),
            ),
            Option("trial", "steps", N_("trial begins"), N_("what begins a trial; by default Trial Started")),
        ),
        run="polku.measures.retention.subscriptions:subscriptions",
        selects={
            "subscriptions": (
                "start", "new", "reactivated", "expansion", "contraction", "churned", "end", "unpaid", "trial_paid",
                "trial_not", "trial_pending", "trial_due", "renewed", "not_renewed", "renewal_pending", "renewal_due",
                "unpriced", "unread",
            )
        },
        members="polku.measures.retention.subscriptions:members",
        example={"started": "two"},
    ),
)  # fmt: skip
