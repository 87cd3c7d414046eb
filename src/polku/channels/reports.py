"""Reports on mail, read: deliveries that failed (RFC 3464) and complaints (RFC 5965), as they come into a mailbox.

A report is brought back to its message by the Message-ID of the letter, which stands in what it returns, or by the
address that it was sent to, where ``[mail] bounces`` holds ``{message}``.
"""

from __future__ import annotations

import dataclasses
import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage, Message
from typing import Final, Literal

Kind = Literal["bounced", "delayed", "complained", "other"]

#: Codes (RFC 3463) of an address that is not there, or no more; everything else may pass.
GONE: Final = re.compile(r"5\.(?:1\.[12346]|1\.10|2\.1|4\.4|7\.13)")
_CODE: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
#: A Message-ID of ours: 32 hexadecimal signs before the sender's domain.
_OURS: Final = re.compile(r"<?\b([0-9a-f]{32})@([\w.-]+\w)>?", re.ASCII)
_TOKEN: Final = re.compile(r"[+=]([0-9a-f]{32})@", re.ASCII)
#: Of a server's words this much is kept.
KEPT: Final = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What somebody reports of one letter. ``message``: the 32 signs before the @ of its Message-ID, None where nothing
    tells it; ``hard``: the address is not there; ``code``: the status (RFC 3463), "" without one; ``recipient``: whom
    the letter was for, as the report says it."""

    kind: Kind
    message: str | None = None
    hard: bool = False
    code: str = ""
    reason: str = ""
    recipient: str | None = None


def read_report(content: bytes) -> Report:
    """The report that a mail holds; of kind ``other`` for any other mail.

    >>> read_report(b"Subject: Hello\\r\\n\\r\\nHow are you?").kind
    'other'
    """
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    parts = {part.get_content_type(): part for part in mail.walk()}
    message = _message_of(mail, content)
    if (told := parts.get("message/feedback-report")) is not None:
        return _complaint(told, message)
    if (told := parts.get("message/delivery-status")) is not None:
        return _bounce(told, message)
    if _by_machine(mail) and message is not None:
        return _unmarked(mail, message)
    return Report("other", message)


def _complaint(part: Message, message: str | None) -> Report:
    """RFC 5965: ``not-spam`` is no complaint, everything else of a feedback loop is."""
    fields = next(_blocks(part), {})
    kind = fields.get("feedback-type", "abuse").lower()
    recipient = _address(fields.get("original-rcpt-to"))
    return Report("other" if kind == "not-spam" else "complained", message, False, "", kind[:KEPT], recipient)


def _bounce(part: Message, message: str | None) -> Report:
    """RFC 3464: of several recipients the first that failed; a letter of ours has one."""
    blocks = [fields for fields in _blocks(part) if "action" in fields]
    action = {"failed": 0, "delayed": 1}
    chosen = min(blocks, key=lambda fields: action.get(fields["action"].lower(), 2), default={})
    done = chosen.get("action", "").lower()
    if done not in action:
        return Report("other", message)  # delivered, relayed, expanded
    diagnosis = chosen.get("diagnostic-code", "").partition(";")[2].strip() or chosen.get("diagnostic-code", "")
    code = chosen.get("status", "").split(" ")[0]
    if (precise := _CODE.search(diagnosis)) is not None and (not code or code.endswith(".0.0")):
        code = precise[0]
    recipient = _address(chosen.get("original-recipient") or chosen.get("final-recipient"))
    reason = " ".join(diagnosis.split())[:KEPT]
    if done == "delayed":
        return Report("delayed", message, False, code, reason, recipient)
    return Report("bounced", message, GONE.fullmatch(code) is not None, code, reason, recipient)


def _unmarked(mail: EmailMessage, message: str) -> Report:
    """A server that returns mail in words of its own: what it says has a code, or it is an answer of somebody's."""
    body = mail.get_body(("plain", "html"))
    try:
        text = body.get_content() if body is not None else ""
    except (LookupError, ValueError):  # a charset that there is not
        text = ""
    code = _CODE.search(text)
    if code is None or code[0].startswith("2"):
        return Report("other", message)
    line = next((line for line in text.splitlines() if code[0] in line), "")
    if code[0].startswith("4"):
        return Report("delayed", message, False, code[0], line.strip()[:KEPT])
    return Report("bounced", message, GONE.fullmatch(code[0]) is not None, code[0], line.strip()[:KEPT])


def _by_machine(mail: EmailMessage) -> bool:
    """Whether a mail server wrote it: with an empty envelope sender (RFC 5321, 4.5.5), or as its daemon."""
    sender = str(mail.get("From", "")).lower()
    return str(mail.get("Return-Path", "")).strip() == "<>" or "mailer-daemon" in sender or "postmaster@" in sender


def _message_of(mail: EmailMessage, content: bytes) -> str | None:
    """Which letter a report is about: by the letter that it returns, else by the address it was sent to, else by any
    Message-ID in it."""
    for part in mail.walk():
        inner: Message | None = None
        if part.get_content_type() in ("message/rfc822", "message/global"):
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload and isinstance(payload[0], Message) else None
        elif part.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
            inner = email.message_from_bytes(_bytes(part))
        if inner is not None and (found := _OURS.search(str(inner.get("Message-ID", "")))) is not None:
            return found[1]
    for name in ("To", "Delivered-To", "X-Original-To"):
        if (found := _TOKEN.search(str(mail.get(name, "")))) is not None:
            return found[1]
    for name in ("In-Reply-To", "References", "X-Failed-Message-ID"):
        if (found := _OURS.search(str(mail.get(name, "")))) is not None:
            return found[1]
    text = content[:200_000].decode("ascii", "replace")
    returned = re.search(r"^\s*>?\s*Message-ID:\s*<([0-9a-f]{32})@", text, re.IGNORECASE | re.MULTILINE)
    return returned[1] if returned is not None else None


def _blocks(part: Message) -> Iterator[dict[str, str]]:
    """The groups of fields that a report's part consists of, their names in small letters."""
    payload = part.get_payload()
    if isinstance(payload, list):
        groups = [one for one in payload if isinstance(one, Message)]
    else:
        text = _bytes(part).decode("utf-8", "replace")
        groups = [email.message_from_string(block.strip() + "\n") for block in re.split(r"\r?\n\s*\r?\n", text)]
    for group in groups:
        fields = {name.lower(): " ".join(str(value).split()) for name, value in group.items()}
        if fields:
            yield fields


def _bytes(part: Message) -> bytes:
    """What a part holds, decoded; nothing of one that holds parts of its own."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _address(said: str | None) -> str | None:
    """The address of ``rfc822;anna@example.fi`` or ``<anna@example.fi>``."""
    if not said:
        return None
    found = said.rpartition(";")[2].strip().strip("<>").strip()
    return found if "@" in found else None
