"""What offers are made of, as a map writes it under ``offers:``: the catalogue, pools of codes, referral, loyalty."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from polku.journey import values
from polku.journey.parts import Day, Name, Names, Part, Seconds, Text, empty
from polku.journey.values import Frozen, UnreadableError, shown
from polku.language import N_

#: What stands in a pattern for a letter or digit by chance.
CHANCE: Final = "#"
#: Letters and digits by chance that a code has at least: with fewer somebody who tries would find one.
LEAST_CHANCE: Final = 6
#: The events that most shops tell their orders by.
ORDER: Final = ("Order Completed",)
UNDONE: Final = ("Order Refunded", "Order Cancelled")
REDEEMED: Final = ("Points Redeemed",)
_PATTERN: Final = re.compile(r"^[A-Z0-9#-]{6,60}$")
_PARAMETER: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")
_HOST: Final = re.compile(r"^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$")
_URL: Final = re.compile(r"^https?://[^\s/?#]+[^\s]*$")


def pattern(value: Any) -> str:
    """The pattern of generated codes. Raises UnreadableError.

    >>> pattern("HELLO-######")
    'HELLO-######'
    """
    text = value.strip().upper() if isinstance(value, str) else ""
    if not _PATTERN.match(text) or text.count(CHANCE) < LEAST_CHANCE:
        raise UnreadableError(
            N_("{found!r} is no pattern of codes; write letters, digits, - and at least {least} #, as HELLO-########"),
            found=shown(value), least=LEAST_CHANCE,
        )  # fmt: skip
    return text


def parameter(value: Any) -> str:
    """The name of the parameter that a referral link carries. Raises UnreadableError."""
    if not isinstance(value, str) or not _PARAMETER.match(value):
        raise UnreadableError(N_("{found!r} cannot be a parameter of a link; write it as ref"), found=shown(value))
    return value


def host(value: Any) -> str:
    """A host name, in small letters; ``*.`` before it is any name under it. Raises UnreadableError.

    >>> host("Shop.example"), host("*.shop.example")
    ('shop.example', '*.shop.example')
    """
    text = value.strip().lower() if isinstance(value, str) else ""
    if not _HOST.match(text):
        raise UnreadableError(N_("{found!r} is no host; write it as shop.example, without https://"),
                              found=shown(value))  # fmt: skip
    return text


def url(value: Any) -> str:
    """An address on the web. Raises UnreadableError."""
    if not isinstance(value, str) or not _URL.match(value.strip()):
        raise UnreadableError(N_("{found!r} is no address; write it as https://shop.example/"), found=shown(value))
    return value.strip()


def _language(value: Any) -> Any:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[a-z]{2}", value)):
        return value
    raise UnreadableError(N_("{found!r} is no language; write its two letters, such as fi"), found=shown(value))


Pattern = Annotated[str, PlainValidator(pattern, json_schema_input_type=str)]
Parameter = Annotated[str, PlainValidator(parameter, json_schema_input_type=str)]
Url = Annotated[str, PlainValidator(url, json_schema_input_type=Annotated[str, Field(pattern=_URL.pattern)])]
Host = Annotated[str, PlainValidator(host, json_schema_input_type=str)]
Hosts = Annotated[
    tuple[Host, ...], BeforeValidator(values.one_or_many, json_schema_input_type=Host | list[Host] | None)
]
Language = Annotated[str | None, BeforeValidator(_language)]
Points = Annotated[int, Field(gt=0, le=1_000_000)]


class Feed(Part):
    """A list of products that is fetched again and again: Google Merchant's XML or TSV, or CSV."""

    url: Url = Field(description="Where it is.", examples=["https://shop.example/products.xml"])
    every: Seconds = Field(default=6 * 3600, description="How often it is looked at (6 hours).", examples=["6h"])
    language: Language = Field(
        default=None, description="The language of its texts, where there is a feed for each.", examples=["fi"]
    )


class Catalogue(Part):
    """Where products come from, and what of them may stand in a message."""

    hosts: Hosts = Field(
        default=(),
        description="Hosts of pictures and product pages. Of links that events tell only those to these are kept, as "
        "anybody can send an event; feeds and imports are the shop's own.",
        examples=["shop.example", ["shop.example", "*.cdn.example"]],
    )
    cart: Url | None = Field(
        default=None, description="The page of the cart: cart.url in content.", examples=["https://shop.example/cart"]
    )
    feeds: Annotated[tuple[Feed, ...], BeforeValidator(values.one_or_many)] = Field(
        default=(), description="Feeds that are fetched.", examples=[[{"url": "https://shop.example/products.xml"}]]
    )


class CodePool(Part):
    """Discount codes, each for one customer and one order."""

    title: Text | None = Field(default=None, description="What people read; made from its name where left out.")
    benefit: Text | None = Field(
        default=None, description="What a code gives, in words: code.NAME.benefit in content.",
        examples=["10 % off the first order"],
    )  # fmt: skip
    pattern: Pattern = Field(
        default="########",
        description="How generated codes look: every # is a letter or digit by chance.",
        examples=["HELLO-########"],
    )
    valid: Seconds | None = Field(
        default=None, description="How long a code is good from the moment it is given.", examples=["14d"]
    )
    until: Day | None = Field(
        default=None, description="The last day on which any of them is good, by the map's time zone."
    )
    low: Annotated[int, Field(ge=0)] = Field(
        default=20, description="With fewer free codes than this, pages and commands warn."
    )


