"""Refreshed trails are those that a build from the beginning gives, whatever happened and in whatever order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import polku.trails.refresh as refreshing
import polku.trails.store as storing
from polku.journey.model import Journey
from polku.trails.layout import Trails
from polku.trails.matching import Matching
from polku.trails.open import open_store
from polku.trails.store import Store

from .maps import SHOP, journey
from .record import MemoryRecord, row
from .told import told

MAP = Matching.of(SHOP)
USERS = [f"u{i}" for i in range(6)]
START = 1_774_700_000  # a few hours before summer time starts in Helsinki


def open_(record: MemoryRecord, folder: Path, matching: Matching = MAP) -> Trails:
    return open_store(Store(folder, flush=False), record, matching, threads=2)


def rebuilt(record: MemoryRecord, matching: Matching = MAP) -> dict[int, list[tuple[Any, ...]]]:
    with TemporaryDirectory() as folder:
        return told(open_(record, Path(folder) / "trails", matching))


events = st.tuples(
    st.sampled_from(["page", "Product Added", "Order Completed", "Payment Failed", "Store Visited", "Other"]),
    st.sampled_from([None, *USERS]),
    st.one_of(st.integers(0, 40), st.integers(0, 4_000_000).map(lambda us: us / 1_000_000)),  # many ties
    st.sampled_from([None, "web", "store"]),
    st.sampled_from([None, "s1", "s2"]),
    st.sampled_from(
        [None, {"page": {"path": "/guide/a"}}, {"page": {"path": "/"}}, {"campaign": {"source": "instagram"}}]
    ),
    st.sampled_from([None, {"revenue": 10.5}, {"revenue": "7"}, {"final": True}, {"path": "/guide"}]),
    st.sampled_from([None, 3.25]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(events, min_size=1, max_size=6)),
        st.tuples(st.just("merge"), st.tuples(st.sampled_from(USERS), st.sampled_from(USERS))),
        st.tuples(st.just("undo"), st.sampled_from(USERS)),
        st.tuples(st.just("erase"), st.sampled_from(USERS)),
        st.tuples(st.just("refresh"), st.none()),
        st.tuples(st.just("log gone"), st.none()),
    ),
    max_size=14,
)


class World:
    """A record to which random things happen."""

    def __init__(self) -> None:
        self.record = MemoryRecord()
        self.seq = 0

    def do(self, what: str, with_: Any) -> None:
        record = self.record
        if what == "add":
            rows = []
            for event, user, second, channel, session, context, properties, value in with_:
                self.seq += 1
                facts = {"channel": channel, "session_id": session, "value": value, "currency": "EUR"}
                if context:
                    facts["context"] = context
                if properties:
                    facts["properties"] = properties
                rows.append(row(self.seq, user, START + second * 1000, event, **facts))
            record.add(rows)
        elif what == "merge" and all(u in record.customers for u in with_):
            record.merge(*with_)
        elif what == "undo" and with_ in record.customers:
            record.part(with_)
        elif what == "erase" and with_ in record.customers:
            record.erase(with_)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, fold=st.sampled_from([0.0, 0.3, 1e9]))
def test_refreshed_equals_rebuilt(steps: list[tuple[str, Any]], fold: float) -> None:
    """Merges, their undos, erasures, late events, ties; with layers folded always, sometimes and never."""
    before, refreshing.FOLD = refreshing.FOLD, fold
    try:
        with TemporaryDirectory() as folder:
            world = World()
            for what, with_ in steps:
                if what == "refresh":
                    open_(world.record, Path(folder))
                elif what == "log gone":
                    world.record.log_gone = True
                    open_(world.record, Path(folder))
                    world.record.log_gone = False
                else:
                    world.do(what, with_)
            now = open_(world.record, Path(folder))
            with TemporaryDirectory() as other:
                again = open_(world.record, Path(other))
                assert told(now) == told(again)
                assert (now.first, now.last) == (again.first, again.last)
            unknown = sum(r["user_id"] is None for r in world.record.all)
            assert now.without_customer == unknown
    finally:
        refreshing.FOLD = before


def busy(rounds: int = 1) -> World:
    world = World()
    for k in range(rounds):
        world.do(
            "add",
            [
                ("page", u, 10 * k + i, "web", "s1", {"page": {"path": f"/guide/{i}"}}, None, None)
                for i, u in enumerate(USERS)
            ]
            + [("Order Completed", u, 10 * k + 9, None, None, None, {"revenue": 5.0 + k}, None) for u in USERS[:3]],
        )
    return world


def test_a_refresh_does_not_read_history_again(tmp_path: Path) -> None:
    world = busy()
    open_(world.record, tmp_path)
    world.do("add", [("Product Added", "u1", 1.5, None, None, None, None, None)])
    trails = open_(world.record, tmp_path)
    assert world.record.wholes == 1
    assert trails.find(2) is not None
    assert [trails.tables.code_event[c] for c in _codes(trails, 2)] == ["page", "Product Added", "Order Completed"]


def _codes(trails: Trails, customer: int) -> list[int]:
    found = trails.find(customer)
    assert found is not None
    bucket, i = found
    return [int(c) for c in bucket.code[bucket.offsets[i] : bucket.offsets[i + 1]]]


def test_nothing_new_keeps_the_generation(tmp_path: Path) -> None:
    world = busy()
    first = open_(world.record, tmp_path)
    assert open_(world.record, tmp_path).generation == first.generation
    assert open_(world.record, tmp_path).buckets is first.buckets


def test_older_files_go_after_their_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = busy()
    open_(world.record, tmp_path)
    old = {p.name for p in (tmp_path / "generations").iterdir()}
    world.do("add", [("Other", u, 3, None, None, None, None, None) for u in USERS])
    trails = open_(world.record, tmp_path)
    assert old < {p.name for p in (tmp_path / "generations").iterdir()}
    monkeypatch.setattr(storing, "GRACE", 0.0)
    assert open_(world.record, tmp_path).generation == trails.generation
    assert {p.name for p in (tmp_path / "generations").iterdir()} == {trails.generation}
    assert len(list((tmp_path / "layers").iterdir())) == 1
    assert told(open_(world.record, tmp_path)) == rebuilt(world.record)


def test_ties_are_in_order_of_arrival(tmp_path: Path) -> None:
    world = World()
    for name in ("page", "Product Added", "Order Completed", "Other"):
        world.do("add", [(name, "u0", 7, None, None, None, None, None)])
        trails = open_(world.record, tmp_path)
    assert [trails.tables.code_event[c] for c in _codes(trails, 1)] == [
        "page",
        "Product Added",
        "Order Completed",
        "Other",
    ]


MAPS = {
    "a touchpoint renamed": (journey({"id": "buy", "match": {"event": "Order Completed"}}), 1),
    "another page pattern": (
        journey({"id": "one", "match": {"path": "/guide/1"}}, {"id": "visit", "match": {"event": "page"}}),
        1,
    ),
    "the same matchers in another order": (
        journey(
            {"id": "guide", "match": {"path": "/guide*"}},
            {"id": "ad", "match": {"event": "page", "where": "context.campaign.source = 'instagram'"}},
        ),
        1,
    ),
    "another time zone": (SHOP.model_copy(update={"timezone": "Pacific/Auckland"}), 1),
    "a where on a channel": (journey({"id": "web", "match": {"where": "channel = 'web' and event <> 'x'"}}), 1),
    "a where on a property": (journey({"id": "x", "match": {"event": "page", "where": "properties.a = 1"}}), 2),
    "money from elsewhere": (
        journey({"id": "order", "match": {"event": "Order Completed"}, "value": "total"}),
        2,
    ),
    "accounts": (journey({"id": "order", "match": {"event": "Order Completed"}}, subject="account"), 2),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_changed_map(name: str, tmp_path: Path) -> None:
    """What can be told from codes and pages is; history is read again only where it must be."""
    changed, reads = MAPS[name]
    if name == "a touchpoint renamed":  # its money came from a property, and still does
        changed = journey({"id": "buy", "match": {"event": "Order Completed"}, "value": "revenue"})
    elif reads == 1:
        changed = Journey.model_validate(
            changed.model_dump(by_alias=True)
            | {
                "stages": [
                    *changed.model_dump(by_alias=True)["stages"],
                    {
                        "id": "money",
                        "touchpoints": [{"id": "o", "match": {"event": "Order Completed"}, "value": "revenue"}],
                    },
                ]
            }
            if name != "another time zone"
            else changed.model_dump(by_alias=True)
        )
    world = busy(2)
    world.do("add", [("page", "u1", 3, "web", None, {"campaign": {"source": "instagram"}}, None, None)])
    open_(world.record, tmp_path)
    world.do("add", [("page", "u2", 3, "web", None, {"campaign": {"source": "instagram"}}, None, None)])
    open_(world.record, tmp_path)
    assert world.record.wholes == 1
    world.do("add", [("page", "u3", 4, "web", None, {"page": {"path": "/guide/1"}}, None, None)])
    matching = Matching.of(changed)
    now = open_(world.record, tmp_path, matching)
    assert world.record.wholes == reads
    assert told(now) == rebuilt(world.record, matching)


def test_an_erased_customer_leaves_no_file(tmp_path: Path) -> None:
    world = busy()
    open_(world.record, tmp_path)
    old = set(tmp_path.rglob("*.npy"))
    world.do("erase", "u0")
    trails = open_(world.record, tmp_path)
    assert trails.find(1) is None
    assert all(1 not in b.customer for b in trails.buckets)
    assert not [p for p in old if p.exists()]
    assert told(trails) == rebuilt(world.record)


def test_layers_above_the_base_stay_few(tmp_path: Path) -> None:
    """Joining keeps their number logarithmic, folding their size."""
    world = busy(40)
    open_(world.record, tmp_path)
    store = Store(tmp_path)
    for k in range(30):
        world.do("add", [("Other", USERS[k % 6], 500 + k, None, None, None, None, None)])
        trails = open_(world.record, tmp_path)
        generation = store.open()
        assert generation is not None
        above = sum(layer.live_events() for layer in generation.layers[1:])
        assert above <= refreshing.FOLD * generation.layers[0].events
        assert len(generation.layers) <= 8
    assert told(trails) == rebuilt(world.record)
