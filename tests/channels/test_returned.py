"""Mail that comes back: a real mailbox, and the services' web hooks with their signatures."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.channels.reports import Report, read_report
from polku.channels.services import naming, reports_of
from polku.channels.webhook import sign
from polku.errors import ChannelError, Unproven, UsageError
from polku.guidance.returned import allow, block, read_mailbox, suppressions
from polku.guidance.sending import send
from polku.guidance.switch import turn
from polku.record.project import Project
from web.conftest import Site, served

from . import mailboxes, receivers, shop
from .test_sending import events, read

ID = "0123456789abcdef" * 2


def dsn(action: str = "failed", status: str = "5.1.1", diagnosis: str = "5.1.1 no such user") -> bytes:
    told = {"recipient": "anna@example.fi", "message_id": f"<{ID}@kauppa.example>"}
    return mailboxes.DSN.format(action=action, status=status, diagnosis=diagnosis, **told).encode()


def arf(kind: str) -> bytes:
    return mailboxes.ARF.format(kind=kind, recipient="anna@example.fi", message_id=f"<{ID}@kauppa.example>").encode()


PLAIN = f"From: MAILER-DAEMON@mx.example\nTo: bounces+{ID}@kauppa.example\n\n<a@b.fi>: 552 5.2.2 full\n".encode()
REPORTS = [
    (dsn(), ("bounced", ID, True, "5.1.1")),
    (dsn(status="5.2.2", diagnosis="mailbox full"), ("bounced", ID, False, "5.2.2")),
    (dsn(status="5.0.0", diagnosis="550 5.1.10 null mx"), ("bounced", ID, True, "5.1.10")),
    (dsn("delayed", "4.4.1", "no answer"), ("delayed", ID, False, "4.4.1")),
    (dsn("delivered", "2.0.0", ""), ("other", ID, False, "")),
    (dsn().replace(b"\n", b"\r\n"), ("bounced", ID, True, "5.1.1")),
    (arf("abuse"), ("complained", ID, False, "")),
    (arf("not-spam"), ("other", ID, False, "")),
    (PLAIN, ("bounced", ID, False, "5.2.2")),
    (PLAIN.replace(b"MAILER-DAEMON@mx", b"anna@posti"), ("other", ID, False, "")),
    (mailboxes.LETTER.encode(), ("other", None, False, "")),
    (b"", ("other", None, False, "")),
]


@pytest.mark.parametrize(("content", "expected"), REPORTS)
def test_what_reports_say(content: bytes, expected: tuple[Any, ...]) -> None:
    found = read_report(content)
    assert (found.kind, found.message, found.hard, found.code) == expected


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400), st.integers(0, len(dsn())), st.integers(0, len(dsn())))
def test_no_mail_is_too_strange_to_be_read(noise: bytes, cut: int, at: int) -> None:
    whole = dsn()
    for content in (noise, whole[:cut] + noise, whole[:at] + noise + whole[at:]):
        assert isinstance(read_report(content), Report)


@pytest.fixture(scope="module")
def shopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, receivers.Mailbox, int, Any]]:
    folder: Path = tmp_path_factory.mktemp("returned") / "shop"
    with receivers.smtp() as (box, port), mailboxes.imap() as (imap, client), pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLKU_MAILBOX_PASSWORD", mailboxes.PASSWORD)
        patch.setenv("POLKU_MAIL_REPORTS", "hush")
        more = 'bounces = "bounces+{{message}}@kauppa.example"\nservice = "generic"\n[mailbox]\nhost = "127.0.0.1"\n'
        more += f'port = {imap}\nsecurity = "none"\nuser = "{mailboxes.USER}"'
        with shop.make(folder, port, more=more.replace("{{", "{").replace("}}", "}")) as project:
            turn(project, True, "anna")
            yield project, box, imap, client


def sent_to(project: Project, box: receivers.Mailbox, number: int, customer: int) -> str:
    """The Message-ID of a letter that left."""
    shop.put(project, shop.message(customer, number))
    send(project)
    assert shop.fate(project, number).state == "sent"
    return str(read(box.letters[-1])["Message-ID"])


def test_what_comes_back_ends_the_address_and_is_told(shopped: tuple[Project, receivers.Mailbox, int, Any]) -> None:
    project, box, _, client = shopped
    anna, eero, liisa = shop.customers(project, "anna", "eero", "liisa")
    ids = [sent_to(project, box, n, who) for n, who in enumerate((anna, eero, liisa), 1)]
    assert box.letters[0].mail_from == f"bounces+{ids[0][1:33]}@kauppa.example"
    bounce = mailboxes.DSN.format(
        action="failed", status="5.1.1", diagnosis="5.1.1 gone", recipient="anna@example.fi", message_id=ids[0]
    )
    complaint = mailboxes.ARF.format(kind="abuse", recipient="eero@example.fi", message_id=ids[1])
    foreign = mailboxes.DSN.format(
        action="failed",
        status="5.1.1",
        diagnosis="gone",
        recipient="liisa@example.fi",
        message_id=f"<{ID}@kauppa.example>",
    )
    for mail in (mailboxes.LETTER, bounce, complaint, foreign):
        client.append("INBOX", "", None, mail.encode())
    assert read_mailbox(project) == {"reports": 3, "events": 2}
    assert read_mailbox(project) is None
    client.append("INBOX", "", None, bounce.encode())  # the same report once more
    assert read_mailbox(project) == {"reports": 1}
    told = [e for e in events(project) if e["event"] in ("Email Bounced", "Email Complained")]
    assert [(e["event"], e["user_id"], e["properties"]["message"]) for e in told] == [
        ("Email Bounced", "anna", "1:0:a"), ("Email Complained", "eero", "2:0:a"),
    ]  # fmt: skip
    assert told[0]["properties"]["hard"] is True
    assert (shop.fate(project, 1).state, shop.fate(project, 1).reason) == ("sent", "bounced: 5.1.1 550 5.1.1 gone")
    assert sorted((s["address"], s["reason"]) for s in suppressions(project)) == [
        ("anna@example.fi", "bounced"), ("eero@example.fi", "complained"),
    ]  # fmt: skip
    client.select("INBOX", readonly=True)
    assert len(client.uid("SEARCH", "UNSEEN")[1][0].split()) == 1  # somebody's letter stays as it was
    for number, who in ((4, anna), (5, eero), (6, liisa)):
        shop.put(project, shop.message(who, number))
    send(project)
    assert [shop.fate(project, n).reason for n in (4, 5, 6)] == ["suppressed", "suppressed", None]
    allow(project, "email", "Anna@example.fi", "mikko")  # she has a mailbox again
    with pytest.raises(UsageError):
        allow(project, "email", "anna@example.fi", "mikko")
    block(project, "liisa@example.fi", "mikko")
    for number, who in ((7, anna), (8, eero), (9, liisa)):
        shop.put(project, shop.message(who, number))
    send(project)
    assert [shop.fate(project, n).state for n in (7, 8, 9)] == ["sent", "dropped", "dropped"]


def test_five_soft_bounces_in_a_row_end_an_address(shopped: tuple[Project, receivers.Mailbox, int, Any]) -> None:
    """By the web hook, over a real server; and nobody unproven is heard."""
    project, box, _, _ = shopped
    [olli] = shop.customers(project, "olli")
    for site in served(project):
        for number in range(20, 25):
            assert shop.customers(project, "olli")
            name = sent_to(project, box, number, olli)
            assert not [s for s in suppressions(project) if s["address"] == "olli@example.fi"]
            assert told(site, {"kind": "bounced", "message_id": name, "code": "5.2.2"}) == (200, 1)
        assert told(site, {"kind": "bounced", "message_id": name, "code": "5.2.2"}, "other")[0] == 401
        assert told(site, {"kind": "nonsense"})[0] == 400
    shop.put(project, shop.message(olli, 30))
    send(project)
    assert shop.fate(project, 30).reason == "suppressed"


def told(site: Site, report: dict[str, Any], secret: str = "hush") -> tuple[int, int]:
    body, at = json.dumps([report]).encode(), int(time.time())
    proof = sign(secret.encode(), "1", at, body)
    headers = {"webhook-id": "1", "webhook-timestamp": str(at), "webhook-signature": proof}
    answer = site.client.post("/reports/generic", content=body, headers=headers)
    return answer.status_code, answer.json().get("events", 0)


def test_a_mailbox_that_does_not_open_says_why(shopped: tuple[Project, receivers.Mailbox, int, Any]) -> None:
    project = shopped[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLKU_MAILBOX_PASSWORD", "wrong")
        with pytest.raises(ChannelError, match=r"127\.0\.0\.1 cannot be read"):
            read_mailbox(project)
        patch.delenv("POLKU_MAILBOX_PASSWORD")
        with pytest.raises(ChannelError, match="POLKU_MAILBOX_PASSWORD"):
            read_mailbox(project)


# -- services ---------------------------------------------------------------------------------------------------------

POSTMARK = {"RecordType": "Bounce", "Type": "HardBounce", "Email": "anna@example.fi", "Details": "smtp;550 5.1.1 gone",
            "Metadata": {"polku": ID}}  # fmt: skip
MAILGUN = {"event": "failed", "severity": "permanent", "recipient": "anna@example.fi", "user-variables": {"polku": ID},
           "delivery-status": {"code": 550, "message": "5.1.1 gone"}}  # fmt: skip
SENDGRID = [{"event": "bounce", "type": "bounce", "email": "anna@example.fi", "status": "5.1.1", "reason": "550 gone",
             "polku": ID}, {"event": "spamreport", "smtp-id": f"<{ID}@kauppa.example>"}, {"event": "open"}]  # fmt: skip
GONE = [{"emailAddress": "anna@example.fi", "status": "5.1.1"}]
SES = {"notificationType": "Bounce", "mail": {"tags": {"polku": [ID]}}, "bounce": {"bounceType": "Permanent",
       "bounceSubType": "General", "bouncedRecipients": GONE}}  # fmt: skip
TOPIC = "arn:aws:sns:eu-north-1:123456789012:mail"
CERTIFICATE = "https://sns.eu-north-1.amazonaws.com/SimpleNotificationService-1.pem"


def postmark(secret: str = "polku:hush") -> list[Report]:
    headers = {"authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
    return reports_of("postmark", json.dumps(POSTMARK).encode(), headers, "polku:hush")


def mailgun(secret: str = "hush", ago: int = 0) -> list[Report]:
    at = str(int(time.time()) - ago)
    proof = hmac.new(secret.encode(), f"{at}t".encode(), hashlib.sha256).hexdigest()
    said = {"signature": {"timestamp": at, "token": "t", "signature": proof}, "event-data": MAILGUN}
    return reports_of("mailgun", json.dumps(said).encode(), {}, "hush")


def sendgrid(changed: bool = False) -> list[Report]:
    key, at, body = ec.generate_private_key(ec.SECP256R1()), str(int(time.time())), json.dumps(SENDGRID).encode()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    name = "x-twilio-email-event-webhook"
    signature = base64.b64encode(key.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {f"{name}-signature": signature, f"{name}-timestamp": at}
    return reports_of("sendgrid", body + b" " * changed, headers, base64.b64encode(public).decode())


def ses(kind: str = "Notification", topic: str = TOPIC, address: str = CERTIFICATE, changed: str = "") -> list[Report]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    said = {"Type": kind, "MessageId": "m", "TopicArn": topic, "Message": json.dumps(SES), "Timestamp": "now",
            "SignatureVersion": "2", "SigningCertURL": address}  # fmt: skip
    names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    if kind == "SubscriptionConfirmation":
        said |= {"SubscribeURL": "https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription", "Token": "t"}
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{n}\n{said[n]}\n" for n in names)
    said["Signature"] = base64.b64encode(key.sign(text.encode(), PKCS1v15(), hashes.SHA256())).decode()
    said["Message"] += changed
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return pem

    found = reports_of("ses", json.dumps(said).encode(), {}, TOPIC, fetch)
    assert fetched[-1] == (said.get("SubscribeURL") or address)
    return found


def test_what_services_tell_is_proven_and_read() -> None:
    for found in (postmark(), mailgun(), sendgrid(), ses()):
        assert (found[0].kind, found[0].message, found[0].hard, found[0].code) == ("bounced", ID, True, "5.1.1")
    assert [(r.kind, r.message) for r in sendgrid()[1:]] == [("complained", ID)]
    assert ses("SubscriptionConfirmation") == []


@pytest.mark.parametrize("forge", [
    lambda: postmark("polku:wrong"), lambda: mailgun("wrong"), lambda: mailgun(ago=3600), lambda: sendgrid(True),
    lambda: ses(changed=" "), lambda: ses(topic="arn:aws:sns:eu-north-1:1:other"),
    lambda: ses(address="https://sns.eu-north-1.amazonaws.com.evil.example/x.pem"),
    lambda: ses(address="http://sns.eu-north-1.amazonaws.com/x.pem"),
])  # fmt: skip
def test_who_does_not_prove_it_is_not_heard(forge: Any) -> None:
    with pytest.raises(Unproven):
        forge()


def test_a_letter_is_named_to_the_service_that_sends_it() -> None:
    assert naming("", ID) is None
    for service in ("postmark", "ses", "mailgun", "sendgrid"):
        named = naming(service, ID)
        assert named is not None
        assert ID in named[1]