class Reward(Part):
    """What somebody gets: points, or a code of a pool."""

    points: Points | None = Field(default=None, description="So many points of the loyalty programme.")
    code: Name | None = Field(default=None, description="A code of this pool.", examples=["referral_thanks"])


class RewardLimit(Part):
    """At most so many rewards within any window of that length."""

    times: Annotated[int, Field(gt=0)] = Field(description="How many at most.", examples=[10])
    every: Seconds | None = Field(default=None, description="Within what time; ever where left out.", examples=["365d"])


class Referral(Part):
    """Recommending to friends: a link of one's own, and a reward when the friend's order stands."""

    url: Url = Field(description="The page that the links open.", examples=["https://shop.example/"])
    parameter: Parameter = Field(default="ref", description="The parameter by which a link tells whose it is.")
    reward: Reward | None = Field(
        default=None, description="What the one who recommended gets.", examples=[{"code": "referral_thanks"}]
    )
    order: Names = Field(default=ORDER, description="Events that are an order.")
    where: Name | None = Field(
        default=None, description="Which orders count, in the where language.", examples=["source = 'shop'"]
    )
    within: Seconds = Field(
        default=90 * 86400, description="The friend's time to order, from the first visit (90 days)."
    )
    after: Seconds = Field(default=14 * 86400, description="How long an order must stand, for returns (14 days).")
    least: Annotated[float | None, Field(gt=0)] = Field(
        default=None, description="What an order must be worth at least, after returns."
    )
    new_customers: bool = Field(default=True, description="Whether only a friend's first order counts.")
    most: RewardLimit | None = Field(
        default=None, description="How many rewards one customer gets at most.",
        examples=[{"times": 10, "every": "365d"}],
    )  # fmt: skip


class Earning(Part):
    """What gives points: so many for each unit of money, or so many each time."""

    event: Names = Field(default=ORDER, description="Events that give points.")
    where: Name | None = Field(
        default=None, description="Which of them, in the where language.", examples=["source = 'shop'"]
    )
    per: Annotated[float | None, Field(gt=0)] = Field(
        default=None, description="Points for each unit of the map's currency.", examples=[1]
    )
    value: Name | None = Field(
        default=None, description="The property that holds the money; the event's value where left out.",
        examples=["subtotal"],
    )  # fmt: skip
    points: Points | None = Field(default=None, description="Points for each such event.", examples=[50])
    times: Annotated[int | None, Field(gt=0)] = Field(
        default=None, description="How often at most a customer gets them.", examples=[1]
    )
    every: Seconds | None = Field(default=None, description="Within what time that is; ever where left out.")
    title: Text | None = Field(default=None, description="What stands in the ledger; the event where left out.")


class Level(Part):
    """A level of the loyalty programme."""

    title: Text | None = Field(default=None, description="What people read; made from its name where left out.")
    from_: Annotated[int, Field(gt=0)] = Field(alias="from", description="The points from which it begins.")
    earns: Annotated[float, Field(ge=1, le=100)] = Field(
        default=1.0, description="Points that are earned on this level are multiplied by it.", examples=[1.5]
    )
    benefit: Text | None = Field(default=None, description="What it gives, in words.")


class Loyalty(Part):
    """Points that customers earn, spend and lose, each with its reason; levels that they reach."""

    title: Text | None = Field(default=None, description="What people read.")
    earn: Annotated[tuple[Earning, ...], BeforeValidator(values.one_or_many), Field(min_length=1)] = Field(
        description="What gives points.", examples=[[{"per": 1}, {"event": "Product Reviewed", "points": 50}]]
    )
    where: Name | None = Field(
        default=None,
        description="Which events count at all, such as those that the shop's own server sends.",
        examples=["source = 'shop'"],
    )
    redeem: Names = Field(
        default=REDEEMED, description="Events by which a customer spends points: properties.points says how many."
    )
    take_back: Names = Field(default=UNDONE, description="Events by which an order's points go back, by its order_id.")
    expires_after: Seconds | None = Field(
        default=None, description="How long points are good; for ever where left out.", examples=["365d"]
    )
    warn: Seconds = Field(
        default=30 * 86400, description="So long before points expire the event Points Expiring tells it (30 days)."
    )
    worth: Annotated[float | None, Field(gt=0)] = Field(
        default=None, description="What one point is worth in money: points.worth in content.", examples=[0.05]
    )
    levels: Annotated[
        dict[str, Level],
        BeforeValidator(empty, json_schema_input_type=dict[str, Level] | None),
        AfterValidator(Frozen),
    ] = Field(default_factory=Frozen, description="Levels by name.", examples=[{"gold": {"from": 1000}}])
    counted: Seconds = Field(
        default=365 * 86400,
        description="A level is reached by the points earned within this time, spent or not (365 days).",
    )


class Offers(Part):
    """All that offers are made of."""

    catalogue: Catalogue = Field(default_factory=Catalogue, description="Where products come from.")
    codes: Annotated[
        dict[str, CodePool],
        BeforeValidator(empty, json_schema_input_type=dict[str, CodePool] | None),
        AfterValidator(Frozen),
    ] = Field(default_factory=Frozen, description="Pools of discount codes, by name.")
    referral: Referral | None = Field(default=None, description="Recommending to friends.")
    loyalty: Loyalty | None = Field(default=None, description="The loyalty programme.")


OffersPart = Annotated[Offers, BeforeValidator(empty, json_schema_input_type=Offers | None)]
