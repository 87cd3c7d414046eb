"""The mailbox into which undeliverable mail and complaints come, read by IMAP (RFC 9051).

What was read is known by the highest number that the server gave (UIDVALIDITY and UID), so that other mail of the same
folder stays as it is: only reports are marked as read, or deleted where ``[mailbox] after`` says so.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final

from polku.channels.secret import secret_of
from polku.errors import ChannelError
from polku.language import N_
from polku.record.settings import Mailbox

PASSWORD: Final = "POLKU_MAILBOX_PASSWORD"
#: Seconds that a server may take to answer.
SECONDS: Final = 30
#: Mails that are read in one go, and the bytes of each: a report returns what it is about.
MOST: Final = 500
BYTES: Final = 256 * 1024


class Folder:
    """A folder of an IMAP server, signed in to. Use :func:`opened`."""

    def __init__(self, client: imaplib.IMAP4, name: str) -> None:
        self._client = client
        _ok(client.select(_quoted(name)), N_("There is no folder {folder} in the mailbox."), folder=name)
        told = client.response("UIDVALIDITY")[1]
        self.validity = int(told[0]) if told and told[0] else 0

    def after(self, last: int) -> Iterator[tuple[int, bytes]]:
        """(number, the mail) of mails with a number above ``last``, in order, at most MOST; none is marked as read."""
        found = _ok(self._client.uid("SEARCH", f"UID {last + 1}:*"), N_("The mailbox does not search."))
        # "n:*" always names the last mail, also where its number is below n
        numbers = sorted(n for n in map(int, (found[0] or b"").split()) if n > last)
        for number in numbers[:MOST]:
            parts = _ok(
                self._client.uid("FETCH", str(number), f"(BODY.PEEK[]<0.{BYTES}>)"), N_("A mail cannot be fetched.")
            )
            content = next((part[1] for part in parts if isinstance(part, tuple)), None)
            if content is not None:  # else somebody has deleted it meanwhile
                yield number, content

    def done(self, number: int, delete: bool) -> None:
        """Mark a report as read, or delete it."""
        flag = r"(\Deleted)" if delete else r"(\Seen)"
        _ok(self._client.uid("STORE", str(number), "+FLAGS", flag), N_("A mail cannot be marked."))
        # only this one, where the server can (RFC 4315); else what is marked goes when the folder is next tidied
        if delete and "UIDPLUS" in self._client.capabilities:
            _ok(self._client.uid("EXPUNGE", str(number)), N_("A mail cannot be deleted."))


@contextlib.contextmanager
def opened(settings: Mailbox, environment: Mapping[str, str] = os.environ) -> Iterator[Folder]:
    """The folder of ``settings``. Raises ChannelError where the server does not answer, or does not let us in."""
    password = secret_of(PASSWORD, environment)
    if not settings.user or password is None:
        raise ChannelError(
            N_("The mailbox needs [mailbox] user in polku.toml, and its password in {name} or {name}_FILE."),
            name=PASSWORD,
        )
    try:
        with _connected(settings) as client:
            client.login(settings.user, password)
            yield Folder(client, settings.folder)
    except (imaplib.IMAP4.error, OSError, ssl.SSLError, EOFError) as fault:
        raise ChannelError(
            N_("The mailbox at {host} cannot be read: {fault}."), host=settings.host, fault=_words(fault)
        ) from fault


def _connected(settings: Mailbox) -> imaplib.IMAP4:
    context = ssl.create_default_context()
    if settings.security == "tls":
        return imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=SECONDS)
    client = imaplib.IMAP4(settings.host, settings.port, timeout=SECONDS)
    if settings.security == "starttls":
        try:
            client.starttls(context)
        except BaseException:
            client.shutdown()
            raise
    return client


def _ok(answer: tuple[str, list[Any]], message: str, **facts: object) -> list[Any]:
    said, found = answer
    if said != "OK":
        raise ChannelError(message, **facts)
    return found


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _words(fault: BaseException) -> str:
    told = fault.args[0] if fault.args else ""
    return (told.decode("utf-8", "replace") if isinstance(told, bytes) else str(fault) or type(fault).__name__)[:300]
