"""Guidance in a real browser: a rule is built from nothing, run on the past, turned on, and its letter arrives."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe

from channels import receivers
from channels import shop as shops
from polku.jobs import Runner, jobs
from polku.journey.load import load_journey
from polku.record import tables
from polku.record.project import Project

from .conftest import Site, served

pytestmark = pytest.mark.browser
PageOf = Callable[..., Any]
#: What of a server's work the story needs.
JOBS = ("guidance", "sending")
#: The longest that anything is waited for, in seconds: a machine that does other work too is slow.
LONGEST = 90


class Here:
    """A served shop whose rules run and whose letters arrive in ``mailbox``."""

    def __init__(self, site: Site, mailbox: receivers.Mailbox) -> None:
        self.site, self.mailbox, self.project = site, mailbox, site.project
        self.url = site.url

    def send(self, event: str, user: str, **more: Any) -> None:
        """An event by HTTP, as a shop's server sends it."""
        body = {"type": "track", "event": event, "userId": user, **more}
        answer = httpx.post(f"{self.url}/v1/track", json=body, timeout=60)
        assert answer.status_code == 200, answer.text

    def file(self) -> str:
        return self.project.map_file.read_text(encoding="utf-8")


def until(met: Callable[[], Any]) -> Any:
    """What ``met`` gives as soon as it gives something."""
    end = time.monotonic() + LONGEST
    while not (found := met()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("guidance") / "shop"
    with receivers.smtp() as (mailbox, port), shops.make(folder, port) as project:
        (folder / "content" / "cart.en.md").write_text("---\nsubject: Your cart waits\n---\nCome back!\n", "utf-8")
        runner = Runner(project, tuple(job for job in jobs(project) if job.name in JOBS))
        for site in served(project):
            runner.start()
            yield Here(site, mailbox)
            runner.stop()


def settled(page: Any, text: str) -> None:
    """Wait until the source on the page has ``text`` and the past has been counted."""
    page.wait_for_function("text => document.querySelector('#source').value.includes(text)", arg=text)
    page.wait_for_function("() => !document.querySelector('#editor-count').classList.contains('waits')")


def test_a_rule_is_built_run_on_the_past_turned_on_and_its_letter_arrives(here: Here, page_of: PageOf) -> None:
    agreed = {"consent": {"categoryPreferences": {"email": True, "analytics": True}}}
    yesterday = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).isoformat()
    shops.customers(here.project, "anna", "ben")
    for user in ("anna", "ben"):
        here.send("Product Added", user, timestamp=yesterday, properties={"products": [{"name": "Mekko"}]})

    page = page_of(locale="en-GB")
    page.goto(f"{here.url}/guidance")
    page.get_by_role("link", name="New rule").click()
    page.get_by_role("link", name="Begin with nothing").click()
    page.get_by_label("Name en").fill("A cart left behind")
    settled(page, "id: a_cart_left_behind")  # the rule is called after its title
    page.get_by_label("Which 1").select_option("cart")
    settled(page, "reached: cart")
    page.get_by_label("Content").select_option("content/cart.en.md")
    settled(page, "content: content/cart.en.md")
    page.get_by_label("Held out, to compare with").fill("0 %")
    page.get_by_label("Judged by").select_option("first_order")
    settled(page, "judge_by: first_order")
    # the other way round: the source is written, and the form follows
    source = page.locator("#source")
    source.fill(source.input_value().replace("reached: cart", "reached: carts"))
    page.locator(".fault-beside", has_text="carts").wait_for()
    assert page.get_by_label("Which 1").get_attribute("aria-invalid") == "true"
    source.fill(source.input_value().replace("reached: carts", "reached: cart") + "# the first that we built\n")
    page.locator("#editor-faults .tag.good").wait_for()
    page.locator("#editor-count .would-parts").get_by_text("without consent").wait_for()  # they agreed today only
    page.get_by_label("as if everybody had agreed").check()
    page.wait_for_function("() => document.querySelector('#editor-count .n')?.textContent.trim().startsWith('2')")
    assert "a_cart_left_behind" not in here.file()
    page.get_by_role("button", name="Save").first.click()
    page.wait_for_url("**/guidance/a_cart_left_behind?saved=*")
    assert "# the first that we built" in here.file()

    page.get_by_label("as if everybody had agreed").check()
    page.get_by_role("button", name="Run on the past").click()
    page.wait_for_url("**last=*")
    assert page.locator("section[aria-labelledby=dry] .n").first.inner_text().startswith("2")
    page.get_by_role("button", name="Turn on").click()
    page.locator("h1 .tag.good").wait_for()
    rule = next(g for g in load_journey(here.project.map_file).guidance if g.id == "a_cart_left_behind")
    assert rule.state == "on"
    page.goto(f"{here.url}/outbox")
    page.get_by_role("button", name="Turn sending on").click()
    page.get_by_text("sending is on").wait_for()

    versions = sa.select(tables.rule_versions.c.rule).where(tables.rule_versions.c.rule == rule.id)
    until(lambda: _rows(here.project, versions))  # it listens from now on
    here.send("Product Added", "anna", context=agreed, properties={"products": [{"name": "Takki"}]})
    letter = until(lambda: here.mailbox.letters)[0]
    assert letter.rcpt_tos == ["anna@example.fi"]
    assert b"Takki" in letter.content or b"Your cart waits" in letter.content

    until(lambda: httpx.get(f"{here.url}/api/outbox?state=sent&customer=anna", timeout=60).json()["messages"])
    page.goto(f"{here.url}/outbox?customer=anna&text=cart")
    page.locator("tbody th a").first.click()
    page.locator("dd", has_text="sent").first.wait_for()
    page.goto(f"{here.url}/customers/anna")
    told = page.locator("section[aria-labelledby=sent]")
    told.locator("summary").first.click()
    assert "Entered the rule" in told.inner_text()
    assert len(here.mailbox.letters) == 1  # the past and ben got nothing


