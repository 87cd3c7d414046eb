"""E-mail by SMTP: a few connections that are kept open, one letter at a time on each.

An SMTP server knows no keys: a letter that was handed over and whose answer never came may have been delivered. It is
*unknown* and not sent again; everything before that moment is known not to have been delivered.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import os
import re
import ssl
from collections.abc import Mapping
from email.headerregistry import Address
from typing import Any, Final, Literal

import aiosmtplib

from polku.channels.channel import Delivery, Outgoing
from polku.channels.letter import address_of, letter, message_id
from polku.channels.secret import secret_of
from polku.channels.signing import Signer
from polku.errors import ChannelError
from polku.language import N_
from polku.record.settings import Mail

PASSWORD: Final = "POLKU_MAIL_PASSWORD"
DKIM_KEY: Final = "POLKU_DKIM_KEY"
#: Letters on one connection; after them another one is made, since servers end long ones.
MOST: Final = 200
#: Enhanced codes (RFC 3463) of an address that is not there; and plain codes where a server gives none.
_NO_SUCH: Final = re.compile(r"\b5\.1\.(?:1|2|3|6|10)\b|\b5\.2\.1\b")
_ENHANCED: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")


class Email:
    """See the module. ``environment``: where the password and the DKIM key are."""

    name = "email"
    address: Literal["email", "phone"] | None = "email"
    purpose: str | None = "email"
    repeats = False
    content = True

    def __init__(self, settings: Mail, environment: Mapping[str, str] = os.environ) -> None:
        self.settings = settings
        self._sender = address_of(settings.sender)
        self._reply_to = address_of(settings.reply_to) if settings.reply_to else None
        self._password = secret_of(PASSWORD, environment) if settings.user else None
        key = secret_of(DKIM_KEY, environment) if settings.dkim_selector else None
        self._signer: Signer | None = None
        self._bad_key: ChannelError | None = None
        if key and self._sender:
            try:
                self._signer = Signer(settings.dkim_selector, self._sender.domain, key)
            except ChannelError as fault:  # told where all that is missing is told; other channels go on
                self._bad_key = fault
        self._free: list[tuple[aiosmtplib.SMTP, int]] = []
        self._places = asyncio.Semaphore(settings.connections)

    def problem(self) -> tuple[str, Mapping[str, Any]] | None:
        """What [mail] lacks."""
        mail = self.settings
        if not mail.host:
            return N_("No SMTP server is set: [mail] host in polku.toml."), {}
        if self._sender is None:
            return N_("[mail] sender in polku.toml must be an address, such as Shop <hello@shop.example>."), {}
        if not mail.links.startswith(("https://", "http://")):
            return N_("[mail] links in polku.toml must be the address at which customers unsubscribe."), {}
        if mail.user and self._password is None:
            return N_("The password is missing: put it into {name} or {name}_FILE."), {"name": PASSWORD}
        if self._bad_key is not None:
            return self._bad_key.message, self._bad_key.facts
        if mail.dkim_selector and self._signer is None:
            return N_("The DKIM key is missing: put it into {name} or {name}_FILE."), {"name": DKIM_KEY}
        return None

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        """Hand one letter over to the SMTP server."""
        assert outgoing.to is not None
        sender = address_of(outgoing.sender) if outgoing.sender else self._sender
        reply_to = address_of(outgoing.reply_to) if outgoing.reply_to else self._reply_to
        if sender is None:
            return Delivery("refused", f"sender: {outgoing.sender or self.settings.sender}")
        text = letter(outgoing, sender, reply_to, dt.datetime.now(dt.UTC), self.settings.service)
        if self._signer is not None and sender.domain == self._signer.domain.decode():
            text = await asyncio.to_thread(self._signer.sign, text)
        async with self._places:
            try:
                client, used = await self._client()
            except (aiosmtplib.SMTPException, OSError, ssl.SSLError, TimeoutError) as fault:
                return Delivery("unreachable", words(fault))
            done = await self._hand_over(client, outgoing.to, self._envelope(outgoing.key, sender), text)
            await self._give_back(client, used + 1, done)
            if done.result not in ("delivered", "unknown"):
                return done
            return dataclasses.replace(done, provider_id=message_id(outgoing.key, sender.domain))

    async def _client(self) -> tuple[aiosmtplib.SMTP, int]:
        while self._free:
            client, used = self._free.pop()
            if client.is_connected and used < MOST:
                return client, used
            client.close()
        mail = self.settings
        client = aiosmtplib.SMTP(
            hostname=mail.host, port=mail.port, timeout=mail.seconds, use_tls=mail.security == "tls",
            start_tls=mail.security == "starttls", username=mail.user or None, password=self._password,
        )  # fmt: skip
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client, 0

    def _envelope(self, key: str, sender: Address) -> Address:
        """Where what cannot be delivered comes back to; ``{message}`` in it names the letter."""
        name = message_id(key, sender.domain)[1:].partition("@")[0]
        bounces = self.settings.bounces.replace("{message}", name)
        return (address_of(bounces) if bounces else None) or sender

    async def _hand_over(self, client: aiosmtplib.SMTP, to: str, envelope: Address, text: bytes) -> Delivery:
        utf8 = not (to + envelope.addr_spec).isascii()
        if utf8 and not client.supports_extension("smtputf8"):
            return Delivery("refused", "SMTPUTF8", bad_address=True)
        encoding = "utf-8" if utf8 else "ascii"
        try:
            await client.mail(envelope.addr_spec, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
        except aiosmtplib.SMTPResponseException as fault:  # the sender is refused: every letter would be
            return Delivery("again" if 400 <= fault.code < 500 else "unreachable", words(fault))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            return Delivery("again", words(fault))
        try:
            await client.rcpt(to, encoding=encoding)
        except aiosmtplib.SMTPResponseException as fault:
            if 400 <= fault.code < 500:
                return Delivery("again", words(fault))
            return Delivery("refused", words(fault), bad_address=is_bad_address(fault.code, str(fault.message)))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            return Delivery("again", words(fault))
        try:
            answer = await client.data(text)
        except aiosmtplib.SMTPResponseException as fault:
            return Delivery("again" if 400 <= fault.code < 500 else "refused", words(fault))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            return Delivery("unknown", words(fault))
        return Delivery("delivered", f"{answer.code} {answer.message}"[:500])

    async def _give_back(self, client: aiosmtplib.SMTP, used: int, done: Delivery) -> None:
        if done.result != "delivered":
            try:
                await client.rset()
            except (aiosmtplib.SMTPException, OSError, TimeoutError):
                client.close()  # what it has gone through nobody knows: the next letter gets another
                return
        self._free.append((client, used))

    async def close(self) -> None:
        """Say goodbye on every connection."""
        while self._free:
            client, _ = self._free.pop()
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=2)
            client.close()


def is_bad_address(code: int, message: str) -> bool:
    """Whether an answer to RCPT says that the address is not there, and not that we are unwelcome.

    >>> is_bad_address(550, "5.1.1 no such user"), is_bad_address(550, "5.7.1 blocked"), is_bad_address(550, "no user")
    (True, False, True)
    """
    if _ENHANCED.search(message):
        return _NO_SUCH.search(message) is not None
    return code in (550, 551, 553)


def words(fault: BaseException) -> str:
    """What a server or the network said, for people: without the Python around it."""
    if isinstance(fault, aiosmtplib.SMTPResponseException):
        return f"{fault.code} {fault.message}"[:500]
    return (str(fault) or type(fault).__name__)[:500]


def check_mail(settings: Mail, environment: Mapping[str, str] = os.environ) -> None:
    """Raise ChannelError for what is missing before e-mail can be sent."""
    found = Email(settings, environment).problem()
    if found is not None:
        raise ChannelError(found[0], **found[1])
