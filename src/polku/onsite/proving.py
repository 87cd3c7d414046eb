"""Proof of who has signed in on the shop's site: without it anybody could say in their browser that they are somebody.

The shop's server makes it from the user's id and a secret that it shares with Polku, and writes it into the page
(``data-user`` and ``data-proof`` of the tracker's line)::

    hmac.new(secret, user_id.encode(), hashlib.sha256).hexdigest()

>>> proof_of(b"secret", "customer-42")[:16]
'1e22f3f25e29689b'
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from polku.channels.secret import secret_of

if TYPE_CHECKING:
    from polku.record.project import Project


def proof_of(secret: bytes, user: str) -> str:
    """What proves ``user``: HMAC-SHA256 of the id, in hexadecimal."""
    return hmac.digest(secret, user.encode(), hashlib.sha256).hex()


def proven(
    project: Project, customer: int, user: str | None, proof: str | None, environment: Mapping[str, str] = os.environ
) -> bool:
    """Whether a browser may be told what was written for a customer.

    Where ``[onsite] verify`` is set and the customer is a user: when it proves one of the customer's user ids. A secret
    that is not there proves nobody.
    """
    name = project.settings.onsite.verify
    if not name:
        return True
    users = {one.value for one in project.identities.ids_of(customer) if one.kind == "user" and one.names == "user"}
    if not users:
        return True
    secret = secret_of(name, environment)
    if not secret or user is None or proof is None or user not in users:
        return False
    return hmac.compare_digest(proof_of(secret.encode(), user).encode(), proof.lower().encode())
