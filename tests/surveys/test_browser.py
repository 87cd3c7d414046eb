"""Surveys in a real browser: somebody answers by keyboard on a phone, and the shop reads, tags and replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from channels import shop
from polku.surveys import results
from polku.surveys.links import SurveyLink, path_of
from surveys import world
from web.conftest import Site, served

pytestmark = pytest.mark.browser
PageOf = Callable[..., Any]
#: What the shop sees.
PAGES = ("/surveys", "/survey/order_nps", "/surveys/answers", "/surveys/reviews", "/survey/counter/poster")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("surveys-browser") / "shop"
    with world.make(folder) as project:
        shop.customers(project, "anna")
        shop.arrive(project, world.order("anna"))
        yield from served(project)


def accessible(page: Any, axe: Axe) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), page.url
    found = axe.run(page).response
    grave = [
        (page.url, rule["id"], node["html"][:160], node["failureSummary"][:300])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert grave == []


def test_a_survey_is_answered_on_a_phone_and_read_by_the_shop(site: Site, page_of: PageOf) -> None:
    axe = Axe()
    phone = page_of(width=390, height=800, locale="fi-FI", color_scheme="dark", bypass_csp=True)
    link = SurveyLink("order_nps", ("user", "anna"), "1:0:a", "nps", "fi")
    with phone.expect_response(lambda answer: answer.request.method == "POST") as opened:
        phone.goto(f"{site.url}{path_of(site.project, link)}?score=4")
        accessible(phone, axe)  # somebody looks at it for a while
    assert opened.value.status == 204
    assert phone.get_by_role("radio", name="4").is_checked()
    phone.get_by_role("radio", name="4").focus()
    phone.keyboard.press("ArrowLeft")  # one worse, by keyboard alone
    phone.keyboard.press("Tab")
    phone.keyboard.type("Toimitus kesti")
    phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    phone.get_by_role("status").get_by_text("Kiitos paljon!").wait_for()
    review = SurveyLink("", ("user", "anna"), "2:0:a", language="fi", products=(("7", "Mekko"),))
    phone.goto(site.url + path_of(site.project, review))
    accessible(phone, axe)
    phone.get_by_role("radio", name="4 / 5 tähteä").check()
    phone.get_by_label("Omin sanoin").fill("Istuu hyvin")
    phone.get_by_role("button", name="Julkaise").click()
    phone.get_by_role("status").wait_for()
    with phone.expect_response(lambda answer: answer.request.method == "POST"):
        phone.goto(f"{site.url}/s/counter?via=qr")
        accessible(phone, axe)
    shown = world.told(site.project, "Survey Shown")
    assert [(one["properties"]["survey"], one["properties"]["via"], one["customer"] is None) for one in shown] == [
        ("order_nps", "email", False), ("counter", "qr", True),
    ]  # fmt: skip
    asked = results.results(site.project, site.project.journey(), "order_nps")
    assert (asked.opened.numerator, asked.opened.denominator, asked.shown.denominator) == (1, 1, 0)

    page = page_of(width=1200, locale="en-GB", bypass_csp=True)
    for path in PAGES:
        page.goto(site.url + path)
        accessible(page, axe)
    page.goto(f"{site.url}/surveys/answers")
    page.get_by_text("Toimitus kesti").wait_for()
    page.get_by_label("Tags, commas between them").fill("toimitus")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.goto(f"{site.url}/surveys/answers?tag=toimitus")
    assert page.get_by_text("NPS 3").is_visible()
    page.goto(f"{site.url}/surveys/reviews")
    page.get_by_text("Reply", exact=True).click()
    page.get_by_label("The reply that everybody sees").fill("Kiitos!")
    page.get_by_role("button", name="Publish the reply").click()
    page.get_by_text("Your reply").wait_for()
    page.goto(site.url)
    assert page.get_by_text("-2.0 (n 1)").or_(page.get_by_text("(n 1)")).first.is_visible()  # the feeling is solid now
