"""What comes in and what does not: the stream, refusals and lag, as data, as pages and in the terminal."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from polku.cli import main
from polku.events.refusals import Refusal
from polku.language import Reader
from polku.live import refusals
from polku.live.lag import lag_of
from polku.live.stream import KEPT, Arrived, Filters, Stream

from .conftest import Door

NASTY = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def test_an_event_with_what_the_map_makes_of_it(door: Door) -> None:
    door.send(
        door.track("Product Viewed", "ann", product_id="p1"),
        door.track("Product Added", "ann", product_id="p1"),
        door.track("Payment Failed", "ann", reason="declined"),
        door.track("Order Completed", "ann", revenue=64.9, currency="EUR"),
        {"type": "page", "context": {"page": {"path": "/nobody"}}},
    )
    rows = door.data("/api/live")["events"]
    assert [(r["event"], r["name"], r["touchpoint"], r["failed"]) for r in rows] == [
        ("page", None, None, None),
        ("Order Completed", "ann", "order", None),
        ("Payment Failed", "ann", None, "order"),
        ("Product Added", "ann", "cart", None),
        ("Product Viewed", "ann", "product", None),
    ]
    assert [[(c["kind"], c["to_stage"]) for c in r["changes"]] for r in rows] == [
        [], [], [], [("entered", "decision")], [("entered", "consideration")],
    ]  # fmt: skip
    assert (rows[1]["value"], rows[1]["currency"], rows[0]["page"]) == (64.9, "EUR", "/nobody")


def test_filters_and_the_same_event_twice(door: Door) -> None:
    twice = {**door.track("Product Viewed", "Bertta"), "messageId": "twice", "timestamp": "2026-11-01T10:00:00Z"}
    door.send(twice)
    door.send(twice)
    rows = door.data("/api/live?customer=BERT")["events"]
    assert [(r["event"], r["name"]) for r in rows] == [("Product Viewed", "Bertta")]
    assert {r["event"] for r in door.data("/api/live?event=Product+Added")["events"]} == {"Product Added"}
    assert door.data("/api/live?source=nobody")["events"] == []
    assert len(door.data("/api/live?limit=2")["events"]) == 2
    assert door.site.get("/api/live?limit=0").status_code == 400
    assert door.site.get("/api/live?colour=red").status_code == 400


def test_events_stay_when_they_have_moved_to_history(door: Door) -> None:
    door.send(door.track("Product Viewed", "moved-one"))
    stream = Stream(door.project)
    before = [row.seq for row in stream.rows()]
    door.project.mover.move()
    after = [row.seq for row in stream.rows()]
    assert door.project.inbox.waiting() == 0
    assert set(before) == set(after)
    assert stream.look(Filters(customer="moved-one")).rows[0].touchpoint == "product"
    assert [row.seq for row in Stream(door.project).rows()] == after, "a server that was started later shows the same"


def row(seq: int, at: dt.datetime) -> Arrived:
    return Arrived(seq, at, at, "page", None, None, None, None, None, None, None, None)


def test_lag(door: Door) -> None:
    at = dt.datetime.now(dt.UTC)
    calm = [row(n, at - dt.timedelta(seconds=n * 10)) for n in range(12)]
    assert lag_of(door.project, calm, at).rate == round(7 / 60, 2)
    busy = [row(n, at - dt.timedelta(seconds=n / 100)) for n in range(KEPT)]
    assert lag_of(door.project, busy, at).rate == pytest.approx(100, rel=0.01)
    assert lag_of(door.project, [], at).last is None
    door.send(door.track("Product Viewed", "waits"))
    found = lag_of(door.project, Stream(door.project).rows())
    assert found.waiting == 1
    assert found.oldest is not None


def test_what_is_refused_says_why_and_what_to_do(door: Door) -> None:
    answer = door.send({"type": "track", "userId": "x"}, {"type": "track", "event": "A", "userId": {"of": NASTY}})
    assert [r["code"] for r in answer["refused"]] == ["no_event", "bad_id"]
    found = door.data("/api/refusals")
    counts = {c["reason"]: c for c in found["counts"]}
    assert counts["no_event"]["why"] == "the name of the event is missing"
    assert "polku.track" in counts["no_event"]["advice"]
    assert counts["bad_id"]["count"] >= 1
    only = door.data("/api/refusals?reason=bad_id&source=segment")["latest"]
    assert {one["reason"] for one in only} == {"bad_id"}
    assert NASTY in json.loads(only[0]["raw"])["userId"]["of"]
    assert door.site.get("/api/refusals?reason=bad_idd").status_code == 400


def test_every_reason_at_the_doors_has_advice() -> None:
    """What only files can have (columns, quotes, encodings) is told by the import's own report."""
    of_files = {
        "TRUNCATED", "TOO_FEW_COLUMNS", "TOO_MANY_COLUMNS", "OPEN_QUOTE", "BAD_ENCODING", "NUL_BYTES", "NO_TIME",
        "DAY_MONTH_ORDER", "NO_SOURCE", "DECIMAL_MARK",
    }  # fmt: skip
    without = {r.name for r in Refusal if refusals.advice(r.name, Reader("fi")) is None}
    assert without == of_files


