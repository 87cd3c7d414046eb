"""What mail services tell by web hook of the letters that left through them: proven, then read as reports.

A letter that leaves through a service carries a header by which the service names it in what it tells
(:func:`naming`). Shapes and signatures are those of the services' own documents: Postmark (bounce and spam complaint
web hooks; HTTP basic authentication), Amazon SES (notifications by SNS; X.509 signatures), Mailgun (events;
HMAC-SHA256), SendGrid (event web hook; ECDSA over P-256); ``generic`` is a list of reports signed as Standard Webhooks
says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from polku.channels.reports import GONE, Kind, Report
from polku.channels.webhook import secret_bytes, sign
from polku.errors import Unproven, Unready
from polku.language import N_

#: The variable that holds what proves a request: Postmark's user:password, Mailgun's signing key, SendGrid's public
#: key, the generic secret, and of Amazon the topic's ARN.
SECRET: Final = "POLKU_MAIL_REPORTS"
#: Seconds by which a signed moment may differ from ours.
SKEW: Final = 600
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")
_AMAZON: Final = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")

Headers = Mapping[str, str]
Fetch = Callable[[str], bytes]


def naming(service: str, message: str) -> tuple[str, str] | None:
    """The header (name, value) by which ``service`` names the letter ``message`` (32 signs); None: it needs none."""
    match service:
        case "postmark":
            return "X-PM-Metadata-polku", message
        case "ses":
            return "X-SES-MESSAGE-TAGS", f"polku={message}"
        case "mailgun":
            return "X-Mailgun-Variables", json.dumps({"polku": message})
        case "sendgrid":
            return "X-SMTPAPI", json.dumps({"unique_args": {"polku": message}})
    return None


def reports_of(service: str, body: bytes, headers: Headers, secret: str, fetch: Fetch | None = None) -> list[Report]:
    """The reports of one request. ``headers``: names in small letters; ``fetch``: how Amazon's certificate is got.

    Raises Unproven for a request that does not prove who sent it, and ValueError for a body that does not read.
    """
    match service:
        case "postmark":
            _basic(headers, secret)
            return list(_postmark(_object(body)))
        case "mailgun":
            return list(_mailgun(_object(body), secret))
        case "sendgrid":
            _ecdsa(body, headers, secret)
            return list(_sendgrid(json.loads(body)))
        case "ses":
            return list(_ses(_object(body), secret, fetch or _fetched))
        case "generic":
            _standard(body, headers, secret)
            return list(_generic(json.loads(body)))
    raise ValueError(f"no mail service {service!r}")


# -- proofs -----------------------------------------------------------------------------------------------------------


def _unproven() -> Unproven:
    return Unproven(N_("The request does not prove who sent it."))


def _basic(headers: Headers, secret: str) -> None:
    kind, _, given = headers.get("authorization", "").partition(" ")
    try:
        told = base64.b64decode(given, validate=True) if kind.lower() == "basic" else b""
    except binascii.Error:
        told = b""
    if not hmac.compare_digest(told, secret.encode()):
        raise _unproven()


def _fresh(timestamp: str) -> None:
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > SKEW:
        raise _unproven()


def _standard(body: bytes, headers: Headers, secret: str) -> None:
    at, key = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    _fresh(at)
    expected = sign(secret_bytes(secret), key, int(at), body)
    given = headers.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in given):
        raise _unproven()


def _ecdsa(body: bytes, headers: Headers, secret: str) -> None:
    at = headers.get("x-twilio-email-event-webhook-timestamp", "")
    _fresh(at)
    try:
        key = serialization.load_der_public_key(base64.b64decode(secret))
        given = base64.b64decode(headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
    except (ValueError, binascii.Error) as fault:
        raise _unproven() from fault
    if not isinstance(key, EllipticCurvePublicKey):
        raise _unproven()
    try:
        key.verify(given, at.encode() + body, ECDSA(hashes.SHA256()))
    except InvalidSignature as fault:
        raise _unproven() from fault


# -- shapes -----------------------------------------------------------------------------------------------------------


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("an object is needed")
    return found


def _token(value: Any) -> str | None:
    """The 32 signs that name a letter, in whatever a service gives back."""
    if isinstance(value, list):
        value = value[0] if value else None
    found = _TOKEN.search(value) if isinstance(value, str) else None
    return found[0] if found is not None else None


def _text(value: Any) -> str:
    return " ".join(str(value).split())[:300] if value not in (None, "") else ""


def _postmark(said: dict[str, Any]) -> Iterator[Report]:
    message = _token((said.get("Metadata") or {}).get("polku"))
    told = _text(said.get("Details") or said.get("Description"))
    match said.get("RecordType"), said.get("Type"):
        case "SpamComplaint", _:
            yield Report("complained", message, reason=told, recipient=said.get("Email"))
        case "Bounce", ("HardBounce" | "BadEmailAddress"):
            yield Report("bounced", message, True, _code(told) or "5.1.1", told, said.get("Email"))
        case "Bounce", ("Transient" | "DnsError" | "AutoResponder" | "Subscribe" | "OpenRelayTest"):
            yield Report("delayed", message, False, _code(told), told, said.get("Email"))
        case "Bounce", _:
            yield Report("bounced", message, False, _code(told), told, said.get("Email"))


def _code(text: str) -> str:
    found = re.search(r"\b[45]\.\d{1,3}\.\d{1,3}\b", text)
    return found[0] if found is not None else ""


def _mailgun(said: dict[str, Any], secret: str) -> Iterator[Report]:
    proof = said.get("signature")
    proof = proof if isinstance(proof, dict) else {}
    at, token = str(proof.get("timestamp", "")), str(proof.get("token", ""))
    _fresh(at)
    expected = hmac.new(secret.encode(), (at + token).encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(str(proof.get("signature", "")).encode(), expected.encode()):
        raise _unproven()
    data = said.get("event-data")
    data = data if isinstance(data, dict) else {}
    named = (data.get("user-variables") or {}).get("polku")
    message = _token(named) or _token(((data.get("message") or {}).get("headers") or {}).get("message-id"))
    status = data.get("delivery-status") or {}
    told = _text(status.get("message") or status.get("description"))
    code = _text(status.get("enhanced-code")) or _code(told)
    match data.get("event"), data.get("severity"):
        case "complained", _:
            yield Report("complained", message, recipient=data.get("recipient"))
        case "failed", "permanent":
            gone = GONE.fullmatch(code) is not None or (not code and status.get("code") in (550, 551, 605))
            yield Report("bounced", message, gone, code, told, data.get("recipient"))
        case "failed", _:
            yield Report("delayed", message, False, code, told, data.get("recipient"))


def _sendgrid(said: Any) -> Iterator[Report]:
    for one in said if isinstance(said, list) else ():
        message = _token(one.get("polku")) or _token(one.get("smtp-id"))
        told = _text(one.get("reason"))
        code = _text(one.get("status")) or _code(told)
        match one.get("event"), one.get("type"):
            case "spamreport", _:
                yield Report("complained", message, recipient=one.get("email"))
            case "bounce", "blocked":
                yield Report("bounced", message, False, code, told, one.get("email"))
            case "bounce", _:
                yield Report("bounced", message, GONE.fullmatch(code) is not None, code, told, one.get("email"))
            case "deferred", _:
                yield Report("delayed", message, False, code, _text(one.get("response")), one.get("email"))


def _generic(said: Any) -> Iterator[Report]:
    for one in said if isinstance(said, list) else [said]:
        kind = one.get("kind") if isinstance(one, dict) else None
        if kind not in ("bounced", "delayed", "complained"):
            raise ValueError("kind is bounced, delayed or complained")
        code = _text(one.get("code"))
        hard = one["hard"] is True if "hard" in one else GONE.fullmatch(code) is not None
        yield Report(kind, _token(one.get("message_id")), hard, code, _text(one.get("reason")), one.get("recipient"))


# -- Amazon -----------------------------------------------------------------------------------------------------------


def _ses(said: dict[str, Any], topic: str, fetch: Fetch) -> Iterator[Report]:
    """A message of SNS: signed by Amazon, of the topic that was named; its first one asks to be confirmed."""
    if not hmac.compare_digest(str(said.get("TopicArn", "")).encode(), topic.encode()):
        raise _unproven()
    _of_amazon(said, fetch)
    if said.get("Type") == "SubscriptionConfirmation":
        _at_amazon(str(said.get("SubscribeURL", "")))
        fetch(str(said["SubscribeURL"]))
        return
    told = _object(str(said.get("Message", "")).encode())
    mail = told.get("mail") or {}
    message = _token((mail.get("tags") or {}).get("polku"))
    if message is None:
        ids = [h.get("value") for h in mail.get("headers") or () if str(h.get("name", "")).lower() == "message-id"]
        message = _token(ids)
    kind = told.get("notificationType") or told.get("eventType")
    if kind == "Complaint":
        people = (told.get("complaint") or {}).get("complainedRecipients") or [{}]
        yield Report("complained", message, recipient=people[0].get("emailAddress"))
    elif kind == "Bounce":
        bounce = told.get("bounce") or {}
        people = bounce.get("bouncedRecipients") or [{}]
        code, reason = _text(people[0].get("status")), _text(people[0].get("diagnosticCode"))
        hard = bounce.get("bounceType") == "Permanent" and bounce.get("bounceSubType") in ("General", "NoEmail")
        soft: Kind = "delayed" if bounce.get("bounceType") == "Transient" and code.startswith("4") else "bounced"
        yield Report("bounced" if hard else soft, message, hard, code, reason, people[0].get("emailAddress"))


def _of_amazon(said: dict[str, Any], fetch: Fetch) -> None:
    """Amazon's signature: over these fields in this order, by the key of a certificate at one of its own addresses."""
    names: tuple[str, ...] = (
        "Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    )  # fmt: skip
    if said.get("Type") == "Notification":
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{name}\n{said[name]}\n" for name in names if said.get(name) is not None)
    version = said.get("SignatureVersion")
    address = str(said.get("SigningCertURL", ""))
    _at_amazon(address)
    try:
        key = x509.load_pem_x509_certificate(fetch(address)).public_key()
        given = base64.b64decode(str(said.get("Signature", "")), validate=True)
        if not isinstance(key, RSAPublicKey) or version not in ("1", "2"):
            raise _unproven()
        key.verify(given, text.encode(), PKCS1v15(), hashes.SHA256() if version == "2" else hashes.SHA1())
    except (ValueError, binascii.Error, InvalidSignature) as fault:
        raise _unproven() from fault


def _at_amazon(address: str) -> None:
    """Raise Unproven for an address that is not Amazon's: what anybody names is not fetched."""
    found = urlsplit(address)
    if found.scheme != "https" or not _AMAZON.fullmatch(found.hostname or "") or found.port not in (None, 443):
        raise _unproven()


def _fetched(address: str) -> bytes:
    try:
        answer = httpx.get(address, timeout=10, follow_redirects=False)
        answer.raise_for_status()
    except httpx.HTTPError as fault:
        raise Unready(N_("{address} does not answer: {fault}"), address=address, fault=str(fault)) from fault
    return answer.content
