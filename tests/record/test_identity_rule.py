"""The record's groups are those of the plain rule, whatever the order, the batches, the way in; words of people too."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.record import tables
from polku.record.gather import Gather
from polku.record.identity import Identities
from polku.record.project import Project, create_project, open_project
from polku.record.quarantine import Caps

from .events import at, event, stored
from .identity_rule import Told, Words, evidence, groups, held
from .working import unsynced

CAPS = Caps(users=2, users_per_device=2, devices=3)

events_told = st.builds(
    Told,
    time=st.integers(0, 6),
    user=st.sampled_from([None, "u1", "u2", "u3", "u4", "undefined", "email:h1"]),
    anonymous=st.sampled_from([None, None, "a1", "a2", "a3", "0"]),
    ids=st.lists(
        st.tuples(st.sampled_from(["email", "number", "phone"]), st.sampled_from(["h1", "h2", "h3", "null"])),
        max_size=2, unique_by=lambda pair: pair[0],
    ).map(tuple),
    previous=st.sampled_from([None, None, None, "a1", "u1", "u2", "old", "guest"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with create_project(tmp_path_factory.mktemp("rule") / "shop", "en") as made:
        yield unsynced(made)


@pytest.fixture(scope="module")
def on_a_server(tmp_path_factory, postgres):
    with create_project(tmp_path_factory.mktemp("rule") / "shop", "en", state=postgres.database()) as made:
        yield made


def fresh(project: Project, tmp_path_factory) -> Identities:
    """Identities that know nothing yet."""
    with project.state.write() as connection:
        for table in (
            tables.identities, tables.joins, tables.aliases, tables.quarantine, tables.identity_changes, tables.crowds,
        ):  # fmt: skip
            connection.execute(sa.delete(table))
        for name in ("customer", "identity", "aliases"):
            project.state.set_counter(connection, name, 0)
    made = Identities(project.state, project.history, project.inbox, tmp_path_factory.mktemp("cache"), CAPS)
    made._tables.save = lambda: None  # the copy on disk waits for the disk; test_identity asks about it
    return made


def learn(identities: Identities, told: list[Told]) -> None:
    gather = Gather()
    gather.take(
        pa.table(
            {
                "time": pa.array([at(e.time) for e in told], pa.timestamp("us", tz="UTC")),
                "event": pa.array(["page"] * len(told)),
                "user_id": pa.array([e.user for e in told], pa.string()),
                "anonymous_id": pa.array([e.anonymous for e in told], pa.string()),
                "context": pa.array([context(e) for e in told], pa.string()),
                "seq": pa.array([0] * len(told), pa.int64()),
            }
        )
    )
    identities.apply(gather.gathered())


def context(told: Told) -> str | None:
    ids = dict(told.ids) | ({"previous": told.previous} if told.previous else {})
    return json.dumps({"ids": ids}) if ids else None


def grouped(project: Project) -> set[frozenset[str]]:
    found: dict[int, set[str]] = {}
    with project.state.read() as connection:
        for row in connection.execute(sa.select(tables.identities)):
            found.setdefault(row.customer, set()).add(f"{row.kind[0]}:{row.value}")
            assert row.customer <= row.id
    return {frozenset(group) for group in found.values()}


def consistent(identities: Identities) -> None:
    """The table in memory is the state's, and a customer's key is the least of its ids."""
    table = identities.table()
    with identities.state.read() as connection:
        rows = connection.execute(sa.select(tables.identities.c.id, tables.identities.c.customer)).all()
    known = {int(i): int(c) for i, c in rows}
    assert dict(zip(table.ids.tolist(), table.customers.tolist(), strict=True)) == known
    least: dict[int, int] = {}
    for number, customer in known.items():
        least[customer] = min(number, least.get(customer, number))
    assert all(key == first for key, first in least.items())


@settings(deadline=None, max_examples=20)
@given(told=st.lists(events_told, min_size=1, max_size=14), seed=st.integers(0, 99))
def test_any_order_and_any_batches_give_the_customers_of_the_rule(shared, tmp_path_factory, told, seed):
    any_order(shared, tmp_path_factory, told, seed)


@settings(deadline=None, max_examples=4)
@given(told=st.lists(events_told, min_size=4, max_size=14), seed=st.integers(0, 99))
def test_on_postgresql_as_well(on_a_server, tmp_path_factory, told, seed):
    any_order(on_a_server, tmp_path_factory, told, seed)


def any_order(project: Project, tmp_path_factory, told: list[Told], seed: int) -> None:
    expected = groups(told, Words(), CAPS)
    chance = random.Random(seed)
    for _ in range(2):
        identities = fresh(project, tmp_path_factory)
        order = [*told, *chance.sample(told, min(3, len(told)))]
        chance.shuffle(order)
        while order:
            size = chance.randint(1, 5)
            learn(identities, order[:size])
            order = order[size:]
        assert grouped(project) == expected
        consistent(identities)
    out = {f"{h.id.kind[0]}:{h.id.value}" for h in identities.quarantined()}
    assert out == held(evidence(told)[1], Words(), CAPS)


steps = st.one_of(
    st.lists(events_told, min_size=1, max_size=5),
    st.tuples(st.just("undo"), st.integers(0, 30)),
    st.tuples(st.sampled_from(["keep", "release"]), st.integers(0, 30)),
    st.tuples(st.just("say"), st.integers(0, 30), st.integers(0, 30)),
)


@settings(deadline=None, max_examples=20)
@given(script=st.lists(steps, min_size=2, max_size=8))
def test_what_people_say_in_between_stands(shared, tmp_path_factory, script):
    identities = fresh(shared, tmp_path_factory)
    told: list[Told] = []
    words = Words()
    for step in script:
        if isinstance(step, list):
            told += step
            learn(identities, step)
        else:
            speak(shared, identities, words, step)
        assert grouped(shared) == groups(told, words, CAPS), step
        consistent(identities)


def speak(project: Project, identities: Identities, words: Words, step) -> None:
    """A person's word on some of what there is; previews must have told what it made."""
    with project.state.read() as connection:
        ids = connection.execute(sa.select(tables.identities).order_by(tables.identities.c.hash)).all()
    names = {row.id: f"{row.kind[0]}:{row.value}" for row in ids}
    if step[0] == "undo":
        joins = [j for j in identities.joins(1000) if j.undone_at is None]
        joins.sort(key=lambda j: (j.weaker.value, j.stronger.value, j.weaker.kind))
        if not joins:
            return
        join = joins[step[1] % len(joins)]
        preview = identities.preview_undo(join.number)
        identities.undo(join.number, "mikko")
        words.undone.add(frozenset((names[join.weaker.number], names[join.stronger.number])))
    elif step[0] == "say":
        if len(ids) < 2:
            return
        one, other = ids[step[1] % len(ids)].id, ids[step[2] % len(ids)].id
        if one == other:
            return
        preview = identities.preview(one, other)
        identities.join(one, other, "they said so", "mikko")
        pair = frozenset((names[one], names[other]))
        words.undone.discard(pair)
        words.said = [*(p for p in words.said if p != pair), pair]
    else:
        if not ids:
            return
        one = ids[step[1] % len(ids)].id
        (identities.keep if step[0] == "keep" else identities.release)(one, "mikko")
        words.verdicts[names[one]] = {"keep": "kept", "release": "released"}[step[0]]
        return
    for customer, group in preview.after.items():
        assert identities.ids_of(customer) == group


@settings(deadline=None, max_examples=4)
@given(told=st.lists(events_told, min_size=1, max_size=12), seed=st.integers(0, 99))
def test_files_live_events_and_a_lost_state_give_the_same(tmp_path_factory, told, seed):
    expected = groups(told, Words(), CAPS)
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("ways") / "shop"
    (folder / ".polku").mkdir(parents=True)
    (folder / "polku.toml").write_text("[identity]\nusers = 2\nusers_per_device = 2\ndevices = 3\n")
    rows = [
        {**event(f"e{i}", e.time, user=e.user, anonymous=e.anonymous), "context": context(e)}
        for i, e in enumerate(told)
    ]
    chance.shuffle(rows)
    with create_project(folder, "en") as project:
        while rows:
            some, rows = rows[:3], rows[3:]
            if chance.random() < 0.5:
                stored(project, *some)
            else:
                project.inbox.append(some)
                project.changes(None, ["seq"])
            if chance.random() < 0.5:
                project.mover.move()
        project.identities.catch_up(inbox=True)
        assert grouped(project) == expected
        project.mover.move()
    for file in (folder / ".polku").glob("state.db*"):
        file.unlink()
    with open_project(folder) as again:
        assert grouped(again) == expected
