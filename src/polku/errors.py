"""Every error that Polku raises on purpose.

    PolkuError
    ├── ProjectError        the folder, polku.toml, versions of the project
    │   ├── NotAProject
    │   ├── NewerProject
    │   └── ProjectBusy
    ├── MapError            journey.yaml has faults (all of them, with line and column)
    ├── ExpressionError     a `where`, an `enter` condition or a segment does not parse
    ├── SourceError         a file to import cannot be read as asked
    ├── Unreadable          a request at a door, as a whole, is not of its protocol (answered 400)
    │   ├── Unproven            it does not prove who sent it (401)
    │   ├── NoSuchHook          (404)
    │   └── NoSecret            the hook's secret is not set (503)
    ├── RecordError         state or history cannot be read or written
    ├── TrailsError         the derived columns cannot be built
    ├── MeasureError        a measure was asked for something that it cannot answer
    ├── MissingExtraError   a part of Polku that is installed on request is missing
    ├── EngineError         a cluster cannot be reached, or what it needs is missing
    ├── ContentError        a piece of content cannot be read, or lacks what it is to be filled with
    ├── ChannelError        a channel is not set up as it must be to deliver
    ├── OfferError          codes have run out, points do not suffice, a product list cannot be read
    ├── CampaignError       a campaign cannot be launched, or does not stand as it must for what is asked
    ├── AccessError         keys, people and roles: who may do what
    ├── MachineError        the machine refuses: no room on the disk, no permission
    └── UsageError          a command or a page was asked with options that do not fit

Each has a stable ``code`` (shown by ``--json`` and in the docs), a message in English that is also the key of its
translation, and the facts that the message names. An error says what was looked for, what exists and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar

from polku.language import translate


class PolkuError(Exception):
    """An error with a stable code and a message that can be told in any language of the reader.

    >>> str(UsageError("There is no stage {stage!r}.", stage="decison"))
    "There is no stage 'decison'."
    """

    code: ClassVar[str] = "polku"

    def __init__(self, message: str, /, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def text(self, language: str = "en") -> str:
        """The message in ``language`` ("fi" or "en"), its facts filled in."""
        return translate(language, self.message, **self.facts)

    def __str__(self) -> str:
        return self.text("en")

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """For ``--json`` and the API: ``{"error": {"code", "message", ...facts}}``."""
        facts = {
            k: v if isinstance(v, (int, float, str, bool, list, type(None))) else str(v) for k, v in self.facts.items()
        }
        return {"error": {"code": self.code, "message": self.text(language), **facts}}


class ProjectError(PolkuError):
    code = "project"


class NotAProject(ProjectError):
    code = "project.none"


class NewerProject(ProjectError):
    code = "project.newer"


class ProjectBusy(ProjectError):
    code = "project.busy"


class MapError(PolkuError):
    code = "map"


class ExpressionError(PolkuError):
    code = "expression"


class SourceError(PolkuError):
    code = "source"


class Unreadable(PolkuError):
    """What a protocol's ``parse`` raises when nothing of a request can be read."""

    code = "unreadable"
    status: ClassVar[int] = 400


class Unproven(Unreadable):
    """The request does not prove who sent it: a signature that is missing, wrong or too old. Answered 401."""

    code = "unreadable.unproven"
    status = 401


class NoSuchHook(Unreadable):
    code = "unreadable.hook"
    status = 404


class NoSecret(Unreadable):
    """The hook's secret is not set: the sender is told to come again."""

    code = "unreadable.secret"
    status = 503


class Unready(Unreadable):
    """What proves the request cannot be had now: the sender is told to come again."""

    code = "unreadable.unready"
    status = 503


class RecordError(PolkuError):
    code = "record"


class TrailsError(PolkuError):
    code = "trails"


class MeasureError(PolkuError):
    code = "measure"


class MissingExtraError(PolkuError):
    """Facts: ``extra`` as in ``pip install "polku[extra]"``, ``package`` that was looked for."""

    code = "extra.missing"


class EngineError(PolkuError):
    code = "engine"


class ContentError(PolkuError):
    code = "content"


class ChannelError(PolkuError):
    code = "channel"


class OfferError(PolkuError):
    code = "offer"


class CampaignError(PolkuError):
    code = "campaign"


class AccessError(PolkuError):
    code = "access"


class MachineError(PolkuError):
    code = "machine"


class UsageError(PolkuError):
    code = "usage"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to ``word``, or None when none is close; for "did you mean".

    >>> nearest("consideraton", ["awareness", "consideration"])
    'consideration'
    """
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
