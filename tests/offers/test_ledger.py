"""The ledger: never below 0, adds up for every id, whatever is joined and undone; levels are what the entries say."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from guidance.shop import empty_project
from polku.journey.offers import Loyalty
from polku.offers import byhand, ledger, loyalty
from polku.offers.ledger import Entry, Lot, PointsShort
from polku.record import tables
from polku.record.project import Project

MAP = """
title: Shop
stages: [{id: a, touchpoints: [{id: order, match: {event: Order Completed}}]}]
offers:
  loyalty: {earn: {per: 1}, levels: {silver: {from: 50}, gold: {from: 100}}, counted: 100s}
"""
PROGRAMME = Loyalty.model_validate({
    "earn": {"per": 1}, "levels": {"silver": {"from": 50}, "gold": {"from": 100}}, "counted": "100s",
})  # fmt: skip
S = 1_000_000
PEOPLE = 4


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder: Path = tmp_path_factory.mktemp("ledger") / "shop"
    folder.mkdir()
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    state = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    with empty_project(folder, state=state) as made:
        with made.state.write() as connection:
            rows = [{"id": n, "kind": "user", "value": f"u{n}", "hash": n, "customer": n} for n in range(1, PEOPLE + 1)]
            connection.execute(sa.insert(tables.identities), rows)
        yield made


def empty(project: Project) -> None:
    with project.state.write("offers") as connection:
        connection.execute(sa.delete(tables.points))
        connection.execute(sa.update(tables.identities).values(customer=tables.identities.c.id))


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["give", "give", "take", "short", "join", "undo", "expire"]), st.integers(1, PEOPLE),
        st.integers(1, 60),
    ),
    min_size=5, max_size=25,
)  # fmt: skip


@settings(max_examples=12)
@given(DEEDS)
def test_every_id_adds_up_and_nobody_falls_below_0(project: Project, deeds: list[tuple[str, int, int]]) -> None:
    empty(project)
    state = project.state
    for at, (deed, who, count) in enumerate(deeds):
        with state.write("offers") as connection:
            ids = tables.identities
            customer = connection.execute(sa.select(ids.c.customer).where(ids.c.id == who)).scalar_one()
            if deed == "give":
                lot = Lot(who, count, "earned", "x", f"m{at}", at, expires_at=at + count if count % 3 == 0 else None)
                assert ledger.give(state, connection, lot, at)
                assert not ledger.give(state, connection, lot, at), "each thing once"
            elif deed in ("take", "short"):
                there = ledger.balance(ledger.entries_of(connection, customer), at)
                if deed == "take" and there < count:
                    with pytest.raises(PointsShort):
                        ledger.take(state, connection, customer, count, "redeemed", "x", f"m{at}", at, at)
                else:
                    taken = ledger.take(
                        state, connection, customer, count, "redeemed", "x", f"m{at}", at, at, short=deed == "short"
                    )
                    assert taken == min(count, there)
                    assert not taken or not ledger.take(
                        state, connection, customer, count, "redeemed", "x", f"m{at}", at, at, short=True
                    )
            elif deed == "join":
                other = count % PEOPLE + 1
                both = sorted(
                    {customer, connection.execute(sa.select(ids.c.customer).where(ids.c.id == other)).scalar_one()}
                )
                connection.execute(sa.update(ids).where(ids.c.customer.in_(both)).values(customer=both[0]))
            elif deed == "undo":
                connection.execute(sa.update(ids).where(ids.c.customer == customer).values(customer=ids.c.id))
            else:
                ledger.expire(state, connection, at)
            found = connection.execute(sa.select(tables.points)).all()
        for number in range(1, PEOPLE + 1):
            mine = [row for row in found if row.identity == number]
            assert sum(row.points for row in mine) == sum(row.left for row in mine) >= 0


def test_spenders_at_once_never_spend_what_is_not_there(project: Project) -> None:
    empty(project)
    byhand.change(project, 1, 100, "a present", "me")

    def spend(number: int) -> int:
        try:
            byhand.change(project, 1, -random.Random(number).randint(10, 30), "spent", "me")
        except PointsShort:
            return 0
        return 1

    with ThreadPoolExecutor(6) as pool:
        assert 3 <= sum(pool.map(spend, range(24))) <= 10
    standing, entries = byhand.standing_of(project, 1)
    assert 0 <= standing.balance < 30
    assert sum(entry.points for entry in entries) == standing.balance
    with pytest.raises(sa.exc.IntegrityError), project.state.write("offers") as connection:
        connection.execute(sa.update(tables.points).where(tables.points.c.points > 0).values(left=-1))


def test_a_form_that_is_sent_twice_gives_once(project: Project) -> None:
    empty(project)
    for _ in range(2):
        standing = byhand.change(project, 2, 40, "sorry", "me", key="form-1")
    assert standing.balance == 40
    assert [member.balance for member in byhand.members(project)] == [40]


def entry(number: int, time: int, points: int, kind: str = "earned", out_of: int | None = None) -> Entry:
    return Entry(number, 1, points, max(points, 0), kind, "", out_of, str(number), None, time * S, 0, None, None)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([entry(1, 0, 49)], []),
        ([entry(1, 0, 50)], [(0, "silver"), (100, None)]),
        ([entry(1, 0, 60), entry(2, 50, 40)], [(0, "silver"), (50, "gold"), (100, None)]),
        ([entry(1, 0, 120), entry(2, 10, -120, "redeemed", 1)], [(0, "gold"), (100, None)]),  # spent stays counted
        ([entry(1, 0, 120), entry(2, 10, -90, "taken_back", 1)], [(0, "gold"), (10, None)]),
        ([entry(1, 0, 50), entry(2, 0, 50)], [(0, "gold"), (100, None)]),  # one moment, one change
        ([entry(1, 0, 60), entry(2, 100, 60)], [(0, "silver"), (200, None)]),
    ],
)
def test_levels(entries: list[Entry], expected: list[tuple[int, str | None]]) -> None:
    assert [(change.time // S, change.level) for change in loyalty.changes(PROGRAMME, entries)] == expected


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 80)), max_size=12), st.integers(0, 400))
def test_a_level_is_what_was_earned_in_the_window(lots: list[tuple[int, int]], at: int) -> None:
    entries = [entry(n, time, points) for n, (time, points) in enumerate(lots, 1)]
    counted = sum(points for time, points in lots if at - 100 < time <= at)
    standing = loyalty.standing(PROGRAMME, entries, at * S)
    assert (standing.counted, standing.level) == (counted, loyalty.level_at(PROGRAMME, counted))
    assert json.dumps(standing.to_dict())
