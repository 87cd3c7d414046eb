"""What a piece is filled in with: the customer, the shop's own constants, and what the rule or the campaign gives.

``content/facts.yaml`` holds the constants, each a value or one a language::

    shop:
      url: https://shop.example
      delivery_price: {fi: "4,90 €", en: "€4.90"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polku.content.piece import FOLDER
from polku.errors import ContentError
from polku.language import N_
from polku.record import tables

if TYPE_CHECKING:
    from polku.record.project import Project

FILE: Final = f"{FOLDER}/facts.yaml"
#: Names that come with every message, with what they are.
NAMES: Final[dict[str, str]] = {
    "customer": N_("The customer's traits: customer.first_name and whatever else events have told."),
    "contact": N_("The same as customer, as business texts call a person."),
    "account": N_("The same as customer where the map's subject is account."),
    "event": N_("The event that set the message off: event.name, event.time, event.properties."),
    "cart": N_("What is in the cart now: cart.products with name, price, quantity and in_stock; cart.url, cart.total."),
    "order": N_("The order of that event: order.order_id, order.total, order.products with pictures."),
    "product": N_("The product of that event, as the catalogue has it now: product.name, product.image_url."),
    "products": N_("Products of the catalogue by id: products['A-1'].price."),
    "recommended": N_("Products that go with those of the message and are in stock."),
    "code": N_("A discount code of a pool, drawn for this message: code.first_order, code.first_order.valid_until."),
    "referral_link": N_("The customer's own link to recommend by."),
    "points": N_("The loyalty programme: points.balance, points.level, points.expiring, points.expires_on."),
    "confirm_url": N_("The link by which a subscription is confirmed, after Newsletter Requested."),
    "unsubscribe_url": N_("The link by which the customer unsubscribes with one click."),
    "survey_link": N_("The customer's own links to surveys of the map: survey_link.order_nps."),
    "review_link": N_("The customer's own link to the page where the products of that event are reviewed."),
    "campaign": N_("The campaign that the message is of: campaign.title."),
    "invitation": N_("What a campaign invites to: invitation.what, starts, place, until."),
    "answer": N_("The customer's own links to answer an invitation: answer.yes, answer.no, answer.perhaps."),
    "language": N_("The language of the piece, fi or en."),
    "sender": N_("The name of the sender, from polku.toml ([mail] sender)."),
    "postal_address": N_("The sender's postal address, from polku.toml ([mail] postal_address)."),
}
_SPOKEN: Final = re.compile(r"^[a-z]{2}$")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Where an address stood in a trait.
_HASHED: Final = re.compile(r"^(?:email|phone):[A-Za-z0-9_-]{22}$")
#: Traits that say which language somebody reads.
_LANGUAGES: Final = ("language", "locale", "lang", "kieli")


def constants(folder: Path, language: str | None = None) -> dict[str, Any]:
    """``content/facts.yaml``; of texts by language those of ``language`` (None: as they stand).

    Raises ContentError when it does not read.
    """
    try:
        text = (folder / FILE).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    try:
        found = YAML(typ="safe", pure=True).load(text) or {}
    except YAMLError as fault:
        told = getattr(fault, "problem", None) or str(fault)
        raise ContentError(N_("{file} does not read as YAML: {fault}"), file=FILE, fault=told) from fault
    if not isinstance(found, dict):
        raise ContentError(N_("{file} is no list of name: value."), file=FILE)
    return found if language is None else {str(name): _in(value, language) for name, value in found.items()}


def _in(value: Any, language: str) -> Any:
    if not isinstance(value, dict):
        return [_in(one, language) for one in value] if isinstance(value, list) else value
    if value and all(isinstance(name, str) and _SPOKEN.match(name) for name in value) and language in value:
        return value[language]
    return {str(name): _in(inner, language) for name, inner in value.items()}


def traits_of(project: Project, customers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The latest traits of each customer, over all their ids, under the names that they came with."""
    keys = sorted(set(customers))
    trait, who = tables.traits.c, tables.identities.c
    found: dict[int, dict[str, Any]] = {key: {} for key in keys}
    with project.state.read() as connection:
        for at in range(0, len(keys), 10_000):
            rows = connection.execute(
                sa.select(who.customer, trait.name, trait.value)
                .join_from(tables.traits, tables.identities, trait.identity == who.id)
                .where(who.customer.in_(keys[at : at + 10_000]))
                .order_by(who.customer, trait.time, trait.seq)
            )
            for customer, name, value in rows:
                found[int(customer)][str(name)] = json.loads(value)
    return found


def person(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Traits as pieces ask for them: ``first_name`` for ``firstName``, no hashes, a first name out of a whole one.

    >>> person({"firstName": "Anna", "email": "email:0123456789abcdefghijkl"})
    {'first_name': 'Anna'}
    >>> person({"name": "Matti Meikäläinen"})["first_name"]
    'Matti'
    """
    told: dict[str, Any] = {}
    for name, value in traits.items():
        if value is None or value == "" or (isinstance(value, str) and _HASHED.match(value)):
            continue
        told[_CAMEL.sub("_", name).lower().replace(" ", "_").replace("-", "_")] = value
    if "first_name" not in told and isinstance(told.get("name"), str) and " " in told["name"].strip():
        told["first_name"] = told["name"].split()[0]
    return told


def language_of(traits: Mapping[str, Any]) -> str | None:
    """The language that a customer's traits name, as two letters; None where they name none.

    >>> language_of({"locale": "fi-FI"}), language_of({})
    ('fi', None)
    """
    for name in _LANGUAGES:
        value = traits.get(name)
        if isinstance(value, str) and re.match(r"^[A-Za-z]{2}(?:[-_].*)?$", value):
            return value[:2].lower()
    return None


def filled(
    shared: Mapping[str, Any], traits: Mapping[str, Any], given: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """All that a piece may ask for. ``shared``: constants in its language; ``given``: the rule's or the campaign's."""
    who = person(traits)
    facts: dict[str, Any] = {**shared, "customer": who, "contact": who, "account": who}
    event = given.get("event")
    properties = event.get("properties") if isinstance(event, Mapping) else None
    if isinstance(properties, Mapping):
        facts |= {"cart": properties, "order": properties}
    return {**facts, **given, **more}
