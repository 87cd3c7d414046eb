"""What waits for a browser and what becomes of it: a real project, real inbox, the doors' own functions."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from channels.shop import arrive, fates, put
from polku.content.check import check_content
from polku.events.arrival import Arrival
from polku.guidance import outbox
from polku.guidance.links import read_link
from polku.guidance.sending import due, send
from polku.guidance.switch import turn
from polku.live import refusals
from polku.onsite.answering import UnfitError
from polku.onsite.confirming import confirm, confirmed
from polku.onsite.confirmlink import confirm_facts
from polku.onsite.handing import finish, hand_over, handovers
from polku.onsite.listing import listed
from polku.onsite.listing import turn as turn_piece
from polku.onsite.telling import NoSuchMessageError, Report, tell
from polku.onsite.waiting import Visitor, expire, waiting
from polku.record import tables
from polku.record.clock import now
from polku.record.consents import Decision
from polku.record.project import Project

from . import world

ANNA, BERT = "a" * 32, "b" * 32
DAY = 86_400_000_000
NEW = "content/newsletter_popup.fi.md"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with world.make(tmp_path_factory.mktemp("onsite") / "shop") as project:
        turn(project, True, "mikko")
        arrive(project, *(seen(id_, f"v-{id_}") for id_ in (ANNA, BERT, "short")))
        yield project


def seen(anonymous_id: str, number: str, user: str | None = None) -> Arrival:
    return Arrival(event="Product Viewed", anonymous_id=anonymous_id, user_id=user, time=now(), received_at=now(),
                   message_id=number, properties={"product_id": "p1"})  # fmt: skip


def customer(project: Project, anonymous_id: str = ANNA) -> int:
    found = project.identities.customer_of("anonymous", anonymous_id)
    assert found is not None
    return found


_number = iter(range(1, 1000))


def message(project: Project, content: str = NEW, who: str = ANNA, **more: Any) -> str:
    """A message that a rule has decided; its key."""
    key = f"{next(_number)}:0:"
    values: dict[str, Any] = {"channel": "site", "content": content, "made_at": now()} | more
    put(project, outbox.Message(key=key, rule="newsletter_popup", customer=customer(project, who), **values))
    return key


def keys(project: Project, who: str = ANNA, session: str | None = "s1", at: int | None = None) -> list[str]:
    return [one["message"] for one in waiting(project, Visitor(who, session), at)]


def events(project: Project, message: str) -> list[str]:
    """The events that tell of a message, in order of arrival."""
    rows = project.inbox.tail().to_pylist()
    return [row["event"] for row in rows if f'"{message}"' in (row["properties"] or "")]


def told(project: Project, message: str, what: Any, **more: Any) -> dict[str, Any]:
    report = Report(Visitor(ANNA, more.pop("session", "s1")), message, what, "r" + message, agent="Mozilla/5.0", **more)
    return tell(project, report)


def piece(project: Project, name: str, front: str) -> str:
    """A piece of the test's own."""
    path = f"content/{name}.fi.md"
    (project.folder / path).write_text(f"---\nchannel: site\n{front}\n---\nText.\n", encoding="utf-8")
    return path


def test_only_the_browser_of_the_customer_gets_it(shop: Project) -> None:
    key = message(shop)
    assert keys(shop) == [key]
    assert keys(shop, BERT) == []
    assert keys(shop, "c" * 32) == []
    assert keys(shop, "short") == []  # could be guessed, whoever it is
    assert waiting(shop, Visitor("")) == []
    with pytest.raises(NoSuchMessageError):
        tell(shop, Report(Visitor(BERT), key, "closed", "r"))
    assert fates(shop)[key].state == "waiting"
    assert not due(shop), "the sender has nothing to do with it"
    send(shop)
    assert fates(shop)[key].state == "waiting"
    told(shop, key, "closed")
    assert keys(shop) == []


def test_shown_once_a_session_until_it_is_closed(shop: Project) -> None:
    key = message(shop)
    assert keys(shop) == [key]
    told(shop, key, "shown")
    told(shop, key, "shown")  # the answer was lost on its way
    assert fates(shop)[key].state == "sent"
    assert keys(shop) == []
    assert keys(shop, session="s2") == [key]
    told(shop, key, "shown", session="s2")
    told(shop, key, "closed", session="s2")
    assert keys(shop, session="s3") == []
    assert events(shop, key) == ["Message Shown", "Message Shown", "Message Closed"]


