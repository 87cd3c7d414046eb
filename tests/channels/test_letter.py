"""The letter itself: signed so that a verifier is content, and nothing can be put into its headers."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.channels.channel import Outgoing
from polku.channels.letter import Signer, address_of, letter

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


@pytest.fixture(scope="module")
def keys() -> tuple[str, bytes]:
    """A private key as PEM, and the record that stands in the DNS."""
    import base64

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode(), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def test_the_signature_is_good_and_covers_the_unsubscribe_headers(keys: tuple[str, bytes]) -> None:
    assert SHOP is not None
    text = Signer("s1", "kauppa.example", keys[0]).sign(letter(outgoing(), SHOP, None, NOW).as_bytes())
    asked: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return keys[1]

    assert dkim.verify(text, dnsfunc=dns)
    assert asked == [b"s1._domainkey.kauppa.example."]
    assert not dkim.verify(text.replace(LINK.encode(), b"https://evil.example/u/"), dnsfunc=dns)
    assert not dkim.verify(text.replace(b"Hei", b"Hoi", 1), dnsfunc=dns)


def test_the_link_of_a_header_is_one_line() -> None:
    assert SHOP is not None
    text = letter(outgoing(), SHOP, None, NOW).as_bytes()
    assert f"List-Unsubscribe: <{LINK}>\r\n".encode() in text
    assert max(map(len, text.split(b"\r\n"))) < 998


@settings(deadline=None, max_examples=150)
@given(subject=st.text(max_size=200), body=st.text(max_size=300))
def test_no_text_of_a_customer_becomes_a_header(subject: str, body: str) -> None:
    assert SHOP is not None
    subject, body = (t.encode("utf-8", "replace").decode() for t in (subject, body))
    text = letter(outgoing(subject=subject, text=body), SHOP, None, NOW).as_bytes()
    read = email.message_from_bytes(text, policy=email.policy.default)
    assert sorted(read.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version",
         "Content-Type"]
    )  # fmt: skip
    assert read["To"] == "anna@example.fi"
    assert text.isascii()
