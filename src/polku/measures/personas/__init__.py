"""Personas: whether the declared ones still fit, which kinds of customers behaviour shows, and what has drifted."""

from __future__ import annotations

from polku.language import N_
from polku.measures.definition import Measure, Option

MEASURES = (
    Measure(
        "persona_fit",
        N_("Persona check"),
        N_("Whether the map's personas still fit: whom they catch, overlaps, who is in none, and how they behave."),
        (),
        run="polku.measures.personas.fit:persona_fit",
        selects={"personas": (
                "caught", "not_caught", "everyone", "met", "not_met", "others_met", "others_not_met", "both",
            )},
        members="polku.measures.personas.fit:members",
    ),
    Measure(
        "clusters",
        N_("Clusters"),
        N_("Kinds of customers that behaviour shows, with the touchpoints that tell them apart."),
        (
            Option(
                "method", "choice", N_("method"), N_("k-means, or a Gaussian mixture"), "kmeans", ("kmeans", "mixture")
            ),
            Option("k", "number", N_("clusters"), N_("how many clusters; by default what the data shows, 2 to 8")),
        ),
        run="polku.measures.personas.clusters:clusters",
        selects={"cluster": ("in", "not_met", "others", "others_not_met")},
        members="polku.measures.personas.clusters:members",
        needs=("models",),
    ),
    Measure(
        "drift",
        N_("Drift"),
        N_("What has changed in customers and their behaviour since the map was last reviewed."),
        (
            Option(
                "since", "day", N_("since"),
                N_("the day from which on is held against as long a time before; by default the map's `reviewed`"),
            ),
        ),
        run="polku.measures.personas.drifting:drift",
        selects={"drift": ("before", "after")},
        members="polku.measures.personas.drifting:members",
        example={"since": "2026-01-03"},
    ),
)  # fmt: skip
