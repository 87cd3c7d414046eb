"""Content: which pieces are met in which stage, what follows them, and what nobody reads or finds."""

from polku.language import N_
from polku.measures.definition import Measure, Option

MEASURES = (
    Measure(
        "content",
        N_("Content"),
        N_("Which pieces are met in which stage, what follows with and without them, and what is missing."),
        (
            Option(
                "by", "property", N_("pieces by"),
                N_(
                    "what a piece is: page (articles, guides, tables), campaign (mails and ads), video, content (the "
                    "events' own property), touchpoint (those with content in the map) or a property such as "
                    "properties.article; by default all that were seen"
                ),
            ),
            Option(
                "to", "goal", N_("to"),
                N_("the touchpoint or event that counts as going on; by default a later stage"),
            ),
            Option(
                "within", "duration", N_("within"),
                N_("the time they are given to go on; by default the map's window"),
            ),
            Option(
                "completed", "steps", N_("completion"),
                N_(
                    "the events that tell that a piece was seen to its end; by default Video Finished, Content "
                    "Finished and Content Read"
                ),
            ),
            Option("limit", "number", N_("rows"), N_("how many pieces of each kind to show"), 50),
        ),
        run="polku.measures.content.content:content",
        selects={
            "content": (
                "met", "went_on", "not", "pending", "had_time", "first", "last", "completed", "not_completed",
                "unmatched", "others",
            ),
            "content_search": ("searched", "none", "some"),
        },
        members="polku.measures.content.content:members",
    ),
)  # fmt: skip
