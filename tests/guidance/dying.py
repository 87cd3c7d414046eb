"""Run as a program: bring a project's guidance up to a moment, and be killed (kill -9) at a named step between writes.

``python -m guidance.dying FOLDER NOW STEP``
"""

from __future__ import annotations

import os
import signal
import sys

from polku.guidance.live import Live
from polku.record import steps
from polku.record.project import open_project


def main(folder: str, now: str, step: str) -> None:
    def listen(moment: str) -> None:
        if moment == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_project(folder) as project:
        steps.listener = listen
        Live(project).catch_up(int(now))


if __name__ == "__main__":
    main(*sys.argv[1:])
