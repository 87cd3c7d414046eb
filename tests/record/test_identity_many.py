"""Ten thousand ids on one customer slow nothing down: the database's own steps are counted, not the time."""

from __future__ import annotations

import contextlib

import pyarrow as pa
import pytest
import sqlalchemy as sa

from polku.record import tables
from polku.record.project import create_project
from polku.record.quarantine import Caps

from .events import at

MANY = 10_000


class Work:
    """Counts statements, and steps of SQLite's virtual machine (in hundreds), while it is on."""

    def __init__(self, project):
        self.engine = project.state.engine
        self.statements = self.steps = 0

    def step(self):
        self.steps += 1
        return 0

    @contextlib.contextmanager
    def counted(self):
        def watch(connection, _, __):
            connection.set_progress_handler(self.step, 100)

        def said(*_):
            self.statements += 1

        def done(connection, _):
            connection.set_progress_handler(None, 100)

        sa.event.listen(self.engine, "checkout", watch)
        sa.event.listen(self.engine, "checkin", done)
        sa.event.listen(self.engine, "before_cursor_execute", said)
        try:
            yield self
        finally:
            sa.event.remove(self.engine, "checkout", watch)
            sa.event.remove(self.engine, "checkin", done)
            sa.event.remove(self.engine, "before_cursor_execute", said)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """``big`` has ten thousand cookies, ``small`` has one; each has a second user id to be joined."""
    with create_project(tmp_path_factory.mktemp("many") / "shop", "en") as project:
        see(project, *(("big", f"b{i}") for i in range(MANY)), ("small", "s0"))
        see(project, ("big2", None), ("small2", None))
        for name in ("big", "small"):
            see(project, *((None, f"{name}-later-{i}") for i in range(3)))
        project.identities.table()
        yield project


def see(project, *rows):
    user, anonymous = zip(*rows, strict=True)
    project.identities.observe(
        pa.array(user, pa.string()),
        pa.array(anonymous, pa.string()),
        times=pa.array([at(0)] * len(rows), pa.timestamp("us", tz="UTC")),
    )


def number(project, value):
    return project.identities.find(value)[0][0].number


def last_join(project, value):
    return next(j for j in project.identities.joins(5) if value in (j.weaker.value, j.stronger.value)).number


DEEDS = {
    "a new device": lambda p, name: see(p, (name, f"{name}-new")),
    "a device that was seen before": lambda p, name: see(p, (name, f"{name}-later-0")),
    "the same again": lambda p, name: see(p, (name, f"{name}-new")),
    "a new user on its device": lambda p, name: see(p, (f"{name}-other", f"{name}-new")),
    "joined by hand": lambda p, name: p.identities.join(number(p, name), number(p, f"{name}2"), "same"),
    "undone": lambda p, name: p.identities.undo(last_join(p, f"{name}2")),
    "a device set apart": lambda p, name: p.identities.keep(number(p, f"{name}-later-0")),
    "a device released": lambda p, name: p.identities.release(number(p, f"{name}-later-0")),
    "the table brought up to date after a join": lambda p, name: (
        see(p, (name, f"{name}-later-1")), p.identities.table(),
    ),
    "a page of its joins": lambda p, name: p.identities.joins_of(p.identities.customer_of("user", name), 50),
}  # fmt: skip


def test_what_is_done_to_a_large_customer_costs_what_it_costs_for_a_small_one(crowded):
    for deed, do in DEEDS.items():
        costs = {}
        for name in ("small", "big"):
            with Work(crowded).counted() as work:
                do(crowded, name)
            costs[name] = work
        assert costs["big"].statements <= costs["small"].statements + 4, deed
        if deed != "a page of its joins":  # it sorts them: ten thousand rows read, fifty shown
            assert costs["big"].steps <= costs["small"].steps + MANY // 20, (deed, costs["big"].steps)
    ids = crowded.identities.ids_of(crowded.identities.customer_of("user", "big"))
    assert len(ids) == MANY + 4


def test_a_user_with_more_devices_than_the_cap_owns_none(tmp_path):
    with create_project(tmp_path / "shop", "en") as project:
        project.identities.caps = Caps(devices=5)
        see(project, *(("guest-7", f"c{i}") for i in range(5)))
        assert len(project.identities.ids_of(1)) == 6
        see(project, ("guest-7", "c5"), ("anna", "c0"))
        assert project.identities.customer_of("anonymous", "c0") == project.identities.customer_of("user", "anna")
        assert project.identities.customer_of("anonymous", "c1") != project.identities.customer_of("anonymous", "c2")
        (held,) = project.identities.quarantined()
        assert (held.id.value, held.verdict, held.reason, held.others) == ("guest-7", "held", "anonymous", 6)
        project.identities.release(held.id.number, "mikko")
        assert project.identities.customer_of("anonymous", "c1") == project.identities.customer_of("user", "guest-7")
        with project.state.read() as connection:
            assert connection.execute(sa.select(tables.quarantine.c.said_by)).scalar() == "mikko"
