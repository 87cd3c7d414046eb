"""Reviews: read from files of others, written on our page, true or not shown, replied to, removed for a reason."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from channels import shop
from polku.errors import SourceError, UsageError
from polku.measures.ask import measure
from polku.onsite.handing import hand_over
from polku.onsite.waiting import Visitor
from polku.record import tables
from polku.record.project import Project
from polku.surveys import importing, reviews
from polku.surveys.links import SurveyLink, bought, path_of
from polku.web.app import create_app
from polku.web.policy import POLICY
from surveys import world
from web.inprocess import Client, loop_in_a_thread
from web.test_security_inputs import Elements

JUDGE = """title,body,rating,review_date,source,reviewer_name,reviewer_email,product_id,product_handle,reply,reply_date
Hyvä,"Istuu, soita 040 123 4567",5,2026-03-01 10:00:00 UTC,web,Anna,anna@example.fi,7,mekko,Kiitos!,2026-03-02
,Huono,1,2026-04-01 10:00:00 UTC,web,Cecilia,cece@example.fi,7,mekko,,
,Ei tähtiä,,2026-04-01 10:00:00 UTC,web,X,x@example.fi,7,mekko,,
"""
TRUSTPILOT = (
    '"Review Id";"Review Created (UTC)";"Review Username";"Review Title";"Review Content";"Review Stars";'
    '"Company Reply"\n'
    '"t1";"2026-05-05 12:00:00";"Matti";"Nopea";"Tuli huomenna";"4";"Kiitos Matti"\n'
)
GOOGLE = (
    "reviewId\treviewer\tstarRating\tcomment\tcreateTime\treviewReply\ng1\tLiisa\tTWO\tHidas\t2026-05-06T12:00:00Z\t\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with world.make(tmp_path_factory.mktemp("reviews") / "shop") as made:
        shop.customers(made, "anna", "ben")
        # ben has ordered the dress, and anna did long before she reviewed it
        shop.arrive(made, world.order("ben", ago=20), world.order("anna", ago=400))
        yield made


@pytest.fixture(scope="module")
def client(project: Project) -> Iterator[world.Here]:
    with world.client(project) as made:
        yield made


def public(client: world.Here, product: str = "7", **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/reviews/{product}", params=query).json()
    return found


def test_exports_of_others_are_understood(project: Project, client: world.Here, tmp_path: Path) -> None:
    files = {"judge.csv": JUDGE, "trustpilot.csv": TRUSTPILOT, "google.csv": GOOGLE}
    done = {}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-16" if name == "google.csv" else "utf-8")
        done[name] = importing.import_reviews(project, tmp_path / name, author="anna")
    told = {name: (d.rows, d.read, d.replies, d.refused) for name, d in done.items()}
    assert told == {"judge.csv": (3, 2, 1, 1), "trustpilot.csv": (1, 1, 1, 0), "google.csv": (1, 1, 0, 0)}
    assert (done["judge.csv"].examples[0].line, done["judge.csv"].columns["time"]) == (4, "review_date")
    again = importing.import_reviews(project, tmp_path / "judge.csv", author="anna")
    assert again.report is not None
    assert (again.report.to_dict()["stored"], again.replies) == (0, 0)
    # anna is known by her address, and has ordered; of the others no order is known
    states = {(r.author, r.state, r.verified) for r in reviews.reviews_of(project)}
    assert states == {
        ("Anna", "published", True), ("Cecilia", "unverified", False), ("Matti", "unverified", False),
        ("Liisa", "unverified", False),
    }  # fmt: skip
    dress = public(client)
    assert (dress["count"], dress["average"], dress["stars"]["5"]) == (1, 5.0, 1)
    assert dress["reviews"][0]["text"] == "Istuu, soita […]"
    assert dress["reviews"][0]["reply"]["text"] == "Kiitos!"
    felt = {f.id: (f.kind, f.answers) for f in measure(project, "feeling").touchpoints}
    assert felt == {"review": ("review", 4)}
    for text, why in (("a,b\n1,2\n", "stars"), ("rating,text\n5,x\n", "dates")):
        (tmp_path / "odd.csv").write_text(text, encoding="utf-8")
        with pytest.raises(SourceError, match=why):
            importing.import_reviews(project, tmp_path / "odd.csv")


def test_an_order_that_the_page_told_verifies_no_review(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "FRESH", -1.0)
    for orders, anna in (("till", False), ("till, shop", True)):
        settings = dataclasses.replace(project.settings.reviews, orders=orders)
        monkeypatch.setattr(project, "settings", dataclasses.replace(project.settings, reviews=settings))
        assert {r.author: r.verified for r in reviews.reviews_of(project)}["Anna"] is anna


def test_what_was_bought_is_reviewed_by_link(project: Project, client: world.Here) -> None:
    link = SurveyLink("", ("user", "ben"), "9:0:a", language="en", products=(("7", "Mekko"), ("8", "Kenkä")))
    path = path_of(project, link)
    assert "Kenkä" in client.get(path).text
    assert client.post(path, data={"text_0": "Nice"}).status_code == 400  # a text without stars
    sent = {"stars_0": "2", "text_0": "Ohut kangas", "author": "Ben", "stars_1": ""}
    assert client.post(path, data=sent).status_code == 303
    assert "Thank you" in client.post(path, data=sent).text
    project.mover.move()
    found = public(client)
    assert [(r["rating"], r["author"], r["verified"]) for r in found["reviews"]] == [
        (2.0, "Ben", True), (5.0, "Anna", True),
    ]  # fmt: skip
    assert found["average"] == 3.5
    assert [r["author"] for r in public(client, limit=1, offset=1)["reviews"]] == ["Anna"]


def test_any_site_may_show_them(client: world.Here) -> None:
    answer = client.get("/reviews/7", headers={"Origin": "https://kauppa.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"].startswith("public, max-age=")
    same = client.get("/reviews/7", headers={"If-None-Match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    nothing = client.get("/reviews/no/such")
    assert (nothing.json()["count"], nothing.json()["average"]) == (0, None)
    assert client.get("/reviews").json()["product"] is None
    assert client.get("/reviews/7?limit=1000").status_code == 400


def test_asking_costs_nothing_while_nothing_arrives(
    project: Project, client: world.Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask: history is not read for each of them, and one address may not ask without end."""
    public(client)
    asked: list[str] = []
    monkeypatch.setattr(project, "sql", lambda text: asked.append(text))
    for product in ("7", "8", "nothing"):
        public(client, product)
    assert asked == []
    monkeypatch.undo()
    limits = dataclasses.replace(project.settings, limits=dataclasses.replace(project.settings.limits, api=3))
    monkeypatch.setattr(project, "settings", limits)
    with loop_in_a_thread() as loop:
        stranger = Client(create_app(project), loop)
        answers = [stranger.get("/reviews/7") for _ in range(4)]
        stranger.close()
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["retry-after"]) > 0


