"""What customers asked, as people noted it, beside the questions that the map expects: what the map lacks is news."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from polku.errors import UsageError
from polku.journey.model import titled
from polku.language import N_

if TYPE_CHECKING:
    from polku.journey.model import Journey
    from polku.record.project import Project

#: Any event may bring a question in ``properties.question``: a note does, a chat or a form may.
ASKED = """
    select touchpoint, trim(json_extract_string(properties, '$.question')) as question, time, customer
    from events where json_extract_string(properties, '$.question') is not null
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """One question at one touchpoint (None: at none of the map): how often, by how many customers, the first and the
    latest time, and whether the map has it, there or anywhere. ``question``: as it was asked the latest time.
    """

    touchpoint: str | None
    question: str
    times: int
    customers: int
    first: dt.datetime
    latest: dt.datetime
    in_map: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self) | {"first": self.first.isoformat(), "latest": self.latest.isoformat()}


def plain(question: str) -> str:
    """What tells two questions apart: words, without case, signs and blanks around.

    >>> plain(" Which size?! ") == plain("which  SIZE")
    True
    """
    return " ".join(re.findall(r"\w+", question.casefold()))


def asked(project: Project, touchpoint: str | None = None) -> list[Asked]:
    """What was asked (at one touchpoint), the latest first. Raises UsageError where the map has no such touchpoint."""
    journey = project.journey()
    if touchpoint is not None and touchpoint not in journey.touchpoint_ids:
        raise UsageError(
            N_("The map has no touchpoint {touchpoint}; there are {ids}."),
            touchpoint=touchpoint,
            ids=", ".join(journey.touchpoint_ids),
        )
    from polku.measures.labels import add_to_sql  # here: a note must not wait for the kernels

    add_to_sql()
    expected = _expected(journey)
    anywhere = set().union(*expected.values()) if expected else set()
    groups: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
    for row in project.sql(ASKED).to_pylist():
        if row["question"] and (touchpoint is None or row["touchpoint"] == touchpoint):
            groups.setdefault((row["touchpoint"], plain(row["question"])), []).append(row)
    found = []
    for (point, words), rows in groups.items():
        rows.sort(key=lambda row: row["time"])
        found.append(
            Asked(
                point,
                rows[-1]["question"],
                len(rows),
                len({row["customer"] for row in rows if row["customer"] is not None}),
                rows[0]["time"],
                rows[-1]["time"],
                words in expected.get(point, anywhere),
            )
        )
    return sorted(found, key=lambda each: each.latest, reverse=True)


def _expected(journey: Journey) -> dict[str | None, set[str]]:
    """The questions of each touchpoint: its own, its stage's, and the personas'; in every language."""
    personas = [q for persona in journey.personas.values() for q in persona.questions]
    return {
        point.id: {plain(words) for q in (*point.questions, *stage.questions, *personas) for words in _said(q)}
        for _, stage, point in journey.touchpoints()
    }


def _said(text: Any) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def title_of(journey: Journey, touchpoint: str | None) -> Any:
    """What a touchpoint is called; None for none."""
    return None if touchpoint is None else titled(journey.touchpoint(touchpoint))
