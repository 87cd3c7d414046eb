"""What if: the journey as a fitted Markov model, a change carried through it, the targets that a goal needs."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import TO
from polku.measures.value import REFUNDS

MEASURES = (
    Measure(
        "what_if",
        N_("What if"),
        N_("A change of one step carried through the journey to customers and money, and the targets of a goal."),
        (
            Option(
                "change", "texts", N_("change"),
                N_(
                    "what changes, with commas between: cart>order:+2% is two points more of those in the cart who "
                    "come to order, cart>order:40% sets the share, start:+10% is a tenth more who begin"
                ),
            ),
            Option(
                "goal", "text", N_("goal a year"),
                N_("customers a year, for example 1200, or money a year, for example 50000 EUR"),
            ),
            TO,
            Option(
                "of", "choice", N_("steps"),
                N_("what a step is; by default what the change names, else stages"), None, ("stage", "touchpoint"),
            ),
            Option(
                "within", "duration", N_("within"),
                N_("who came to a step later than this ago is not counted yet; by default the map's window"),
            ),
            REFUNDS,
        ),
        run="polku.measures.forecast.what_if:what_if",
        selects={"what_if": (
                "entered", "went_on", "ended", "pending", "had_time", "reached_goal", "no_goal", "goal_pending",
                "goal_had_time",
            )},
        members="polku.measures.forecast.what_if:members",
        example={"to": "two"},
    ),
)  # fmt: skip
