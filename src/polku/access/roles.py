"""Roles of people and what each may do; every route declares one permission (:func:`polku.web.guard.needs`)."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

from polku.language import N_

Permission = Literal["open", "see", "tell", "fetch", "edit", "own"]

#: From the least to the most: each may do what those before it may.
ROLES: Final = ("viewer", "editor", "owner")
ROLE_WORDS: Final[dict[str, str]] = {"viewer": N_("viewer"), "editor": N_("editor"), "owner": N_("owner")}
#: What a person of each role may do, as the pages tell it.
ROLE_MEANS: Final[dict[str, str]] = {
    "viewer": N_("sees the map, the measures and the customers"),
    "editor": N_("also writes notes, saves to the map, joins customers and records consent"),
    "owner": N_("also manages people, keys and settings, and forgets customers"),
}
#: The least role that each permission asks for; ``open`` asks for none. ``tell``: what other systems of the shop say
#: of a customer over the API; a key that reads and writes may, too. ``fetch``:
#: files with people in them; a key may, too.
LEAST: Final[dict[Permission, str | None]] = {
    "open": None, "see": "viewer", "tell": "editor", "fetch": "editor", "edit": "editor", "own": "owner",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Who:
    """Who makes a request. ``name`` is what the audit log calls them.

    how: ``session`` (signed in), ``key`` (a machine with a read key), ``open`` (nobody has to sign in here).
    token: what a form must carry to prove that this session drew it; "" for keys, which no browser sends by itself.
    user, session: numbers of the signed in; None for others. writes: a key that lets events in besides: it may say over
    the API what a customer has decided.
    """

    name: str
    role: str
    how: Literal["session", "key", "open"]
    token: str = ""
    user: int | None = None
    session: str | None = None
    writes: bool = False

    def may(self, permission: Permission) -> bool:
        if self.how == "key" and permission in ("tell", "fetch"):
            return self.writes or permission == "fetch"
        return allows(self.role, permission)


def allows(role: str | None, permission: Permission) -> bool:
    """Whether a role (None: nobody signed in) has a permission.

    >>> allows("viewer", "see"), allows("viewer", "edit"), allows(None, "open"), allows(None, "see")
    (True, False, True, False)
    """
    least = LEAST[permission]
    if least is None:
        return True
    return role in ROLES and ROLES.index(role) >= ROLES.index(least)
