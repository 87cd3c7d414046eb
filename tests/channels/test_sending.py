"""The sender against real receivers: what leaves, what does not and why, and that nothing leaves twice."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from polku.channels.catalogue import channels
from polku.channels.channel import Delivery, Outgoing
from polku.guidance.preparing import Preparing
from polku.guidance.sending import Sender, due, pauses, send
from polku.guidance.switch import set_test_address, switch_of, turn
from polku.record.clock import now
from polku.record.project import Project
from web.inprocess import loop_in_a_thread

from . import receivers, shop


def read(envelope: Any) -> EmailMessage:
    made = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(made, EmailMessage)
    return made


def events(project: Project) -> list[dict[str, Any]]:
    project.mover.move()
    found = project.sql("select event, user_id, properties from events where source = 'polku' order by seq")
    return [row | {"properties": json.loads(row["properties"])} for row in found.to_pylist()]


def test_a_letter_arrives(project: Project, mailbox: receivers.Mailbox) -> None:
    [anna] = shop.customers(project, "anna")
    shop.put(project, shop.message(anna))
    assert due(project)
    assert send(project) == {"sent": 1}
    assert not due(project)
    [envelope] = mailbox.letters
    letter = read(envelope)
    assert envelope.rcpt_tos == ["anna@example.fi"]
    assert letter["From"] == "Kauppa <hei@kauppa.example>"
    assert letter["Subject"] == "Anna, korisi odottaa"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["List-Unsubscribe"].startswith("<https://polku.kauppa.example/u/")
    assert letter.get_content_type() == "multipart/alternative"
    text, html = (letter.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "jätit koriin: Mekko" in text.get_content()
    assert "Kauppakatu 1" in text.get_content()
    assert "<strong>Mekko</strong>" in html.get_content()
    assert "https://polku.kauppa.example/c/" in html.get_content()  # she allows analytics
    assert shop.fate(project).state == "sent"
    [told] = events(project)
    assert (told["event"], told["user_id"], told["properties"]["message"]) == ("Email Delivered", "anna", "1:0:a")


REFUSALS = [
    # the server's answer, the message's state and reason, whether the address is suppressed, the event
    ({"RCPT": "550 5.1.1 no such user"}, "failed", "refused: 550 5.1.1 no such user", True, "Email Bounced"),
    ({"RCPT": "550 5.7.1 blocked"}, "failed", "refused: 550 5.7.1 blocked", False, "Email Bounced"),
    ({"RCPT": "451 4.7.1 greylisted"}, "waiting", "again: 451 4.7.1 greylisted", False, None),
    ({"DATA": "554 5.6.0 we do not like it"}, "failed", "refused: 554 5.6.0 we do not like it", False, "Email Bounced"),
    ({"DATA": "452 4.3.1 full"}, "waiting", "again: 452 4.3.1 full", False, None),
    ({"DATA": None}, "failed", "unknown: ", False, None),
]


@pytest.mark.parametrize(("answers", "state", "reason", "bad", "event"), REFUSALS)
def test_what_the_server_says(
    project: Project, mailbox: receivers.Mailbox, answers: dict[str, str | None], state: str, reason: str, bad: bool,
    event: str | None,
) -> None:  # fmt: skip
    [anna] = shop.customers(project, "anna")
    mailbox.answers = {command: [answer] for command, answer in answers.items()}
    shop.put(project, shop.message(anna))
    send(project)
    found = shop.fate(project)
    assert found.state == state
    assert (found.reason or "").startswith(reason)
    assert found.attempts == 1
    assert [e["event"] for e in events(project)] == ([event] if event else [])
    if state == "waiting":
        assert found.next_at > now() + 50_000_000
        assert not due(project)
    mailbox.answers = {}
    shop.put(project, shop.message(anna, 2))
    send(project)
    assert shop.fate(project, 2).state == ("dropped" if bad else "sent")


def test_greylisting_is_waited_for_and_given_up_at_last(project: Project, mailbox: receivers.Mailbox) -> None:
    anna, eero = shop.customers(project, "anna", "eero")
    mailbox.answers["RCPT"] = ["451 later", "250 OK", "451 later"]
    shop.put(project, shop.message(anna))
    send(project)
    shop.due_now(project)
    assert send(project) == {"sent": 1}
    assert mailbox.tries == ["anna@example.fi"] * 2
    shop.put(project, shop.message(eero, 2))
    for _ in range(20):
        shop.due_now(project)
        send(project)
    assert shop.fate(project, 2).state == "failed"
    assert shop.fate(project, 2).reason == "gave_up: 451 later"
    assert mailbox.recipients == ["anna@example.fi"]


def test_a_server_that_is_not_there_pauses_the_channel_and_costs_no_try(tmp_path: Path) -> None:
    with receivers.smtp() as (box, port):
        pass  # gone again
    with shop.make(tmp_path / "shop", port) as project:
        turn(project, True, "anna")
        people = shop.customers(project, *(f"k{n}" for n in range(40)))
        shop.put(project, *(shop.message(one, n) for n, one in enumerate(people)))
        done = send(project)
        assert done is not None
        assert "sent" not in done
        assert set(pauses(project)) == {"email"}
        assert {(f.state, f.attempts) for f in shop.fates(project).values()} == {("waiting", 0)}
        assert not due(project)  # until the pause is over
        with receivers.smtp(port) as (box, _):
            shop.due_now(project)
            assert send(project) == {"sent": 40}
        assert len(set(box.recipients)) == len(box.recipients) == 40
        assert pauses(project) == {}


class Broken:
    """A channel of somebody's own that has a fault."""

    name, address, purpose, repeats, content = "pigeon", None, None, True, False

    def problem(self) -> None:
        return None

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        raise RuntimeError("no pigeon")

    async def close(self) -> None:
        return


