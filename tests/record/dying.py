"""Run as a program: do something to a project and end, without any farewell, at the n-th moment between two writes.

``python -m record.dying FOLDER DEED N``; N = 0 only tells the moments that the deed passes, one a line.
"""

from __future__ import annotations

import os
import sys

from polku.record import steps
from polku.record.project import Project, open_project

from .events import event, stored

CODE = 77


def import_(project: Project) -> None:
    stored(project, *(event(f"i{n}", n * 40_000, user=f"u{n % 3}", anonymous=f"c{n % 4}") for n in range(8)))


def append(project: Project) -> None:
    project.inbox.append([event("w9", 9, user="u9", anonymous="c9")])


def move(project: Project) -> None:
    project.mover.move()


def join(project: Project) -> None:
    project.identities.join("c1", "bert", "a letter")


def undo(project: Project) -> None:
    project.identities.undo(project.identities.joins_of(1)[0].number, "mikko")


def compact(project: Project) -> None:
    project.history.compact()


DEEDS = {"import": import_, "append": append, "move": move, "join": join, "undo": undo, "compact": compact}


def main(folder: str, deed: str, number: int) -> None:
    with open_project(folder) as project:
        passed: list[str] = []

        def listen(moment: str) -> None:
            passed.append(moment)
            if len(passed) == number:
                os._exit(CODE)

        steps.listener = listen
        DEEDS[deed](project)
        steps.listener = None
    print("\n".join(passed))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
