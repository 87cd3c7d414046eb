"""The editor of the whole map as one without a script uses it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guidance.shop import Shop
from guidance.test_guidance_pages import Here
from polku.web.app import create_app
from web.inprocess import loop_in_a_thread

AREA = re.compile(r'<textarea[^>]* name="source"[^>]*>\n?(.*?)</textarea>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="(token|mark)" value="([^"]*)"')


def form_in(page: str) -> dict[str, str]:
    """The first form of the editor: its hidden fields and its text."""
    area = AREA.search(page)
    assert area is not None
    return {**dict(HIDDEN.findall(page[: area.start()])), "source": html.unescape(area[1])}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Shop, Any]]:
    made = Shop(tmp_path / "shop", "  - {id: thanks, when: {reached: order}, state: draft}\n")
    with loop_in_a_thread() as loop:
        client = Here(create_app(made.project), loop)
        yield made, client
        client.close()
    made.close()


def test_the_map_is_edited_checked_and_both_are_shown_when_it_changed(world: tuple[Shop, Any]) -> None:
    shop, client = world
    file = shop.project.map_file
    text = file.read_text(encoding="utf-8")
    page = client.get("/map/edit?at=segments.fans").text
    assert f'data-at="{text.splitlines().index("  fans: count(order) >= 2") + 1}"' in page
    form = form_in(page)
    assert form["source"] == text

    faulty = {**form, "source": text.replace("touchpoints:", "tuchpoints:", 1)}
    told = html.unescape(client.post("/map/edit", data={**faulty, "do": "check"}).text)
    assert "tuchpoints" in told.partition('class="faults"')[2]
    assert client.post("/map/edit", data={**faulty, "do": "save"}).status_code == 400
    assert client.post("/map/edit", data={**form, "source": ": {", "do": "check"}).status_code == 200
    assert file.read_text(encoding="utf-8") == text

    mine = text.replace("title: Shop", "title: Our shop  # mine")
    assert (
        client.post("/map/edit", data={**form, "source": mine.replace("\n", "\r\n"), "do": "save"}).status_code == 303
    )
    assert file.read_text(encoding="utf-8") == mine
    assert shop.project.audit.entries()[0].action == "map.saved"

    # others write elsewhere meanwhile: both fit into one text
    form = form_in(client.get("/map/edit").text)
    file.write_text(mine.replace("state: draft", "state: off"), encoding="utf-8")
    again = {**form, "source": mine.replace("# mine", "# ours")}
    assert "changed meanwhile" in client.post("/map/edit", data={**again, "do": "check"}).text
    both = client.post("/map/edit", data={**again, "do": "save"})
    assert both.status_code == 409
    assert client.post("/map/edit", data={**form_in(both.text), "do": "save"}).status_code == 303
    assert file.read_text(encoding="utf-8") == mine.replace("# mine", "# ours").replace("state: draft", "state: off")


def test_a_map_with_faults_is_mended(world: tuple[Shop, Any]) -> None:
    shop, client = world
    file = shop.project.map_file
    good = file.read_text(encoding="utf-8")
    file.write_bytes(good.replace("title: Shop", "tilte: Shop").replace("\n", "\r\n").encode())
    form = form_in(client.get("/map/edit?at=stages.0").text)
    assert client.post("/map/edit", data={**form, "source": good, "do": "save"}).status_code == 303
    assert file.read_bytes() == good.replace("\n", "\r\n").encode()  # its line ends stay
    assert client.get("/guidance").status_code == 200