def test_a_channel_that_breaks_costs_no_other_message(project: Project, mailbox: receivers.Mailbox) -> None:
    [anna] = shop.customers(project, "anna")
    shop.put(project, shop.message(anna), shop.message(anna, 2, channel="pigeon", content=""))
    ways = {**channels(project), "pigeon": Broken()}
    with loop_in_a_thread() as loop, pytest.raises(RuntimeError, match="no pigeon"):
        asyncio.run_coroutine_threadsafe(Sender(project, ways).run(), loop).result(60)
    assert mailbox.recipients == ["anna@example.fi"]
    assert shop.fate(project).state == "sent"
    assert (shop.fate(project, 2).state, shop.fate(project, 2).reason) == ("waiting", "again: RuntimeError: no pigeon")


def test_a_map_with_a_fault_is_waited_for(project: Project, mailbox: receivers.Mailbox) -> None:
    [anna] = shop.customers(project, "anna")
    shop.put(project, shop.message(anna))
    whole = project.map_file.read_text(encoding="utf-8")
    project.map_file.write_text(whole + "\nnonsense: [", encoding="utf-8")
    assert send(project) == {"waiting": 1}
    assert (shop.fate(project).reason or "").startswith("again: ")
    project.map_file.write_text(whole, encoding="utf-8")
    shop.due_now(project)
    assert send(project) == {"sent": 1}
    assert mailbox.recipients == ["anna@example.fi"]


def test_what_was_claimed_and_never_left_waits_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no more files")

    [anna] = shop.customers(project, "anna")
    shop.put(project, shop.message(anna))
    with monkeypatch.context() as patch:
        patch.setattr(Preparing, "make", fails)
        with pytest.raises(OSError, match="no more files"):
            send(project)
    assert (shop.fate(project).state, shop.fate(project).attempts) == ("waiting", 0)
    assert send(project) == {"sent": 1}


def test_a_silent_server_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with receivers.silent() as port, shop.make(tmp_path / "shop", port, seconds=1) as project:
        turn(project, True, "anna")
        [anna] = shop.customers(project, "anna")
        shop.put(project, shop.message(anna))
        send(project)
        assert shop.fate(project).state == "waiting"
        assert set(pauses(project)) == {"email"}


def test_a_server_that_takes_the_letter_and_answers_too_late(tmp_path: Path) -> None:
    with receivers.smtp() as (box, port), shop.make(tmp_path / "shop", port, seconds=1) as project:
        turn(project, True, "anna")
        box.wait = 2.0
        [anna] = shop.customers(project, "anna")
        shop.put(project, shop.message(anna))
        send(project)
        assert shop.fate(project).state == "failed"
        assert (shop.fate(project).reason or "").startswith("unknown")
        assert not due(project)


HELD: list[tuple[str, dict[str, Any], dict[str, Any], str, str | None]] = [
    ("consent withdrawn", {"consent": False}, {}, "dropped", "no_consent"),
    ("never asked", {"consent": None}, {}, "dropped", "no_consent"),
    ("never asked, but owed", {"consent": None}, {"owed": True}, "sent", None),
    ("late", {}, {"next_at": 1}, "dropped", "late"),
    ("late, but owed", {}, {"next_at": 1, "owed": True}, "sent", None),
    ("no such channel", {}, {"channel": "pigeon"}, "failed", "channel: pigeon"),
    ("a fact is missing", {}, {"facts": {}}, "failed", "content: content/cart.fi.md, line 7"),
    ("no such piece", {}, {"content": "content/gone.fi.md"}, "failed", "content: There is no content/gone.fi.md"),
]


