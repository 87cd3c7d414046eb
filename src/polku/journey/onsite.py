"""Pieces that every visitor of the site is shown, as a map writes them under ``site:``.

What a rule sends by the channel ``site`` is a customer's own; these are for all, known or not, by page and time alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from polku.journey.parts import Day, Name, Names, Part, Text, empty
from polku.journey.values import Frozen


def _switch(value: Any) -> Any:
    """``on`` and ``off``, also as YAML 1.1 reads them."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


class SitePiece(Part):
    """One piece of content on the site, for every visitor."""

    title: Text | None = Field(default=None, description="What people read in Polku; made from its name.")
    content: Name = Field(
        description="The piece: a file of the project whose channel is site.", examples=["content/chat.en.md"]
    )
    pages: Names = Field(
        default=(),
        description="On which pages, by path with * and ?; not on those after !. Those of the piece where left out.",
        examples=[["/size-guide*", "!/checkout*"]],
    )
    from_: Day | None = Field(default=None, alias="from", description="The first day that it is shown.")
    until: Day | None = Field(default=None, description="The last day that it is shown.", examples=["2026-12-24"])
    priority: int = Field(default=0, description="Of several in one place the highest is shown.")
    state: Annotated[
        Literal["draft", "on", "off"],
        BeforeValidator(_switch, json_schema_input_type=Literal["draft", "on", "off"] | bool),
    ] = Field(default="draft", description="Whether it is shown.")


SitePieces = Annotated[
    dict[str, SitePiece],
    BeforeValidator(empty, json_schema_input_type=dict[str, SitePiece] | None),
    AfterValidator(Frozen),
]