SCRIPT = '"><img data-evil src=x onerror=alert(1)><script data-evil>alert(1)</script>'


def test_what_people_write_is_text_on_every_page(tmp_path: Path) -> None:
    """Reviews, answers, hand-overs, reports: whatever stands in them, no page makes an element of it."""
    with world.make(tmp_path / "shop") as project, world.client(project) as client:
        shop.customers(project, "anna")
        shop.arrive(project, world.order("anna", SCRIPT))
        link = SurveyLink("", ("user", "anna"), "9:0:a", language="en", products=((SCRIPT, SCRIPT),))
        path = path_of(project, link)
        pages = [client.get(path)]
        sent = {"stars_0": "1", "title_0": SCRIPT, "text_0": SCRIPT, "author": SCRIPT}
        assert client.post(path, data=sent).status_code == 303
        for wish in (f"?place={quote(SCRIPT)}&via={quote(SCRIPT)}&score=9", ""):
            pages.append(client.get("/s/counter" + wish))
        fields = world.hidden(pages[-1].text) | {"q_happy": "1", "q_stopped": SCRIPT}
        pages.append(client.post("/s/counter", data=fields))
        letter = SurveyLink("order_nps", ("user", "anna"), "9:0:b", language="en")
        first = client.post(path_of(project, letter), data={"shown": "recommend", "q_recommend": "1"})
        more = world.hidden(first.text) | {"q_why": SCRIPT}
        pages += [first, client.post(path_of(project, letter), data=more)]
        hand_over(project, Visitor("a" * 32), "chat", SCRIPT)
        project.mover.move()
        review = next(iter(reviews.reviews_of(project)))
        report = f"/review-report?review={review.id}"
        pages += [client.get(report), client.post(report, data={"reason": "fake", "detail": SCRIPT})]
        for room in ("answers", "reviews", "answers?q=alert", f"answers?tag={quote(SCRIPT)}"):
            pages.append(client.get(f"/surveys/{room}"))
        pages += [client.get(place) for place in ("/surveys", "/survey/order_nps", "/survey/counter", "/on-site")]
        assert any(SCRIPT in html.unescape(page.text) for page in pages if "/surveys/reviews" in str(page.url))
        for page in pages:
            assert page.status_code < 500, (page.url, page.text[:1000])
            if page.headers.get("content-type", "").startswith("text/html"):
                assert page.headers["content-security-policy"] == POLICY, page.url
                assert set(Elements(page.text).faults) <= {"href=data:,"}, page.url  # the icon that there is not


