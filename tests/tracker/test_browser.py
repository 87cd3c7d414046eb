"""polku.js in a real browser, on a shop of another origin, sending to a real server."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .conftest import NOTHING, Row, Tracked

pytestmark = pytest.mark.browser


def names(rows: list[Row]) -> list[str]:
    return [row["event"] for row in rows]


def one(rows: list[Row], event: str) -> Row:
    """The only event of a name. A batch whose answer was lost with its page comes once more: with the same id."""
    found = [row for row in rows if row["event"] == event]
    assert len({row["event_id"] for row in found}) == 1, names(rows)
    return found[0]


def ready(page: Any) -> None:
    page.wait_for_function("window.polku && polku.status")


# -- consent ---------------------------------------------------------------------------------------------------------


def test_before_consent_nothing_is_stored_and_nothing_is_sent(tracked: Tracked) -> None:
    tracked.paste()
    page = tracked.page()
    page.goto(tracked.shop.url + "/?utm_source=instagram")
    ready(page)
    page.click("#add")
    page.wait_for_timeout(1200)  # longer than the longest pause before a batch
    assert tracked.stored(page) == NOTHING
    assert tracked.bodies == []
    assert page.evaluate("polku.status()")["held"] == 3  # the page, the early call, the click
    # what was held is sent with the consent that allows it
    page.evaluate("polku.consent({analytics: true, ads: false}, {source: 'banner', version: '2026-05'})")
    rows = tracked.wait("page", "Promotion Viewed", "Product Added", "Consent Updated")
    assert len({row["anonymous_id"] for row in rows}) == 1
    assert len({row["session_id"] for row in rows}) == 1
    assert rows[0]["anonymous_id"]
    for message in tracked.sent():
        assert message["context"]["consent"] == {
            "categoryPreferences": {"analytics": True, "ads": False}, "source": "banner", "version": "2026-05",
        }  # fmt: skip
    assert tracked.stored(page)["local"] == ["polku"]
    # another page knows it, without asking
    page.goto(tracked.shop.url + "/product.html")
    rows = tracked.wait("page", "page", "Product Viewed", "Page Left")
    assert len({row["anonymous_id"] for row in rows}) == 1
    assert len({row["session_id"] for row in rows}) == 1
    # withdrawn: it is told, then all ids are gone
    page.evaluate("polku.consent({analytics: false})")
    page.wait_for_timeout(900)
    assert tracked.stored(page) == NOTHING
    last = tracked.sent()[-1]
    assert last["event"] == "Consent Updated"
    assert last["context"]["consent"]["categoryPreferences"] == {"analytics": False, "ads": False}
    # the event that says so is refused itself, and what it says is known
    assert "Consent Updated" not in names(tracked.rows())[len(rows) :]
    whose = [("anonymous", rows[0]["anonymous_id"])]
    held = tracked.polku.project.consents.held(whose, int(time.time() * 1e6))
    assert (set(held.granted), set(held.denied)) == (set(), {"analytics", "ads"})
    before = len(tracked.bodies)
    page.evaluate("polku.track('After')")
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.wait_for_timeout(900)
    assert len(tracked.bodies) == before


def test_denied_at_once(tracked: Tracked) -> None:
    tracked.paste()
    page = tracked.page()
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.evaluate("polku.consent({analytics: false}); polku.track('Never')")
    page.goto(tracked.shop.url + "/thanks.html")
    page.wait_for_timeout(600)
    assert tracked.bodies == []
    assert tracked.stored(page) == NOTHING


def test_cookieless(tracked: Tracked) -> None:
    """Events without any id; what names somebody waits for consent."""
    tracked.paste(mode="cookieless")
    page = tracked.page()
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.evaluate("polku.identify('customer-42', {plan: 'gold'})")
    page.click("#add")
    rows = tracked.wait("page", "Promotion Viewed", "Product Added")
    assert tracked.stored(page) == NOTHING
    for row in rows:
        assert (row["anonymous_id"], row["user_id"], row["session_id"]) == (None, None, None)
    for message in tracked.sent():
        assert not {"anonymousId", "userId"} & set(message)
        assert "sessionId" not in message["context"]
        assert "customer-42" not in json.dumps(message)
    page.evaluate("polku.consent({analytics: true})")
    identified = one(tracked.wait("identify"), "identify")
    assert identified["user_id"] == "customer-42"
    assert identified["context"]["traits"] == {"plan": "gold"}


def test_an_id_as_long_as_the_page(tracked: Tracked) -> None:
    tracked.paste(mode="page")
    page = tracked.page()
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.click("#add")
    first = {row["anonymous_id"] for row in tracked.wait("page", "Product Added")}
    page.goto(tracked.shop.url + "/thanks.html")
    pages = [row for row in tracked.wait("page", "page") if row["event"] == "page"]
    assert tracked.stored(page) == NOTHING
    assert len(first) == 1
    assert {pages[0]["anonymous_id"]} == first
    assert pages[1]["anonymous_id"] not in first


@pytest.mark.parametrize("signal", ["globalPrivacyControl: true", "doNotTrack: '1'"])
def test_signals_are_honoured(tracked: Tracked, signal: str) -> None:
    """With Do Not Track or Global Privacy Control nothing at all, whatever mode, tag or banner says."""
    tracked.paste(mode="cookieless", consent="granted")
    name, value = signal.split(": ")
    page = tracked.page(f"Object.defineProperty(Navigator.prototype, '{name}', {{get: () => {value}}})")
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.evaluate("polku.consent({analytics: true}); polku.track('Never')")
    page.goto(tracked.shop.url + "/thanks.html")
    ready(page)
    page.wait_for_timeout(500)
    assert page.evaluate("polku.status()")["signal"] is True
    assert tracked.bodies == []
    assert tracked.stored(page) == NOTHING


CMPS = {
    "iab-tcf": """
        let told; window.__tcfapi = (command, version, callback) => { told = callback;
            callback({eventStatus: 'cmpuishown', gdprApplies: true, purpose: {consents: {}}}, true) };
        window.accept = () => told({eventStatus: 'useractioncomplete', gdprApplies: true,
            purpose: {consents: {1: true, 8: true, 2: false}}}, true);""",
    "cookiebot": """
        window.Cookiebot = {hasResponse: false, consent: {statistics: false, marketing: false, preferences: false}};
        window.accept = () => { Cookiebot.hasResponse = true; Cookiebot.consent.statistics = true;
            dispatchEvent(new Event('CookiebotOnConsentReady')) };""",
    "onetrust": """
        let closed = false; window.OneTrust = {IsAlertBoxClosed: () => closed}; window.OnetrustActiveGroups = ',C0001,';
        window.accept = () => { closed = true; window.OnetrustActiveGroups = ',C0001,C0002,';
            dispatchEvent(new Event('OneTrustGroupsUpdated')) };""",
    "wp-consent-api": """
        let given = false; window.wp_has_consent = (category) => given && category === 'statistics';
        window.accept = () => { given = true; document.dispatchEvent(new Event('wp_listen_for_consent_change')) };""",
}


@pytest.mark.parametrize("tool", list(CMPS))
def test_consent_tools(tracked: Tracked, tool: str) -> None:
    """The module cmp takes the answer of each tool, and no answer for a no."""
    tracked.paste(modules="cmp")
    page = tracked.page(CMPS[tool])
    with page.expect_response("**/polku/cmp.js"):
        page.goto(tracked.shop.url + "/thanks.html")
    page.wait_for_timeout(300)
    status = page.evaluate("polku.status()")
    assert (status["granted"], status["choice"], status["held"]) == (False, {}, 1)
    page.evaluate("accept()")
    told = one(tracked.wait("Consent Updated", "page"), "Consent Updated")
    assert told["properties"] == {"source": tool, "analytics": True, "ads": False, "personalisation": False}


# -- what is told ----------------------------------------------------------------------------------------------------


def test_a_visit(tracked: Tracked) -> None:
    """Page views, campaigns, marks in the HTML, sound, depth and time, over three pages."""
    tracked.paste(consent="granted")
    page = tracked.page(viewport={"width": 1000, "height": 700})
    page.goto(
        tracked.shop.url + "/?utm_source=instagram&utm_medium=paid&utm_campaign=summer&email=ann@example.com&fbclid=x1"
        "&ref=7KQ2MPX9A"
    )
    ready(page)
    page.click("#inside")
    page.evaluate("document.getElementById('sound').play()")
    page.wait_for_function("document.getElementById('sound').ended")
    page.locator("#end").scroll_into_view_if_needed()
    page.wait_for_timeout(700)
    page.evaluate("scrollTo(0, 0)")
    page.click("#send")
    page.wait_for_url("**/thanks.html*")
    page.goto(tracked.shop.url + "/product.html")
    tracked.wait("Product Viewed")  # marks are looked for when the page has had time to draw itself
    search = tracked.shop.url + "/search.html?q=red%20dress&page=2"
    page.goto(search, referer=tracked.shop.url + "/product.html?session=7")
    rows = tracked.wait("page", "page", "page", "page", "Page Left", "Page Left", "Page Left", "Products Searched")
    assert all(row["channel"] == "web" for row in rows)
    first = rows[names(rows).index("page")]
    assert first["context"]["page"] == {
        "path": "/", "title": "The shop", "search": "?utm_source=instagram&utm_medium=paid&utm_campaign=summer",
        "url": tracked.shop.url + "/?utm_source=instagram&utm_medium=paid&utm_campaign=summer",
    }  # fmt: skip
    assert first["context"]["campaign"] == {"source": "instagram", "medium": "paid", "name": "summer"}
    assert first["context"]["referral"] == "7KQ2MPX9A"
    assert "ann@example.com" not in json.dumps(tracked.sent())
    assert "x1" not in json.dumps([m["context"] for m in tracked.sent()])
    added = one(rows, "Product Added")
    assert added["properties"] == {"product_id": "0012", "price": 64.9, "brand_name": "Aalto"}
    assert added["context"]["campaign"]["source"] == "instagram"
    assert one(rows, "Form Submitted")["properties"] == {"form": "newsletter"}
    for event in ("Video Started", "Video Finished"):
        media = one(rows, event)["properties"]
        assert (media["title"], media["video_id"]) == ("The jingle", "j1")
    viewed = one(rows, "Product Viewed")
    assert viewed["properties"] == {"product_id": "p1", "price": 64.9}
    searched = one(rows, "Products Searched")
    assert searched["properties"] == {"query": "red dress", "results": 1204}
    assert searched["context"]["page"]["referrer"] == tracked.shop.url + "/product.html"
    told = next(m for m in tracked.sent() if m.get("event") == "Products Searched")
    assert told["context"]["page"]["search"] == "?q=red+dress", "the page's number is not told"
    left = list({row["event_id"]: row for row in rows if row["event"] == "Page Left"}.values())
    assert [row["context"]["page"]["path"] for row in left] == ["/", "/thanks.html", "/product.html"]
    assert left[0]["properties"]["scroll"] == 100
    assert left[0]["properties"]["seconds"] >= 1
    assert left[0]["properties"]["load_ms"] > 0
    assert len({row["session_id"] for row in rows}) == 1
    seen = {message["messageId"] for message in tracked.sent()}  # of beacons the browser shows no body
    assert seen <= {row["event_id"] for row in rows}


#: A stand-in for YouTube's player: it answers who says "listening", as the real one does, and tells its state.
PLAYER = """<!doctype html><script>
    let to;
    const send = (message) => to && to.source.postMessage(JSON.stringify(message), to.origin);
    const state = (number) => send({event: 'infoDelivery', info: {playerState: number}});
    addEventListener('message', (event) => {
        if (JSON.parse(event.data).event != 'listening') return;
        to = event;
        send({event: 'initialDelivery', info: {playerState: -1, duration: 212.06,
            videoData: {video_id: 'dQw4w9WgXcQ', title: 'How to measure'}}});
    });
