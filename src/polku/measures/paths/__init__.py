"""Paths: which step follows which, how long it takes, and what ways people go."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import BY_CUSTOMER, LIMIT, WITHIN

OF = Option(
    "of", "choice", N_("steps"), N_("what a step is; by default touchpoints, and events where there is no map"), None,
    ("touchpoint", "event", "stage"),
)  # fmt: skip
COLLAPSE = Option(
    "collapse", "flag", N_("repeats as one"), N_("take repeats of a step right after each other as one step"), False
)

CENTRE = Option("centre", "step", N_("centre"), N_("the step that every path is laid around; by default its beginning"))
OCCURRENCE = Option(
    "occurrence", "number", N_("which time"), N_("the first time the path meets the centre, or a later"), 1
)
BEFORE = Option("before", "number", N_("steps before"), N_("positions before the centre; by default 3"))
STEPWISE = (OF, BY_CUSTOMER, COLLAPSE, CENTRE, OCCURRENCE, BEFORE)

MEASURES = (
    Measure(
        "transitions",
        N_("Transitions"),
        N_("Which step follows which, how often, and how long it takes."),
        (OF, BY_CUSTOMER, COLLAPSE, LIMIT),
        run="polku.measures.paths.transitions:transitions",
        selects={"transition": ("made", "took")},
        members="polku.measures.paths.transitions:members",
    ),
    Measure(
        "variants",
        N_("Variants"),
        N_("The whole paths that people went, the most common first."),
        (OF, BY_CUSTOMER, COLLAPSE, LIMIT),
        run="polku.measures.paths.variants:variants",
        selects={"variant": ("went", "walked")},
        members="polku.measures.paths.variants:members",
    ),
    Measure(
        "step_matrix",
        N_("Step matrix"),
        N_("What share of all paths is at which step, position by position."),
        (
            *STEPWISE,
            Option("after", "number", N_("steps after"), N_("positions after the beginning or the centre"), 8),
            Option("top", "number", N_("told apart"), N_("how many steps are told apart; others are the rest"), 20),
        ),
        run="polku.measures.paths.stepwise:step_matrix",
        selects={"path_step": ("walked", "elsewhere", "moved")},
        members="polku.measures.paths.stepwise:members",
    ),
    Measure(
        "flow",
        N_("Flow"),
        N_("How paths flow from step to step, around any step, forwards and backwards."),
        (
            *STEPWISE,
            Option("after", "number", N_("steps after"), N_("positions after the beginning or the centre"), 5),
            Option("top", "number", N_("told apart"), N_("how many steps are told apart; others are the rest"), 8),
        ),
        run="polku.measures.paths.stepwise:flow",
    ),
    Measure(
        "sequences",
        N_("Sequences"),
        N_("Two or three steps in a row that come more often than chance would have it."),
        (
            OF,
            BY_CUSTOMER,
            COLLAPSE,
            Option("length", "number", N_("steps"), N_("how many steps a sequence has: 2, 3 or 4"), 2),
            Option("gaps", "flag", N_("with gaps"), N_("let other steps lie between"), False),
            Option("least", "share", N_("support at least"), N_("only sequences that this share of paths has"), 0.0),
            LIMIT,
        ),
        run="polku.measures.paths.sequences:sequences",
        selects={"sequence": ("had", "walked")},
        members="polku.measures.paths.sequences:members",
    ),
    Measure(
        "loops",
        N_("Loops"),
        N_("Steps taken again, ways there and back, and the time that goes into it."),
        (OF, BY_CUSTOMER, LIMIT),
        run="polku.measures.paths.loops:loops",
        selects={"loop": ("repeated", "took")},
        members="polku.measures.paths.loops:members",
    ),
    Measure(
        "onward",
        N_("Onward"),
        N_("From one step to any other, sooner or later, beside the base rate and with the lift."),
        (
            Option("from", "step", N_("from"), N_("the step that they met"), required=True),
            Option("to", "step", N_("to"), N_("the step that they came to; by default every other")),
            WITHIN,
            OF,
            BY_CUSTOMER,
            LIMIT,
        ),
        run="polku.measures.paths.onward:onward",
        selects={"onward": ("converted", "not", "had_time", "pending", "with", "walked")},
        members="polku.measures.paths.onward:members",
        example={"from": "one"},
    ),
)
