"""What a job is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polku.record.project import Project

#: What a run tells of itself: names and numbers, shown as they are. None: there was nothing to do.
Outcome = dict[str, int | float | str]


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """Something that servers do on their own, again and again.

    name: lower case, stands in the state, on the page and in the command. title: N_() text, what it does.
    run: does it and tells what it did, or None; what it raises is kept as the reason of the failure.
    every: seconds from the end of one run to the next. due: asked every ``every`` seconds instead, and only where it
    says so is there a run; it must only look. alone: one server of the project does it; else each does it for itself.
    """

    name: str
    title: str
    run: Callable[[Project], Outcome | None]
    every: float
    due: Callable[[Project], bool] | None = None
    alone: bool = True
