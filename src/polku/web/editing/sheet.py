"""An edited rule put into the map as it is now: the map's faults with their lines, what the rule would have done."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from polku.errors import MapError, PolkuError, UsageError
from polku.guidance.replay import Replay, replay
from polku.guidance.rules import compile_rule
from polku.journey.document import Document
from polku.journey.fault import Fault, Path
from polku.journey.model import Journey
from polku.journey.tree import Tree, read_text
from polku.language import N_
from polku.measures.periods import named_period
from polku.measures.view import view_of
from polku.trails import open_trails
from polku.web.editing.fields import Field

if TYPE_CHECKING:
    from polku.record.project import Project

#: Sheets that count at a time; an older one's count is given up.
MOST_SHEETS = 64


class OvertakenError(PolkuError):
    """A count that nobody waits for any more: the rule has been changed since."""

    code = "guidance.overtaken"


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A rule's source in the map's file as it is now.

    ``place`` in the list ``guidance`` (the list's length: a new one); ``line`` of journey.yaml on which the rule
    begins; ``document`` with the rule in it, None where the source does not read; ``faults`` of the whole map, lines
    those that the file will have; ``refused`` why the source cannot stand in the map at all.
    """

    tree: Tree
    place: int
    line: int
    document: Document | None
    faults: tuple[Fault, ...]
    refused: PolkuError | None = None

    @property
    def path(self) -> Path:
        return ("guidance", self.place)

    @property
    def mine(self) -> tuple[Fault, ...]:
        """The faults of the rule itself."""
        return tuple(f for f in self.faults if f.path[:2] == self.path or self.covers(f.line))

    @property
    def elsewhere(self) -> tuple[Fault, ...]:
        """The errors of the rest of the map: nothing is saved before they are mended."""
        return tuple(f for f in self.faults if f not in self.mine and f.severity == "error")

    @property
    def good(self) -> bool:
        """Whether the map can be saved with it."""
        return (
            self.document is not None and self.refused is None and not any(f.severity == "error" for f in self.faults)
        )

    def covers(self, line: int) -> bool:
        return self.line <= line < self.line + self.tree.text.count("\n")

    def by_field(self, fields: list[Field]) -> dict[str, list[Fault]]:
        """The rule's faults by the field that each is about: the one whose path goes furthest along the fault's."""
        found: dict[str, list[Fault]] = {}
        for fault in self.mine:
            inside = fault.path[2:] if fault.path[:2] == self.path else ()
            near = [f for f in fields if _along(f.path, inside)]
            if near:
                best = max(near, key=lambda f: len(f.path))
                found.setdefault(best.name, []).append(fault)
        return found


def _along(field: Path, fault: Path) -> bool:
    """Whether a fault at ``fault`` is seen at ``field``: what is chosen in ``when`` stands for all of it."""
    if not fault:
        return False
    if isinstance(field[-1], str) and field[-1].startswith("!"):
        return fault == field[:-1]
    return fault[: len(field)] == field


def sheet_of(content: bytes, file: Any, text: str, id: str | None) -> Sheet:
    """The source ``text`` as the rule ``id`` of the map ``content`` (None, or an id that is not there: a new one)."""
    document = Document(content, file)
    listed = document.data.get("guidance") if isinstance(document.data, dict) else None
    ids = [g.get("id") if isinstance(g, dict) else None for g in listed or ()]
    place = ids.index(id) if id in ids else len(ids)
    tree = read_text(text)
    line = _line_of(document, place, len(ids))
    if tree.faults or not isinstance(tree.data, dict):
        told = tree.faults or [
            Fault("shape.mapping", N_("a rule is made of lines such as 'id: ...'; this is something else"))
        ]
        return Sheet(tree, place, line, None, tuple(_moved(fault, line - 1, ("guidance", place)) for fault in told))
    if id in ids and tree.data.get("id") != id:
        error = UsageError(
            N_("The id of a rule stays, for its runs are kept under it ({id}). Copy the rule to give another."), id=id
        )
        return Sheet(tree, place, line, None, (), error)
    try:
        document.put(("guidance", place), text)
    except MapError as error:
        return Sheet(tree, place, line, None, (), error)
    line = document.excerpt(("guidance", place)).line
    return Sheet(tree, place, line, document, tuple(document.faults))


def _line_of(document: Document, place: int, count: int) -> int:
    """The line on which the rule at ``place`` begins, or would: after the last one, else at the end of the file."""
    if place < count:
        return document.excerpt(("guidance", place)).line
    if not count:
        return document.text.count("\n") + 2
    last = document.excerpt(("guidance", count - 1))
    return last.line + last.text.count("\n")


def _moved(fault: Fault, by: int, path: Path) -> Fault:
    """A fault of a part read by itself, with the lines of the file."""
    facts = {k: v + by if k in ("opened", "first") and isinstance(v, int) else v for k, v in fault.facts.items()}
    return dataclasses.replace(fault, line=fault.line + by, facts=facts, path=path, part="")


class Counting:
    """The counts that pages wait for. Each open page has a sheet's name and numbers its counts (``turn``), for a later
    one may come to be done before an earlier one; only the latest goes on.
    """

    def __init__(self) -> None:
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, sheet: str, turn: int) -> None:
        """Raises OvertakenError where a later count of the sheet has begun already."""
        with self._lock:
            self._latest[sheet] = max(turn, self._latest.get(sheet, 0))
            self._latest.move_to_end(sheet)
            while len(self._latest) > MOST_SHEETS:
                self._latest.popitem(last=False)
        self.go_on(sheet, turn)

    def go_on(self, sheet: str, turn: int) -> None:
        """Raises OvertakenError where a later count of the sheet has begun."""
        if self._latest.get(sheet, turn) > turn:
            raise OvertakenError(N_("The rule has been changed since; it is counted anew."))


def would_have(
    project: Project, journey: Journey, id: str, last: str, assume: bool, go_on: Callable[[], None]
) -> Replay:
    """What the rule ``id`` of ``journey`` would have done in the last days (``7d``, ``30d``, ...).

    ``go_on`` is called now and then, and raises what shall end the count.
    """
    go_on()
    view = view_of(open_trails(project), journey, project=project)
    rule = compile_rule(next(g for g in journey.guidance if g.id == id), journey)
    period = named_period(last, view.moment, view.zone)
    start = period.start or view.trails.first or view.moment
    return replay(
        project, rule, start=start, end=period.end, view=view, assume_consent=assume,
        progress=lambda done, of: go_on(),
    )  # fmt: skip
