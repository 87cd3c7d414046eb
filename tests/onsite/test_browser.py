"""The whole story in a real browser: a shop of another origin with a strict policy, its visitor, the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe

from channels.shop import arrive
from polku.events.arrival import Arrival
from polku.guidance.links import Link, path_of
from polku.guidance.live import Live
from polku.language import translate
from polku.onsite.handing import handovers
from polku.record import tables
from polku.record.clock import now
from polku.surveys import asking
from tracker.conftest import AGENT
from tracker.shop import Shop
from web.conftest import Site

#: What a survey says of a question that was left out.
NEEDED = translate("fi", asking.WORDS["needed"])
#: Adds up what the page moved without the visitor's doing (web.dev/cls).
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    if (!entry.hadRecentInput) window.shifted += entry.value;
})).observe({type: "layout-shift", buffered: true});
Object.defineProperty(Navigator.prototype, "userAgent", {get: () => "%s"});
"""


def events(site: Site) -> list[str]:
    return [row["event"] for row in site.project.inbox.tail(columns=["event", "seq"]).to_pylist()]


def until(page: Any, found: Callable[[], bool], what: str) -> None:
    """Wait for what the browser's requests bring about."""
    for _ in range(400):
        if found():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came: {what}")


def serious(page: Any) -> list[str]:
    found = Axe().run(page).response
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"] if v["impact"] in
            ("serious", "critical")]  # fmt: skip


def active(page: Any) -> str:
    """What has the focus, inside a piece or on the page."""
    text: str = page.evaluate(
        """() => { let at = document.activeElement;
        while (at && at.shadowRoot && at.shadowRoot.activeElement) at = at.shadowRoot.activeElement;
        return at ? at.name || at.textContent.trim() : ""; }"""
    )
    return text


def test_a_visitor_subscribes(polku: Site, pages: Shop, page_of: Any) -> None:
    """Product view, consent, rule, pop-up, form by the keyboard alone; the code waits in the outbox."""
    live = Live(polku.project)
    live.catch_up()
    page = page_of(width=1000, height=700, bypass_csp=False)
    page.add_init_script(SHIFTS % AGENT)
    page.goto(f"{pages.url}/product.html")
    block = page.locator('[data-polku-piece="site:delivery"]')
    block.get_by_text("Toimitus 2–3 päivässä").wait_for()
    page.wait_for_function("polku.status().held > 1")
    assert events(polku) == [], (
        "before consent nothing leaves the browser, and a piece for everybody shows all the same"
    )
    assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
    page.locator("#add").focus()
    page.evaluate("polku.consent({analytics: true}, {source: 'banner'})")
    until(page, lambda: "Product Viewed" in events(polku), "the product view")
    live.catch_up()
    dialog = page.get_by_role("dialog", name="Etu ensimmäiseen tilaukseen")
    dialog.wait_for()
    assert active(page) == "Etu ensimmäiseen tilaukseen", "its heading is read out first"
    assert serious(page) == []
    page.keyboard.press("Tab")
    page.keyboard.type("anna@exam")
    page.keyboard.press("Enter")
    dialog.get_by_text("Kirjoita sähköpostiosoite").wait_for()
    assert active(page) == "email"
    assert serious(page) == []
    page.keyboard.type("ple.fi")
    page.keyboard.press("Tab")
    page.keyboard.type("Anna")
    for _ in range(3):  # around: the link, the button, the cross; the page behind is out of reach
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('[data-polku-piece]')")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    dialog.get_by_text("Koodi on jo matkalla").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert active(page) == "Lisää koriin", "the focus is given back"
    until(page, lambda: "Newsletter Subscribed" in events(polku), "the subscription")
    assert [e for e in events(polku) if e == "Message Shown"] == ["Message Shown"] * 2, (
        "the block and the pop-up, each once"
    )
    live.catch_up()
    row = tables.outbox.c
    with polku.project.state.read() as connection:
        found = connection.execute(sa.select(row.rule, row.channel, row.state).order_by(row.made_at)).all()
    assert [tuple(one) for one in found] == [
        ("newsletter_popup", "site", "sent"), ("first_order_code", "email", "waiting"),
    ]  # fmt: skip
    assert "email" in polku.project.consents.recent(1, "email")[0].purpose
    assert page.evaluate("window.shifted") < 0.001, "nothing moved under the visitor"
    page.reload()
    block.get_by_text("Toimitus 2–3").wait_for()
    page.wait_for_timeout(1500)  # the first time that it asks again
    assert dialog.count() == 0, "who has answered is not asked again"
    page.evaluate("polku.consent({analytics: false})")
    assert page.evaluate("Object.keys(localStorage)") == [], "what the pieces remembered goes with the consent"


