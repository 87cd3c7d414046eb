"""Who belongs on a list now, with the hashes by which each platform knows them; and who does not, by reason."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from polku.audiences.choices import IN, OUT, choices
from polku.audiences.hashing import ROWS, person_of
from polku.campaigns.deciding import Group, GroupLook
from polku.errors import UsageError, nearest
from polku.guidance.engine import WAITING, Run, holds
from polku.guidance.rules import Rule, compile_rule
from polku.journey.campaigns import Audience, title_of
from polku.journey.model import Guidance, Journey
from polku.language import N_

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.guidance.crowd import Crowd
    from polku.record.project import Project

#: Why somebody who was meant is not on the list: what people read.
REASON_WORDS: Final[dict[str, str]] = {
    "no_consent": N_("no consent to advertising"), "no_address": N_("neither e-mail nor phone is known"),
    "not_met": N_("the conditions do not hold"), "taken_off": N_("a rule took them off"),
}  # fmt: skip
#: Customers that are looked at together.
TOGETHER: Final = 2_000


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """Somebody on the list. ``rows``: by platform, the values of its columns. ``identifiers``: by platform, what alone
    finds them again (hashes of e-mail and phone). ``mark``: of all of it."""

    customer: int
    rows: Mapping[str, tuple[str, ...]]
    identifiers: Mapping[str, tuple[str, str]]
    mark: str


def audience_of(journey: Journey, id: str) -> Audience:
    """The audience ``id`` of the map. Raises UsageError with the nearest one."""
    found = journey.audiences.get(id)
    if not isinstance(found, Audience):
        near = nearest(id, journey.audiences)
        raise UsageError(
            N_("There is no audience {id!r} in the map.{meant} It has: {known}."),
            id=id, known=", ".join(journey.audiences) or "-", nearest=near, meant=f" → {near}?" if near else "",
        )  # fmt: skip
    return found


def rule_of(id: str, audience: Audience, journey: Journey) -> Rule:
    """The list's conditions as the engine asks them."""
    send = {"channel": "audience"}
    made = Guidance(id=id, title=title_of(id, audience), when={}, only_if=dict(audience.only_if), send=send, state="on")
    return compile_rule(made, journey)


class Membership:
    """Everybody who belongs on a list as of ``now``; ``left_out`` counts the others by reason while one iterates."""

    def __init__(self, project: Project, connection: Connection, crowd: Crowd, id: str, now: int) -> None:
        self.project, self.connection, self.crowd, self.id, self.now = project, connection, crowd, id, now
        self.journey = crowd.view.journey
        self.audience = audience_of(self.journey, id)
        self.left_out: dict[str, int] = {}

    def __iter__(self) -> Iterator[Member]:
        chosen = choices(self.connection, self.id, self.now)
        meant = set(self.crowd.any_of(self.audience.of).tolist()) | {c for c, how in chosen.items() if how == IN}
        rule = rule_of(self.id, self.audience, self.journey)
        order = sorted(meant)
        for at in range(0, len(order), TOGETHER):
            part = order[at : at + TOGETHER]
            group = Group(self.project, self.connection, self.crowd, rule, None, part, self.now)
            for customer in part:
                member = "taken_off" if chosen.get(customer) == OUT else self._member(group, customer)
                if isinstance(member, Member):
                    yield member
                else:
                    self.left_out[member] = self.left_out.get(member, 0) + 1

    def _member(self, group: Group, customer: int) -> Member | str:
        """The member, or why there is none."""
        run = Run(group.rule.id, "", customer, "", 0, self.now, None, WAITING, {})
        if not holds(group.rule.only_if, GroupLook(group, customer), run)[0]:
            return "not_met"
        people = group.people
        if self.audience.consent not in self.project.consents.held(people.pairs(customer), self.now).granted:
            return "no_consent"
        mail, phone = people.contact(customer, "email"), people.contact(customer, "phone")
        if mail is None and phone is None:
            return "no_address"
        who = person_of(people.traits(customer), mail.value if mail else "", phone.value if phone else "")
        return member_of(customer, {platform: ROWS[platform](who) for platform in self.audience.for_})


def member_of(customer: int, rows: Mapping[str, tuple[str, ...]]) -> Member:
    """A member of these rows; e-mail and phone are the first two columns of every platform."""
    text = "\n".join(f"{platform}:{','.join(row)}" for platform, row in sorted(rows.items()))
    mark = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return Member(customer, rows, {platform: (row[0], row[1]) for platform, row in rows.items()}, mark)