def _rows(project: Project, query: Any) -> Any:
    with project.state.read() as connection:
        return connection.execute(query).all()


def tab_to(page: Any, wanted: str) -> None:
    """Press Tab until what has the focus is ``wanted``."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


def test_with_the_keyboard_alone(here: Here, page_of: PageOf) -> None:
    page = page_of(locale="fi-FI")
    page.goto(f"{here.url}/guidance/new-rule?begin=empty")
    page.locator("#editor-count .n").wait_for()
    tab_to(page, "[name='f:title!fi']")
    page.keyboard.press("Control+a")
    page.keyboard.type("Kiitos tilauksesta")
    tab_to(page, "[name='f:when.reached!0']")
    page.keyboard.type("Tilaus")
    settled(page, "reached: order")
    tab_to(page, "button[value='add:do:wait']")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.name === 'f:do.0.wait.!wait'")  # in the new step
    tab_to(page, "[name='f:do.0.wait']")
    page.keyboard.press("Control+a")
    page.keyboard.type("2d")
    settled(page, "wait: 2d")
    page.keyboard.press("Shift+Tab")
    for _ in range(6):
        if page.evaluate("document.activeElement.value") == "up:do.0":
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('[data-step]').dataset.step === 'do.0'")
    page.wait_for_function("() => document.activeElement.closest('[data-step]')?.dataset.step === 'do.0'")
    settled(page, "do:\n  - {wait: 2d}\n  - send:")
    page.keyboard.press("Control+s")
    page.wait_for_url("**/guidance/*?saved=*")
    rule = load_journey(here.project.map_file).guidance[-1]
    assert (rule.id, rule.when["reached"], rule.state) == ("new_rule", "order", "draft")
    assert [*rule.do[0]] == ["wait"]


PAGES = (
    "/guidance", "/guidance/new-rule", "/guidance/new-rule?begin=empty", "/guidance/cart_reminder",
    "/guidance/cart_reminder/edit", "/content", "/content/piece?piece=content/cart.fi.md",
    "/content/edit?piece=content/cart.fi.md", "/content/new", "/experiments?show=all", "/outbox", "/outbox/addresses",
    "/tasks", "/on-site",
)  # fmt: skip
SCHEMES = ("light", "dark")


@pytest.mark.parametrize(("first", "locale", "width"), [("light", "fi-FI", 1400), ("dark", "en-GB", 390)])
def test_accessible(here: Here, page_of: PageOf, first: str, locale: str, width: int) -> None:
    """No finding of axe-core that is serious or critical: all rules in one scheme, in the other those of colours, for
    nothing else differs between them."""
    axe = Axe()
    page = page_of(width=width, color_scheme=first, locale=locale, bypass_csp=True, reduced_motion="reduce")
    for path in PAGES:
        page.emulate_media(color_scheme=first)
        page.goto(here.url + path)
        if path.endswith("/edit"):  # with a branch, and with a fault
            page.locator("button[value='add:do:if']").last.press("Enter")
            page.locator("[data-step='do.0'], [data-step='do.1']").first.wait_for()
            page.locator("#source").fill(page.locator("#source").input_value().replace("when:", "whem:"))
            page.locator("#editor-faults .bad").first.wait_for()
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
        assert grave(axe.run(page).response) == [], path
        page.emulate_media(color_scheme=next(s for s in SCHEMES if s != first))
        colours = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}
        assert grave(axe.run(page, options=colours).response) == [], path


def grave(found: Any) -> list[tuple[str, str, str]]:
    """The findings that are serious or critical: the rule, the element, what is wrong."""
    return [
        (rule["id"], node["html"][:160], node["failureSummary"][:300])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