def test_pieces_of_a_page(polku: Site, pages: Shop, page_of: Any) -> None:
    """Quiz, calculator, survey, banner and hand-over, on a phone, in the dark, without motion."""
    at = now()
    bought = {"order_id": "7", "products": [{"product_id": "p1", "name": "Kesämekko"}]}
    said = {"product_id": "p1", "rating": 4, "text": "Istuu <b>hyvin</b>", "author": "Kaisa", "review_id": "r1"}
    arrive(polku.project, *(
        Arrival(event=event, user_id="kaisa", time=at, received_at=at, message_id=event, properties=properties)
        for event, properties in (("Order Completed", bought), ("Product Reviewed", said))
    ))  # fmt: skip
    page = page_of(width=390, height=800, color_scheme="dark", reduced_motion="reduce")
    page.add_init_script(SHIFTS % AGENT)
    page.goto(f"{pages.url}/quiz.html")
    quiz = page.locator('[data-polku-piece="site:size"]')
    page.get_by_role("region", name="Ilmainen toimitus").get_by_text("yli 60 euron").wait_for()
    page.locator('[data-polku-piece="site:ask"]').get_by_role("button", name="Lähetä").wait_for()
    assert page.evaluate("window.shifted") < 0.001, "nothing moved when they came"
    quiz.get_by_role("button", name="Jatka").click()
    quiz.get_by_text("Valitse jokin.").wait_for()
    quiz.get_by_label("Kukkia").check()
    quiz.get_by_role("button", name="Jatka").click()
    quiz.get_by_label("Festivaaleilla").check()
    page.evaluate("polku.consent({analytics: true})")
    quiz.get_by_role("button", name="Tuloksesi").click()
    assert active(page) == "Boho"
    table = page.locator('[data-polku-piece="site:fabric"]')
    table.get_by_text("224,10").wait_for()
    table.get_by_label("Vieraita").fill("40")
    table.get_by_text("720,00").wait_for()
    table.get_by_label("Vieraita").fill("4000")
    table.get_by_text("Täytä tämä.").wait_for()
    survey = page.locator('[data-polku-piece="site:ask"]')
    survey.get_by_role("button", name="Lähetä").click()
    survey.get_by_role("alert").filter(has_text=NEEDED).wait_for()
    survey.get_by_role("radio", name="2", exact=True).check()
    survey.get_by_role("textbox").fill("Hidas kassa")
    survey.get_by_role("radio", name="6", exact=True).check()
    assert survey.get_by_role("textbox").count() == 0, "a follow-up goes with the answer that brought it"
    survey.get_by_role("button", name="Lähetä").click()
    survey.get_by_text("Kiitos vastauksesta!").wait_for()
    reviews = page.locator('[data-polku-piece="reviews"]')
    reviews.get_by_text("Istuu <b>hyvin</b>").wait_for()
    reviews.get_by_role("img", name="4/5 tähteä").first.wait_for()
    banner = page.get_by_role("region", name="Ilmainen toimitus")
    assert serious(page) == []
    banner.get_by_role("button", name="Sulje").click()
    banner.wait_for(state="detached")
    page.get_by_role("button", name="Kysy meiltä").click()
    panel = page.get_by_role("dialog", name="Kysy meiltä")
    assert serious(page) == []
    panel.get_by_role("button", name="Avaa chat").click()
    panel.get_by_text("Koodisi:").wait_for()
    assert page.evaluate("window.chatted") == "open", "the shop's own chat"
    assert handovers(polku.project)[0].code in panel.inner_text()
    page.keyboard.press("Escape")
    assert active(page) == "Kysy meiltä"
    until(page, lambda: {"Quiz Completed", "Survey Answered", "Message Closed"} <= set(events(polku)), "the answers")
    page.reload()
    quiz.get_by_text("Kaksi kysymystä").wait_for()
    page.wait_for_timeout(500)
    assert banner.count() == 0, "closed once, closed for good"


