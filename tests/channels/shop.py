"""A shop that sends: a project with a map, pieces of content and customers who came by the door."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from guidance.shop import empty_project
from polku.collect.columns import Kept, table_of
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.guidance import outbox
from polku.record import tables
from polku.record.clock import now
from polku.record.inbox import LANE
from polku.record.permission import Learned
from polku.record.project import Project, open_project
from web import world

__all__ = ["arrive", "customers", "due_now", "fate", "fates", "make", "message", "open_project", "put"]

TOML = """
language = "fi"
[server]
sign_in = "never"
[mail]
host = "127.0.0.1"
port = {port}
security = "{security}"
sender = "Kauppa <hei@kauppa.example>"
postal_address = "Kauppa Oy, Kauppakatu 1, 00100 Helsinki"
links = "https://polku.kauppa.example"
seconds = {seconds}
{more}
"""
PIECE = """---
subject: "{{ customer.first_name | default: 'Hei' }}, korisi odottaa"
preheader: Toimitus ja palautus selkeästi
---
Hei {{ customer.first_name | default: "sinä" }},

jätit koriin: {% for product in cart.products %}**{{ product.name }}** {% endfor %}

[Palaa koriin](https://kauppa.example/kori?a=1&b=2)
"""


def make(
    folder: Path, port: int = 1, seconds: int = 30, more: str = "", security: str = "none", state: str | None = None
) -> Project:
    """The shop; its mail goes to ``port``."""
    folder.mkdir(parents=True)
    shutil.copyfile(world.MAP, folder / "journey.yaml")
    said = TOML.format(port=port, seconds=seconds, more=more, security=security)
    (folder / "polku.toml").write_text(said, encoding="utf-8")
    (folder / "content").mkdir()
    (folder / "content" / "cart.fi.md").write_text(PIECE, encoding="utf-8")
    return empty_project(folder, "fi", state=state)


def arrive(project: Project, *arrivals: Arrival) -> None:
    """Events come in by the door's steps, and are moved to history."""
    visit = Visit(source="shop", received_at=now(), permission=project.permission, learned=Learned())
    kept = [a for a in arrivals if enter(a, visit) is None]
    assert visit.learned is not None
    with project.state.write(LANE) as connection:
        project.inbox.put(connection, table_of([Kept(kept)]))
        written = project.permission.write(connection, visit.learned)
    project.permission.learn(written)
    project.mover.move()


def customers(project: Project, *names: str, consent: bool | None = True, **traits: Any) -> list[int]:
    """People with an e-mail address, ``name@example.fi``; ``consent``: to e-mail, None: never asked."""
    at = now()
    made = []
    for name in names:
        context: dict[str, Any] = {"traits": {"firstName": name.title(), "email": f"{name}@example.fi", **traits}}
        if consent is not None:
            context["consent"] = {"categoryPreferences": {"email": consent, "analytics": True}}
        made.append(
            Arrival(event="Signed Up", user_id=name, time=at, received_at=at, message_id=f"up-{name}", context=context)
        )
    arrive(project, *made)
    found = [project.identities.customer_of("user", name) for name in names]
    assert None not in found
    return [one for one in found if one is not None]


def message(customer: int, number: int = 1, **more: Any) -> outbox.Message:
    """A reminder of a cart to a customer."""
    facts = {"event": {"name": "Product Added", "properties": {"products": [{"name": "Mekko"}]}}}
    values: dict[str, Any] = {"channel": "email", "content": "content/cart.fi.md", "facts": facts, "made_at": now()}
    return outbox.Message(key=f"{number}:0:a", rule="cart_reminder", customer=customer, **(values | more))


def put(project: Project, *messages: outbox.Message) -> None:
    with project.state.write() as connection:
        for one in messages:
            assert outbox.put(connection, one)


@dataclasses.dataclass(frozen=True)
class Fate:
    """What became of a message."""

    state: str
    reason: str | None
    attempts: int
    next_at: int


def fates(project: Project) -> dict[str, Fate]:
    """By key."""
    row = tables.outbox.c
    with project.state.read() as connection:
        rows = connection.execute(sa.select(row.key, row.state, row.reason, row.attempts, row.next_at)).all()
    return {r.key: Fate(r.state, r.reason, r.attempts, r.next_at) for r in rows}


def fate(project: Project, number: int = 1) -> Fate:
    return fates(project)[f"{number}:0:a"]


def due_now(project: Project) -> None:
    """Time passes: what waits is due, and no channel is paused."""
    with project.state.write() as connection:
        connection.execute(sa.update(tables.outbox).where(tables.outbox.c.state == "waiting").values(next_at=now()))
        connection.execute(sa.delete(tables.meta).where(tables.meta.c.name.like("sending_pause:%")))
