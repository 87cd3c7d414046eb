"""Answers by link, at the counter and in what the pages show of them: one project lives through it all."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channels import receivers, shop
from polku.guidance.live import Live
from polku.guidance.sending import send
from polku.guidance.switch import turn
from polku.language import Reader
from polku.measures.ask import measure
from polku.record import erasure, handover, tables
from polku.record.clock import now
from polku.record.consents import Decision
from polku.record.project import Project
from polku.surveys import results, texts
from polku.surveys.links import SurveyLink, path_of, read_link
from surveys import world


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with world.make(tmp_path_factory.mktemp("surveys") / "shop") as made:
        shop.customers(made, "anna", "ben", "carla", "dora")
        shop.arrive(made, *(world.order(user) for user in ("anna", "ben", "carla")))
        yield made


@pytest.fixture(scope="module")
def client(project: Project) -> Iterator[world.Here]:
    with world.client(project) as made:
        yield made


def link(project: Project, user: str, key: str = "1:0:a", survey: str = "order_nps", **more: Any) -> str:
    return path_of(project, SurveyLink(survey, ("user", user), key, "nps", "fi", **more))


def test_a_link_answers_once_and_only_when_a_person_sends(project: Project, client: world.Here) -> None:
    live = Live(project)
    live.catch_up(now())  # the rule is on from here
    path = link(project, "anna")
    page = client.get(f"{path}?score=3")
    assert page.status_code == 200
    assert 'lang="fi"' in page.text
    assert "Mitä parantaisit?" in page.text  # what a 3 brings up stands there already
    assert 'value="3" required checked' in page.text
    assert (page.headers["cache-control"], page.headers["x-robots-tag"]) == ("no-store", "noindex")
    project.mover.move()
    assert world.told(project) == []  # a scanner has followed the link
    sent = world.hidden(page.text) | {"q_recommend": "3", "q_why": "Soita 040 123 4567 tai anna@example.fi"}
    assert client.post(path, data=sent).status_code == 303
    assert "Kiitos paljon!" in client.get(path).text
    again = client.post(path, data=sent | {"q_recommend": "10"})
    assert "Kiitos paljon!" in again.text
    project.mover.move()
    score, why = world.told(project)
    assert score["properties"] == {
        "survey": "order_nps", "question": "recommend", "kind": "nps", "score": 3.0, "touchpoint": "order",
        "response": score["properties"]["response"], "via": "email",
    }  # fmt: skip
    assert score["customer"] == project.identities.customer_of("user", "anna")
    assert why["properties"]["answer"].startswith("Soita phone:")
    assert "@" not in why["properties"]["answer"]
    live.catch_up(now())
    row = tables.outbox.c
    with project.state.read() as connection:
        made = connection.execute(sa.select(row.channel, row.customer, row.facts)).all()
    assert [(m.channel, m.customer) for m in made] == [("task", score["customer"])]  # the detractor's


def test_what_an_answer_brings_up_is_asked_after_it_is_kept(project: Project, client: world.Here) -> None:
    path = link(project, "ben")
    first = client.post(path, data={"shown": "recommend", "q_recommend": "10"})
    assert first.status_code == 200
    assert "Mikä oli parasta?" in first.text
    earlier = world.hidden(first.text)
    assert client.post(path, data=earlier | {"earlier": earlier["earlier"] + "x"}).status_code == 404
    assert client.post(path, data=earlier | {"q_best": "Nopeus"}).status_code == 303
    client.post(path, data=earlier | {"q_best": "Nopeus"})  # the browser's back button
    project.mover.move()
    mine = [e for e in world.told(project) if e["customer"] == project.identities.customer_of("user", "ben")]
    assert [(e["properties"]["question"], e["properties"].get("answer")) for e in mine] == [
        ("recommend", None), ("best", "Nopeus"),
    ]  # fmt: skip


def test_links_are_whole_or_none(project: Project, client: world.Here) -> None:
    path = link(project, "carla")
    token = path.rpartition("/")[2]
    assert read_link(project, "order_nps", token) is not None
    assert read_link(project, "counter", token) is None  # another survey's
    assert client.get(path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 404
    assert client.get("/s/order_npss").status_code == 404
    assert client.get("/s/private").status_code == 404  # open: false
    assert client.get(link(project, "carla", survey="private")).status_code == 200
    test = link(project, "carla", test=True)
    before = len(world.told(project))
    assert "testiosoitteeseen" in client.get(test).text
    assert client.post(test, data={"shown": "recommend", "q_recommend": "1"}).status_code == 200
    project.mover.move()
    assert len(world.told(project)) == before


def test_at_the_counter_nobody_is_known(project: Project, client: world.Here) -> None:
    page = client.get("/s/counter?via=qr&place=Turku&lang=fi")
    hidden = world.hidden(page.text)
    assert "Mistä kuulit meistä?" in page.text
    wrong = client.post("/s/counter", data=hidden | {"q_happy": "9"})
    assert (wrong.status_code, "ei ole luku" in wrong.text) == (400, True)
    assert client.post("/s/counter", data=hidden | {"response": "mine.x", "q_happy": "5"}).status_code == 404
    answers = {"q_happy": "5", "q_heard": "other", "other_heard": "Radio", "q_stopped": "Toimituskulut"}
    assert client.post("/s/counter", data=hidden | answers).status_code == 303
    assert "thanks" in client.post("/s/counter", data=hidden | answers).text  # sent twice, kept once
    project.mover.move()
    found = [e["properties"] for e in world.told(project) if e["properties"]["survey"] == "counter"]
    assert [(e["question"], e.get("score"), e.get("answer"), e.get("other")) for e in found] == [
        ("happy", 5.0, None, None), ("heard", None, "other", "Radio"), ("stopped", None, "Toimituskulut", None),
    ]  # fmt: skip
    assert {(e["via"], e["place"], e.get("touchpoint")) for e in found} == {("qr", "Turku", None)}


def test_who_denied_analytics_answers_without_a_name(project: Project, client: world.Here) -> None:
    project.consents.decide([Decision("user", "dora", "analytics", False, now(), "test", None, "")])
    assert client.post(link(project, "dora"), data={"shown": "recommend", "q_recommend": "8"}).status_code == 303
    project.mover.move()
    last = world.told(project)[-1]
    assert (last["customer"], last["properties"]["score"]) == (None, 8.0)


def test_results_are_told_with_their_intervals(project: Project, client: world.Here) -> None:
    journey = project.journey()
    found = results.results(project, journey, "order_nps")
    assert (found.responses, found.customers) == (3, 2)  # 3, 10, and an 8 of nobody
    nps = found.score
    assert nps is not None
    assert nps.score is not None
    assert (nps.n, nps.best, nps.worst, nps.score.value) == (3, 1, 1, 0.0)
    assert nps.score.low is not None
    assert nps.score.reason == "too few to say"
    assert dict(nps.counts)["10"] == 1
    page = client.get("/surveys?lang=en").text
    assert "NPS 0" in page
    one = client.get("/survey/order_nps?lang=fi").text
    assert "Kuinka todennäköisesti" in one
    assert "[…]" in one  # where an address stood
    data = client.get("/api/surveys").json()["surveys"]
    assert [(s["survey"], s["responses"]) for s in data] == [("order_nps", 3), ("counter", 1), ("private", 0)]
    felt = measure(project, "feeling")
    assert [(f.id, f.kind, f.answers) for f in felt.touchpoints] == [("order", "nps", 2)]
    answer = client.get("/survey/counter/qr.svg")
    assert (answer.headers["content-type"], b"<svg" in answer.content) == ("image/svg+xml", True)
    assert "https://polku.kauppa.example/s/counter" in client.get("/survey/counter/poster").text


def test_what_people_wrote_is_read_searched_and_tagged(project: Project, client: world.Here) -> None:
    shown = client.get("/surveys/answers?touchpoint=order&lang=en")
    assert ("Nopeus" in shown.text, "Toimituskulut" in shown.text) == (True, False)
    data = client.get("/api/surveys/answers", params={"q": "toimitus", "kind": "stopped"}).json()
    assert (data["count"], data["answers"][0]["text"]) == (1, "Toimituskulut")
    id = data["answers"][0]["id"]
    token = world.hidden(shown.text)["token"]
    sent = {"token": token, "answer": id, "tags": "Hinta,  Toimitus , hinta"}
    assert client.post("/surveys/answers?q=x", data=sent).status_code == 303
    assert texts.tag_counts(project) == [("hinta", 1), ("toimitus", 1)]
    assert client.get("/api/surveys/answers", params={"tag": "hinta"}).json()["answers"][0]["id"] == id
    refused = client.post("/surveys/answers", data=sent | {"tags": "x" * 61})
    assert (refused.status_code, "longer than 60" in unescape(refused.text)) == (400, True)
    client.post("/surveys/answers", data=sent | {"tags": "hinta"})
    assert texts.tag_counts(project) == [("hinta", 1)]
    assert client.get("/surveys/answers?perod=30d").status_code == 400


def test_what_they_say_stands_beside_what_clicks_and_obstacles_say(project: Project) -> None:
    campaign = {"page": {"path": "/mekko"}, "campaign": {"source": "instagram", "medium": "social"}}
    seen = [
        shop.Arrival(event="page", user_id=u, time=now() - 11 * world.DAY, received_at=now(), channel="web",
                     message_id=f"seen-{u}", context=dict(campaign))
        for u in ("anna", "ben")
    ]  # fmt: skip
    said = [
        shop.Arrival(event="Survey Answered", user_id=u, time=now() - world.DAY, received_at=now(), channel="survey",
                     message_id=f"said-{u}-{kind}", properties={"survey": "b", "question": kind, "kind": kind,
                                                                "answer": answer, "touchpoint": "order"})
        for u, kind, answer in (("anna", "heard", "instagram"), ("ben", "heard", "friend"),
                                ("ben", "stopped", "Koko arvelutti"))
    ]  # fmt: skip
    shop.arrive(project, *seen, *said)
    found = measure(project, "attribution", to="order")
    assert found.heard is not None
    told = {s.answer: (s.customers, s.same.numerator, s.clicks) for s in found.heard.said}
    assert told == {"instagram": (1, 1, (("instagram", 1),)), "friend": (1, 0, (("instagram", 1),))}
    by_channel = {c.name for c in measure(project, "attribution", to="order", by="channel").channels}
    assert ("web" in by_channel, "survey" in by_channel) == (True, False), "an answer is nothing that brought anybody"
    by_name = {c.name: c.said for c in found.channels}
    assert by_name["instagram"] is not None
    assert (by_name["instagram"].numerator, by_name["instagram"].denominator) == (1, 2)
    tables_ = found.tables(Reader("fi"))
    assert tables_[-1].rows[0][0].text in ("Instagramista", "Ystävältä tai tutulta")
    quoted = measure(project, "obstacles", to="order").quoted
    assert [(q.touchpoint, q.count, q.quotes) for q in quoted] == [
        ("", 1, ("Toimituskulut",)), ("order", 1, ("Koko arvelutti",)),
    ]  # fmt: skip


def test_a_letter_carries_the_customers_own_links(tmp_path: Path) -> None:
    with receivers.smtp() as (box, port), world.make(tmp_path / "shop", port) as project:
        turn(project, True, "anna")
        piece = "---\nsubject: Kysymys\n---\n[9]({{ survey_link.order_nps }}?score=9) [Arvostele]({{ review_link }})\n"
        (project.folder / "content" / "nps.fi.md").write_text(piece, encoding="utf-8")
        (anna,) = shop.customers(project, "anna")
        facts = {"event": {"properties": {"products": [{"product_id": "7", "name": "Mekko"}]}}}
        shop.put(project, shop.message(anna, content="content/nps.fi.md", facts=facts))
        assert send(project) == {"sent": 1}
        [envelope] = box.letters
        letter = email.message_from_bytes(bytes(envelope.content or b""), policy=email.policy.default)
        body = letter.get_body(("html",))
        assert body is not None
        text = unescape(body.get_content())
        base = "https://polku.kauppa.example"
        token = text.partition(f"{base}/s/order_nps/")[2].partition("?score=9")[0]
        found = read_link(project, "order_nps", token)
        assert found is not None
        assert (found.id, found.key, found.language) == (("user", "anna"), "1:0:a", "fi")
        bought = read_link(project, "", text.partition(f"{base}/review/")[2].partition('"')[0])
        assert bought is not None
        assert bought.products == (("7", "Mekko"),)


def test_who_is_forgotten_leaves_no_answer(project: Project) -> None:
    ben = next(t for t in texts.texts(project, texts.Filters())[0] if t.text == "Nopeus")
    texts.tag(project, ben.id, "kiitos", "anna")
    told = handover.held(project, "ben")
    assert [each["tag"] for each in told["answers"]] == ["kiitos"]
    erasure.forget(project, "ben", "anna")
    assert "Nopeus" not in [t.text for t in texts.texts(project, texts.Filters())[0]]
    assert texts.tag_counts(project) == [("hinta", 1)]
    assert results.results(project, project.journey(), "order_nps").responses == 2
