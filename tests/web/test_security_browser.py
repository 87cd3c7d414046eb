"""Signing in with a real browser: by the keyboard, on a phone, and with a session that has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
from axe_playwright_python.sync_playwright import Axe

from polku.access import passwords
from polku.access.entrance import Entrance
from polku.record.project import Project, create_project
from polku.web.serve import serve

from . import world

WORD = "correct horse battery"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, dict[str, str]]]:
    """A project that nobody can sign in to yet: its address, and the first owner's link."""
    folder = tmp_path_factory.mktemp("browser") / "shop"
    folder.mkdir()
    (folder / "journey.yaml").write_bytes(Path(world.MAP).read_bytes())
    stop, ready, found = threading.Event(), threading.Event(), {}

    def first(url: str) -> None:
        found["link"] = url
        ready.set()

    with pytest.MonkeyPatch.context() as patch, create_project(folder, "en") as project:
        patch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobody.cache_clear()
        thread = threading.Thread(
            target=serve,
            args=(project, "127.0.0.1", 0, lambda url, moved: found.update(url=url.rstrip("/"))),
            kwargs={"sign_in": "always", "stop": stop, "on_first": first},
        )
        thread.start()
        assert ready.wait(60)
        yield project, found
        stop.set()
        thread.join(20)


def test_from_the_first_link_to_an_invited_colleague(
    served: tuple[Project, dict[str, str]], page_of: Callable[..., Any]
) -> None:
    """The whole way by the keyboard under the strict policy; then the colleague on a phone, in Finnish."""
    project, found = served
    page = page_of(locale="en-GB")
    page.goto(found["link"])
    for text in ("Anna@Shop.example", "Tab", WORD, "Tab", WORD, "Enter"):
        page.keyboard.press(text) if text in ("Tab", "Enter") else page.keyboard.type(text)
    page.wait_for_url(f"{found['url']}/")
    assert page.locator("a.account").inner_text() == "anna@shop.example"
    page.goto(f"{found['url']}/settings/people")
    page.get_by_label("Name, such as an e-mail address").focus()
    for text in ("ben", "Tab", "Tab", "Enter"):
        page.keyboard.press(text) if text in ("Tab", "Enter") else page.keyboard.type(text)
    link = page.locator(".once code").inner_text()
    assert link.startswith(f"{found['url']}/welcome/")

    phone = page_of(390, 800, locale="fi-FI", color_scheme="dark")
    phone.goto(link)
    assert "Tervetuloa, ben" in phone.inner_text("main")
    phone.get_by_label("Salasana").fill(WORD)
    phone.get_by_label("Sama uudelleen").fill(WORD)
    phone.get_by_role("button", name="Jatka sisään").click()
    phone.wait_for_url(f"{found['url']}/")
    for path in ("/", "/account"):
        phone.goto(found["url"] + path)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, path
    assert phone.locator("a[href='/settings/people']").count() == 0, "a viewer's menu has what a viewer may see"

    Entrance(project, beyond=True).sessions.close_all(Entrance(project, beyond=True).users.get("ben").id)
    phone.goto(f"{found['url']}/customers")
    assert phone.url.endswith("/sign-in?next=%2Fcustomers")
    phone.get_by_label("Nimi").fill("ben")
    phone.get_by_label("Salasana").fill(WORD)
    phone.keyboard.press("Enter")
    phone.wait_for_url(f"{found['url']}/customers")


def test_keys_people_and_the_log_are_accessible(
    served: tuple[Project, dict[str, str]], page_of: Callable[..., Any]
) -> None:
    project, found = served
    entrance = Entrance(project, beyond=True)
    if not entrance.users.any():
        entrance.users.add("anna@shop.example", "owner", WORD)
    for scopes in (["write"], ["read", "write"]):
        project.keys.create("web shop", scopes, by="anna")
    page = page_of(locale="en-GB", bypass_csp=True)  # axe is injected as an inline script
    page.goto(f"{found['url']}/sign-in")
    checked(page)
    page.get_by_label("Name").fill("anna@shop.example")
    page.get_by_label("Password").fill(WORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{found['url']}/")
    for path in ("/settings/people", "/settings/keys", "/settings/audit", "/account"):
        page.goto(found["url"] + path)
        checked(page)


def checked(page: Any) -> None:
    """No finding of axe-core on a page, and it has looked."""
    found = Axe().run(page)
    assert len(found.response["passes"]) > 10
    assert found.violations_count == 0, found.generate_report()