def test_doors_take_anything(polku: Site) -> None:
    """Whatever is sent is answered in words of HTTP, and no request of a stranger tells of anybody."""
    key = polku.project.keys.create("doors", ["write"]).text
    ask = polku.client
    bodies: list[tuple[bytes, int]] = [
        (b"", 400), (b"[]", 400), (b"\xff\xfe", 400), (b'{"writeKey": 7}', 400), (b"{" * 5000, 400),
        (b'{"x":' + b"[" * 90_000, 400), (b'{"id": "\\ud800"}', 400), (b'{"answers": NaN}', 400),
        (b"x" * 200_000, 413), (b'{"writeKey": "no"}', 401), (b"{}", 401),
    ]  # fmt: skip
    for path in ("/site/waiting", "/site/told", "/site/help"):
        for body, status in bodies:
            assert ask.post(path, content=body).status_code == status, (path, body[:20])
        assert ask.get(path).status_code == 405
    assert ask.get("/site/nothing").status_code == 404
    assert ask.post("/site/waiting", json={"writeKey": key, "anonymousId": "x" * 32}).json() == {"messages": []}
    assert ask.post("/site/waiting", json={"writeKey": key, "anonymousId": "\0'; drop table outbox;" * 9}).json() == {
        "messages": []
    }
    for said, status in (
        ({"what": "eaten"}, 400), ({"what": "shown", "message": "1:1:"}, 404),
        ({"what": "closed", "message": "site:x"}, 404),
    ):  # fmt: skip
        assert ask.post("/site/told", json={"writeKey": key, "anonymousId": "x" * 32, **said}).status_code == status
    assert ask.post("/site/help", json={"writeKey": key, "via": "pigeon"}).status_code == 400
    told = ask.get("/site/pieces?language=fi")
    assert [one["message"] for one in told.json()["pieces"]] == [
        f"site:{name}" for name in ("delivery", "size", "fabric", "ask", "help", "strip")
    ]
    assert told.headers["access-control-allow-origin"] == "*"
    assert "max-age=60" in told.headers["cache-control"]
    wish = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    assert ask.options("/site/told", headers=wish).headers["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"
    batch = ask.post("/v1/b", json={"writeKey": key, "batch": []})
    assert batch.headers["polku-site"] == "1", "the tracker learns by it that something is shown"
    assert ask.get("/polku.js").text.rstrip().endswith('polku.use("site");')


def test_the_page_that_confirms(polku: Site) -> None:
    """Opening it confirms nothing, its button does; a link that is not whole is no link."""
    project = polku.project
    project.consents.keep_text("letter.fi-1", "fi", "Saatte kirjoittaa minulle.")
    link = Link("confirm", ("user", "email:kalle"), "77:1:", "confirm", "letter.fi-1", "email", "Newsletter Subscribed")
    path = path_of(project, link)
    page = polku.get(path, "fi")
    assert "Saatte kirjoittaa minulle." in page.text
    assert not project.consents.held([link.id], now()).granted
    assert "Kiitos" in polku.client.post(path, headers={"Accept-Language": "fi"}).text
    assert project.consents.held([link.id], now()).granted == {"email"}
    assert polku.get(path[:-2]).status_code == 404


def test_the_page_in_the_app(polku: Site, page_of: Any) -> None:
    """What stands on the site, and each kind drawn as on a page."""
    page = page_of()
    page.goto(f"{polku.url}/on-site?lang=en")
    assert page.get_by_role("row").filter(has_text="content/help.fi.md").get_by_text("hand-over to people").count() == 1
    assert serious(page) == []
    page.get_by_role("button", name="Turn on Hidden").click()
    page.get_by_role("button", name="Turn off Hidden").click()
    for name, text in (
        ("newsletter_popup", "Tilaa kirje"),
        ("size", "Kumpi on enemmän"),
        ("ask", "Lähetä"),
        ("help", "Kysy meiltä"),
    ):
        page.goto(f"{polku.url}/content/piece?piece=content/{name}.fi.md")
        page.frame_locator("iframe").get_by_text(text).last.wait_for()
