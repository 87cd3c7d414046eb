"""A code in a letter, over a real mail server: the same one when the letter is sent again, another one in the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from channels import receivers, shop
from polku.guidance.sending import send
from polku.guidance.switch import turn
from polku.offers import codes
from polku.record.project import Project

OFFERS = "\noffers:\n  codes:\n    cart: {pattern: CART-########, valid: 2d}\n    vip: {}\n"
PIECE = """---
subject: "Etu koriisi: {{ code.cart }}"
---
{% if customer.vip %}{{ code.vip }}{% endif %}Koodi {{ code.cart }} on voimassa {{ code.cart.valid_until }} asti.
"""
CODE = re.compile(r"CART-[2-9A-Z]{8}")


@pytest.fixture
def box() -> Iterator[tuple[receivers.Mailbox, int]]:
    with receivers.smtp() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, box: tuple[receivers.Mailbox, int]) -> Iterator[Project]:
    with shop.make(tmp_path / "shop", box[1]) as made:
        file = made.folder / "journey.yaml"
        file.write_text(file.read_text(encoding="utf-8") + OFFERS, encoding="utf-8")
        (made.folder / "content" / "cart.fi.md").write_text(PIECE, encoding="utf-8")
        turn(made, True, "anna")
        yield made


def codes_of(letters: list[Any]) -> list[set[str]]:
    found = []
    for letter in letters:
        made = message_from_bytes(letter, policy=default)
        bodies = [part.get_content() for part in made.walk() if part.get_content_maintype() == "text"]
        found.append(set(CODE.findall(" ".join([str(made["Subject"]), *bodies]))))
    return found


def test_a_letter_that_is_tried_again_carries_the_same_code(
    project: Project, box: tuple[receivers.Mailbox, int]
) -> None:
    mailbox = box[0]
    anna, ben = shop.customers(project, "anna", "ben")
    codes.make(project, "cart", 2, "me")
    shop.put(project, shop.message(anna, 1), shop.message(ben, 2))
    mailbox.answers["DATA"] = ["451 later", "451 later"]
    send(project)
    assert [shop.fate(project, n).state for n in (1, 2)] == ["waiting", "waiting"]
    drawn = {one.customer: one.code for one in codes.listed(project, "cart", "given")}
    assert set(drawn) == {anna, ben}
    mailbox.answers = {}
    shop.due_now(project)
    send(project)
    assert sorted(map(sorted, codes_of([letter.content for letter in mailbox.letters]))) == sorted(
        [code] for code in drawn.values()
    )
    assert [dict(pool.counts) for pool in codes.pools(project)] == [{"given": 2}, {}], "a branch not taken draws none"
    shop.put(project, shop.message(anna, 3))
    send(project)
    assert shop.fate(project, 3).reason is not None
    assert "no free code" in str(shop.fate(project, 3).reason)
