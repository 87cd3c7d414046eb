"""Signed links in letters: unsubscribing, answers, counted clicks and opens. Nobody else can make or change one.

A link is ``<what>/<payload>.<signature>``: the payload is JSON in base64url, the signature 128 bits of HMAC-SHA256 with
the project's secret. No link stands in the database, so they work for as long as the secret does.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from polku.record.project import Project

What = Literal["unsubscribe", "click", "open", "answer", "confirm"]
#: The paths under which the server answers them.
PATHS: Final[dict[What, str]] = {"unsubscribe": "/u", "click": "/c", "open": "/o", "answer": "/i", "confirm": "/k"}


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """What a link says. ``id``: (kind, value), the customer's strongest. ``key``: the message it stood in. ``purpose``:
    of an unsubscribe link, or the answer that an invitation's link begins with. ``url``: where a click goes. ``sent``:
    when the letter left, microseconds. ``test``: the letter went to a test address, so no answer is kept."""

    what: What
    id: tuple[str, str]
    key: str
    rule: str = ""
    content: str = ""
    purpose: str = ""
    url: str = ""
    sent: int = 0
    test: bool = False


def path_of(project: Project, link: Link) -> str:
    """The link's path, to be put behind [mail] links."""
    said = {"i": list(link.id), "k": link.key, "r": link.rule, "c": link.content, "p": link.purpose, "u": link.url,
            "t": link.sent, "x": link.test}  # fmt: skip
    text = json.dumps({k: v for k, v in said.items() if v}, ensure_ascii=False, separators=(",", ":"))
    payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")
    return f"{PATHS[link.what]}/{payload}.{_mark(project)(link.what, payload)}"


def read_link(project: Project, what: What, token: str) -> Link | None:
    """The link of ``token`` (what stands behind its path); None for one that Polku did not make."""
    payload, dot, signature = token.partition(".")
    if not dot or not signature.isascii() or not hmac.compare_digest(_mark(project)(what, payload), signature):
        return None
    try:
        said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        return None
    kind, value = said["i"]
    return Link(what, (str(kind), str(value)), said.get("k", ""), said.get("r", ""), said.get("c", ""),
                said.get("p", ""), said.get("u", ""), int(said.get("t", 0)), bool(said.get("x")))  # fmt: skip


def _mark(project: Project) -> Callable[[str, str], str]:
    addresses = project.contacts.addresses
    return lambda what, payload: addresses.mark(f"link-{what}", payload)