@pytest.mark.parametrize(
    ("front", "again"),
    [("frequency: once", [False, False, False]), ("frequency: always", [True, True, True]),
     ("frequency: 2d", [False, False, True]), ("frequency: session", [False, True, True]),
     ("shows: banner", [True, True, True])],
)  # fmt: skip
def test_how_often(shop: Project, front: str, again: list[bool]) -> None:
    """In the same session, in the next, and in one three days later."""
    key = message(shop, piece(shop, "often", front))
    assert keys(shop) == [key]
    told(shop, key, "shown")
    at = now()
    assert [keys(shop, session=s, at=t) == [key] for s, t in (("s1", at), ("s2", at), ("s3", at + 3 * DAY))] == again
    told(shop, key, "closed")


def test_a_message_that_nobody_came_for_expires(shop: Project) -> None:
    long = piece(shop, "long", "expires: 30d")
    short, kept, at = message(shop), message(shop, long), now() + 8 * DAY
    assert expire(shop) == 0
    assert expire(shop, at) == 1
    assert fates(shop)[short].state == "dropped"
    assert fates(shop)[short].reason == "expired"
    late = message(shop)
    assert keys(shop, at=at) == [kept]
    assert fates(shop)[late].reason == "expired", "a browser that comes too late drops it as well"
    told(shop, kept, "closed")


def test_sending_off_shows_nothing(shop: Project) -> None:
    key = message(shop)
    turn(shop, False, "mikko")
    try:
        assert keys(shop) == []
        assert (fates(shop)[key].state, fates(shop)[key].reason) == ("off", "off")
    finally:
        turn(shop, True, "mikko")
    assert keys(shop) == [], "what was decided before sending was turned on is not shown later"


def test_who_denies_personalization_gets_nothing(shop: Project) -> None:
    key = message(shop)
    shop.consents.decide([Decision("anonymous", ANNA, "personalization", False, now() - 1, "banner")])
    try:
        assert keys(shop) == []
        assert fates(shop)[key].reason == "no_consent"
    finally:
        shop.consents.decide([Decision("anonymous", ANNA, "personalization", True, now(), "banner")])


def test_a_piece_that_cannot_be_filled_in_says_so(shop: Project) -> None:
    key = message(shop, piece(shop, "asks", "subject: 'Hi {{ customer.nickname }}'"))
    assert keys(shop) == []
    assert fates(shop)[key].state == "failed"
    assert "customer.nickname" in str(fates(shop)[key].reason)


def test_the_page_s_language_goes_first(shop: Project) -> None:
    key = message(shop)
    found = waiting(shop, Visitor(ANNA, "s1", "en"))
    assert [one["title"] for one in found] == ["A benefit for your first order"]
    told(shop, key, "closed")


def test_a_click_ends_a_pop_up_and_not_a_block(shop: Project) -> None:
    popup = message(shop, piece(shop, "go", "button: {text: Go, to: /x}"))
    block = message(shop, piece(shop, "block", "shows: inline\nplace: here\nbutton: {text: Go, to: /x}"))
    assert keys(shop) == [popup, block]
    for key in (popup, block):
        told(shop, key, "shown")
        told(shop, key, "clicked", url="https://shop.example/x")
    assert keys(shop, session="s2") == [block]
    assert events(shop, block) == ["Message Shown", "Message Clicked"]
    told(shop, block, "closed")


def test_a_form_is_an_identity_a_consent_and_an_event(shop: Project) -> None:
    key = message(shop)
    keys(shop)
    with pytest.raises(UnfitError) as fault:
        told(shop, key, "submitted", fields={"email": "anna@", "first_name": "x"})
    assert list(fault.value.faults) == ["email"]
    with pytest.raises(UnfitError):
        told(shop, key, "submitted", fields={"email": "robot@example.fi", "website": "http://spam.example"})
    assert keys(shop) == [key]
    told(shop, key, "submitted", fields={"email": " Anna@Example.fi", "first_name": "Anna", "is_admin": "yes"})
    assert keys(shop) == []
    assert events(shop, key) == ["Message Submitted", "Newsletter Subscribed"]
    row = next(r for r in shop.inbox.tail().to_pylist() if r["event"] == "Newsletter Subscribed")
    assert "example.fi" not in row["properties"] + row["context"], "addresses stand in the contact table alone"
    assert "is_admin" not in row["context"]
    (decision,) = shop.consents.recent(1, "email")
    assert decision.granted
    assert decision.source == "site: newsletter_popup"
    version = next(one for one in shop.consents.versions() if one["version"] == decision.text_version)
    assert "Lähettämällä tilaat uutiskirjeen" in str(version)
    hash_ = shop.contacts.address_hash("email", "anna@example.fi")
    assert [one.value for one in shop.contacts.of_many([hash_]).values()] == ["anna@example.fi"]
    before = message(shop, piece(shop, "later", "shows: banner"))
    needless = message(shop)
    shop.mover.move()
    shop.identities.catch_up(inbox=True)
    user = f"email:{hash_}"
    assert shop.identities.customer_of("user", user) == customer(shop), "the form is evidence of who it is"
    assert keys(shop) == [before], "what was made for the device is the customer's now, and stays with the browser"
    assert fates(shop)[needless].reason == "agreed", "nobody is asked for what they have given"
    told(shop, before, "closed")


