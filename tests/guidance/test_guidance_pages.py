"""The pages of rules over a project that lived: seen, run on the past, turned on, added from a pattern."""

from __future__ import annotations

import re
from typing import Any

import httpx

from guidance.shop import DAY, HOUR
from polku.guidance.rules import compile_rules
from polku.web.app import create_app
from web.inprocess import Client, loop_in_a_thread

CART = """
  - id: cart_reminder   # ours
    title: {fi: Korimuistutus, en: Cart reminder}
    when: {reached: cart, without: order, for: 4h}
    only_if: {consent: email}
    send: {channel: email, content: content/cart.en.md}
    holdout: 0 %
    state: on
"""


class Here(Client):
    """A client on the server's own machine, who may edit the map."""

    def __init__(self, app: Any, loop: Any) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True, client=("127.0.0.1", 1234))
        headers = {"Accept-Language": "en", "Origin": "http://testserver"}
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers, timeout=60)
        self._loop = loop


def test_rules_are_seen_run_turned_and_added(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.event("ben", "Product Added")
    made.wait(4 * HOUR)
    made.wait(DAY)
    made.event("carla", "Product Viewed")  # a past that ended is looked at as of its last event
    with loop_in_a_thread() as loop:
        client = Here(create_app(made.project), loop)
        page = client.get("/guidance?lang=en")
        assert page.status_code == 200
        assert "Cart is reached, and not within 4 h: Order is reached" in page.text
        assert "sending is off" in page.text
        data = client.get("/api/guidance").json()
        assert data["rules"][0]["runs"] == {"done": 1, "left": 1}
        assert data["rules"][0]["messages"] == {"waiting": 1}

        one = client.get("/guidance/cart_reminder?last=all")
        assert one.status_code == 200, one.text
        assert "without consent" in one.text
        assert "consent to email: never given" in one.text
        told = client.get("/api/guidance/cart_reminder/replay", params={"last": "all"}).json()
        assert told["outcomes"] == {"reached": 1, "no_consent": 1}
        assert client.get("/api/guidance/cart_reminder/proof").json()["treated"]["entered"] == 1
        why = client.get("/api/guidance/cart_reminder/why", params={"customer": "ben"}).json()
        assert [n["what"] for n in why["stories"][0]["notes"]] == ["entered", "waits", "not_met"]
        assert client.get("/guidance/nothing").status_code == 404
        assert client.get("/guidance/cart_reminder?last=never").status_code == 400

        customer = client.get("/customers/anna")
        assert "Message on email: content/cart.en.md" in customer.text
        assert "Entered the rule: Cart." in customer.text

        token, mark = (re.search(f'name="{n}" value="([^"]+)"', one.text)[1] for n in ("token", "mark"))
        before = made.project.map_file.read_text(encoding="utf-8")
        done = client.post("/guidance/cart_reminder", data={"token": token, "mark": mark, "state": "off"})
        assert done.status_code == 303, done.text
        after = made.project.map_file.read_text(encoding="utf-8")
        assert after == before.replace("state: on", "state: off")
        stale = client.post("/guidance/cart_reminder", data={"token": token, "mark": mark, "state": "on"})
        assert stale.status_code == 409
        assert "state: off" in stale.text
        assert made.project.map_file.read_text(encoding="utf-8") == after

        was = compile_rules(made.project.journey(), ("off",))[0].version
        made.write(CART.replace("4h", "9h"))
        made.tick()
        name = f"cart_reminder@{was}"
        both = client.get("/guidance/cart_reminder", params={"last": "all", "against": name})
        assert f'<option value="{name}" selected>this rule until' in both.text
        told = client.get("/api/guidance/cart_reminder/replay", params={"last": "all", "against": name}).json()
        assert [r["version"] == was for r in told["replays"]] == [False, True]
        assert client.get("/guidance/cart_reminder?last=all&against=nothing").status_code == 400
        assert client.get("/guidance/cart_reminder?last=all&against=cart_reminder@1").status_code == 400

        letter = "  - {id: letter, when: {every: day}, send: {channel: email, content: a.md}, state: on}\n"
        made.write(CART + letter)
        made.tick()
        made.wait(DAY)
        told = client.get("/guidance/letter").text
        assert re.search(
            r'Looks at everybody.*<td class="right">3</td><td class="right">3</td><td>done</td>', told, re.S
        )

        added = client.post("/guidance/add-pattern", data={"token": token, "name": "thank_you"})
        assert added.headers["location"] == "/guidance/thank_you"
        assert (made.folder / "content" / "order_thanks.en.md").is_file()
        assert client.get("/guidance/thank_you?lang=fi").status_code == 200
        assert client.post("/guidance/add-pattern", data={"token": token, "name": "thank"}).status_code == 400
        client.close()
