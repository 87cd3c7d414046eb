"""The letter itself: signed so that a verifier is content, and nothing can be put into its headers."""

from __future__ import annotations

import base64
import datetime as dt
import email
import email.policy
import re
from collections.abc import Callable
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.channels.channel import Outgoing
from polku.channels.email import Email
from polku.channels.letter import address_of, letter
from polku.channels.signing import Signer
from polku.errors import ChannelError
from polku.record.settings import Mail

SHOP = address_of("Kauppa Äiti <hei@kauppa.example>")
NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
LINK = "https://polku.kauppa.example/u/" + "a" * 300


def outgoing(**more: Any) -> Outgoing:
    values: dict[str, Any] = {
        "key": "1:0:a", "rule": "cart", "customer": 1, "to": "anna@example.fi", "language": "fi",
        "subject": "Ääkköset ja pitkä otsikko, joka ei mahdu yhdelle riville missään tapauksessa", "text": "Hei",
        "html": "<p>Hei</p>", "made_at": 0, "unsubscribe_url": LINK,
    }  # fmt: skip
    return Outgoing(**(values | more))


def _rsa() -> tuple[str, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode(), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def _ed25519(as_pem: bool) -> tuple[str, bytes]:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes_raw()
    secret = pem if as_pem else base64.b64encode(key.private_bytes_raw()).decode()
    return secret, b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public)


KEYS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "rsa": _rsa,
    "ed25519": lambda: _ed25519(True),
    "ed25519 as dkimpy writes it": lambda: _ed25519(False),
}


@pytest.fixture(scope="module", params=list(KEYS))
def keys(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A private key, and the record that stands in the DNS."""
    return KEYS[request.param]()


def test_the_signature_is_good_and_covers_the_unsubscribe_headers(keys: tuple[str, bytes]) -> None:
    assert SHOP is not None
    text = Signer("s1", "kauppa.example", keys[0]).sign(letter(outgoing(), SHOP, None, NOW))
    asked: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return keys[1]

    assert dkim.verify(text, dnsfunc=dns)
    assert asked == [b"s1._domainkey.kauppa.example."]
    assert not dkim.verify(text.replace(LINK.encode(), b"https://evil.example/u/"), dnsfunc=dns)
    assert not dkim.verify(text.replace(b"Hei", b"Hoi", 1), dnsfunc=dns)
    assert not dkim.verify(b"From: Somebody <else@evil.example>\r\n" + text, dnsfunc=dns)


def test_what_is_no_key_is_told_and_signs_nothing() -> None:
    for key in ("", "hush", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"):
        with pytest.raises(ChannelError):
            Signer("s1", "kauppa.example", key)
    settings = Mail(host="127.0.0.1", sender="hei@kauppa.example", links="https://polku.example", dkim_selector="s1")
    missing = Email(settings, {"POLKU_DKIM_KEY": "hush"}).problem()
    assert missing is not None
    assert "DKIM" in missing[0]


def test_the_link_of_a_header_is_one_line() -> None:
    assert SHOP is not None
    text = letter(outgoing(), SHOP, None, NOW)
    assert f"List-Unsubscribe: <{LINK}>\r\n".encode() in text
    assert max(map(len, text.split(b"\r\n"))) < 998


@settings(deadline=None, max_examples=150)
@given(subject=st.text(max_size=200), body=st.text(max_size=300))
def test_no_text_of_a_customer_becomes_a_header(subject: str, body: str) -> None:
    assert SHOP is not None
    subject, body = (t.encode("utf-8", "replace").decode() for t in (subject, body))
    text = letter(outgoing(subject=subject, text=body), SHOP, None, NOW)
    read = email.message_from_bytes(text, policy=email.policy.default)
    assert sorted(read.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version",
         "Content-Type"]
    )  # fmt: skip
    assert read["To"] == "anna@example.fi"
    assert read["Subject"] == " ".join(subject.split())
    assert text.isascii()
    assert max(map(len, text.split(b"\r\n"))) < 998
    assert b"\n" not in text.replace(b"\r\n", b"")
    for kind, written in (("plain", body), ("html", "<p>Hei</p>")):
        part = read.get_body((kind,))
        assert part is not None
        found = part.get_content().replace("\r\n", "\n")
        assert found.rstrip("\n") == re.sub(r"\r\n?", "\n", written).rstrip("\n")