@pytest.mark.parametrize(("who", "more", "state", "reason"), [case[1:] for case in HELD], ids=[c[0] for c in HELD])
def test_what_does_not_leave(
    project: Project, mailbox: receivers.Mailbox, who: dict[str, Any], more: dict[str, Any], state: str,
    reason: str | None,
) -> None:  # fmt: skip
    [anna] = shop.customers(project, "anna", **who)
    shop.put(project, shop.message(anna, **more))
    send(project)
    found = shop.fate(project)
    assert found.state == state
    assert (found.reason or "").startswith(reason or "")
    assert len(mailbox.letters) == (state == "sent")
    if state == "sent":
        assert read(mailbox.letters[0])["List-Unsubscribe"] is None


def test_nothing_leaves_until_a_person_turns_it_on(tmp_path: Path) -> None:
    with receivers.smtp() as (box, port), shop.make(tmp_path / "shop", port) as project:
        [anna] = shop.customers(project, "anna")
        shop.put(project, shop.message(anna, 1))
        send(project)
        assert (shop.fate(project).state, shop.fate(project).reason) == ("off", "off")
        set_test_address(project, "Testi@kauppa.example", "anna")
        shop.put(project, shop.message(anna, 2))
        send(project)
        assert (shop.fate(project, 2).state, shop.fate(project, 2).reason) == ("off", "test")
        assert box.recipients == ["testi@kauppa.example"]
        assert "Anna, korisi" in read(box.letters[0])["Subject"]
        shop.put(project, shop.message(anna, 3))
        turn(project, True, "anna")  # what was decided before does not leave now
        shop.put(project, shop.message(anna, 4))
        set_test_address(project, "", "anna")
        send(project)
        assert [shop.fate(project, n).state for n in (1, 2, 3, 4)] == ["off", "off", "off", "sent"]
        assert box.recipients == ["testi@kauppa.example", "anna@example.fi"]
        assert [e["event"] for e in events(project)] == ["Email Delivered"]
        turn(project, False, "anna")
        assert not switch_of(project).on


def test_a_restored_project_sends_nothing_by_itself(project: Project, mailbox: receivers.Mailbox) -> None:
    anna, eero = shop.customers(project, "anna", "eero")
    shop.put(project, shop.message(anna))
    with project.state.write() as connection:  # as polku restore does
        project.state.set_meta(connection, "restored_at", str(now()))
    assert not switch_of(project).on
    turn(project, True, "anna")
    send(project)
    assert (shop.fate(project).state, shop.fate(project).reason) == ("dropped", "restored")
    shop.put(project, shop.message(eero, 2))
    assert send(project) == {"sent": 1}
    assert mailbox.recipients == ["eero@example.fi"]


def test_what_is_missing_in_the_settings_holds_the_channel_and_is_told(tmp_path: Path) -> None:
    with shop.make(tmp_path / "shop", more='dkim_selector = "s1"') as project:
        turn(project, True, "anna")
        [anna] = shop.customers(project, "anna")
        shop.put(project, shop.message(anna))
        send(project)
        assert shop.fate(project).state == "waiting"
        assert "POLKU_DKIM_KEY" in pauses(project)["email"].reason


def test_the_letter_follows_the_customers_language(project: Project, mailbox: receivers.Mailbox) -> None:
    english = shop.PIECE.replace("korisi odottaa", "your cart is waiting")
    (project.folder / "content" / "cart.en.md").write_text(english, encoding="utf-8")
    [anna] = shop.customers(project, "anna", locale="en-GB")
    shop.put(project, shop.message(anna))
    send(project)
    assert read(mailbox.letters[0])["Subject"] == "Anna, your cart is waiting"


def test_customers_joined_meanwhile_are_still_found(project: Project, mailbox: receivers.Mailbox) -> None:
    anna, other = shop.customers(project, "anna", "anni")
    shop.put(project, shop.message(other))
    ids = [project.identities.ids_of(c)[0].number for c in (anna, other)]
    project.identities.join(ids[0], ids[1], "told by phone", "mikko")
    assert send(project) == {"sent": 1}
