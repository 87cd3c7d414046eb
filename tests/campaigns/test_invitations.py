"""An invitation leaves by a real SMTP server; programs look at its links, and people answer."""

from __future__ import annotations

import email
import re
from email import policy

import pytest

from campaigns.shop import PARTY
from channels import receivers
from polku.campaigns import invitations, launching
from polku.campaigns.trying import send_to, show
from polku.errors import CampaignError, UsageError
from polku.guidance import sending
from polku.guidance.switch import turn
from polku.record.clock import now
from polku.web.app import create_app
from web.inprocess import Client, loop_in_a_thread


def letter_of(envelope):
    made = email.message_from_bytes(envelope.content, policy=policy.default)
    text = made.get_body(("plain",)).get_content()
    return made["to"], made["subject"], re.findall(r"\(https://polku\.shop\.example(/i/[^)\s]+)\)", text)


def events(made, name):
    rows = made.project.sql(f"select properties from events where event = '{name}' order by seq").to_pylist()
    return [row["properties"] for row in rows]


class Person(Client):
    """Somebody who opens links of a letter, from anywhere."""


def test_a_letter_is_answered_by_people_and_by_nobody_else(shop):
    with receivers.smtp() as (box, port), loop_in_a_thread() as loop:
        made = shop(PARTY, port=port)
        made.people("anna", "bert", "carla", "dora")
        turn(made.project, True, "mikko")
        tried = send_to(made.project, "party", "me@shop.example", "anna", "mikko")
        assert tried.subject == "[test] You are invited: Summer party"
        launching.launch(made.project, "party", "mikko")
        made.now = now()
        made.run()
        assert sending.send(made.project) == {"sent": 4}
        letters = {to: (subject, links) for to, subject, links in map(letter_of, box.letters)}
        assert letters["me@shop.example"][0] == "[test] You are invited: Summer party"
        client = Person(create_app(made.project), loop)

        def press(who, answer, **more):
            link = letters[f"{who}@example.fi"][1][0]
            return client.post(link, data={"answer": answer, **more})

        for _, links in letters.values():  # a program follows every link of every letter
            assert len(links) == 3
            for link in links:
                found = client.get(link)
                assert found.status_code == 200
                assert "Are you coming?" in found.text or "Tuletko?" in found.text
        assert invitations.answers(made.project, "party") == []

        assert press("anna", "yes", guests="1", note="no nuts").status_code == 200
        assert press("bert", "yes").status_code == 200  # two places, two taken: the queue
        assert press("carla", "yes").status_code == 200
        assert press("dora", "perhaps").status_code == 200
        told = client.post(letters["me@shop.example"][1][0], data={"answer": "no"})
        assert "not kept" in told.text
        found = {a.customer: a for a in invitations.answers(made.project, "party")}
        assert found[made.customer("anna")].place == invitations.COMING
        assert [found[made.customer(n)].place for n in ("bert", "carla", "dora")] == ["queued", "queued", ""]
        places = invitations.places(made.project, "party")
        assert (places.coming, places.guests, places.queued, places.perhaps, places.free, places.silent) == (
            1,
            1,
            2,
            1,
            0,
            0,
        )

        assert press("bert", "yes", guests="7").status_code == 400
        assert press("anna", "yes").status_code == 200  # comes alone: bert, who waits the longest, moves up
        found = {a.customer: a for a in invitations.answers(made.project, "party")}
        assert [found[made.customer(n)].place for n in ("anna", "bert", "carla")] == ["coming", "coming", "queued"]
        with pytest.raises(CampaignError, match="1 places left"):
            invitations.give(made.project, "party", made.customer("bert"), "yes", guests=1)
        assert client.get("/i/nonsense").status_code == 404
        given = letters["anna@example.fi"][1][0]
        assert client.get(given[:-4] + "xxxx").status_code == 404

    made.project.mover.move()
    assert [p["answer"] for p in map(_json, events(made, "Invitation Answered"))] == [
        "yes",
        "yes",
        "yes",
        "perhaps",
        "yes",
    ]
    assert [p["campaign"] for p in map(_json, events(made, "Invitation Place Given"))] == ["party"]


def _json(text):
    import json

    return json.loads(text)


def test_answers_end_and_a_person_may_still_note_one(shop):
    made = shop(PARTY.replace("starts: 2999-06-01 18:00", "starts: 2026-06-01 18:00"))
    made.people("anna", "bert")
    with pytest.raises(CampaignError, match="has passed"):
        launching.launch(made.project, "party", "mikko", at=made.now)
    key = made.customer("anna")
    with pytest.raises(CampaignError, match="Answers were taken until"):
        invitations.give(made.project, "party", key, "yes")
    assert invitations.give(made.project, "party", key, "yes", by="mikko").place == "coming"
    with pytest.raises(UsageError, match="is no answer"):
        invitations.give(made.project, "party", key, "maybe", by="mikko")
    made.project.identities.join(key, made.customer("bert"), "the same", "mikko")
    assert invitations.answer_of(made.project, "party", made.customer("bert")).answer == "yes"


def test_the_letter_is_shown_as_a_customer_would_get_it(shop):
    made = shop()
    made.people("anna")
    found = show(made.project, "spring", made.customer("anna"))
    assert (found.subject, found.content) == ("Anna, spring is here", "content/spring.en.md")
    assert "Dear Anna" in found.html
    with pytest.raises(UsageError, match="no variant 'b'"):
        show(made.project, "spring", made.customer("anna"), "b")
    with pytest.raises(UsageError, match="no e-mail address"):
        send_to(made.project, "spring", "nobody", "anna", "mikko")
