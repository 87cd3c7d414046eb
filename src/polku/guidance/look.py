"""What the engine may ask of a customer, as of one moment: one interface, answered live and in a replay alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from polku.guidance.rules import Matcher


class Look(Protocol):
    """One customer as of ``now``, the moment (microseconds) at which a decision is made and Polku knows what it knows.

    Answers never depend on anything later than that moment.
    """

    now: int

    @property
    def zone(self) -> ZoneInfo:
        """The customer's own where it is known (``traits.timezone``), else the map's."""

    def consent(self, purpose: str) -> bool | None:
        """Granted, denied or withdrawn (False), never asked (None)."""

    def persona(self, id: str) -> bool:
        """Whether the customer's traits meet the persona's ``where``."""

    def segment(self, id: str) -> bool:
        """Whether the segment's condition holds."""

    def role(self, id: str, event: Mapping[str, Any] | None) -> bool:
        """Whether the event's person has the role in the account."""

    def stage(self) -> str | None:
        """The stage where the customer stands; None outside the map."""

    def traits(self) -> Mapping[str, Any]:
        """The latest value of each trait."""

    def met(self, matchers: Sequence[Matcher], since: int, after: int, key: tuple[str, str] | None) -> int | None:
        """When the first of ``matchers`` happened after ``since``, None: not yet.

        ``since``: microseconds; of what happened at that very microsecond, only what arrived after seq ``after``.
        ``key``: (property, value): an event that has the property with another value does not count.
        """

    def number_before(self, path: str, position: int) -> float | None:
        """The last number at ``path`` that an event of this customer told before the event with seq ``position``."""

    def acted(self, rule: str, key: str) -> Sequence[int]:
        """When runs of ``rule`` came to their first act, held out or not (microseconds), over all keys."""

    def entered(self, rule: str, key: str) -> bool:
        """Whether the customer has ever had a run of ``rule`` with this key."""

    def in_group(self, group: str, rule: str) -> str | None:
        """Another rule of the group in which the customer has a run that waits; None: in none."""

    def given(self, rule: str, step: int) -> str | None:
        """The variant that the customer was given at this step of ``rule`` before; None: none yet."""

    def shares(self, rule: str, step: int) -> Mapping[str, float] | None:
        """What a bandit has learned: of each variant of this step the share that gets it; None: nothing yet."""

    def messages(self, channel: str) -> Sequence[int]:
        """When messages on the channel were decided for the customer that caps count: not owed, not dropped."""