</script>"""


def test_videos_of_youtube(tracked: Tracked) -> None:
    """The module youtube: a player that is set into the page later, told once a start and once an end."""
    tracked.paste(consent="granted", modules="youtube")
    page = tracked.page()
    asked: list[str] = []

    def player(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(body=PLAYER, content_type="text/html")

    page.route("https://www.youtube-nocookie.com/**", player)
    with page.expect_response("**/polku/youtube.js"):
        page.goto(tracked.shop.url + "/thanks.html")
    ready(page)
    page.evaluate(
        """() => { const frame = document.createElement('iframe'); document.body.append(frame);
            frame.src = 'https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?rel=0' }"""
    )
    page.wait_for_function("frames.length === 1")
    while not any("enablejsapi=1" in url for url in asked):
        page.wait_for_timeout(20)
    frame = page.frames[-1]
    frame.wait_for_function("to")
    frame.evaluate("for (const number of [3, 1, 2, 1, 0, 0]) state(number)")
    page.evaluate("postMessage('{\"info\":{\"playerState\":1}}', '*')")  # not from a player
    rows = tracked.wait("Video Started", "Video Finished")
    told = {
        "title": "How to measure", "url": "https://youtu.be/dQw4w9WgXcQ", "video_id": "dQw4w9WgXcQ", "duration": 212,
    }  # fmt: skip
    for event in ("Video Started", "Video Finished"):
        assert one(rows, event)["properties"] == told
    assert names(rows).count("Video Started") == 1


def test_depth_of_a_page_that_was_not_scrolled(tracked: Tracked) -> None:
    tracked.paste(consent="granted")
    page = tracked.page(viewport={"width": 1000, "height": 700})
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.mouse.wheel(0, 1000)
    page.wait_for_function("scrollY > 900")
    page.goto(tracked.shop.url + "/thanks.html")
    left = one(tracked.wait("Page Left"), "Page Left")
    assert left["properties"]["scroll"] == 50


def test_the_calls_of_the_shop(tracked: Tracked) -> None:
    tracked.paste(consent="granted")
    page = tracked.page()
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.evaluate(
        """() => {
            const products = [{product_id: "p1", quantity: 2}];
            polku.track("Order Completed", {order_id: "1001", revenue: 59.9, currency: "EUR", products});
            polku.push(["identify", "customer-42", {email: "ann@example.com", plan: "gold"}]);
            polku.paymentFailed("declined", {order_id: "1002"});
            polku.group("acme", {size: 20});
            polku.alias("customer-43", "customer-42");
            polku.page("Checkout", {step: 2});
        }"""
    )
    rows = tracked.wait("page", "page", "Order Completed", "identify", "Payment Failed", "group", "alias")
    order = one(rows, "Order Completed")
    assert (order["value"], order["currency"]) == (59.9, "EUR")
    assert order["properties"]["products"] == [{"product_id": "p1", "quantity": 2}]
    assert one(rows, "Payment Failed")["properties"] == {"reason": "declined", "order_id": "1002"}
    identified = one(rows, "identify")
    assert identified["user_id"] == "customer-42"
    assert identified["anonymous_id"] == rows[0]["anonymous_id"]
    assert identified["context"]["traits"]["plan"] == "gold"
    assert "ann@example.com" not in json.dumps(identified, default=str)
    assert one(rows, "group")["account_id"] == "acme"
    assert one(rows, "alias")["context"]["ids"]["previous"] == "customer-42"
    assert rows[-1]["user_id"] == "customer-43"
    # signed out: another visitor on the same device
    page.evaluate("polku.reset(); polku.track('Signed Out')")
    signed_out = one(tracked.wait("Signed Out"), "Signed Out")
    assert signed_out["user_id"] is None
    assert signed_out["anonymous_id"] != rows[0]["anonymous_id"]
    assert page.evaluate("polku.status()")["granted"] is True


def test_an_app_of_one_page(tracked: Tracked) -> None:
    tracked.paste(consent="granted")
    page = tracked.page()
    page.goto(tracked.shop.url + "/start")
    ready(page)
    page.click("#go")
    page.wait_for_timeout(300)
    page.go_back()
    rows = tracked.wait("page", "page", "page", "Page Left", "Page Left")
    pages = [row["context"]["page"] for row in rows if row["event"] == "page"]
    assert [p["path"] for p in pages] == ["/start", "/cart", "/start"]
    assert pages[1]["title"] == "cart"
    assert pages[1]["referrer"] == tracked.shop.url + "/start"
    assert [row["context"]["page"]["path"] for row in rows if row["event"] == "Page Left"] == ["/start", "/cart"]


def test_slow_pages_and_what_fails(tracked: Tracked) -> None:
    tracked.paste(consent="granted", slow="1")
    page = tracked.page()
    page.goto(tracked.shop.url + "/broken.html")
    ready(page)
    for _ in range(3):
        page.click("#pay")
    page.click("#promise")
    rows = tracked.wait("page", "Page Slow", "Page Failed", "Page Failed", "Page Failed")
    assert one(rows, "Page Slow")["properties"]["load_ms"] > 0
    failed = {row["properties"]["kind"]: row["properties"] for row in rows if row["event"] == "Page Failed"}
    assert failed["script"]["message"].endswith("no payment for @ card #"), "no addresses, no card numbers"
    assert failed["script"]["file"] == tracked.shop.url + "/broken.js"
    assert failed["script"]["line"] == 2
    assert failed["promise"]["message"] == "the bank did not answer"
    assert failed["resource"]["message"] == "not loaded"
    assert failed["resource"]["file"] == tracked.shop.url + "/missing-widget.js"
    page.click("#many")
    tracked.wait(*["Page Failed"] * 5)
    page.wait_for_timeout(900)
    assert names(tracked.rows()).count("Page Failed") == 5, "no more than five of a page"


def test_parts_can_be_turned_off(tracked: Tracked) -> None:
    tracked.paste(consent="granted", off="clicks, scroll spa")
    page = tracked.page()
    page.goto(tracked.shop.url + "/")
    ready(page)
    page.click("#add")
    page.evaluate("history.pushState({}, '', '/cart')")
    page.wait_for_timeout(200)
    page.goto(tracked.shop.url + "/thanks.html")
    rows = tracked.wait("page", "page", "Page Left")
    assert sorted(names(rows)) == ["Consent Updated", "Page Left", "Promotion Viewed", "page", "page"]
    assert "scroll" not in one(rows, "Page Left")["properties"]


# -- getting through -------------------------------------------------------------------------------------------------


def test_it_comes_again_when_the_server_cannot(tracked: Tracked) -> None:
    """503, then a broken connection, then an answer: the same message, and none twice."""
    tracked.paste(consent="granted")
    page = tracked.page()
    answers = [503, 429, None]

    def meet(route: Any) -> None:
        if not answers:
            route.continue_()
            return
        status = answers.pop(0)
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, headers={"access-control-allow-origin": "*", "retry-after": "0"}, body="{}")

    page.route("**/v1/b", meet)
    page.goto(tracked.shop.url + "/thanks.html")
    ready(page)
    rows = tracked.wait("page", "Consent Updated")
    assert sorted(names(rows)) == ["Consent Updated", "page"]
    pages = {m["messageId"] for m in tracked.sent() if m["type"] == "page"}
    assert len(pages) == 1
    assert len(tracked.bodies) >= 4
    assert rows[0]["event_id"] in {m["messageId"] for m in tracked.sent()}


def test_what_happened_off_line_comes_later(tracked: Tracked) -> None:
    tracked.paste(consent="granted")
    page = tracked.page()
    page.goto(tracked.shop.url + "/thanks.html")
    tracked.wait("page", "Consent Updated")
    page.wait_for_function("polku.status().queued === 0")
    page.context.set_offline(True)
    page.evaluate("polku.track('In the Tunnel')")
    page.wait_for_function("polku.status().problem === 'offline'")
    # the page is left without a network: with consent it is kept for the next one
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    assert "polku.queue" in tracked.stored(page)["local"]
    page.context.set_offline(False)
    page.goto(tracked.shop.url + "/product.html")
    rows = tracked.wait("In the Tunnel", "Product Viewed")
    assert "polku.queue" not in tracked.stored(page)["local"]
    tunnel = one(rows, "In the Tunnel")
    assert tunnel["context"]["page"]["path"] == "/thanks.html"
    assert tunnel["time"] < one(rows, "Product Viewed")["time"]


def test_a_wrong_key_is_said_in_the_console(tracked: Tracked) -> None:
    tracked.shop.paste(tracked.polku.url, "pk_w_wrong", consent="granted")
    page = tracked.page()
    with page.expect_console_message(lambda line: "the server refused the events (401)" in line.text):
        page.goto(tracked.shop.url + "/thanks.html")
    page.wait_for_function("polku.status().problem === '401'")
    assert tracked.rows() == []


def test_under_a_strict_policy(tracked: Tracked) -> None:
    """script-src and connect-src are all that the shop's Content-Security-Policy must allow."""
    polku = tracked.polku.url
    tracked.shop.headers = {
        "Content-Security-Policy": f"default-src 'none'; script-src 'self' {polku}; connect-src {polku}; img-src data:",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    tracked.paste(modules="cmp")
    page = tracked.page(CMPS["cookiebot"])
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    with page.expect_response("**/polku/cmp.js"):
        page.goto(tracked.shop.url + "/thanks.html")
    page.wait_for_timeout(200)
    page.evaluate("accept()")
    tracked.wait("page", "Consent Updated")
    page.goto(tracked.shop.url + "/product.html")
    tracked.wait("page", "page", "Page Left", "Product Viewed")
    assert complaints == []


BROKEN = {
    "storage": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied') }})",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "history": "delete window.PerformanceObserver; delete Navigator.prototype.sendBeacon",
    "stub": "window.polku = [['nothing'], null, ['track', null, () => 1], ['track', 'Early', {a: 1}]]",
}


@pytest.mark.parametrize("what", list(BROKEN))
def test_it_never_throws_into_the_page(tracked: Tracked, what: str) -> None:
    tracked.paste(consent="granted")
    page = tracked.page(BROKEN[what])
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(tracked.shop.url + "/product.html")
    ready(page)
    assert page.evaluate(
        "polku.track(), polku.push('x'), polku.consent(null), polku.track({toString: 1}), 'alive'"
    ) == ("alive")
    rows = tracked.wait("page", "Product Viewed", *(["Early"] if what == "stub" else []))
    assert rows
    assert faults == []


def test_two_lines_in_a_page_are_one(tracked: Tracked) -> None:
    tracked.paste(consent="granted")
    tracked.shop.tag += tracked.shop.tag
    page = tracked.page()
    page.goto(tracked.shop.url + "/product.html")
    ready(page)
    tracked.wait("page", "Product Viewed")
    page.wait_for_timeout(300)
    assert sorted(names(tracked.rows())) == ["Consent Updated", "Product Viewed", "page"]
