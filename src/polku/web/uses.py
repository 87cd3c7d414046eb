"""What of the map sends, called as the outbox and ``content.check.named_in`` call it: its title, and its page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from polku.errors import MapError
from polku.journey.campaigns import title_of
from polku.journey.model import Journey, Text
from polku.language import N_, Reader
from polku.web.reading import href

if TYPE_CHECKING:
    from polku.record.project import Project


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """A rule, a campaign or a piece of the site. ``link``: its page; None for what is not in the map any more."""

    title: str
    link: str | None


def uses_of(project: Project, names: Iterable[str], reader: Reader) -> dict[str, Use]:
    """Each of ``names`` (a rule's id, ``campaign:ID``, ``site:ID``) for ``reader``; by name only in a faulty map."""
    try:
        journey = project.journey()
    except MapError:
        return {name: Use(name, None) for name in names}
    titles = _titles(journey)
    return {
        name: Use(_said(name, titles[name], reader), page_of(name)) if name in titles else Use(name, None)
        for name in names
    }


def page_of(name: str) -> str:
    """The address of the page of what sends.

    >>> page_of("cart_reminder"), page_of("campaign:spring"), page_of("site:quiz")
    ('/guidance/cart_reminder', '/campaigns/spring', '/on-site')
    """
    kind, _, id = name.rpartition(":")
    return {"campaign": href(f"/campaigns/{id}"), "site": "/on-site"}.get(kind) or href(f"/guidance/{id}")


def _titles(journey: Journey) -> dict[str, Text]:
    return {
        **{g.id: g.title or g.id.replace("_", " ").capitalize() for g in journey.guidance},
        **{f"campaign:{id}": title_of(id, one) for id, one in journey.campaigns.items()},
        **{f"site:{id}": id for id in journey.site},
    }


def _said(name: str, title: Text, reader: Reader) -> str:
    said = reader.said(title)
    return reader(N_("on the site: {piece}"), piece=said) if name.startswith("site:") else said
