"""Run as a program: a server over a project, as ``polku serve`` runs it but without its pages being warmed.

``python -m collect.server FOLDER PORT``; prints its address when it answers. SIGTERM ends it in order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent.parent


def main(folder: str, port: str) -> None:
    from polku.jobs import Runner, jobs
    from polku.record.project import open_project
    from polku.web.serve import serve

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with open_project(folder) as project:
        runner = Runner(project, jobs(project))
        runner.start()
        try:
            serve(project, "127.0.0.1", int(port), lambda url, moved: print(url, flush=True), stop=stop)
        finally:
            runner.stop()


class Process:
    """A server process: ``url``, ``kill()`` without any farewell, ``stop()`` in order (gives what it said)."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "collect.server", str(folder), str(port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=TESTS, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            if line.startswith("http"):
                self.url = line.strip().rstrip("/")
                break
            lines.append(line)
        else:
            raise AssertionError("the server did not start:\n" + "".join(lines))

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self._end()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> str:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            rest = out.read()
        self.process.wait(60)
        return rest


@contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Process]:
    """A server that is stopped at the end, however it ends."""
    process = Process(folder, port)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
