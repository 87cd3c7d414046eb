"""Visits and sessions: conversion, leaving, bounce, exit, and where visits come from."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import BY_CUSTOMER, BY_VISIT, LIMIT, TO, WITHIN

BY_PLACE = Option(
    "by", "choice", N_("by"), N_("by page, or by touchpoint; by page where pages are known"), None,
    ("page", "touchpoint"),
)  # fmt: skip

GAP = Option(
    "gap", "duration", N_("gap"), N_("the silence that ends a session, for example 30min; by default the map's")
)
OWN = Option("own", "flag", N_("own sessions"), N_("keep the sessions that the source itself names"), True)

MEASURES = (
    Measure(
        "conversion",
        N_("Conversion"),
        N_("Converted of visitors: 50 of 1,000 is 5 %."),
        (
            Option("from", "step", N_("from"), N_("the touchpoint or event where they begin; by default any visit")),
            TO,
            WITHIN,
            BY_CUSTOMER,
        ),
        run="polku.measures.conversion:conversion",
        example={"from": "one", "to": "two"},
    ),
    Measure(
        "leaving",
        N_("Leaving"),
        N_("Left without converting, of all visits; the practitioners' exit rate."),
        (TO, BY_VISIT),
        run="polku.measures.conversion:leaving",
        example={"to": "two"},
    ),
    Measure(
        "bounce",
        N_("Bounce"),
        N_("Visits of one page, of all visits, by where they landed."),
        (
            Option("from", "step", N_("from"), N_("the touchpoint on which they landed; by default any")),
            BY_PLACE,
            LIMIT,
        ),
        run="polku.measures.pages:bounce",
    ),
    Measure(
        "exit",
        N_("Exit"),
        N_("Visits that ended on a page, of the views of it."),
        (
            Option("from", "step", N_("from"), N_("the touchpoint that they left from; by default any")),
            BY_PLACE,
            LIMIT,
        ),
        run="polku.measures.pages:exits",
    ),
    Measure(
        "sources",
        N_("Sources"),
        N_("Visits, customers and conversion by source, medium and campaign."),
        (
            Option(
                "by", "choice", N_("by"), N_("which part of the origin to group by"), "all",
                ("all", "source", "medium", "campaign"),
            ),
            TO,
            Option(
                "within", "duration", N_("within"),
                N_("the time to convert, for example 30d; by default the map's window"),
            ),
            LIMIT,
        ),
        run="polku.measures.sources:sources",
        example={"to": "two"},
    ),
    Measure(
        "sessions",
        N_("Sessions"),
        N_("How many sessions, how long, with how many events and pages, by channel or source."),
        (
            GAP,
            OWN,
            Option(
                "split", "choice", N_("split"), N_("day: a session ends at midnight of the map's time zone"), "none",
                ("none", "day"),
            ),
            Option(
                "by", "choice", N_("by"), N_("one row for each channel, source, medium or campaign"), None,
                ("channel", "source", "medium", "campaign"),
            ),
            LIMIT,
        ),
        run="polku.measures.sessions.lengths:sessions",
        selects={"sessions": ("all", "single", "length", "events", "pages")},
        members="polku.measures.sessions.lengths:members",
    ),
    Measure(
        "returning",
        N_("Returning visits"),
        N_("The share of visits that are not the first, visits a customer, and the time between visits."),
        (GAP, OWN),
        run="polku.measures.sessions.returning:returning",
        selects={"returning": ("all", "new", "once", "returning", "number", "wait")},
        members="polku.measures.sessions.returning:members",
    ),
    Measure(
        "dropoff",
        N_("Drop-off"),
        N_("Where customers left without converting and did not come back, and what lay in their carts."),
        (
            Option(
                "by", "choice", N_("by"),
                N_("by stage, touchpoint, page or event; by default stages, and without a map pages or events"), None,
                ("stage", "touchpoint", "page", "event"),
            ),
            TO,
            Option("within", "duration", N_("within"), N_("the time they are given to come back"), 7 * 86400),
            Option(
                "cart", "step", N_("cart"),
                N_("what puts its value into the cart; by default Product Added, less Product Removed"),
            ),
            GAP,
            LIMIT,
        ),
        run="polku.measures.sessions.dropoff:dropoff",
        selects={"dropoff": ("met", "left", "due", "lost", "back", "pending")},
        members="polku.measures.sessions.dropoff:members",
    ),
)  # fmt: skip
