"""A real IMAP server (pymap, a mailbox in memory), and reports as mail servers write them."""

from __future__ import annotations

import contextlib
import imaplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

USER, PASSWORD = "bounces", "hush"


@contextlib.contextmanager
def imap() -> Iterator[tuple[int, imaplib.IMAP4]]:
    """The port of a server, and a client that is signed in, for putting mail into it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-c", "from pymap.main import main; main()", "--host", "127.0.0.1", "--port", str(port),
        "--no-service", "admin", "--no-service", "managesieve", "dict", "--demo-user", USER, "--demo-password",
        PASSWORD,
    ]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        client = _signed_in(port, server)
        yield port, client
        client.shutdown()
    finally:
        server.terminate()
        server.wait()
        assert server.stderr is not None
        server.stderr.close()


def _signed_in(port: int, server: subprocess.Popen[bytes]) -> imaplib.IMAP4:
    until = time.monotonic() + 60
    while True:
        try:
            client = imaplib.IMAP4("127.0.0.1", port)
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
            continue
        client.login(USER, PASSWORD)
        return client


DSN = """From: MAILER-DAEMON@mx.example
To: bounces@kauppa.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Thu, 26 Nov 2026 12:00:00 +0000

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {diagnosis}

--b1
Content-Type: text/rfc822-headers

Message-ID: {message_id}
From: hei@kauppa.example
To: {recipient}

--b1--
"""
ARF = """From: <abuse@mail.example>
To: bounces@kauppa.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an email abuse report.

--b1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <{recipient}>

--b1
Content-Type: message/rfc822

From: hei@kauppa.example
To: {recipient}
Message-ID: {message_id}
Subject: Anna, korisi odottaa

Hei

--b1--
"""
#: Mail of somebody's in the same folder.
LETTER = "From: anna@example.fi\nTo: bounces@kauppa.example\nSubject: Re: korisi odottaa\n\nMilloin tulee?\n"
