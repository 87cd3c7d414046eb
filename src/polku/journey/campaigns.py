"""One-off campaigns and lists for ads, as a map writes them under ``campaigns:`` and ``audiences:``."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from polku.journey.parts import Free, Name, Names, Part, Seconds, Share, Text, empty
from polku.journey.values import Frozen, UnreadableError, shown
from polku.language import N_

#: Instead of segments: every customer that the trails know.
EVERYONE: Final = "everyone"
_MOMENT: Final = re.compile(r"^\s*(\d{4}-\d{2}-\d{2})(?:[ T](\d{1,2})[:.](\d{2})(?::\d{2})?)?\s*$")


def local_moment(value: Any) -> dt.datetime:
    """A day and a time of day without a zone, as a clock on somebody's wall shows it. Raises UnreadableError.

    >>> local_moment("2026-05-01 9:30")
    datetime.datetime(2026, 5, 1, 9, 30)
    """
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            raise UnreadableError(
                N_("{found!r} has a time zone; write the time as clocks show it, such as 2026-05-01 10:00"),
                found=shown(value),
            )
        return value.replace(second=0, microsecond=0)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    found = _MOMENT.match(value) if isinstance(value, str) else None
    if found is not None:
        try:
            day = dt.date.fromisoformat(found[1])
            return dt.datetime.combine(day, dt.time(int(found[2] or 0), int(found[3] or 0)))
        except ValueError:
            pass  # the 31st of June: told below
    raise UnreadableError(
        N_("{found!r} is no day with a time; write it as 2026-05-01 10:00"), found=shown(value)
    )  # fmt: skip


def _moment(value: Any) -> Any:
    return None if value is None else local_moment(value)


Moment = Annotated[
    dt.datetime | None, BeforeValidator(_moment, json_schema_input_type=Annotated[str, Field(pattern=_MOMENT.pattern)])
]


class Pace(Part):
    """So many customers in each span of time, in an order by chance."""

    customers: Annotated[int, Field(gt=0)] = Field(description="How many customers.", examples=[500])
    every: Seconds = Field(description="In each span of this length.", examples=["1h"])


class Invitation(Part):
    """What a campaign invites to. Its content asks by ``{{ answer.yes }}``, ``{{ answer.no }}`` and
    ``{{ answer.perhaps }}``; an answer counts when a person confirms it on the page that opens.
    """

    what: Text | None = Field(default=None, description="What people read; the campaign's title where left out.")
    starts: Moment = Field(
        default=None, description="When it begins, by the map's clock.", examples=["2026-05-20 18:00"]
    )
    place: Text | None = Field(default=None, description="Where it is.")
    capacity: Annotated[int | None, Field(gt=0)] = Field(
        default=None, description="How many may come, guests included; who comes later waits in a queue."
    )
    guests: Annotated[int, Field(ge=0, le=20)] = Field(
        default=0, description="How many each may bring along at most.", examples=[1]
    )
    until: Moment = Field(
        default=None, description="The last moment for an answer; when it begins where left out.",
        examples=["2026-05-18 12:00"],
    )  # fmt: skip
    perhaps: bool = Field(default=True, description="Whether perhaps is an answer.")


class Campaign(Part):
    """One message, once, to those who are in a segment at its time."""

    title: Text | None = Field(default=None, description="What people read; made from its name where left out.")
    to: Names = Field(
        description="Segments of this map (of several, one is enough), or everyone.", examples=["vip", "everyone"]
    )
    only_if: Annotated[Free, BeforeValidator(empty, json_schema_input_type=Free | None)] = Field(
        default_factory=Frozen,
        description="What must hold besides: consent, persona, segment, stage, where (over traits), not.",
        examples=[{"consent": "email", "not": {"segment": "recent"}}],
    )
    at: Moment = Field(
        default=None,
        description="When it is sent, as clocks show it; at once when it is launched where left out.",
        examples=["2026-05-01 10:00"],
    )
    clock: Literal["map", "customer"] = Field(
        default="map",
        description="Whose clock: that of the map's time zone, or each customer's own (traits.timezone).",
    )
    pace: Pace | None = Field(default=None, description="In slices instead of all at once.")
    send: Free = Field(
        description="The channel and the content, or variants, as rules send them.",
        examples=[{"channel": "email", "content": "content/spring.fi.md"}],
    )
    holdout: Share | None = Field(
        default=None, description="The share that gets nothing, to compare with; 10 % where left out."
    )
    judge_by: Name | None = Field(default=None, description="The measure of this map that judges it.")
    capped: Literal["drop", "wait"] = Field(
        default="drop", description="What a cap of contact_policy does with its message."
    )
    priority: int = Field(default=0, description="Of messages that wait the highest leaves first.")
    owed: bool = Field(
        default=False,
        description="Due to the customer, as news of changed terms: no consent, no hold-out, no caps.",
    )
    invitation: Invitation | None = Field(default=None, description="What it invites to, with answers.")


Platform = Literal["meta", "google"]
PLATFORMS: Final[tuple[Platform, ...]] = ("meta", "google")


def _platforms(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


class Audience(Part):
    """A list of customers for advertising: it follows a segment, and rules may add to it and take away."""

    title: Text | None = Field(default=None, description="What people read; made from its name where left out.")
    of: Names = Field(
        default=(),
        description="Segments of this map (of several, one is enough), or everyone; none: only whom rules add.",
        examples=["vip"],
    )
    only_if: Annotated[Free, BeforeValidator(empty, json_schema_input_type=Free | None)] = Field(
        default_factory=Frozen, description="What must hold besides, as in a campaign."
    )
    for_: Annotated[
        tuple[Platform, ...],
        BeforeValidator(_platforms, json_schema_input_type=Platform | list[Platform]),
        Field(min_length=1, alias="for"),
    ] = Field(alias="for", description="Whose files are written: meta, google.", examples=[["meta", "google"]])
    consent: Name = Field(default="ads", description="The consent that everybody on the list has given.")
    every: Seconds = Field(default=86400, description="How often it is refreshed.", examples=["1d", "1h"])
    at: Name | None = Field(
        default=None,
        description="The time of day of the first refresh of a day, by the map's clock.",
        examples=["04:00"],
    )
    tell: Name | None = Field(
        default=None, description="A web hook of polku.toml ([[channels]]) that is told of each refresh."
    )
    state: Literal["draft", "on", "off"] = Field(default="draft", description="Whether it is refreshed by itself.")


Campaigns = Annotated[
    dict[str, Campaign],
    BeforeValidator(empty, json_schema_input_type=dict[str, Campaign] | None),
    AfterValidator(Frozen),
]
Audiences = Annotated[
    dict[str, Audience],
    BeforeValidator(empty, json_schema_input_type=dict[str, Audience] | None),
    AfterValidator(Frozen),
]


def title_of(name: str, part: Campaign | Audience) -> Text:
    """What people read: the title, or the name made readable where the map gives none.

    >>> title_of("summer_sale", Campaign(to="vip", send={"channel": "email"}))
    'Summer sale'
    """
    return part.title if part.title is not None else name.replace("_", " ").capitalize()
