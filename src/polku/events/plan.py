"""How one file's columns become an event's: decided before the first row is read, the same for every row."""

from __future__ import annotations

from dataclasses import dataclass

from polku.events.times import Order


@dataclass(frozen=True)
class Given:
    """A column, or one word for all rows; neither: nothing is given."""

    column: str | None = None
    constant: str | None = None

    def __bool__(self) -> bool:
        return self.column is not None or self.constant is not None


@dataclass(frozen=True)
class Plan:
    """The columns of a file by what they mean; see ``polku.sources.guess`` for how they are found.

    ``time``: one column, or date and clock. ``value``: one column, or two that are multiplied. ``places``: columns that
    go to a place in the context (``("campaign", "source")``). ``group``: rows that agree in these columns are lines of
    one event. ``keep``: the other columns that stay, None for all. ``mark``: the decimal mark. ``received`` and
    ``latest``: microseconds since 1970 UTC.
    """

    time: tuple[str, ...]
    zone: str
    received: int
    latest: int
    event: Given = Given()
    event_else: str | None = None
    customer: str | None = None
    anonymous: str | None = None
    account: str | None = None
    role: str | None = None
    session: str | None = None
    event_id: str | None = None
    received_at: str | None = None
    original_event: str | None = None
    consent: str | None = None
    value: tuple[str, ...] = ()
    currency: Given = Given()
    source: Given = Given()
    channel: Given = Given()
    properties: str | None = None
    context: str | None = None
    places: tuple[tuple[str, tuple[str, ...]], ...] = ()
    traits: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = None
    translate: bool = True
    order: Order = Order.UNKNOWN
    mark: str | None = None

    @property
    def used(self) -> tuple[str, ...]:
        """Every column that has a meaning of its own, each once."""
        return tuple(dict.fromkeys([*self._roles, *self.traits, *self.group]))

    @property
    def typed(self) -> tuple[str, ...]:
        """Those of them that keep the types of their values: nothing reads them as a text."""
        return tuple(c for c in (*self.traits, *self.group) if c not in self._roles)

    @property
    def _roles(self) -> list[str]:
        single = (
            self.event.column, self.event_else, self.customer, self.anonymous, self.account, self.role, self.session,
            self.event_id, self.received_at, self.original_event, self.consent, self.currency.column,
            self.source.column, self.channel.column, self.properties, self.context,
        )  # fmt: skip
        return [*self.time, *(c for c in single if c), *self.value, *(c for c, _ in self.places), *self.ignored]
