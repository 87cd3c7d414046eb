"""Time zones by the names that people and browsers give."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from polku.errors import UsageError, nearest
from polku.language import N_


def is_zone(name: str) -> bool:
    """Whether this machine knows the time zone ``name`` of the IANA database.

    >>> is_zone("Europe/Helsinki"), is_zone("Europe"), is_zone("../passwd"), is_zone("")
    (True, False, False, False)
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError, a path outside a ValueError
        return False
    return bool(name)


def zone_named(name: str) -> str:
    """``name`` when it is a time zone. Raises UsageError with the nearest one.

    >>> zone_named("America/New_York")
    'America/New_York'
    """
    if not is_zone(name):
        near = nearest(name, available_timezones())
        said = N_("There is no time zone {value!r}. Write it as in Europe/Helsinki, America/New_York or UTC.")
        raise UsageError(said, value=name, nearest=near)
    return name
