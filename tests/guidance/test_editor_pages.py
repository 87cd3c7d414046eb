"""The editors' pages as one without a script uses them: forms are sent, faults are told, and what changed is shown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from guidance.shop import HOUR, Shop
from guidance.test_guidance_pages import Here
from polku.web.app import create_app
from web.inprocess import loop_in_a_thread

RULES = """
  # the first of them
  - id: cart_reminder   # ours
    title: {fi: Korimuistutus, en: Cart reminder}
    when: {reached: cart, without: order, for: 4h}  # four hours
    only_if: {consent: email}
    send: {channel: email, content: content/cart.en.md}
    holdout: 0 %
    state: on
  - id: thanks
    when: {reached: order}
    send: {channel: email, variants: {a: content/cart.en.md, b: content/b.en.md}}
    state: on
"""
PIECE = "---\nsubject: Your cart  # short\n---\nHello {{ customer.first_name | default: 'you' }}!\n"
HIDDEN = re.compile(r'<input type="hidden" name="(token|mark|sheet|piece)" value="([^"]*)"')
AREA = re.compile(
    r'<textarea[^>]* name="(base|source)"[^>]*>\n?(.*?)</textarea>|<textarea name="(base)"[^>]*>\n?(.*?)</textarea>',
    re.DOTALL,
)


def form_in(page: str) -> dict[str, str]:
    """The form of an editor as it was drawn: its hidden fields and its two texts."""
    found = dict(HIDDEN.findall(page))
    for name, text, other, more in AREA.findall(page):
        found[name or other] = html.unescape(text or more)
    return found


def shown(page: str) -> str:
    return html.unescape(page)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Any]]:
    """A shop whose reminder was decided once, and a client who may edit its map."""
    made = Shop(tmp_path_factory.mktemp("editor") / "shop", RULES)
    for name, text in (("cart.en", PIECE), ("cart.fi", PIECE), ("b.en", PIECE)):
        file = made.folder / "content" / f"{name}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    made.consent("anna")
    made.event("anna", "Product Added")
    made.wait(30 * HOUR)
    made.event("anna", "Product Viewed")
    with loop_in_a_thread() as loop:
        client = Here(create_app(made.project), loop)
        yield made, client
        client.close()
    made.close()


def test_a_change_in_the_form_is_written_and_comments_stay(world):
    shop, client = world
    before = shop.project.map_file.read_text(encoding="utf-8")
    page = client.get("/guidance/cart_reminder/edit")
    assert page.status_code == 200
    form = form_in(page.text)
    assert form["source"].startswith("id: cart_reminder   # ours\n")
    taken = client.post("/guidance/cart_reminder/edit", data={**form, "do": "check", "f:when.for": "6h"})
    form = form_in(taken.text)
    assert "for: 6h}  # four hours" in form["source"]
    assert shop.project.map_file.read_text(encoding="utf-8") == before  # nothing is written before it is saved
    done = client.post("/guidance/cart_reminder/edit", data={**form, "do": "save"})
    assert done.status_code == 303, done.text
    assert shop.project.map_file.read_text(encoding="utf-8") == before.replace("for: 4h", "for: 6h")
    assert (
        f"on line {before[: before.index('- id: cart')].count(chr(10)) + 1}"
        in client.get(done.headers["location"]).text
    )
    assert [e.action for e in shop.project.audit.entries() if e.about == "cart_reminder"][-1] == "rule.saved"


def test_every_fault_is_told_with_its_line_beside_its_field_and_nothing_is_saved(world):
    shop, client = world
    before = shop.project.map_file.read_bytes()
    form = form_in(client.get("/guidance/cart_reminder/edit").text)
    bad = form["source"].replace("reached: cart", "reached: carrt").replace("consent: email", "consnt: email")
    told = client.post("/guidance/cart_reminder/edit?lang=fi", data={**form, "source": bad, "do": "save"})
    assert told.status_code == 400
    page = shown(told.text)
    lines = before.decode().splitlines()
    when = next(n for n, line in enumerate(lines, 1) if "four hours" in line)
    assert re.search(rf'data-line="{when}">rivi {when}</a>[^<]*carrt', page)
    assert re.search(rf'data-line="{when + 1}">rivi {when + 1}</a>[^<]*consnt', page)
    assert re.search(r'id="f:when.reached-faults"><span class="bad">[^<]*carrt', page)
    assert 'aria-invalid="true"' in page
    assert shop.project.map_file.read_bytes() == before
    broken = client.post("/guidance/cart_reminder/edit?lang=en", data={**form, "source": "when: [", "do": "check"})
    assert "The form follows when the source reads again." in broken.text
    assert form_in(broken.text)["source"] == "when: [\n"
    assert form_in(broken.text)["base"] == form["source"]  # the form stays that of before
    other = client.post(
        "/guidance/cart_reminder/edit",
        data={**form, "source": form["source"].replace("cart_reminder", "cart"), "do": "save"},
    )
    assert other.status_code == 400
    assert "The id of a rule stays" in other.text


def test_when_the_file_has_changed_both_are_shown_and_the_person_chooses(world):
    shop, client = world
    form = form_in(client.get("/guidance/cart_reminder/edit").text)
    theirs = shop.project.map_file.read_text(encoding="utf-8").replace("holdout: 0 %", "holdout: 5 %  # by Anna")
    shop.project.map_file.write_text(theirs, encoding="utf-8")
    mine = {**form, "source": form["source"].replace("Korimuistutus", "Muistutus korista")}
    assert "changed meanwhile" in client.post("/guidance/cart_reminder/edit", data={**mine, "do": "check"}).text
    both = client.post("/guidance/cart_reminder/edit", data={**mine, "do": "save"})
    assert both.status_code == 409
    page = shown(both.text)
    assert "This very rule has been changed" in page
    assert re.search(r"<pre[^>]*><code>[^<]*holdout: 5 %  # by Anna", page)
    assert "-holdout: 5 %  # by Anna" in page
    assert shop.project.map_file.read_text(encoding="utf-8") == theirs
    together = form_in(both.text.partition('<form class="both"')[0])  # the changes are of different lines
    assert "Muistutus korista" in together["source"]
    assert "holdout: 5 %  # by Anna" in together["source"]
    merged = form_in(both.text)
    assert "Muistutus korista" in merged["source"]
    assert "by Anna" not in merged["source"]
    merged["source"] = merged["source"].replace("holdout: 0 %", "holdout: 5 %  # by Anna")
    assert client.post("/guidance/cart_reminder/edit", data={**merged, "do": "save"}).status_code == 303
    after = shop.project.map_file.read_text(encoding="utf-8")
    assert after == theirs.replace("Korimuistutus", "Muistutus korista")
    # the same line: nothing is offered
    form = form_in(client.get("/guidance/cart_reminder/edit").text)
    shop.project.map_file.write_text(after.replace("holdout: 5 %", "holdout: 6 %"), encoding="utf-8")
    mine = {**form, "source": form["source"].replace("holdout: 5 %", "holdout: 7 %")}
    both = client.post("/guidance/cart_reminder/edit", data={**mine, "do": "save"})
    assert both.status_code == 409
    assert "Save both together" not in both.text
    # changes of different lines, saved together by one button
    form = form_in(client.get("/guidance/cart_reminder/edit").text)
    shop.project.map_file.write_text(after, encoding="utf-8")
    mine = {**form, "source": form["source"].replace("Muistutus korista", "Korimuistutus")}
    both = client.post("/guidance/cart_reminder/edit", data={**mine, "do": "save"})
    together = form_in(both.text.partition('<form class="both"')[0])
    assert client.post("/guidance/cart_reminder/edit", data={**together, "do": "save"}).status_code == 303
    assert shop.project.map_file.read_text(encoding="utf-8") == theirs


def test_a_rule_is_begun_copied_and_taken_away(world):
    shop, client = world
    assert "Begin with nothing" in client.get("/guidance/new-rule").text
    form = form_in(client.get("/guidance/new-rule?begin=empty").text)
    assert "id: new_rule" in form["source"]
    added = {**form, "f:title": "Browse: reminder", "do": "add:do:wait"}
    form = form_in(client.post("/guidance/new-rule", data=added).text)
    assert "- {wait: 1d}" in form["source"]
    done = client.post("/guidance/new-rule", data={**form, "do": "save"})
    assert done.headers["location"].startswith("/guidance/browse_reminder?saved=")
    copy = form_in(client.get("/guidance/new-rule?copy=cart_reminder").text)
    assert copy["source"].startswith("id: cart_reminder_2   # ours\n")
    assert "state: draft" in copy["source"]
    assert client.get("/guidance/new-rule?copy=nothing").status_code == 404
    assert client.get("/guidance/new").status_code == 404  # an id like any other, and no rule has it
    again = form_in(client.get("/guidance/browse_reminder/edit").text)
    gone = client.post("/guidance/browse_reminder/edit", data={**again, "do": "delete"})
    assert gone.status_code == 303
    assert "browse_reminder" not in shop.project.map_file.read_text(encoding="utf-8")
    stale = form_in(client.get("/guidance/thanks/edit").text)
    kept = client.post("/guidance/thanks/edit", data={**stale, "mark": "old", "do": "delete"})
    assert kept.status_code == 409
    assert "id: thanks" in shop.project.map_file.read_text(encoding="utf-8")


def test_what_it_would_have_done_is_counted_as_it_stands_on_the_page(world):
    _, client = world
    form = form_in(client.get("/guidance/cart_reminder/edit").text)
    counted = client.post("/guidance/cart_reminder/edit?lang=en", data={**form, "do": "count", "last": "1y"})
    assert re.search(r'<p class="n">1 <small>person would have been reached', counted.text)
    nobody = {**form, "source": form["source"].replace("reached: cart", "reached: review"), "do": "count", "last": "1y"}
    assert re.search(r'<p class="n">0 <small>people', client.post("/guidance/cart_reminder/edit", data=nobody).text)
    bad = {**form, "source": form["source"].replace("reached: cart", "reached: x"), "do": "count"}
    assert "It is counted when the faults are mended." in client.post("/guidance/cart_reminder/edit", data=bad).text


def test_a_piece_is_written_checked_shown_and_both_are_shown_when_it_changed(world):
    shop, client = world
    file = shop.folder / "content" / "cart.en.md"
    form = form_in(client.get("/content/edit?piece=content/cart.en.md&customer=anna").text)
    assert form["source"] == PIECE
    made = client.post(
        "/content/edit", data={**form, "do": "check", "f:subject": "Hi: {{ customer.nam }}", "customer": "anna"}
    )
    form = form_in(made.text)
    assert "subject: 'Hi: {{ customer.nam }}'  # short\n" in form["source"]
    assert "customer.nam" in shown(made.text).partition('class="faults"')[2]
    draft = client.get("/content/edit?piece=content/cart.en.md&customer=anna").text
    frame = re.search(r'<iframe[^>]* src="([^"]*)"', draft)
    assert frame is not None
    letter = client.get(html.unescape(frame[1]))
    assert "Hello you!" in letter.text
    assert "sandbox" in letter.headers["content-security-policy"]
    broken = client.post("/content/edit", data={**form, "source": "---\nsubject: [\n", "do": "save"})
    assert broken.status_code == 400
    assert file.read_text(encoding="utf-8") == PIECE
    file.write_text(PIECE + "Theirs.\n", encoding="utf-8")
    both = client.post("/content/edit", data={**form, "source": PIECE + "Mine.\n", "do": "save"})
    assert both.status_code == 409
    assert "Theirs." in both.text
    merged = form_in(both.text)
    assert client.post("/content/edit", data={**merged, "do": "save"}).status_code == 303
    assert file.read_text(encoding="utf-8") == PIECE + "Mine.\n"
    form = form_in(client.get("/content/edit?piece=content/cart.en.md").text)
    file.write_text(PIECE.replace("Your cart", "Your own cart") + "Mine.\n", encoding="utf-8")
    both = client.post("/content/edit", data={**form, "source": PIECE + "Ours.\n", "do": "save"})
    together = form_in(both.text.partition('<form class="both"')[0])
    assert client.post("/content/edit", data={**together, "do": "save"}).status_code == 303
    assert file.read_text(encoding="utf-8") == PIECE.replace("Your cart", "Your own cart") + "Ours.\n"
    held = form_in(client.get("/content/edit?piece=content/cart.en.md").text)
    assert client.post("/content/edit", data={**held, "do": "delete"}).status_code == 400  # a rule sends it
    assert file.exists()


def test_a_new_piece_in_both_languages(world):
    shop, client = world
    token = form_in(client.get("/content/new").text)["token"]
    done = client.post("/content/new", data={"token": token, "name": "welcome", "fi": "yes", "en": "yes"})
    assert done.status_code == 303
    assert {p.name for p in (shop.folder / "content").glob("welcome.*")} == {"welcome.fi.md", "welcome.en.md"}
    again = client.post("/content/new", data={"token": token, "name": "welcome", "fi": "yes"})
    assert again.status_code == 400
    assert client.post("/content/new", data={"token": token, "name": "../out", "fi": "yes"}).status_code == 400
    assert client.get("/content/edit?piece=content/../journey.yaml").status_code == 404
    words = form_in(client.get("/content/edit?piece=content/facts.yaml").text)
    saved = client.post("/content/edit", data={**words, "source": "shop:\n  url: https://shop.example\n", "do": "save"})
    assert saved.status_code == 303
    assert (shop.folder / "content" / "facts.yaml").is_file()


def test_the_outbox_is_searched_and_experiments_are_listed(world):
    _, client = world
    assert "content/cart.en.md" in client.get("/outbox?text=CART.en&rule=cart_reminder").text
    assert "There is no such message." in client.get("/outbox?text=50%25 off").text
    day = re.search(r"\d{4}-\d{2}-\d{2}", client.get("/api/outbox").json()["messages"][0]["made_at"])
    assert day is not None
    assert client.get(f"/api/outbox?day={day[0]}").json()["messages"]
    assert client.get("/api/outbox?day=2001-01-01").json()["messages"] == []
    assert client.get("/outbox?day=yesterday").status_code == 400
    found = client.get("/experiments?lang=en").text
    assert "Contents of one message" in found
    assert "50%" in found
    assert client.get("/experiments?show=all&lang=fi").status_code == 200
    assert client.get("/live").status_code == 200


def test_a_variant_is_adopted_with_one_click(world):
    shop, client = world
    page = client.get("/guidance/thanks?lang=en").text
    assert "Contents of one message" in page
    form = re.search(r'action="/guidance/thanks/adopt".*?</form>', page, re.DOTALL)
    assert form is not None
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    stale = client.post("/guidance/thanks/adopt", data={**sent, "variant": "b", "mark": "old"})
    assert stale.status_code == 409
    assert "variants" in shop.project.map_file.read_text(encoding="utf-8")
    assert client.post("/guidance/thanks/adopt", data={**sent, "variant": "z"}).status_code == 400
    done = client.post("/guidance/thanks/adopt", data={**sent, "variant": "b"})
    assert done.status_code == 303, done.text
    text = shop.project.map_file.read_text(encoding="utf-8")
    assert "send: {channel: email, content: content/b.en.md}" in text
    assert "variants" not in text


def test_what_a_rule_sent_is_told_when_it_is_taken_away(world):
    shop, client = world
    form = form_in(client.get("/guidance/cart_reminder/edit").text)
    assert client.post("/guidance/cart_reminder/edit", data={**form, "do": "delete"}).status_code == 303
    page = client.get("/customers/anna?lang=en").text
    assert "removed from the map since" in page
    assert "content/cart.en.md" in page
    assert 'href="/guidance/cart_reminder"' not in page
    assert "# the first of them" in shop.project.map_file.read_text(encoding="utf-8")