def test_the_shop_answers_and_removes_for_a_reason_alone(project: Project, client: world.Here) -> None:
    ben = next(r for r in reviews.reviews_of(project) if r.author == "Ben")
    page = client.get("/surveys/reviews?lang=en")
    assert "no order is known" in page.text
    form = {"token": world.hidden(page.text)["token"], "review": ben.id}
    assert client.post("/surveys/reviews", data=form | {"do": "reply", "text": "Pahoittelut!"}).status_code == 303
    assert public(client)["reviews"][0]["reply"]["text"] == "Pahoittelut!"
    # a reader reports it, and a person decides
    report = f"/review-report?review={ben.id}"
    assert "not removed for its stars" in client.get(f"{report}&lang=en").text
    assert client.post(report, data={"reason": "stars"}).status_code == 400
    assert client.post(report, data={"reason": "fake", "detail": "soita a@b.fi"}).status_code == 303
    assert public(client)["count"] == 2  # nothing leaves by a report alone
    [told] = reviews.review_of(project, ben.id).reports
    assert (told.decision, "@" in told.detail) == (None, False)
    for do, note, count in (("kept", "", 2), ("removed", "Ei ole asiakas", 1), ("kept", "Sittenkin", 2)):
        sent = form | {"do": do, "report": str(told.number), "note": note}
        assert client.post("/surveys/reviews", data=sent).status_code == (303 if note else 400)
        assert public(client)["count"] == count
    with pytest.raises(UsageError):
        reviews.remove(project, ben.id, "two stars", "x", "anna")
    reviews.remove(project, ben.id, "asked", "Kirjoittaja pyysi", "anna")
    assert (public(client)["count"], public(client)["removed"]) == (1, 1)
    row = tables.audit.c
    with project.state.read() as connection:
        noted = connection.execute(sa.select(row.action, row.about).where(row.action.like("review%"))).all()
    assert [n.action for n in noted] == [
        "review.replied", "review.removed", "review.kept", "review.removed",
    ]  # fmt: skip
    assert {n.about for n in noted} == {ben.id}


#: (an order's properties, the ids and names of what was bought)
BOUGHT: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"products": [{"product_id": "7", "name": "Mekko"}, {"sku": "x"}]}, [("7", "Mekko"), ("x", "x")]),
    ({"line_items": [{"id": 7, "title": "Mekko"}, {"id": 7}]}, [("7", "Mekko")]),
    ({"product_id": "7", "name": "Mekko"}, [("7", "Mekko")]),
    ({"id": "order-1", "sku": "y"}, []),  # an order's own id is no product
    ({"products": "7"}, []),
    ({"products": [None, 3, {}]}, []),
    ({}, []),
]


@pytest.mark.parametrize(("properties", "found"), BOUGHT)
def test_products_of_an_order(properties: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert list(bought(properties)) == found
