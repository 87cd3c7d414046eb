"""A shop with campaigns: real project, customers with addresses who came by the door; the clock is the test's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from channels.shop import arrive
from guidance.shop import empty_project
from polku.campaigns import running
from polku.events.arrival import Arrival
from polku.guidance import outbox
from polku.record import tables
from polku.record.clock import now
from polku.record.consents import Decision
from polku.record.project import Project

MAP = """
polku: 1
title: Shop
timezone: Europe/Helsinki
segments:
  earlier: count(order) >= 1
  recent: days_since(order) < 10
personas:
  sara: {{title: Sara, where: "traits.style = 'party'"}}
stages:
  - id: looking
    touchpoints: [{{id: product, match: {{event: Product Viewed}}}}]
  - id: customer
    touchpoints: [{{id: order, value: value, match: {{event: Order Completed}}}}]
contact_policy:
  caps: {{email: {{times: 2, every: 7d}}}}
  quiet_hours: {quiet}
campaigns:
{campaigns}
{more}
"""
TOML = """
language = "en"
[server]
sign_in = "never"
[mail]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "Shop <hello@shop.example>"
postal_address = "Shop Oy, Helsinki"
links = "https://polku.shop.example"
"""
LETTER = """---
subject: "{{ customer.first_name | default: 'Hello' }}, spring is here"
---
Dear {{ customer.first_name | default: "friend" }}, come and see.
"""
INVITATION = """---
subject: "You are invited: {{ invitation.what }}"
---
{{ invitation.what }}, {{ invitation.starts }}, {{ invitation.place }}.

[I am coming]({{ answer.yes }}) - [I cannot]({{ answer.no }}) - [Perhaps]({{ answer.perhaps }})
"""
SPRING = """
  spring:
    title: {fi: Kevätkirje, en: Spring letter}
    to: earlier
    send: {channel: email, content: content/spring.en.md}
    holdout: 0 %
"""
PARTY = """
  party:
    to: everyone
    send: {channel: email, content: content/party.en.md}
    holdout: 0 %
    invitation: {what: {fi: Kesäjuhla, en: Summer party}, starts: 2999-06-01 18:00, place: The shop, capacity: 2, guests: 1}
"""  # noqa: E501
HOUR = 3_600_000_000
DAY = 24 * HOUR


class Shop:
    """``campaigns``: the YAML of the section, indented by two; ``now``: the test's clock, which begins at the real one
    unless ``start`` says otherwise."""

    def __init__(
        self, folder: Path, campaigns: str = SPRING, more: str = "", quiet: str = "null", port: int = 1,
        state: str | None = None,
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.write(campaigns, more, quiet)
        (folder / "polku.toml").write_text(TOML.format(port=port), encoding="utf-8")
        (folder / "content").mkdir()
        (folder / "content" / "spring.en.md").write_text(LETTER, encoding="utf-8")
        (folder / "content" / "party.en.md").write_text(INVITATION, encoding="utf-8")
        self.project: Project = empty_project(folder, state=state)
        self.now = now()
        self.events = 0

    def write(self, campaigns: str, more: str = "", quiet: str = "null") -> None:
        """Another map."""
        text = MAP.format(campaigns=campaigns, more=more, quiet=quiet)
        (self.folder / "journey.yaml").write_text(text, encoding="utf-8")

    def people(self, *names: str, consent: Mapping[str, bool] | None = None, mail: bool = True, **traits: Any) -> None:
        """Customers who ordered twenty days ago; ``consent`` by purpose, to e-mail by default."""
        told = {"email": True, "analytics": True} if consent is None else consent
        made = []
        for name in names:
            self.events += 1
            who = {"firstName": name.title(), **({"email": f"{name}@example.fi"} if mail else {}), **traits}
            context: dict[str, Any] = {"traits": who}
            if told:
                context["consent"] = {"categoryPreferences": dict(told)}
            at = self.now - 20 * DAY
            made.append(
                Arrival(
                    event="Order Completed", user_id=name, time=at, received_at=at, message_id=f"o-{self.events}",
                    context=context, properties={"order_id": name, "value": 20.0},
                )
            )  # fmt: skip
        arrive(self.project, *made)

    def event(self, user: str, name: str, **properties: Any) -> None:
        self.events += 1
        arrive(
            self.project,
            Arrival(event=name, user_id=user, time=self.now, received_at=self.now, message_id=f"e-{self.events}",
                    properties=properties),
        )  # fmt: skip

    def consent(self, user: str, purpose: str, granted: bool) -> None:
        self.project.consents.decide([Decision("user", user, purpose, granted, self.now - 1, "form")])

    def customer(self, user: str) -> int:
        found = self.project.identities.customer_of("user", user)
        assert found is not None
        return found

    def run(self, after: int = 0) -> running.Done:
        """Time passes, and the job runs."""
        self.now += after
        return running.run(self.project, at=self.now)

    def fates(self, id: str = "spring") -> dict[int, str | None]:
        member = tables.campaign_members.c
        with self.project.state.read() as connection:
            rows = connection.execute(sa.select(member.origin, member.what).where(member.campaign == id))
            return {int(origin): what for origin, what in rows}

    def outbox(self) -> list[Mapping[str, Any]]:
        with self.project.state.read() as connection:
            return [row._mapping for row in connection.execute(sa.select(tables.outbox).order_by(tables.outbox.c.key))]

    def cap(self, user: str, count: int) -> None:
        """Messages that the customer got yesterday."""
        with self.project.state.write() as connection:
            for number in range(count):
                outbox.put(connection, outbox.Message(f"cap:{user}:{number}", "other", self.customer(user), "email", "",
                                                      self.now - DAY, state="sent"))  # fmt: skip

    def notes(self, user: str, rule: str = "campaign:spring") -> list[str]:
        table = tables.run_notes.c
        query = sa.select(table.what).where(table.customer == self.customer(user), table.rule == rule)
        with self.project.state.read() as connection:
            return list(connection.execute(query.order_by(table.id)).scalars())

    def state(self, id: str = "spring") -> str:
        with self.project.state.read() as connection:
            row = tables.campaigns.c
            return str(connection.execute(sa.select(row.state).where(row.id == id)).scalar_one())

    def close(self) -> None:
        self.project.close()


def at(text: str) -> int:
    """Microseconds of a moment in UTC."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
