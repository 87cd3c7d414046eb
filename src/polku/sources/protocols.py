"""The protocols that Polku's doors speak: one module each, pure functions over a request, no HTTP library.

A protocol is a module (or any object) with the names of :class:`Protocol`. To add one, write it and put it into
:func:`protocols`; the doors need nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Protocol as TypingProtocol

from polku.errors import Unproven, Unreadable
from polku.events.arrival import Call, Outcome, Parsed, Reply
from polku.sources import ga4, hooks, matomo, posthog, segment

if TYPE_CHECKING:
    from polku.record.project import Project

__all__ = ["Protocol", "Unproven", "Unreadable", "protocols"]


class Protocol(TypingProtocol):
    """What a way in must say of itself; a module with these names is one."""

    #: Stands in ``Arrival.source`` where no key names one, in counters and in refusals: ``segment``.
    NAME: str
    #: Whole paths (``/v1/batch``), or beginnings that end in ``/*`` (``/hooks/*``).
    PATHS: tuple[str, ...]
    METHODS: tuple[str, ...]
    #: Bytes of the largest body, after unpacking; the door refuses more without reading it all.
    MOST_BYTES: int

    def parse(self, call: Call) -> Parsed:
        """The events of a request. Raises Unreadable when nothing of it can be read; nothing else, whatever comes."""
        ...

    def reply(self, call: Call, parsed: Parsed, outcome: Outcome) -> Reply:
        """The answer once everything is on disk. A GET or HEAD that brought nothing is answered by this as well."""
        ...

    def refuse(self, call: Call, status: int, code: str, message: str) -> Reply:
        """The answer to a request that is not taken: 400 unreadable, 401 wrong key, 413 too large, 429, 503.

        Another status than the one proposed is fine where the protocol's clients expect it; Retry-After is added by
        the door.
        """
        ...


def protocols(project: Project | None = None) -> tuple[Protocol, ...]:
    """Every protocol; ``project`` for those that its settings describe."""
    told = () if project is None else project.settings.hooks
    return (segment, posthog, matomo, ga4, hooks.Hooks(told))
