"""Attribution: which touches conversions are credited to, by every model side by side."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import TO
from polku.measures.value import REFUNDS

#: The models, in the order in which they stand side by side.
MODELS = ("first", "last", "last_non_direct", "linear", "position", "time_decay", "markov", "shapley")

MEASURES = (
    Measure(
        "attribution",
        N_("Attribution"),
        N_("Conversions, money and return on ad spend by channel, by every model side by side."),
        (
            TO,
            Option(
                "by", "property", N_("channels by"),
                N_(
                    "what a channel is: source, medium, campaign or origin (all three) of visits; channel of sessions; "
                    "touchpoint; event; or a property such as properties.x; by default source, with touches touchpoint"
                ),
            ),
            Option(
                "touches", "steps", N_("touches"),
                N_("the touchpoints or events that are touches; by default visits, or all events that `by` names"),
            ),
            Option("models", "texts", N_("models"), N_("the models to show, with commas between; by default all")),
            Option(
                "within", "duration", N_("look-back"),
                N_("how long before a conversion a touch may lie, for example 30d; by default 90d"), 90 * 86400,
            ),
            Option(
                "count_pending", "flag", N_("count those not yet"),
                N_("take paths whose look-back is not yet over as paths that did not convert"), False,
            ),
            REFUNDS,
            Option("first_share", "share", N_("first touch"), N_("position: the share of the first touch"), 0.4),
            Option("last_share", "share", N_("last touch"), N_("position: the share of the last touch"), 0.4),
            Option(
                "half_life", "duration", N_("half-life"),
                N_("time decay: a touch so much earlier counts half as much; by default 7d"), 7 * 86400,
            ),
            Option("order", "number", N_("order of the chain"), N_("Markov: how many touches the chain remembers"), 1),
            Option(
                "worth", "choice", N_("worth of channels together"),
                N_(
                    "Shapley: the share of paths that convert among those that met no other channels, or the number of "
                    "such conversions"
                ),
                "rate", ("rate", "conversions"),
            ),
            Option("top", "number", N_("told apart"), N_("how many channels are told apart; others are the rest"), 15),
        ),
        run="polku.measures.attribution.attribution:attribution",
        selects={"attribution": ("met", "converted", "not", "pending", "had_time", "first", "last", "untouched")},
        members="polku.measures.attribution.attribution:members",
        example={"to": "two", "by": "touchpoint"},
    ),
)  # fmt: skip
