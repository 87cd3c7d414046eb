"""The whole way of an invitation in a real browser: launched by keyboard, sent by the server, answered on a phone."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe

from campaigns.shop import PARTY
from campaigns.test_invitations import letter_of
from channels import receivers
from polku.campaigns import running
from polku.guidance import sending
from polku.guidance.switch import turn
from web.conftest import served

pytestmark = pytest.mark.browser

LIST = "audiences:\n  buyers: {of: earlier, for: [meta, google]}"


def grave(page) -> list[tuple[str, str]]:
    """Findings of axe-core that are serious or critical."""
    return [
        (rule["id"], node["html"][:120])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_an_invitation_is_launched_sent_and_answered(shop, page_of):
    with receivers.smtp() as (box, port):
        made = shop(PARTY, LIST, port=port)
        made.people("anna", consent={"email": True, "ads": True, "analytics": True})
        turn(made.project, True, "mikko")
        with contextmanager(served)(made.project) as site:
            page = page_of(locale="en-GB", bypass_csp=True)
            page.goto(site.url + "/campaigns")
            page.get_by_role("link", name="Party").press("Enter")
            page.get_by_text("of 1 in the segment").wait_for()
            assert page.frame_locator("iframe").get_by_text("I am coming").is_visible()
            assert grave(page) == []
            page.get_by_label("It may go to everybody it reaches (1 as of now)").press("Space")
            page.get_by_role("button", name="Launch", exact=True).press("Enter")
            page.get_by_text("How it goes").wait_for()
            assert running.due(made.project)
            running.run(made.project)
            assert sending.send(made.project) == {"sent": 1}
            to, subject, links = letter_of(box.letters[0])
            assert (to, subject) == ("anna@example.fi", "You are invited: Summer party")

            phone = page_of(width=390, height=844, locale="fi-FI", color_scheme="dark", bypass_csp=True)
            phone.goto(site.url + links[0])
            phone.get_by_role("heading", name="Kesäjuhla").wait_for()
            assert grave(phone) == []
            phone.get_by_label("Montako tulee kanssasi").fill("1")
            phone.get_by_role("button", name="Lähetä vastaus").click()
            phone.get_by_text("Olet tulossa. Tervetuloa!").wait_for()

            page.reload()
            page.get_by_text("come (1 of them as guests); 0 of 2 places left").wait_for()
            assert grave(page) == []
            page.goto(site.url + "/audiences/buyers")
            page.get_by_role("button", name="Refresh now").press("Enter")
            page.get_by_text("1 people, refreshed").wait_for()
            assert grave(page) == []
