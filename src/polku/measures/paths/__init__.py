"""Paths: which step follows which, how long it takes, and what ways people go."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import BY_CUSTOMER, LIMIT

OF = Option(
    "of", "choice", N_("steps"), N_("what a step is; by default touchpoints, and events where there is no map"), None,
    ("touchpoint", "event", "stage"),
)  # fmt: skip
COLLAPSE = Option(
    "collapse", "flag", N_("repeats as one"), N_("take repeats of a step right after each other as one step"), False
)

MEASURES = (
    Measure(
        "transitions",
        N_("Transitions"),
        N_("Which step follows which, how often, and how long it takes."),
        (OF, BY_CUSTOMER, COLLAPSE, LIMIT),
        run="polku.measures.paths.transitions:transitions",
        selects={"transition": ("made",)},
        members="polku.measures.paths.transitions:members",
    ),
    Measure(
        "variants",
        N_("Variants"),
        N_("The whole paths that people went, the most common first."),
        (OF, BY_CUSTOMER, COLLAPSE, LIMIT),
        run="polku.measures.paths.variants:variants",
        selects={"variant": ("went",)},
        members="polku.measures.paths.variants:members",
    ),
)
