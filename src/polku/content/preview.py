"""A piece as a chosen customer would get it: filled in with what is known of them, and with what is made up said so."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.content.facts import constants, filled, traits_of
from polku.content.piece import Piece, read_piece
from polku.content.render import Rendered, render
from polku.errors import UsageError
from polku.guidance.preparing import sender_of
from polku.language import N_
from polku.offers.facts import facts_of
from polku.record import tables
from polku.record.consenting import ids_meant
from polku.record.hashes import KINDS

if TYPE_CHECKING:
    from polku.record.project import Project

#: Events that shops' texts are about, and whose properties fill ``cart`` and ``order``.
ABOUT: Final = (
    "Product Added", "Cart Viewed", "Checkout Started", "Order Completed", "Product Viewed", "Trial Started",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """A piece filled in. ``event``: the customer's latest event that fits, with which it is filled; None: none was
    found, so that ``cart`` and ``order`` have nothing. ``customer``: None where nobody was chosen."""

    piece: Piece
    rendered: Rendered
    customer: int | None
    event: str | None


def preview(project: Project, path: str, customer: str | None = None) -> Preview:
    """The piece at ``path`` for a ``customer`` (an id, an address, #number), or filled with constants alone.

    Raises ContentError where the piece does not read, or asks for what the customer has not; UsageError for an unknown
    customer.
    """
    return preview_of(project, read_piece(project.folder, path), customer)


def preview_of(project: Project, piece: Piece, customer: str | None = None) -> Preview:
    """The same of a piece that is not in the folder as it stands: one that somebody is writing."""
    traits: dict[str, Any] = {}
    given: dict[str, Any] = {}
    key = None
    if customer:
        key = customer_meant(project, customer)
        traits = traits_of(project, [key])[key]
        given = latest(project, key)
    mail = project.settings.mail
    shared = constants(project.folder, piece.language)
    facts = filled(
        shared, traits, given, sender=sender_of(piece.sender or mail.sender),
        postal_address=mail.postal_address, unsubscribe_url=f"{mail.links.rstrip('/')}/u/…", language=piece.language,
    )  # fmt: skip
    facts |= _links(project, mail.links.rstrip("/"))
    if project.map_file.exists():
        facts |= facts_of(project, piece, key, "preview", given, piece.language, real=False, own=shared)
    event = given.get("event", {}).get("event")
    return Preview(piece, render(project.folder, piece, facts), key, event)


def _links(project: Project, base: str) -> dict[str, Any]:
    """Where a letter has a link of one's own, a preview shows where it would lead, and none that works."""
    surveys = project.journey().surveys if project.map_file.exists() else {}
    return {
        "confirm_url": f"{base}/k/…", "review_link": f"{base}/review/…",
        "survey_link": {name: f"{base}/s/{name}/…" for name in surveys},
    }  # fmt: skip


def customer_meant(project: Project, given: str) -> int:
    """The customer whom a word names. Raises UsageError for nobody."""
    if given.startswith("#") and given[1:].isdigit():
        row = tables.identities.c
        with project.state.read() as connection:
            found = connection.execute(sa.select(row.customer).where(row.id == int(given[1:]))).scalar()
        if found is not None:
            return int(found)
    for found_kind, value in ids_meant(project, given):
        for kind in KINDS:
            key = project.identities.customer_of(kind, value) if kind == found_kind else None
            if key is not None:
                return key
    raise UsageError(N_("There is no customer {customer}."), customer=given)


def latest(project: Project, customer: int) -> dict[str, Any]:
    """The customer's latest event that texts are about, as a rule would give it; empty where there is none."""
    columns = ["event", "time", "properties", "context", "seq"]
    rows = project.events_of([customer], columns).read_all().to_pylist()
    fits = [row for row in rows if row["event"] in ABOUT]
    if not fits:
        return {}
    last = max(fits, key=lambda row: (row["time"], row["seq"]))
    properties = json.loads(last["properties"]) if last["properties"] else {}
    return {"event": {"event": last["event"], "time": last["time"].isoformat(), "properties": properties}}
