"""Lifetime value: the practitioners' formula, recency-frequency-money, and models of purchases still to come."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import LIMIT

FROM = Option(
    "from", "steps", N_("purchases"),
    N_("the touchpoints or events that are purchases; by default those whose value the map declares, else its goal"),
)  # fmt: skip
REFUNDS = Option(
    "refunds", "steps", N_("refunds"),
    N_("the touchpoints or events that give money back, or none; by default Order Refunded and Order Cancelled"),
)  # fmt: skip
MARGIN = Option("margin", "share", N_("margin"), N_("the share of revenue that is kept, for example 40 %"), 1.0)
SILENCE = Option(
    "silence", "duration", N_("silence"),
    N_(
        "how long without a purchase ends the relationship; by default the map's longest lapses_after, else 365d, and "
        "at most a third of the time looked at"
    ),
)  # fmt: skip
BY_GROUP = Option(
    "by", "choice", N_("by"), N_("one row for each source, medium, campaign, origin, persona or segment"), None,
    ("source", "medium", "campaign", "origin", "persona", "segment"),
)  # fmt: skip
CREDIT = Option(
    "credit", "choice", N_("credit"),
    N_("the origin that a customer belongs to: the first or the last one named up to the first purchase"), "first",
    ("first", "last"),
)  # fmt: skip
MODELS = ("bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb")

MEASURES = (
    Measure(
        "value",
        N_("Lifetime value"),
        N_("Average purchase x purchases a year x length of the relationship, net of refunds."),
        (
            FROM,
            REFUNDS,
            BY_GROUP,
            CREDIT,
            SILENCE,
            Option(
                "length", "duration", N_("length"),
                N_("the length of a relationship, for example 3y; by default it is estimated"),
            ),
            MARGIN,
            LIMIT,
        ),
        run="polku.measures.value.formula:value",
        selects={"value": ("customers", "watched", "ended", "going")},
        members="polku.measures.value.formula:members",
        example={"from": "two"},
    ),
    Measure(
        "rfm",
        N_("RFM"),
        N_("Customers by how recently, how often and for how much they buy, in named segments."),
        (
            FROM,
            REFUNDS,
            Option(
                "recency", "texts", N_("recency bounds"),
                N_("four ascending times since the last purchase, for example 30d,90d,180d,365d; by default fifths"),
            ),
            Option(
                "frequency", "texts", N_("frequency bounds"),
                N_("four ascending numbers of purchases, for example 2,3,5,10; by default fifths"),
            ),
            Option(
                "money", "texts", N_("money bounds"),
                N_("four ascending amounts, for example 50,100,250,500; by default fifths"),
            ),
        ),
        run="polku.measures.value.rfm:rfm",
        selects={"rfm": ("in",)},
        members="polku.measures.value.rfm:members",
        example={"from": "two"},
    ),
    Measure(
        "lifetime",
        N_("Purchases to come"),
        N_("Expected purchases, P(alive) and discounted value of every customer, by a fitted model."),
        (
            FROM,
            REFUNDS,
            Option("model", "choice", N_("model"), N_("the model of buying and leaving"), "bg_nbd", MODELS),
            Option("horizon", "duration", N_("horizon"), N_("how far ahead, for example 365d"), 365 * 86400),
            Option("discount", "share", N_("discount"), N_("the yearly rate at which later money is worth less"), 0.1),
            MARGIN,
            Option(
                "every", "duration", N_("occasion"),
                N_("the length of one occasion to buy (only for bg_bb), for example 30d"), 30 * 86400,
            ),
            Option(
                "holdout", "share", N_("hold-out"),
                N_("the last share of the time that is kept back to check the model against"), 0.5,
            ),
            LIMIT,
        ),
        run="polku.measures.value.lifetime:lifetime",
        selects={"lifetime": ("alive", "customers", "repeat")},
        members="polku.measures.value.lifetime:members",
        example={"from": "two"},
    ),
)  # fmt: skip
