"""A shop that asks: surveys in its map, customers with orders, and a client of its pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from channels import shop
from polku.events.arrival import Arrival
from polku.record.clock import now
from polku.record.project import Project
from polku.web.app import create_app
from web.inprocess import Client, loop_in_a_thread

MAP = """
polku: 1
title: Kauppa
timezone: Europe/Helsinki
stages:
  - id: looking
    touchpoints:
      - {id: product, match: {event: Product Viewed}}
  - id: customer
    touchpoints:
      - {id: order, match: {event: Order Completed}}
      - {id: review, match: {event: Product Reviewed}}
surveys:
  order_nps:
    title: {fi: Suosittelisitko meitä?, en: Would you recommend us?}
    touchpoint: order
    thanks: {fi: Kiitos paljon!, en: Many thanks!}
    questions:
      - {id: recommend, kind: nps}
      - {id: why, kind: text, ask: {fi: Mitä parantaisit?, en: What should we do better?}, if: {question: recommend, at_most: 6}}
      - {id: best, kind: text, ask: {fi: Mikä oli parasta?, en: What was best?}, if: {question: recommend, at_least: 9}}
  counter:
    title: {fi: Kerro käynnistäsi, en: Tell us of your visit}
    questions:
      - {id: happy, kind: csat}
      - {id: heard, kind: heard}
      - {id: stopped, kind: stopped}
      - {id: came, kind: choice, several: true, choices: [Shoes, Bags, other]}
  private:
    title: Vain kutsutuille
    open: false
    questions: [{id: easy, kind: ces}]
guidance:
  - id: detractor
    when: {event: Survey Answered, where: "properties.kind = 'nps' and properties.score <= 6"}
    do: [{task: "Soita: {{ event.properties.score | round }}"}]
    owed: true
    state: on
"""  # noqa: E501 (a question stays on one line)
DAY = 86_400_000_000


def make(folder: Path, port: int = 1) -> Project:
    made = shop.make(folder, port)
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    return made


class Here(Client):
    """A browser on the server's own machine, of an owner."""

    def __init__(self, app: Any, loop: Any) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True, client=("127.0.0.1", 1234))
        headers = {"Accept-Language": "en", "Origin": "http://testserver"}
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers, timeout=60)
        self._loop = loop


@contextmanager
def client(project: Project) -> Iterator[Here]:
    with loop_in_a_thread() as loop:
        made = Here(create_app(project), loop)
        yield made
        made.close()


def hidden(html: str) -> dict[str, str]:
    """The fields of a form that nobody sees."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))


def order(user: str, product: str = "7", ago: int = 10, **more: Any) -> Arrival:
    """An order ``ago`` days back."""
    properties = {"order_id": f"{user}-{product}-{ago}", "products": [{"product_id": product, "name": "Mekko"}]}
    return Arrival(
        event="Order Completed", user_id=user, time=now() - ago * DAY, received_at=now(), value=50.0, currency="EUR",
        message_id=f"order-{user}-{product}-{ago}", properties=properties, **more,
    )  # fmt: skip


def told(project: Project, event: str = "Survey Answered") -> list[dict[str, Any]]:
    """The events of a name, in order, with their properties as they are stored."""
    rows = project.sql(f"select customer, event_id, properties from events where event = '{event}' order by seq")
    return [row | {"properties": json.loads(row["properties"])} for row in rows.to_pylist()]
