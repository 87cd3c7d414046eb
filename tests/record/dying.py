"""Run as a program: do something to a project and end, without any farewell, at the n-th moment between two writes.

``python -m record.dying`` reads orders from its standard input, one ``[folder, deed, n]`` in JSON a line, and forks a
process for each: what they import is read once. The answer to each is a line, ``[exit code, moments passed, stderr]``.
``python -m record.dying FOLDER DEED N`` does one deed in this process, for systems that do not fork.
N = 0 goes to the end and only tells the moments that the deed passes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from polku.record import steps
from polku.record.project import Project, open_project

from .events import event, stored

CODE = 77
TESTS = Path(__file__).parent.parent


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


def do(folder: str, deed: str, number: int, told: IO[str]) -> None:
    with open_project(folder) as project:
        passed = 0

        def listen(moment: str) -> None:
            nonlocal passed
            passed += 1
            print(moment, file=told, flush=True)
            if passed == number:
                os._exit(CODE)

        steps.listener = listen
        DEEDS[deed](project)
        steps.listener = None


def serve() -> None:
    """A process for each order. This one opens no project and starts no thread, so that its forks are whole."""
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as faults:
            child = os.fork()
            if not child:
                code = 1
                try:
                    do(*json.loads(line), told)
                    code = 0
                finally:
                    if code:
                        traceback.print_exc(file=faults)
                        faults.flush()
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            told.seek(0)
            faults.seek(0)
            print(json.dumps([code, told.read().splitlines(), faults.read()]), flush=True)


class Orders:
    """Deeds done by other processes; ``process`` None: one that is started for each."""

    def __init__(self, process: subprocess.Popen[str] | None) -> None:
        self.process = process

    def do(self, folder: Path, deed: str, number: int) -> tuple[int, list[str], str]:
        """Exit code, the moments that were passed, what was written to stderr."""
        if self.process is None:
            command = [sys.executable, "-m", "record.dying", str(folder), deed, str(number)]
            done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout.splitlines(), done.stderr
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([str(folder), deed, number]), file=self.process.stdin, flush=True)
        code, moments, faults = json.loads(self.process.stdout.readline())
        return code, moments, faults


@contextmanager
def orders() -> Iterator[Orders]:
    if not hasattr(os, "fork"):
        yield Orders(None)
        return
    command = [sys.executable, "-m", "record.dying"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=TESTS, stdin=pipe, stdout=pipe, text=True) as process:
        yield Orders(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        do(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.stdout)
    else:
        serve()
