"""Run as a program: do something to a project and end, without any farewell, at the n-th moment between two writes.

``python -m record.dying`` reads orders from its standard input, one ``[folder, deed, n]`` in JSON a line, and forks a
process for each: what they import is read once. The answer to each is a line, ``[exit code, moments passed, stderr]``.
``python -m record.dying FOLDER DEED N`` does one deed in this process, for systems that do not fork.
N = 0 goes to the end and only tells the moments that the deed passes. A deed is a name of record.deeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .deeds import DEEDS, warm
from .writes import kind_of, watch

CODE = 77
TESTS = Path(__file__).parent.parent


def do(folder: str, deed: str, number: int, told: IO[str]) -> None:
    passed = 0
    one = threading.Lock()

    def listen(moment: str, begin: Callable[[], None] | None) -> None:
        nonlocal passed
        with one:  # the other threads wait, and die with this one
            passed += 1
            os.write(told.fileno(), f"{moment}\n".encode())
            if passed == number:
                if begin is not None:
                    begin()
                os._exit(CODE)

    with DEEDS[deed].ready(Path(folder)) as work:
        watch(Path(folder), listen)
        work()
        for thread in threading.enumerate():
            if thread.name.startswith("flush"):
                thread.join()


def serve() -> None:
    """A process for each order. This one opens no project and leaves no thread running, so that its forks are whole."""
    warmed = False
    for line in sys.stdin:
        folder, deed, number = json.loads(line)
        if DEEDS[deed].kernels and not warmed:
            warm()
            warmed = True
        with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as faults:
            child = os.fork()
            if not child:
                code = 1
                try:
                    do(folder, deed, number, told)
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


def chosen(moments: Sequence[str], every: bool, thin: int = 1) -> list[int]:
    """The moments (from 1) to die at: all, or the last of each kind (of every ``thin``-th kind)."""
    if every:
        return list(range(1, len(moments) + 1))
    last = {kind_of(moment): number for number, moment in enumerate(moments, 1)}
    return sorted(last.values())[::thin]


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
