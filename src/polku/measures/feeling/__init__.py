"""Feeling: what people answered to surveys and wrote in reviews, by touchpoint and stage."""

from polku.language import N_
from polku.measures.definition import Measure, Option

MEASURES = (
    Measure(
        "feeling",
        N_("Feeling"),
        N_("NPS, CSAT, CES and reviews by touchpoint and stage, with the number of answers and an interval."),
        (
            Option(
                "answers",
                "choice",
                N_("answers"),
                N_("count every answer, or the last of each customer at each touchpoint"),
                "every",
                ("every", "last"),
            ),
        ),
        run="polku.measures.feeling.feeling:feeling",
        selects={"feeling": ("answered", "best", "middle", "worst")},
        members="polku.measures.feeling.feeling:feeling_members",
        here_only=N_("the answers lie in history, which one machine reads"),
    ),
)
