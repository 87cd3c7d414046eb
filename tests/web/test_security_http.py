"""Heads of requests: too long, too slow, or none at all; over a real socket."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from polku.web import guard, http

from .conftest import Site


def sent(site: Site, head: bytes) -> bytes:
    """The beginning of the answer to raw bytes."""
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        try:
            connection.sendall(head)
            return connection.recv(200)
        except ConnectionError:
            return b""


LINE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (LINE + b"\r\n", b"200"),
        (LINE + b"Cookie: " + b"a=b; " * 8_000 + b"\r\n\r\n", b"200"),
        (LINE + b"Cookie: " + b"a=b; " * 2_000_000, b"431"),
        (LINE + b"X: y\r\n" * 500_000, b"431"),
        (b"GET /" + b"a" * 3_000_000, b"431"),
        (b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (LINE + b"Host: evil.example\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\n\r\n", b"421"),
        (LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nx", b"400"),
    ],
    ids=["good", "long cookie", "cookie bomb", "headers", "line", "nul", "tls", "two hosts", "no host", "smuggling"],
)
def test_heads_of_requests(site: Site, head: bytes, status: bytes) -> None:
    answer = sent(site, head)
    assert (
        answer == b"" or answer.split(b" ")[1] == status
    )  # a connection that is cut while it is sent is an answer too
    if status == b"200":
        assert answer
    assert sent(site, LINE + b"\r\n").startswith(b"HTTP/1.1 200")


def test_a_body_that_never_ends_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody has to sign in."""
    monkeypatch.setattr(guard, "SLOWEST_FORM", 0.2)
    head = b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n\r\nname="
    answer = sent(site, head + form)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()


def test_a_head_that_never_ends_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.2)
    assert sent(site, LINE).startswith(b"HTTP/1.1 408")
    assert sent(site, b"").startswith(b"HTTP/1.1 408")
