"""The rooms of the site: what the menu at the top of every page leads to. A new room is one line here.

A page says which room it belongs to by the room's path (``frame_of(request, reader, room="/live", ...)``).
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from polku.access.roles import Permission
from polku.language import N_

Shelf = Literal["main", "guidance", "settings"]


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """A line of the menu. ``shelf``: among the rooms themselves, a tab of Guidance, or folded under Settings.
    ``needs``: who sees it. ``tab``: what a room with tabs is called as the first of them.
    """

    path: str
    title: str
    shelf: Shelf = "main"
    needs: Permission = "see"
    tab: str = ""


ROOMS: tuple[Room, ...] = (
    Room("/", N_("Map")),
    Room("/customers", N_("Customers")),
    Room("/measures", N_("Measures")),
    Room("/guidance", N_("Guidance"), tab=N_("Rules")),
    Room("/live", N_("Live")),
    Room("/note", N_("Note"), needs="edit"),
    # the tabs of Guidance, in this order: campaigns, content, experiments, outbox, tasks, surveys, offers, audiences
    Room("/campaigns", N_("Campaigns"), "guidance"),
    Room("/content", N_("Content"), "guidance"),
    Room("/on-site", N_("On the site"), "guidance"),
    Room("/experiments", N_("Experiments"), "guidance"),
    Room("/outbox", N_("Outbox"), "guidance"),
    Room("/tasks", N_("Tasks"), "guidance"),
    Room("/surveys", N_("Surveys"), "guidance"),
    Room("/offers", N_("Offers"), "guidance"),
    Room("/audiences", N_("Audiences"), "guidance"),
    Room("/identities", N_("Who is who"), "settings"),
    Room("/consent", N_("Consent"), "settings"),
    Room("/settings/privacy", N_("Privacy"), "settings", "own"),
    Room("/connect", N_("Connect"), "settings"),
    Room("/settings/people", N_("People"), "settings", "own"),
    Room("/settings/keys", N_("Keys"), "settings", "own"),
    Room("/settings/jobs", N_("Background work"), "settings", "own"),
    Room("/settings/audit", N_("Audit log"), "settings", "own"),
)


def shelf(name: Shelf) -> tuple[Room, ...]:
    """The rooms of one part of the menu, in order.

    >>> [room.path for room in shelf("main")][:2]
    ['/', '/customers']
    """
    return tuple(room for room in ROOMS if room.shelf == name)


def tabs(path: str) -> tuple[Room, ...]:
    """The tabs above the room ``path``, the room that has them first; none where there are none.

    >>> [room.tab or room.title for room in tabs("/outbox")][:2]
    ['Rules', 'Campaigns']
    """
    inside = shelf("guidance")
    head = next(room for room in ROOMS if room.path == "/guidance")
    return (head, *inside) if path in {room.path for room in (head, *inside)} else ()
