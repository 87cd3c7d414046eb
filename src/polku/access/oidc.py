"""Signing in by an identity provider: OpenID Connect's code flow with PKCE, state and nonce.

What a provider says is believed when its ID token is signed with one of its published keys, was made for this client
and this very sign-in, is not too old, and carries an address that the provider has verified (OpenID Connect Core 1.0,
3.1.3.7; OAuth 2.0 Security Best Current Practice, RFC 9700).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from polku.access.roles import ROLES
from polku.errors import AccessError, MissingExtraError, ProjectError
from polku.language import N_
from polku.record.settings import Oidc

#: Signatures that are taken: made with a private key of the provider's. Never `none`, never a shared secret's.
ALGORITHMS: Final = (
    "RS256",
    "PS256",
    "ES256",
    "EdDSA",
    "RS384",
    "RS512",
    "PS384",
    "PS512",
    "ES384",
    "ES512",
)
#: Clocks may differ by so many seconds.
LEEWAY: Final = 120
#: What the provider published is read again after so many seconds.
FRESH: Final = 3600.0
#: A provider answers within so many seconds, or not at all.
PATIENCE: Final = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that is under way; it lives in a cookie of the browser that began it."""

    state: str
    nonce: str
    verifier: str
    onward: str

    def packed(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(dataclasses.astuple(self)).encode()).decode().rstrip("=")

    @classmethod
    def unpacked(cls, text: str) -> Pending | None:
        """From a cookie; None for one that is none."""
        try:
            found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError:
            return None
        if not isinstance(found, list) or len(found) != 4 or not all(isinstance(each, str) for each in found):
            return None
        return cls(*found)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is, and the role that the settings give them (None: none)."""

    issuer: str
    subject: str
    name: str
    role: str | None


class Provider:
    """One identity provider. Raises ProjectError for settings that do not fit, MissingExtraError without the extra."""

    def __init__(self, settings: Oidc, environment: Mapping[str, str] = os.environ) -> None:
        try:
            from authlib.integrations.requests_client import OAuth2Session
            from joserfc import jwt
        except ImportError as fault:
            raise MissingExtraError(
                N_('Signing in by an identity provider needs a part that is not installed: pip install "polku[oidc]"'),
                extra="oidc", package=str(fault.name),
            ) from fault  # fmt: skip
        self._session, self._jwt = OAuth2Session, jwt
        address = urlsplit(settings.issuer)
        if address.scheme != "https" and address.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ProjectError(
                N_("oidc.issuer is an address that begins with https://, not {issuer}."), issuer=settings.issuer
            )
        if not settings.client:
            raise ProjectError(N_("oidc.client is empty: the provider gave you a client id when you registered Polku."))
        self.issuer = settings.issuer.rstrip("/")
        self.client = settings.client
        self.name = settings.name or (address.hostname or self.issuer)
        self.roles = roles_of(settings.roles)
        self.secret = secret_of(environment)
        self._lock = threading.Lock()
        self._known: tuple[dict[str, Any], Any] | None = None
        self._read = 0.0

    def begin(self, callback: str, onward: str) -> tuple[str, Pending]:
        """Where to send the browser, and what it keeps until it comes back to ``callback``."""
        metadata, _ = self._published()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        pending = Pending(state, nonce, verifier, onward)
        session = self._session(self.client, scope="openid email", redirect_uri=callback, code_challenge_method="S256")
        url, _ = session.create_authorization_url(
            metadata["authorization_endpoint"], state=pending.state, nonce=pending.nonce, code_verifier=pending.verifier
        )
        return str(url), pending

    def finish(self, callback: str, pending: Pending | None, query: Mapping[str, str]) -> Identity:
        """Who came back with ``query``. Raises AccessError, which says why not."""
        if pending is None or not secrets.compare_digest(query.get("state", "").encode(), pending.state.encode()):
            raise AccessError(N_("This sign-in was not begun in this browser, or too long ago. Begin again."))
        if "error" in query:
            raise AccessError(
                N_("{provider} did not sign you in: {problem}."), provider=self.name, problem=query["error"][:80]
            )
        if query.get("iss", self.issuer).rstrip("/") != self.issuer:  # RFC 9207: an answer of another provider's
            raise self._unbelieved("iss")
        metadata, keys = self._published()
        answer = self._tokens(metadata, callback, query.get("code", ""), pending.verifier)
        claims = self._claims(answer.get("id_token"), keys, pending.nonce)
        email, subject = claims.get("email"), claims["sub"]
        if not isinstance(email, str) or "@" not in email or claims.get("email_verified") is not True:
            raise AccessError(N_("{provider} gives no e-mail address that it has verified."), provider=self.name)
        return Identity(self.issuer, subject, email.strip().lower(), self.role(email))

    def role(self, email: str) -> str | None:
        """The role that the settings give an address: its own, else its domain's."""
        email = email.strip().lower()
        return self.roles.get(email) or self.roles.get(email.rpartition("@")[2])

    def _tokens(self, metadata: dict[str, Any], callback: str, code: str, verifier: str) -> dict[str, Any]:
        import requests
        from authlib.common.errors import AuthlibBaseError

        session = self._session(self.client, self.secret, redirect_uri=callback, code_challenge_method="S256")
        with session:
            try:
                found: dict[str, Any] = session.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=verifier, timeout=PATIENCE
                )
            except AuthlibBaseError as fault:
                raise AccessError(
                    N_("{provider} did not sign you in: {problem}."), provider=self.name, problem=str(fault.error)
                ) from fault
            except (requests.RequestException, ValueError) as fault:
                raise self._silent(fault) from fault
        return found

    def _claims(self, text: Any, keys: Any, nonce: str) -> dict[str, Any]:
        from joserfc.errors import JoseError

        if not isinstance(text, str):
            raise self._unbelieved("id_token")
        try:
            token = self._jwt.decode(text, keys, algorithms=list(ALGORITHMS))
            self._jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "values": [self.issuer, f"{self.issuer}/"]},
                sub={"essential": True},
                aud={"essential": True, "value": self.client},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError) as fault:
            raise self._unbelieved(str(fault)) from fault
        claims: dict[str, Any] = token.claims
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.client:
            raise self._unbelieved("azp")
        return claims

    def _published(self) -> tuple[dict[str, Any], Any]:
        """The provider's own description, and its keys."""
        with self._lock:
            if self._known is None or time.monotonic() - self._read > FRESH:
                self._known = self._ask()
                self._read = time.monotonic()
            return self._known

    def _ask(self) -> tuple[dict[str, Any], Any]:
        import requests
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            metadata = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=PATIENCE).json()
            if str(metadata["issuer"]).rstrip("/") != self.issuer:
                raise self._unbelieved("issuer")
            keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=PATIENCE).json())
            if not all(isinstance(metadata[name], str) for name in ("authorization_endpoint", "token_endpoint")):
                raise self._unbelieved("openid-configuration")
        except (requests.RequestException, ValueError, KeyError, TypeError, JoseError) as fault:
            raise self._silent(fault) from fault
        return metadata, keys

    def _silent(self, fault: Exception) -> AccessError:
        return AccessError(
            N_("{provider} does not answer as an identity provider does ({fault}). Try again, or ask an owner."),
            provider=self.name, fault=f"{type(fault).__name__}",
        )  # fmt: skip

    def _unbelieved(self, what: str) -> AccessError:
        return AccessError(
            N_("What {provider} says is not believed ({what}). Begin again, or ask an owner."),
            provider=self.name, what=what,
        )  # fmt: skip


def roles_of(text: str) -> dict[str, str]:
    """Domains or addresses with their roles. Raises ProjectError for what does not fit.

    >>> roles_of("shop.example = viewer, anna@shop.example = owner")
    {'shop.example': 'viewer', 'anna@shop.example': 'owner'}
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        whom, _, role = (each.strip().lower() for each in part.partition("="))
        if role not in ROLES or not whom or whom.startswith("@"):
            raise ProjectError(
                N_("oidc.roles lists domains or addresses with roles, such as shop.example = viewer; not {part}."),
                part=part,
            )
        found[whom] = role
    return found


def secret_of(environment: Mapping[str, str]) -> str | None:
    """The client's secret: POLKU_OIDC_SECRET, or the text of the file that POLKU_OIDC_SECRET_FILE names; None: none."""
    if given := environment.get("POLKU_OIDC_SECRET"):
        return given
    if not (name := environment.get("POLKU_OIDC_SECRET_FILE")):
        return None
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise ProjectError(
            N_("{file}, which POLKU_OIDC_SECRET_FILE names, cannot be read: {fault}."),
            file=name, fault=str(fault.strerror),
        ) from fault  # fmt: skip