def test_what_the_door_refuses_is_counted_and_addresses_lose_their_parameters(shop: Project) -> None:
    who = "0d" * 16
    arrive(shop, seen(who, "v-0d"))
    key = message(shop, piece(shop, "counted", "shows: banner"), who=who)
    assert keys(shop, who) == [key]
    page = {"url": "https://shop.example/p?id=7&token=secret&utm_source=x", "path": "/p"}
    tell(shop, Report(Visitor(who, "s1"), key, "shown", "r", page=page, agent="Mozilla/5.0"))
    row = next(r for r in shop.inbox.tail().to_pylist() if f'"{key}"' in (r["properties"] or ""))
    assert "secret" not in row["context"]
    assert "utm_source=x" in row["context"]
    shop.consents.decide([Decision("anonymous", who, "analytics", False, now(), "test", None, "")])
    tell(shop, Report(Visitor(who, "s1"), key, "closed", "r2", page=page, agent="Mozilla/5.0"))
    assert events(shop, key) == ["Message Shown"]
    assert [(one.reason, one.count) for one in refusals.counts(shop)] == [("no_consent", 1)]
    assert refusals.latest(shop) == (), "nothing of it is kept but the count"


def test_a_form_with_double_opt_in_waits_for_the_letter(shop: Project) -> None:
    """The consent holds when the link has been followed, and not before; a test letter's link does nothing."""
    who = "f" * 32
    arrive(shop, seen(who, "v-f"))
    front = "form: {button: Go, thanks: Hi, consent: email, consent_text: Saa kirjoittaa, confirm: yes}"
    key = message(shop, piece(shop, "double", front), who=who)
    assert keys(shop, who) == [key]
    fields = {"email": "fia@example.fi"}
    tell(shop, Report(Visitor(who, "s1"), key, "submitted", "r", fields=fields, agent="Mozilla/5.0"))
    assert events(shop, key) == ["Message Submitted", "Newsletter Requested"]
    id_ = ("user", f"email:{shop.contacts.address_hash('email', 'fia@example.fi')}")
    assert "email" not in shop.consents.held([id_], now()).granted
    row = next(r for r in shop.inbox.tail().to_pylist() if r["event"] == "Newsletter Requested")
    given = {"event": {"event": row["event"], "properties": json.loads(row["properties"])}}
    for test in (True, False):
        url = confirm_facts(shop, given, id_, "9:1:", "confirm", test)["confirm_url"]
        link = read_link(shop, "confirm", url.rpartition("/")[2])
        assert link is not None
        confirm(shop, link)
        assert confirmed(shop, link) != test
    confirm(shop, link)  # followed twice
    assert events(shop, "9:1:") == ["Newsletter Subscribed"]
    assert shop.consents.recent(1, "email")[0].source == "link in a letter"
    assert confirm_facts(shop, {"event": {"event": "Order Completed"}}, id_, "9:1:", "x", False) == {}


def test_a_quiz_is_reckoned_again(shop: Project) -> None:
    """The browser sends answers, not results; what does not fit is refused."""
    given = {"pattern": ["0"], "when": ["0", "1"]}
    report = Report(Visitor(ANNA, "s1"), "site:size", "answered", "quiz-1", answers=given, agent="Mozilla/5.0")
    assert tell(shop, report) == {"result": "boho"}
    for wrong in ({"pattern": ["0", "1"], "when": ["0"]}, {"pattern": ["7"], "when": ["0"]}, {"pattern": ["0"]}, {}):
        with pytest.raises(UnfitError):
            tell(shop, dataclasses.replace(report, id="quiz-2", answers=wrong))
    assert events(shop, "site:size") == ["Quiz Completed"]
    row = next(r for r in shop.inbox.tail().to_pylist() if r["event"] == "Quiz Completed")
    assert '"result":"boho"' in row["properties"]
    assert '"style":"boho"' in row["context"], "the trait by which a segment or a rule may ask"


def test_a_calculator_is_reckoned_again(shop: Project) -> None:
    report = Report(Visitor(""), "site:fabric", "answered", "c1", answers={"people": ["40"], "table": ["1.5"]})
    assert tell(shop, report) == {"outputs": {"metres": 36.0, "price": 720.0}}
    for people, table in (("4e9", "1"), ("x", "1"), ("4", "2"), ("nan", "1")):
        with pytest.raises(UnfitError):
            tell(shop, dataclasses.replace(report, answers={"people": [people], "table": [table]}))


