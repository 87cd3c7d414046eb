"""Obstacles: what stops people on the way to the goal, ranked by the money that is lost."""

from polku.language import N_
from polku.measures.definition import Measure, Option
from polku.measures.options import TO

MEASURES = (
    Measure(
        "obstacles",
        N_("Obstacles"),
        N_("What stops people on the way, ranked by the money that is lost."),
        (
            TO,
            Option(
                "within",
                "duration",
                N_("within"),
                N_("the time they are given to reach the goal, for example 30d; by default the map's window"),
            ),
            Option(
                "kinds",
                "texts",
                N_("kinds"),
                N_("what is suspected: failure, no_result, slow, cost, technical, missing; by default all but missing"),
            ),
            Option(
                "properties",
                "texts",
                N_("properties"),
                N_("further properties whose values are suspected, for example properties.delivery_method"),
            ),
            Option(
                "like",
                "property",
                N_("like"),
                N_("the property within which people are compared; by default the kind of device where it is known"),
            ),
            Option(
                "by_source",
                "flag",
                N_("by source"),
                N_("hold only those against each other whose visits came by the same medium"),
                True,
            ),
            Option(
                "least",
                "share",
                N_("least"),
                N_("the least share of those who would go on that an obstacle must cost, with certainty"),
                0.015,
            ),
            Option(
                "false_findings",
                "share",
                N_("false findings"),
                N_("the share of false findings that is borne among what is found"),
                0.01,
            ),
        ),
        run="polku.measures.obstacles.obstacles:obstacles",
        selects={"obstacle": ("met", "stopped")},
        members="polku.measures.obstacles.obstacles:obstacle_members",
        example={"to": "two", "within": "7d"},
    ),
)
