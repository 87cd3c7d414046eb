"""A server over a project in a process of its own, as ``polku serve`` runs it but without its pages being warmed.

It prints its address when it answers. SIGTERM ends it in order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
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


#: Servers are forks of one process that has imported everything: a start takes a part of a second instead of some.
FORKS = multiprocessing.get_context("forkserver") if hasattr(os, "fork") else None
IMPORTED = ["polku.jobs", "polku.record.project", "polku.web.serve", "polku.trails", "polku.measures", "deltalake"]


def begin(folder: str, port: int, environment: dict[str, str], out: Connection) -> None:
    """A server process; what it says goes to ``out``."""
    os.environ.update(environment)
    for descriptor in (1, 2):
        os.dup2(out.fileno(), descriptor)
    out.close()
    main(folder, str(port))


class Process:
    """A server process: ``url``, ``kill()`` without any farewell, ``stop()`` in order (gives what it said)."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        assert FORKS is not None, "there is no fork here"
        FORKS.set_forkserver_preload(IMPORTED)
        inward, outward = FORKS.Pipe(duplex=False)
        self.process = FORKS.Process(target=begin, args=(str(folder), port, dict(os.environ), outward), daemon=True)
        self.process.start()
        outward.close()
        self.out = os.fdopen(os.dup(inward.fileno()), encoding="utf-8")
        inward.close()
        lines = []
        for line in self.out:
            if line.startswith("http"):
                self.url = line.strip().rstrip("/")
                break
            lines.append(line)
        else:
            self.out.close()
            raise AssertionError("the server did not start:\n" + "".join(lines))

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        if self.process.is_alive():
            self.process.kill()
        self._end()

    def stop(self) -> str:
        self.process.terminate()
        return self._end()

    def _end(self) -> str:
        if self.out.closed:
            return ""
        with self.out as out:
            rest = out.read()
        self.process.join(60)
        return rest


@contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Process]:
    """A server that is stopped at the end, however it ends."""
    process = Process(folder, port)
    try:
        yield process
    finally:
        process.kill()
