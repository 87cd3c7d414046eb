"""One fault of a map: what, where, how bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from polku.errors import MapError
from polku.language import N_, translate

Path = tuple[str | int, ...]
Severity = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A place in a text, counted from 1 as editors do."""

    line: int = 1
    column: int = 1


@dataclasses.dataclass(frozen=True)
class Fault:
    """``code`` is stable; ``message`` is the key of its translation and ``facts`` fill it in.

    ``path`` is the place in the map (``("stages", 1, "touchpoints", 0)``), ``part`` the same in words
    (``stages.decision.touchpoints.cart``).
    """

    code: str
    message: str
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    file: str = ""
    line: int = 1
    column: int = 1
    severity: Severity = "error"
    path: Path = ()
    part: str = ""

    def text(self, language: str = "en") -> str:
        """The fault in ``language``, led by the part of the map that it is about."""
        said = translate(language, self.message, **self.facts)
        return f"{self.part}: {said}" if self.part else said

    def milder(self) -> Fault:
        """The same as a warning."""
        return dataclasses.replace(self, severity="warning")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text('en')}"

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """Plain data for ``--json`` and the API."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.text(language),
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": list(self.path),
            "facts": {
                k: v if isinstance(v, (str, int, float, bool, type(None))) else str(v) for k, v in self.facts.items()
            },
        }


class FaultyMapError(MapError):
    """A map with faults; ``faults`` holds all of them, in order of place."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        errors = [f for f in faults if f.severity == "error"]
        super().__init__(
            N_("{file} has faults ({count}). polku check tells how to mend them."),
            file=errors[0].file if errors else "",
            count=len(errors),
        )
        self.faults = tuple(faults)

    def text(self, language: str = "en") -> str:
        lines = [f"{f.file}:{f.line}:{f.column}: {f.text(language)}" for f in self.faults if f.severity == "error"]
        return "\n".join([super().text(language), *lines])

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        found = super().to_dict(language)
        found["error"]["message"] = super().text(language)
        found["error"]["faults"] = [f.to_dict(language) for f in self.faults]
        return found
