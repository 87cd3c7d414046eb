"""DKIM (RFC 6376; Ed25519: RFC 8463): letters signed by OpenSSL's arithmetic, in the canonical form of dkimpy.

dkimpy signs in Python's own numbers, which takes longer than everything else that a letter needs; what it calls
relaxed, how it chooses the headers and folds its own is used here as it stands.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from typing import Final

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from dkim.canonicalization import CanonicalizationPolicy

from polku.errors import ChannelError
from polku.language import N_

#: Headers that the signature covers; from twice, so that nobody adds another one.
SIGNED: Final = (
    b"from", b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type",
    b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
#: Receivers take no RSA key that is shorter (RFC 8301, 3.2).
SHORTEST: Final = 1024
_RELAXED: Final = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")


class Signer:
    """Signs letters of one domain. ``key``: the private key, RSA or Ed25519, as PEM; or Ed25519's 32 bytes as base64.

    Raises ChannelError for what is no such key.
    """

    def __init__(self, selector: str, domain: str, key: str) -> None:
        self.selector, self.domain = selector.encode(), domain.encode()
        self._key = _read(key)

    @property
    def algorithm(self) -> bytes:
        return b"rsa-sha256" if isinstance(self._key, RSAPrivateKey) else b"ed25519-sha256"

    def sign(self, text: bytes) -> bytes:
        """The letter (its lines end in CRLF) with its signature before it. Raises ChannelError for no letter."""
        try:
            headers, body = dkim.rfc822_parse(text)
        except dkim.MessageFormatError as fault:
            raise ChannelError(N_("The letter cannot be signed: {fault}."), fault=str(fault)) from fault
        named = {name.lower() for name, _ in headers}
        covered = tuple(name for name in SIGNED if name in named)
        fields = [
            (b"v", b"1"),
            (b"a", self.algorithm),
            (b"c", _RELAXED.to_c_value()),
            (b"d", self.domain),
            (b"q", b"dns/txt"),
            (b"s", self.selector),
            (b"t", str(int(time.time())).encode()),
            (b"h", b" : ".join(covered)),
            (b"bh", base64.b64encode(hashlib.sha256(_RELAXED.canonicalize_body(body)).digest())),
            (b"b", b""),
        ]
        unsigned = _folded(fields)
        hashed = hashlib.sha256()
        own = (b"DKIM-Signature", b" " + unsigned)
        dkim.hash_headers(hashed, _RELAXED, _RELAXED.canonicalize_headers(headers), covered, own, dict(fields))
        fields[-1] = (b"b", base64.b64encode(self._sign(hashed.digest())))
        return b"DKIM-Signature: " + _folded(fields) + b"\r\n" + text

    def _sign(self, digest: bytes) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(digest)
        return self._key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))


def _folded(fields: list[tuple[bytes, bytes]]) -> bytes:
    value: bytes = dkim.fold(b"; ".join(b"=".join(field) for field in fields), len(b"DKIM-Signature"), b"\r\n")
    return value


def _read(key: str) -> RSAPrivateKey | Ed25519PrivateKey:
    text = key.strip().encode()
    try:
        if not text.startswith(b"-----"):
            return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
        found = serialization.load_pem_private_key(text, None)
    except (ValueError, TypeError, binascii.Error) as fault:  # TypeError: it has a password
        raise ChannelError(N_("The DKIM key does not read: {fault}."), fault=str(fault)) from fault
    if isinstance(found, RSAPrivateKey) and found.key_size >= SHORTEST:
        return found
    if isinstance(found, Ed25519PrivateKey):
        return found
    raise ChannelError(N_("The DKIM key must be RSA of {bits} bits at least, or Ed25519."), bits=SHORTEST)
