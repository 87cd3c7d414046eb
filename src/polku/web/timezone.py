"""In which time zone a reader sees times: the one they chose, else the browser's, else the project's, else the map's.

Only what a reader sees moves with it. The days of a period are those of the map's zone for everyone, so that one
address shows the same numbers to all (docs/adr/times-in-the-readers-zone.md).
"""

from __future__ import annotations

import dataclasses
from typing import Literal
from urllib.parse import urlencode

from starlette.requests import Request

from polku.zones import is_zone, zone_named

#: What the reader chose by ``?tz=``, kept by the server; and what the browser's clock says, kept by ``zone.js``.
CHOSEN_COOKIE, BROWSER_COOKIE = "polku_tz", "tz"
#: ``?tz=map``: the map's own zone. ``?tz=browser``: no choice any more.
AS_MAP, AS_BROWSER = "map", "browser"


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """The zone of a page's times, and how it came to be that one."""

    name: str
    by: Literal["chosen", "browser", "project", "map"]
    map: str  # the map's own zone, whose days are those of a period
    browser: str = ""  # what the browser said, known here or not
    switch: str | None = None  # the address of the same page with the other zone: the map's, or the browser's

    @property
    def unknown(self) -> str | None:
        """The browser's zone when this machine does not know it, so that the page says whose times it shows."""
        return self.browser if self.browser and not is_zone(self.browser) else None


def zone_of(request: Request, of_project: str, of_map: str) -> Zone:
    """The zone for a request. ``of_project`` is the setting, empty where the project has none.

    Raises UsageError for a ``?tz=`` that is no zone. A browser's zone that nobody here knows is passed over and told on
    the page (``Zone.unknown``); it would otherwise lock its reader out of every page.
    """
    wish = request.query_params.get("tz", "").strip()
    browser = request.cookies.get(BROWSER_COOKIE, "").strip()
    chosen = wish if wish else request.cookies.get(CHOSEN_COOKIE, "").strip()
    if wish and wish not in (AS_MAP, AS_BROWSER):
        zone_named(wish)
    if chosen == AS_MAP:
        return _with_switch(request, Zone(of_map, "chosen", of_map, browser))
    if chosen != AS_BROWSER and is_zone(chosen):
        return _with_switch(request, Zone(chosen, "chosen", of_map, browser))
    if is_zone(browser):
        return _with_switch(request, Zone(browser, "browser", of_map, browser))
    if of_project:
        return _with_switch(request, Zone(of_project, "project", of_map, browser))
    return Zone(of_map, "map", of_map, browser)


def _with_switch(request: Request, zone: Zone) -> Zone:
    to = AS_BROWSER if zone.name == zone.map else AS_MAP
    if to == AS_BROWSER and (not is_zone(zone.browser) or zone.browser == zone.map):
        return zone
    pairs = [(k, v) for k, v in request.query_params.multi_items() if k != "tz"]
    return dataclasses.replace(zone, switch=f"{request.url.path}?{urlencode([*pairs, ('tz', to)])}")


def cookie(wish: str) -> str | None:
    """The Set-Cookie header that keeps what ``?tz=`` chose; None for nothing that could be kept.

    >>> cookie("UTC"), cookie("browser"), cookie("no zone")
    ('polku_tz=UTC; Path=/; Max-Age=31536000; SameSite=Lax', 'polku_tz=; Path=/; Max-Age=0; SameSite=Lax', None)
    """
    if wish == AS_BROWSER:
        return f"{CHOSEN_COOKIE}=; Path=/; Max-Age=0; SameSite=Lax"
    if wish == AS_MAP or is_zone(wish):
        return f"{CHOSEN_COOKIE}={wish}; Path=/; Max-Age=31536000; SameSite=Lax"
    return None
