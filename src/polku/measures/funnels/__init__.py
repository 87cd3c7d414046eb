"""Funnels: who takes steps, in order or not, where they drop off, how long it takes, and what goes with going on."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import LIMIT

STEPS = Option("steps", "steps", N_("steps"), N_("touchpoints or events in order, two or more"), required=True)
WITHIN = Option(
    "within",
    "duration",
    N_("within"),
    N_("the time given from the first step, for example 7d; by default no limit"),
)
BY = Option(
    "by", "choice", N_("by"), N_("count customers, sessions each by itself, or accounts"), "customer",
    ("customer", "session", "account"),
)  # fmt: skip
#: What a funnel can be, for every measure of one; see polku.measures.funnels.asked.
DEFINITION = (
    STEPS,
    WITHIN,
    BY,
    Option(
        "order",
        "choice",
        N_("order"),
        N_("in order; strict: nothing else between; increasing: each later than the one before; any: in any order"),
        "ordered",
        ("ordered", "strict", "increasing", "any"),
    ),
    Option(
        "starts",
        "choice",
        N_("starts"),
        N_("of all starts the one that gets furthest, the first only, or every one counted by itself"),
        "furthest",
        ("furthest", "first", "every"),
    ),
    Option(
        "repeats",
        "choice",
        N_("repeats"),
        N_("of a step already taken: allowed; end: nothing counts from there on"),
        "allowed",
        ("allowed", "end"),
    ),
    Option("optional", "steps", N_("optional"), N_("steps that may be left out, by name or number")),
    Option(
        "gaps",
        "texts",
        N_("times between"),
        N_("the least and most time from the step before, for example cart:1h..2d or order:..30min"),
    ),
    Option(
        "without",
        "texts",
        N_("without"),
        N_("events that must not lie between two steps, for example support_chat:cart>order"),
    ),
    Option(
        "hold",
        "property",
        N_("the same"),
        N_("a property that stays the same over the steps, for example properties.product_id"),
    ),
    Option(
        "account",
        "property",
        N_("account"),
        N_("the property that tells the account of an event, for by=account"),
    ),
)
EXAMPLE = {"steps": "one,two", "within": "7d"}

MEASURES = (
    Measure(
        "funnel",
        N_("Funnel"),
        N_("Who takes the steps in order, and where they drop off."),
        (
            *DEFINITION,
            Option(
                "breakdown",
                "property",
                N_("breakdown"),
                N_("persona, segment, source, medium, campaign, origin, or a property such as properties.platform"),
            ),
            Option(
                "at",
                "choice",
                N_("property of"),
                N_("the event whose property counts in the breakdown: of the first step, or of the last one taken"),
                "first",
                ("first", "last"),
            ),
            Option(
                "against",
                "text",
                N_("held against"),
                N_("the group that the others are held against; by default the rest"),
            ),
            Option("limit", "number", N_("rows"), N_("how many groups to show"), 10),
        ),
        run="polku.measures.funnels.funnel:funnel",
        selects={"funnel": ("reached", "converted", "dropped", "lost", "pending")},
        members="polku.measures.funnels.members:members",
        example=EXAMPLE,
    ),
    Measure(
        "funnel_trend",
        N_("Funnel over time"),
        N_("The conversion of those who began in each day, week or month."),
        (
            *DEFINITION,
            Option(
                "interval",
                "choice",
                N_("interval"),
                N_("day, week or month of the first step"),
                "week",
                ("day", "week", "month"),
            ),
        ),
        run="polku.measures.funnels.trend:funnel_trend",
        example=EXAMPLE,
    ),
    Measure(
        "time_to_convert",
        N_("Time to convert"),
        N_("How long it takes from the first step to the last."),
        DEFINITION,
        run="polku.measures.funnels.times:time_to_convert",
        example=EXAMPLE,
    ),
    Measure(
        "funnel_correlation",
        N_("What goes with going on"),
        N_("Touchpoints, properties and sources of those who went on, beside those who did not."),
        (
            *DEFINITION,
            Option("step", "text", N_("step"), N_("the step gone on to; by default from the first step to the last")),
            Option("properties", "texts", N_("properties"), N_("of the step's event; by default those it has")),
            Option("least", "number", N_("least"), N_("the fewest people on either side, with it and without it"), 30),
            LIMIT,
        ),
        run="polku.measures.funnels.correlation:funnel_correlation",
        selects={
            "correlate": (
                "with",
                "with_went_on",
                "with_lost",
                "without",
                "without_went_on",
                "without_lost",
            )
        },
        members="polku.measures.funnels.correlation:members",
        example=EXAMPLE,
    ),
)
