"""A letter: the e-mail itself, with its headers, plain text beside HTML, signed by DKIM (RFC 6376).

``List-Unsubscribe`` and ``List-Unsubscribe-Post`` (RFC 2369, RFC 8058) let a mail program unsubscribe with one click;
both are signed, as RFC 8058 asks for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from typing import Final

import dkim

from polku.channels.channel import Outgoing
from polku.errors import ChannelError
from polku.language import N_


class _OneLine(UnstructuredHeader):
    """A header whose value is one address of the web: folded, the library would encode it, which no program reads."""

    def fold(self, *, policy: Policy[EmailMessage]) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]  # the registry adds name and str


_HEADERS: Final = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _OneLine)  # type: ignore[arg-type]  # mixed with BaseHeader there
#: Lines end as on the wire, every sign in ASCII: a relay must have no reason to change what was signed.
_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=78, header_factory=_HEADERS)
#: Headers that the signature covers; from twice, so that nobody adds another one.
SIGNED: Final = (
    b"from", b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type",
    b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip


def address_of(text: str) -> Address | None:
    """The name and address of ``Shop <hello@shop.example>``; None when it is none.

    >>> address_of("Shop <hello@shop.example>").addr_spec, address_of("Shop")
    ('hello@shop.example', None)
    """
    name, spec = parseaddr(text)
    local, at, domain = spec.rpartition("@")
    if not (local and at and domain) or any(sign in text for sign in "\r\n"):
        return None
    return Address(display_name=name, username=local, domain=domain)


def letter(outgoing: Outgoing, sender: Address, reply_to: Address | None, now: dt.datetime) -> EmailMessage:
    """The message as it is sent. The same key gives the same Message-ID."""
    assert outgoing.to is not None
    made = EmailMessage(policy=_POLICY)
    made["From"] = sender
    made["To"] = outgoing.to
    made["Subject"] = " ".join(outgoing.subject.split())
    made["Date"] = format_datetime(now)
    made["Message-ID"] = message_id(outgoing.key, sender.domain)
    if reply_to is not None:
        made["Reply-To"] = reply_to
    if outgoing.unsubscribe_url is not None:
        made["List-Unsubscribe"] = f"<{outgoing.unsubscribe_url}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(outgoing.text, cte="quoted-printable")
    if outgoing.html:
        made.add_alternative(outgoing.html, subtype="html", cte="quoted-printable")
    return made


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a message of the outbox: by it a receiver's report is brought back to the message."""
    return f"<{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}@{domain}>"


class Signer:
    """Signs letters of one domain. ``key``: the private key as PEM (RSA), or Ed25519 as base64."""

    def __init__(self, selector: str, domain: str, key: str) -> None:
        self.selector, self.domain, self.key = selector.encode(), domain.encode(), key.encode()

    def sign(self, text: bytes) -> bytes:
        """The letter with its signature before it. Raises ChannelError when the key does not sign."""
        try:
            signature = dkim.sign(
                text, self.selector, self.domain, self.key, canonicalize=(b"relaxed", b"relaxed"),
                include_headers=[h for h in SIGNED if h == b"from" or b"\n" + h + b":" in b"\n" + text.lower()],
            )  # fmt: skip
        except (dkim.DKIMException, ValueError) as fault:
            raise ChannelError(N_("The DKIM key does not sign: {fault}."), fault=str(fault)) from fault
        made: bytes = signature + text
        return made
