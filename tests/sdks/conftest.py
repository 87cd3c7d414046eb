"""A real server, what has arrived there, and a proxy before it that fails as servers do."""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collect.conftest import Site, served

#: The project's events as dictionaries, ``properties`` and ``context`` read.
Rows = list[dict[str, Any]]


@dataclasses.dataclass
class Shop:
    """A served project with a write key."""

    site: Site
    key: str

    @property
    def url(self) -> str:
        return self.site.url

    def new(self) -> Rows:
        """What arrived since this was asked last, in order of arrival, as history will hold it."""
        table = self.site.project.inbox.tail(self.seen)
        rows: Rows = [
            row for row in table.to_pylist() if row["event_id"] not in self.known
        ]  # what comes again is known
        for row in rows:
            for name in ("properties", "context"):
                row[name] = json.loads(row[name]) if row[name] else {}
            self.seen = row["seq"]
            self.known.add(row["event_id"])
        return rows

    def stored(self, where: str) -> Rows:
        """What history holds of events that meet ``where`` (SQL), after a move."""
        self.site.project.mover.move()
        rows: Rows = self.site.project.sql(f"select * from events where {where}").to_pylist()
        for row in rows:
            for name in ("properties", "context"):
                row[name] = json.loads(row[name]) if row[name] else {}
        return rows

    seen: int = 0
    known: set[str] = dataclasses.field(default_factory=set)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    # :meth:`Shop.new` looks at the inbox alone: nothing is moved from it meanwhile
    with served(tmp_path_factory.mktemp("sdks") / "shop", "[inbox]\nseconds = 86400\n") as site:
        key = site.project.keys.create("sdks", ["write"], "kauppa", "7").text
        yield Shop(site, key)


class Failure(NamedTuple):
    """A request is answered with ``status``: before it is passed on, or (``lost``) after the server has taken it."""

    status: int
    lost: bool = False


#: A server that is asked too much, then one whose answer is lost: what comes after them is taken once.
TROUBLE = (Failure(429), Failure(503, lost=True))


class Proxy(ThreadingHTTPServer):
    """Passes requests on. The first of those that bring events fail as :meth:`fail` says, one after another."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target.removeprefix("http://")
        self.failures: list[Failure] = []
        self.taken: list[int] = []  # how the server answered what its client was never told

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, *failures: Failure) -> None:
        self.failures, self.taken = list(failures), []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        failure = self.server.failures.pop(0) if self.server.failures else None
        if failure is None or failure.lost:
            connection = http.client.HTTPConnection(self.server.target, timeout=30)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if failure is not None:
                self.server.taken.append(answer.status)
            else:
                self._answer(answer.status, answer.headers.get("content-type", ""), content)
                return
        self._answer(failure.status, "application/json", b'{"code": "busy", "message": "Come again"}')

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status in (429, 503):
            self.send_header("Retry-After", "1")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="session")
def proxy(shop: Shop) -> Iterator[Proxy]:
    with Proxy(shop.url) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def sdks() -> Path:
    """Where the Node SDKs are installed."""
    import os

    from sdks.node import PLACE, ready

    if not ready():
        assert os.environ.get("CI") != "true", "the Node SDKs are not installed: python scripts/find_node.py"
        pytest.skip("the Node SDKs are not installed: python scripts/find_node.py")
    return PLACE
