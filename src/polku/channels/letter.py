"""A letter: the e-mail itself, with its headers, plain text beside HTML.

``List-Unsubscribe`` and ``List-Unsubscribe-Post`` (RFC 2369, RFC 8058) let a mail program unsubscribe with one click.

Lines end as on the wire, and every sign is ASCII: a relay must have no reason to change what was signed. The headers
that hold what people wrote (names, subjects) are the library's; the frame around them, the same in every letter, is
written down here, because the library takes longer for it than the rest of a letter takes altogether.
"""

from __future__ import annotations

import binascii
import datetime as dt
import functools
import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from polku.channels.channel import Outgoing
from polku.channels.services import naming

_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=78)
#: A subject that stands as it is (RFC 5322, 2.1.1 and 2.2), on one line.
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]{0,66}[!-~])?")
#: An address that stands as it is (a dot-atom, RFC 5322, 3.2.3).
_ATOMS: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(?:\.[\w-]+)*", re.ASCII)
_BREAK: Final = re.compile(r"\r\n|\r|\n")
#: Signs that have no place in an address of a header's.
_NO_LINK: Final = re.compile(r"[^!-;=?-~]")


def address_of(text: str) -> Address | None:
    """The name and address of ``Shop <hello@shop.example>``, its domain as on the wire (IDNA); None when it is none.

    >>> address_of("Shop <hello@shop.example>").addr_spec, address_of("Shop")
    ('hello@shop.example', None)
    >>> address_of("Pöytä Oy <hei@pöytä.example>").domain
    'xn--pyt-sla1g.example'
    """
    name, spec = parseaddr(text)
    local, at, domain = spec.rpartition("@")
    if not (local and at and domain) or any(sign in text for sign in "\r\n"):
        return None
    try:
        wire = domain.encode("idna").decode("ascii")
    except UnicodeError:  # a label that is empty or too long
        return None
    return Address(display_name=name, username=local, domain=wire)


def letter(outgoing: Outgoing, sender: Address, reply_to: Address | None, now: dt.datetime, service: str = "") -> bytes:
    """The message as it is sent. The same key gives the same Message-ID. ``service``: whose SMTP server sends it."""
    assert outgoing.to is not None
    head = [
        _header("From", str(sender)), _to(outgoing.to), _subject(" ".join(outgoing.subject.split())),
        f"Date: {format_datetime(now)}\r\n", f"Message-ID: {message_id(outgoing.key, sender.domain)}\r\n",
    ]  # fmt: skip
    if reply_to is not None:
        head.append(_header("Reply-To", str(reply_to)))
    if outgoing.unsubscribe_url is not None:
        # one line, however long: folded or encoded, no program reads it
        head.append(f"List-Unsubscribe: <{_NO_LINK.sub('', outgoing.unsubscribe_url)}>\r\n")
        head.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    if (named := naming(service, message_id(outgoing.key, sender.domain)[1:33])) is not None:
        head.append(f"{named[0]}: {named[1]}\r\n")
    head.append("MIME-Version: 1.0\r\n")
    if not outgoing.html:
        return "".join(head).encode("ascii") + _part("plain", outgoing.text)
    # "=_" cannot stand in quoted-printable, so the boundary is nowhere inside
    boundary = "=_" + hashlib.blake2b(outgoing.key.encode(), digest_size=12).hexdigest()
    head.append(f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n')
    between = f"--{boundary}\r\n".encode()
    return b"".join(
        ("".join(head).encode("ascii"), between, _part("plain", outgoing.text), b"\r\n", between,
         _part("html", outgoing.html), f"\r\n--{boundary}--\r\n".encode())
    )  # fmt: skip


def _part(kind: str, text: str) -> bytes:
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    written = _BREAK.sub("\r\n", text if text.endswith("\n") else text + "\n")
    return head.encode() + binascii.b2a_qp(written.encode("utf-8", "replace"))


def _to(address: str) -> str:
    return f"To: {address}\r\n" if len(address) < 70 and _ATOMS.fullmatch(address) else _written("To", address)


def _subject(text: str) -> str:
    return f"Subject: {text}\r\n" if _PLAIN.fullmatch(text) and "=?" not in text else _written("Subject", text)


@functools.lru_cache(maxsize=64)
def _header(name: str, value: str) -> str:
    """A header that many letters share."""
    return _written(name, value)


def _written(name: str, value: str) -> str:
    """A header as the library folds and encodes it."""
    made = EmailMessage(policy=_POLICY)
    made[name] = value
    return made.as_bytes().removesuffix(b"\r\n").decode("ascii")


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a message of the outbox: by it a receiver's report is brought back to the message."""
    return f"<{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}@{domain}>"
