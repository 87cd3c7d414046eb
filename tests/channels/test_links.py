"""What a customer reaches from a letter, and the pages of who sends: over a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from polku.access.limits import Limit
from polku.guidance.sending import send
from polku.guidance.switch import switch_of, turn
from polku.record.clock import now
from polku.web.unsubscribe import too_many
from web.conftest import Site, served

from . import receivers, shop
from .test_sending import events, read

LINKS = re.compile(r"https://polku\.kauppa\.example(/[uco]/[\w.-]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, receivers.Mailbox]]:
    with receivers.smtp() as (box, port):
        folder: Path = tmp_path_factory.mktemp("links") / "shop"
        with shop.make(folder, port, more='track = "opens"') as project:
            for found in served(project):
                yield found, box


def letter(site: Site, box: receivers.Mailbox, name: str, number: int) -> dict[str, str]:
    """A letter to a new customer: the paths of its links by their first letter (u, c, o)."""
    turn(site.project, True, "anna")
    [customer] = shop.customers(site.project, name)
    shop.put(site.project, shop.message(customer, number))
    send(site.project)
    made = read(box.letters[box.recipients.index(name + "@example.fi")])
    html = made.get_body(("html",))
    assert html is not None
    found = {path[1]: path for path in LINKS.findall(html.get_content())}
    assert LINKS.findall(str(made["List-Unsubscribe"])) == [found["u"]]
    return found


def test_one_click_unsubscribes_and_a_look_does_not(site: tuple[Site, receivers.Mailbox]) -> None:
    here, box = site
    links = letter(here, box, "anna", 1)
    ids = [("user", "anna")]
    held = here.project.consents.held
    assert here.get(links["u"]).status_code == 200
    assert "email" in held(ids, now()).granted
    # as a mail program does: no cookie, no origin, no form of ours (RFC 8058)
    answer = here.client.post(links["u"], data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "email" in held(ids, now()).denied
    here.client.post(links["u"], data={"List-Unsubscribe": "One-Click"})
    assert [e["event"] for e in events(here.project) if e["user_id"] == "anna"].count("Unsubscribed") == 1
    [customer] = [here.project.identities.customer_of("user", "anna")]
    assert customer is not None
    shop.put(here.project, shop.message(customer, 2))
    send(here.project)
    assert shop.fate(here.project, 2).reason == "no_consent"
    here.client.post(links["u"], data={"do": "subscribe"})
    assert "email" in held(ids, now()).granted


def test_clicks_and_opens_are_events_with_scanners_told_apart(site: tuple[Site, receivers.Mailbox]) -> None:
    here, box = site
    links = letter(here, box, "eero", 3)
    answer = here.client.get(links["c"], headers={"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"})
    assert (answer.status_code, answer.headers["location"]) == (302, "https://kauppa.example/kori?a=1&b=2")
    here.client.get(links["o"])  # within seconds of the sending: no person
    told = [e["event"] for e in events(here.project) if e["user_id"] == "eero"]
    assert told == ["Email Delivered"]
    refused = here.project.state
    with refused.read() as connection:
        from polku.record import tables

        reasons = {row.reason for row in connection.execute(tables.refusals.select())}
    assert {"bot", "mail_scanner"} <= reasons


def test_who_fetches_links_too_fast_is_led_on_and_not_noted(caplog: pytest.LogCaptureFixture) -> None:
    class Request:
        client = type("Client", (), {"host": "203.0.113.7"})
        app = type("App", (), {"state": type("State", (), {"links_limit": Limit(2, 60.0)})})

    assert [too_many(cast("Any", Request)) for _ in range(3)] == [False, False, True]
    assert "203.0.113.7" in caplog.text
    Request.client.host = "127.0.0.1"
    assert not any(too_many(cast("Any", Request)) for _ in range(3))


@pytest.mark.parametrize("path", ["/u/nothing", "/u/e30.AAAA", "/c/eyJpIjpbInVzZXIiLCJhIl19.AAAAAAAAAAAAAAAAAAAAAA"])
def test_a_link_that_polku_did_not_make(site: tuple[Site, receivers.Mailbox], path: str) -> None:
    assert site[0].get(path).status_code == 404


def test_a_link_of_one_kind_is_none_of_another(site: tuple[Site, receivers.Mailbox]) -> None:
    links = letter(*site, "aino", 5)
    assert site[0].get(links["c"].replace("/c/", "/u/")).status_code == 404


def test_the_pages(site: tuple[Site, receivers.Mailbox]) -> None:
    here, box = site
    letter(here, box, "maija", 7)
    outbox = here.get("/outbox?state=sent&customer=maija")
    assert outbox.status_code == 200
    assert "Maija, korisi odottaa" in outbox.text
    assert here.get("/outbox?state=lost").status_code == 400
    message = here.get("/outbox/message?key=7:0:a")
    assert "Mekko" in message.text
    assert "cart" in here.get("/content").text
    shown = here.get("/content/piece?piece=content/cart.fi.md&customer=nobody")
    assert "nobody" in shown.text
    assert here.get("/content/piece?piece=../polku.toml").status_code == 200
    assert "links" not in here.get("/content/piece?piece=../polku.toml").text


def test_a_piece_is_shown_as_a_customer_gets_it(site: tuple[Site, receivers.Mailbox]) -> None:
    from polku.events.arrival import Arrival

    here, box = site
    letter(here, box, "liisa", 9)
    at = now()
    added = Arrival(event="Product Added", user_id="liisa", time=at, received_at=at, message_id="added",
                    properties={"products": [{"name": "<b>Hattu</b>"}]})  # fmt: skip
    shop.arrive(here.project, added)
    page = here.get("/content/piece?piece=content/cart.fi.md&customer=liisa")
    assert "Liisa, korisi odottaa" in page.text
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    frame = here.get("/content/letter?piece=content/cart.fi.md&customer=liisa")
    assert "&lt;b&gt;Hattu&lt;/b&gt;" in frame.text
    assert "sandbox" in frame.headers["content-security-policy"]


def test_sending_is_switched_and_tasks_are_done_on_the_pages(site: tuple[Site, receivers.Mailbox]) -> None:
    here, box = site
    letter(here, box, "pekka", 11)
    [customer] = [here.project.identities.customer_of("user", "pekka")]
    assert customer is not None
    facts: dict[str, Any] = {"task": "Soita: {{ customer.first_name }}", "owner": "mikko"}
    shop.put(here.project, shop.message(customer, 12, channel="task", content="", facts=facts))
    send(here.project)
    page = here.get("/tasks")
    assert "Soita: Pekka" in page.text
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    number = re.search(r'name="number" value="(\d+)"', page.text)
    assert token is not None
    assert number is not None
    origin = {"origin": here.url}
    sent = {"token": token[1], "number": number[1], "outcome": "tilasi"}
    assert here.client.post("/tasks", data=sent, headers=origin).status_code == 303
    assert "tilasi" in here.get("/tasks?done=yes").text
    done = [e for e in events(here.project) if e["event"] == "Task Completed"]
    assert [(e["user_id"], e["properties"]["outcome"]) for e in done] == [("pekka", "tilasi")]
    assert here.client.post("/outbox", data={"token": token[1], "do": "off"}, headers=origin).status_code == 303
    assert not switch_of(here.project).on
    assert here.client.post("/outbox", data={"token": "wrong", "do": "on"}, headers=origin).status_code == 403
    data = here.get("/api/outbox?customer=pekka").json()
    assert data["counts"]["sent"] == 2
    assert data["sending"]["on"] is False
