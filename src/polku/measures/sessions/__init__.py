"""Visits and sessions: conversion, leaving, bounce, exit, and where visits come from."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import BY_CUSTOMER, BY_VISIT, LIMIT, TO, WITHIN

BY_PLACE = Option(
    "by", "choice", N_("by"), N_("by page, or by touchpoint; by page where pages are known"), None,
    ("page", "touchpoint"),
)  # fmt: skip

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
)  # fmt: skip