def test_a_survey_s_answers_are_those_of_its_own_page(shop: Project) -> None:
    report = Report(Visitor(ANNA), "site:ask", "answered", "fill-1", answers={"q_effort": ["2"], "q_why": ["Hidas"]})
    assert tell(shop, report) == {}
    assert tell(shop, report) == {}  # came twice
    found = [r["properties"] for r in shop.inbox.tail().to_pylist() if r["event"] == "Survey Answered"]
    assert len(found) == 2
    with pytest.raises(UnfitError):
        tell(shop, dataclasses.replace(report, id="fill-2", answers={"q_effort": ["9"]}))


def test_a_user_must_be_proven_where_the_shop_wants_it(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can call themselves customer-7 in their browser; only the shop's server can prove it."""
    who = "d" * 32
    arrive(shop, seen(who, "v-d", user="customer-7"))
    key = message(shop, who=who)
    onsite = dataclasses.replace(shop.settings.onsite, verify="SHOP_SECRET")
    monkeypatch.setattr(shop, "settings", dataclasses.replace(shop.settings, onsite=onsite))
    monkeypatch.setenv("SHOP_SECRET", "hush")
    proof = hmac.digest(b"hush", b"customer-7", hashlib.sha256).hex()
    for visitor in (
        Visitor(who), Visitor(who, user="customer-7"), Visitor(who, user="customer-7", proof="0" * 64),
        Visitor(who, user="customer-8", proof=hmac.digest(b"hush", b"customer-8", hashlib.sha256).hex()),
    ):  # fmt: skip
        assert waiting(shop, visitor) == []
    assert [one["message"] for one in waiting(shop, Visitor(who, user="customer-7", proof=proof))] == [key]
    monkeypatch.delenv("SHOP_SECRET")
    assert waiting(shop, Visitor(who, user="customer-7", proof=proof)) == [], "a secret that is not there proves nobody"


def test_turned_to_the_shop_s_people(shop: Project) -> None:
    known, nobody = hand_over(shop, Visitor(ANNA), "phone", "/cart"), hand_over(shop, Visitor(""), "chat", "/")
    found = {one.code: one for one in handovers(shop)}
    assert found[known].customer == customer(shop)
    assert found[nobody].customer is None
    finish(shop, known.lower(), "mikko")
    assert {one.code for one in handovers(shop)} == {nobody}
    assert [one.done_by for one in handovers(shop, code=known)] == ["mikko"]


def test_pieces_are_turned_on_and_off_in_the_map(shop: Project) -> None:
    before = shop.map_file.read_text(encoding="utf-8")
    assert turn_piece(shop, "hidden", "on", "mikko")
    assert not turn_piece(shop, "hidden", "on", "mikko")
    assert {one.name: one.state for one in listed(shop, "fi")}["hidden"] == "on"
    assert turn_piece(shop, "hidden", "draft", "mikko")
    assert "# " not in before
    assert shop.map_file.read_text(encoding="utf-8").count("\n") == before.count("\n")


def test_the_check_of_content_finds_what_cannot_be_shown(shop: Project) -> None:
    """The project's own pieces are whole; each fault of others is told once, with its file."""
    own = {f"content/{name}" for name in world.PIECES}
    assert [f for f in check_content(shop) if f.file in own and f.code not in ("translation", "trait")] == []
    (shop.folder / "content" / "ask.fi.md").write_text(
        "---\nchannel: site\nshows: survey\nsurvey: gone\nplace: x\n---\n", encoding="utf-8"
    )
    (shop.folder / "content" / "help.fi.md").write_text("---\nsubject: x\nunsubscribe: no\n---\n", encoding="utf-8")
    (shop.folder / "content" / "strip.fi.md").write_text(
        "---\nchannel: site\nshows: banner\n---\n{{ event.name }}\n", encoding="utf-8"
    )
    codes = {(f.file.removeprefix("content/"), f.code) for f in check_content(shop)}
    assert {("ask.fi.md", "survey"), ("help.fi.md", "channel"), ("strip.fi.md", "site")} <= codes


def test_erased_with_the_customer(shop: Project) -> None:
    from polku.record import erasure, handover

    who = "e" * 32
    arrive(shop, seen(who, "v-e"))
    key = message(shop, piece(shop, "mine", "subject: Vain sinulle"), who=who)
    assert keys(shop, who) == [key]
    code = hand_over(shop, Visitor(who), "chat", "/x")
    assert [one.get("handed_over") or one["drawn"]["title"] for one in handover.held(shop, who)["on_site"]] == [
        "Vain sinulle", "chat",
    ]  # fmt: skip
    erasure.forget(shop, who, "mikko")
    with shop.state.read() as connection:
        left = sa.select(tables.site_messages.c.key).where(tables.site_messages.c.key == key)
        assert connection.execute(left).first() is None
    assert handovers(shop, code=code) == []
