"""Web hooks: a message as a signed request, for SMS, WhatsApp, push, a CRM and anything else.

Signed as the Standard Webhooks specification says (standardwebhooks.com): the headers ``webhook-id``,
``webhook-timestamp`` and ``webhook-signature`` (``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``).
``webhook-id`` and ``Idempotency-Key`` are the message's key, the same at every try: a receiver that keeps them takes a
message once. So a try whose answer never came is made again.

>>> sign(b"secret", "run:1:a", 1700000000, b"{}")
'v1,dWJxt/l1YaNg8b772QA2G8PI1h/FVsolKJgezj7MPgI='
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import httpx

from polku.channels.channel import Delivery, Outgoing
from polku.channels.secret import secret_of
from polku.language import N_
from polku.record.channelsettings import ChannelHook
from polku.record.clock import moment

#: Answers after which the same request may be made again; every other 4xx is for good.
AGAIN: Final = frozenset({408, 409, 425, 429})
#: Of an answer this much is kept.
KEPT: Final = 300
#: The prefix of secrets as receivers' libraries print them.
PREFIX: Final = "whsec_"


def sign(secret: bytes, key: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``."""
    signed = f"{key}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode("ascii")


def secret_bytes(text: str) -> bytes:
    """A secret as bytes: ``whsec_`` and base64 as the specification writes it, else the text itself."""
    if text.startswith(PREFIX):
        return base64.b64decode(text.removeprefix(PREFIX))
    return text.encode()


class Webhook:
    """One ``[[channels]]`` of ``polku.toml``. ``seconds``: how long an answer may take."""

    repeats = True
    content = False

    def __init__(self, hook: ChannelHook, seconds: float, environment: Mapping[str, str] = os.environ) -> None:
        self.hook, self.name = hook, hook.name
        self.address: Literal["email", "phone"] | None = None if hook.address == "none" else hook.address
        self.purpose: str | None = hook.purpose or None
        self._secret = secret_of(hook.secret, environment)
        # no redirects: people's data goes where the settings say and nowhere else
        self._client = httpx.AsyncClient(timeout=seconds, follow_redirects=False)

    def problem(self) -> tuple[str, Mapping[str, Any]] | None:
        """The secret that is missing."""
        if not self._secret:
            facts = {"channel": self.name, "name": self.hook.secret}
            return N_("The secret of the channel {channel} is missing: put it into {name} or {name}_FILE."), facts
        try:
            secret_bytes(self._secret)
        except ValueError:
            facts = {"channel": self.name, "name": self.hook.secret}
            return N_("The secret of the channel {channel} does not read: base64 stands after whsec_ in {name}."), facts
        return None

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        """Make the request."""
        body = json.dumps(body_of(self.name, outgoing), ensure_ascii=False).encode()
        at = int(time.time())
        headers = {
            "content-type": "application/json", "idempotency-key": outgoing.key, "webhook-id": outgoing.key,
            "webhook-timestamp": str(at), "user-agent": "polku",
            "webhook-signature": sign(secret_bytes(self._secret or ""), outgoing.key, at, body),
        }  # fmt: skip
        try:
            async with self._client.stream("POST", self.hook.url, content=body, headers=headers) as answer:
                told = b""
                async for part in answer.aiter_bytes():
                    told += part
                    if len(told) >= KEPT:
                        break
        except httpx.ConnectError as fault:
            return Delivery("unreachable", _words(fault))
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            return Delivery("again", _words(fault))
        reason = f"{answer.status_code} {told[:KEPT].decode('utf-8', 'replace')}".strip()
        if answer.is_success:
            return Delivery("delivered", reason, _id_of(told))
        if answer.status_code in AGAIN or answer.status_code >= 500:
            return Delivery("again", reason, after=retry_after(answer.headers.get("retry-after")))
        return Delivery("refused", reason)

    async def close(self) -> None:
        await self._client.aclose()


def body_of(channel: str, outgoing: Outgoing) -> dict[str, Any]:
    """What a receiver gets, as JSON."""
    return {
        "id": outgoing.key, "channel": channel, "rule": outgoing.rule, "made_at": moment(outgoing.made_at).isoformat(),
        "to": outgoing.to, "customer": [{"kind": kind, "value": value} for kind, value in outgoing.ids],
        "language": outgoing.language, "subject": outgoing.subject, "text": outgoing.text, "html": outgoing.html,
        "facts": dict(outgoing.facts), "unsubscribe_url": outgoing.unsubscribe_url,
    }  # fmt: skip


def _id_of(told: bytes) -> str | None:
    """The receiver's own number of the message, where its answer has one."""
    try:
        found = json.loads(told)
    except ValueError:
        return None
    value = found.get("id") if isinstance(found, dict) else None
    return str(value)[:200] if isinstance(value, (str, int)) else None


def _words(fault: Exception) -> str:
    return (str(fault) or type(fault).__name__)[:500]


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3): a number or a date.

    >>> retry_after("120"), retry_after("nonsense"), retry_after("\N{SUPERSCRIPT TWO}")
    (120.0, None, None)
    """
    if not header:
        return None
    if header.isascii() and header.strip().isdigit():  # not every digit is a number: ² is none
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
