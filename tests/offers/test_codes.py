"""Codes: never two people one code, the same one at a retry, and what becomes of each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from guidance.shop import empty_project
from polku.errors import OfferError, UsageError
from polku.journey.offers import CodePool
from polku.offers import codes
from polku.offers.codes import Want
from polku.offers.codesheet import read_codes
from polku.record import tables
from polku.record.clock import now
from polku.record.project import Project, create_project, open_project

MAP = """
title: Shop
stages: [{id: a, touchpoints: [{id: order, match: {event: Order Completed}}]}]
offers:
  codes: {first: {pattern: HELLO-######, valid: 14d}, other: {until: 2020-01-01}}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    state = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "journey.yaml").write_text(MAP, encoding="utf-8")
    with empty_project(tmp_path / "shop", state=state) as made:
        yield made


def state_of(project: Project, pool: str = "first") -> dict[str, int]:
    return dict(next(one for one in codes.pools(project) if one.name == pool).counts)


def test_a_code_has_no_signs_that_are_mistaken_and_cannot_be_foreseen() -> None:
    made = {codes.generated("A-########") for _ in range(2_000)}
    assert len(made) == 2_000
    assert not set("".join(made)) & set("01ILOU")


def test_senders_at_once_never_give_one_code_twice(project: Project) -> None:
    """Each message is drawn for by two senders, as when a message is tried again by another process."""
    made = set(codes.make(project, "first", 40, "me"))
    others = [project, open_project(project.folder)]

    def draw(number: int) -> str | None:
        try:
            found = codes.draw(others[number % 2], [Want("first", f"run{number // 2}:1:a", None)])
        except OfferError:
            return None
        return next(iter(found.values())).code

    with ThreadPoolExecutor(6) as pool:
        drawn = list(pool.map(draw, range(100)))
    others[1].close()
    pairs = [(drawn[i], drawn[i + 1]) for i in range(0, 100, 2)]
    by_message = [{one for one in pair if one} for pair in pairs]
    assert all(len(found) <= 1 for found in by_message), "the same message got the same code"
    given = [next(iter(found)) for found in by_message if found]
    assert len(given) == len(set(given)) == 40
    assert set(given) == made
    assert state_of(project) == {"given": 40}


def test_a_drawing_that_is_killed_gives_the_same_code_again(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    with create_project(folder, "en") as project:
        codes.make(project, "first", 300, "me")
    program = (
        "import sys; from polku.record.project import open_project; from polku.offers import codes\n"
        "project = open_project(sys.argv[1])\n"
        "for n in range(300):\n"
        "    code = next(iter(codes.draw(project, [codes.Want('first', f'm{n}', None)]).values())).code\n"
        "    print(n, code, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        told = [run.stdout.readline() for _ in range(25)]
        os.kill(run.pid, signal.SIGKILL)
        told += run.stdout.readlines()
    before = dict(line.split() for line in told if line.endswith("\n"))
    with open_project(folder) as project:
        again = {n: codes.draw(project, [Want("first", f"m{n}", None)])[("first", f"m{n}")].code for n in before}
        assert again == before
        assert state_of(project)["given"] in (len(before), len(before) + 1)


def test_what_becomes_of_a_code(project: Project) -> None:
    assert codes.take_in(project, "first", [("SHOP-1", None), ("shop-1 ", None), ("Shop-2", now() - 1)], "me") == (
        codes.Taken(2, 1)
    )
    assert state_of(project) == {"free": 1, "expired": 1}
    found = codes.draw(project, [Want("first", "m", None)])[("first", "m")]
    assert found.code == "SHOP-1"
    assert found.expires_at is not None
    assert 13.9 < (found.expires_at - now()) / 86_400e6 < 14
    with pytest.raises(OfferError, match="no free code"):
        codes.draw(project, [Want("first", "n", None)])
    with pytest.raises(UsageError, match="no pool"):
        codes.draw(project, [Want("nothing", "n", None)])
    with project.state.write("offers") as connection:
        wanted = codes.used_by_order({"coupons": [{"code": "shop-1"}], "coupon": "OTHER,x"})
        assert codes.note_used(connection, wanted, None, "1001", 5) == 1
        assert codes.note_used(connection, wanted, None, "1001", 6) == 1  # told by browser and by shop
        assert codes.note_used(connection, wanted, None, "1002", 7) == 1  # another order
    (used,) = codes.listed(project, state="used")
    assert (used.order_id, used.used_at, used.times_used) == ("1001", 5, 2)
    assert codes.withdraw(project, "first", None, "leaked", "me") == 1
    assert codes.release(project, "first", "me") == 1


def test_a_pool_whose_last_day_has_passed_gives_none(project: Project) -> None:
    codes.make(project, "other", 1, "me")
    with pytest.raises(OfferError, match="good no more"):
        codes.draw(project, [Want("other", "m", None)])
    assert state_of(project, "other") == {"free": 1}


def test_after_a_restore_no_free_code_is_given_that_may_have_been(project: Project) -> None:
    codes.make(project, "first", 2, "me")
    with project.state.write("offers") as connection:
        assert codes.hold_restored(connection) == 2
    with pytest.raises(OfferError):
        codes.draw(project, [Want("first", "m", None)])
    assert codes.listed(project)[0].reason == codes.RESTORED
    assert codes.release(project, "first", "me") == 2


def test_too_few_signs_for_so_many_codes(project: Project) -> None:
    with pytest.raises(UsageError, match="guessing"):
        codes.make(project, "first", 800_000, "me")
    with project.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.codes)).scalar_one() == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A1\nB2\n", [("A1", None), ("B2", None)]),
        ("﻿Koodi;Vanhenee\nA1;1.1.1970\nB2;\n", [("A1", 86_400_000_000), ("B2", None)]),
        ("id,code,expires_at\n1,A1,1970-01-02T00:00:00+00:00\n", [("A1", 86_400_000_000)]),
    ],
)
def test_sheets_of_codes(tmp_path: Path, text: str, expected: list[tuple[str, int | None]]) -> None:
    (tmp_path / "codes.csv").write_text(text, encoding="utf-8")
    assert list(read_codes(tmp_path / "codes.csv", "UTC")) == expected


@pytest.mark.parametrize("text", ["x,y\n1,2\n", "code,expires\nA,tomorrow\n"])
def test_sheets_that_are_none_say_why(tmp_path: Path, text: str) -> None:
    (tmp_path / "codes.csv").write_text(text, encoding="utf-8")
    with pytest.raises(OfferError, match=r"codes.csv"):
        list(read_codes(tmp_path / "codes.csv", "UTC"))


def test_the_end_is_the_earlier_of_both() -> None:
    pool = CodePool.model_validate({"valid": "10d", "until": "1970-01-05"})
    assert codes.expiry(pool, "UTC", 0) == 5 * 86_400_000_000
    assert codes.expiry(CodePool(), "UTC", 0) is None