def test_a_reason_of_a_newer_version_is_shown_by_its_name() -> None:
    assert refusals.why("TOO_BLUE", Reader("en")) == "TOO_BLUE"
    assert refusals.advice("TOO_BLUE", Reader("en")) is None


def test_a_page_that_has_not_changed_is_not_drawn_again(door: Door) -> None:
    for path in ("/live", "/connect"):
        answers = []
        for _ in range(3):  # the mark changes every ten seconds: two of three are in one of them
            first = door.site.get(path)
            answers.append(door.site.get(path, **{"If-None-Match": first.headers["etag"]}).status_code)
        assert 304 in answers
        door.send({"type": "track"})
        assert door.site.get(path, **{"If-None-Match": first.headers["etag"]}).status_code == 200


def test_connect_without_scripts(door: Door) -> None:
    """The address, the placeholder, each way in; nothing of a key that was made before."""
    made = door.project.keys.create("old", ["write"])
    try:
        text = door.site.get("/connect").text
        assert f"src=&#34;{door.url}/polku.js&#34; data-key=&#34;YOUR_WRITE_KEY&#34;" in text
        for way in ("wp_head", "createElement", "apiHost", "posthog.init", "matomo.php", "/mp/collect", "/hooks/"):
            assert way in text
        assert made.text not in text
        answer = door.site.client.post("/v1/batch", json={"batch": [{"type": "track"}], "writeKey": "wrong"})
        assert answer.status_code == 401
        assert "1 requests came with a key that opens nothing" in door.site.get("/connect").text
    finally:
        door.project.keys.revoke(made.key.id)


def test_a_key_is_not_made_by_a_foreign_form(door: Door) -> None:
    before = len(door.project.keys.list())
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": door.url}):
        answer = door.site.client.post("/connect", data={"source": "shop", "token": "guessed"}, headers=headers)
        assert answer.status_code == 403
    assert len(door.project.keys.list()) == before


# -- in a browser ----------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_connect_and_watch(door: Door, page_of: Callable[..., Any]) -> None:
    """Make a key, copy the line, and see the event of a shop that pasted it arrive."""
    page = page_of(locale="en-GB", permissions=["clipboard-read", "clipboard-write"])
    page.goto(door.url + "/")
    page.get_by_text("Settings", exact=True).click()
    page.get_by_role("link", name="Connect").click()
    page.get_by_label("What these events are called as a source").fill("my shop")
    page.get_by_role("button", name="Make a write key").click()
    key = page.locator("#new-key").inner_text()
    assert key.startswith("pk_w_")
    page.locator("#way-line button").click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == f'<script async src="{door.url}/polku.js" data-key="{key}"></script>'
    page.locator("#way-gtm summary").click()
    assert key in page.locator("#code-gtm").inner_text()
    door.send(door.track("Product Viewed", "first-visitor"), key=key)
    arrivals = page.locator("#arrivals")
    arrivals.get_by_role("link", name="first-visitor").wait_for(timeout=20000)
    assert arrivals.get_by_text("my shop").first.is_visible()
    page.wait_for_function("getComputedStyle(document.querySelector('.ago'), '::after').content.includes('ago)')")
    assert page.locator("#new-key").inner_text() == key, "what is shown only once stays while events arrive"
    assert page.locator("#way-gtm").get_attribute("open") is not None
    for entry in door.project.keys.list():
        if entry.state() == "active":
            door.project.keys.revoke(entry.key.id)


