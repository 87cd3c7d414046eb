"""Receivers as they are met: a real SMTP server and a real HTTP server that take, refuse, hang and answer slowly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """An SMTP server's memory and manners. ``answers``: by command (``MAIL``, ``RCPT``, ``DATA``) what it says instead
    of taking the letter; an answer None closes the connection after the letter has come, without a word."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.answers: dict[str, list[str | None]] = {}
        self.wait = 0.0
        self.tries: list[str] = []

    def _answer(self, command: str) -> str | None:
        waiting = self.answers.get(command, [])
        if not waiting:
            return "250 OK"
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._answer("MAIL") or "421 closing"
        if answer.startswith("2"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tries.append(address)
        answer = self._answer("RCPT") or "421 closing"
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.wait)
        answer = self._answer("DATA")
        if answer is None:
            self.letters.append(envelope)
            assert server.transport is not None
            server.transport.close()
            return "250 nobody hears this"
        if answer.startswith("2"):
            self.letters.append(envelope)
        return answer

    @property
    def recipients(self) -> list[str]:
        return [envelope.rcpt_tos[0] for envelope in self.letters]


@contextlib.contextmanager
def smtp(port: int | None = None) -> Iterator[tuple[Mailbox, int]]:
    """A server, on a port of the system's choice where none is given."""
    box = Mailbox()
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(20)
        yield sock.getsockname()[1]


class Gateway:
    """An HTTP receiver. ``answers``: (status, headers, body) for the next requests; the last one stays. ``hang``: an
    event that is waited for before the answer."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b'{"id": "g-1"}')]
        self.hang: threading.Event | None = None
        self.url = ""


@contextlib.contextmanager
def http() -> Iterator[Gateway]:
    """A server on a port of the system's choice."""
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            gateway.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            answers = gateway.answers
            status, headers, text = answers.pop(0) if len(answers) > 1 else answers[0]
            if gateway.hang is not None:
                gateway.hang.wait(20)
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # of five, as the library has it, a slow machine refuses some

    server = Server(("127.0.0.1", 0), Handler)
    gateway.url = f"http://127.0.0.1:{server.server_port}/send"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        if gateway.hang is not None:
            gateway.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()