@pytest.mark.browser
def test_events_arrive_and_can_be_paused(door: Door, page_of: Callable[..., Any]) -> None:
    door.send(door.track("Product Viewed", "before-the-pause"))
    page = page_of(locale="fi-FI")
    page.goto(door.url + "/live")
    page.get_by_role("link", name="before-the-pause").first.wait_for()
    door.send(door.track("Product Added", "while-watching"), {"type": "track", "userId": "no-name"})
    page.locator("#stream").get_by_role("link", name="while-watching").wait_for(timeout=20000)
    assert page.locator("#refused").get_by_text("tapahtuman nimi puuttuu").first.is_visible()
    page.get_by_role("link", name="Pysäytä").click()
    page.wait_for_url("**/live?until=*")
    door.send(door.track("Product Viewed", "while-paused"))
    page.wait_for_timeout(2500)
    assert page.get_by_role("link", name="while-paused").count() == 0
    page.get_by_role("link", name="Jatka").first.click()
    page.get_by_role("link", name="while-paused").wait_for()
    page.locator("select[name=event]").select_option("Product Added")
    page.get_by_role("button", name="Näytä").click()
    page.wait_for_url("**event=Product*")
    assert set(page.locator("#stream tbody th code").all_inner_texts()) == {"Product Added"}


@pytest.mark.browser
def test_scripts_in_every_field_are_text(door: Door, page_of: Callable[..., Any]) -> None:
    page = page_of(locale="en-GB")
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    door.send(
        {
            "type": "track", "event": NASTY, "userId": NASTY, "anonymousId": NASTY, "channel": NASTY,
            "properties": {NASTY: NASTY, "name": NASTY, "currency": NASTY},
            "context": {
                "page": {"path": NASTY, "url": NASTY, "title": NASTY, "referrer": NASTY}, "userAgent": "Mozilla/5.0",
                "campaign": {"source": NASTY, "name": NASTY}, "traits": {"segment": NASTY}, "library": {"name": NASTY},
            },
        },
        {"type": "track", NASTY: NASTY, "userId": NASTY},
        {"type": NASTY, "userId": NASTY},
    )  # fmt: skip
    for path in ("/live", "/connect", "/live?reason=no_event", "/live?customer=%3Cscript%3E&event=%3Cscript%3E"):
        page.goto(door.url + path)
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true })")
        assert page.locator("img, main script").count() == 0
    page.goto(door.url + "/live")
    assert NASTY in page.locator("#stream th code").first.inner_text()
    page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true })")
    assert any(NASTY.replace('"', '\\"') in text for text in page.locator(".raw pre").all_inner_texts())
    page.locator("#stream td a").first.click()
    page.get_by_role("heading", name=NASTY).wait_for()
    assert page.locator("img, main script").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_accessible(door: Door, page_of: Callable[..., Any], scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    door.send(door.track("Order Completed", "axe", revenue=1, currency="EUR"), {"type": "track"})
    page = page_of(width=width, color_scheme=scheme, locale="fi-FI", bypass_csp=True)
    for path in ("/live", "/connect"):
        page.goto(door.url + path)
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response
        assert [
            (path, rule["id"], node["html"][:120])
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ] == []


# -- in the terminal -------------------------------------------------------------------------------------------------


def test_in_the_terminal(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    door.send(door.track("Product Viewed", "terminal"), {"type": "track"})
    command = [sys.executable, "-m", "polku", "live", str(door.project.folder), "--json", "--follow", "--limit", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["name"] == "terminal"
            for n in itertools.count():
                door.send(door.track("Product Added", f"follower-{n}"))
                if json.loads(process.stdout.readline())["name"] == f"follower-{n}" or n > 3:
                    break
                time.sleep(0.1)
            assert n <= 3
        finally:
            process.kill()
    door.send(door.track("Product Viewed", "maija@asiakas.example"))
    with pytest.raises(SystemExit) as end:
        main(["live", str(door.project.folder), "--limit", "1"])
    assert end.value.code == 0
    assert "maija@asiakas.example" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["--language", "fi", "refusals", str(door.project.folder)])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert "tapahtuman nimi puuttuu (no_event)" in told
    assert "Anna tapahtumalle nimi" in told
