"""What a world writes: the same bytes again, the promised columns, ids, noise and proportions."""

from __future__ import annotations

import datetime as dt
import filecmp
import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.simulate.conftest import END, Made, made

from polku.errors import UsageError
from polku.events.schema import ARRIVING
from polku.simulate import Noise, making, world
from polku.simulate.making import Teller, World
from polku.simulate.noise import NONE
from polku.simulate.vocabulary import KINDS


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def count(table: pa.Table, event: str, **equal: Any) -> int:
    mask = pc.equal(table["event"], event)
    for column, value in equal.items():
        mask = pc.and_kleene(mask, pc.equal(table[column], value))
    return int(pc.sum(pc.fill_null(mask, False)).as_py() or 0)


@pytest.mark.parametrize("kind", ["shop", "studio"])
def test_the_same_world_is_the_same_bytes(tmp_path: Path, kind: str) -> None:
    for name in "ab":
        made(tmp_path / name, kind, 700)
    files = names(tmp_path / "a")
    assert files == names(tmp_path / "b")
    assert {"events-0001.parquet", "world.json", "truth/effects.json", "truth/stages.parquet"} <= set(files)
    same, other, failed = filecmp.cmpfiles(tmp_path / "a", tmp_path / "b", files, shallow=False)
    assert (len(same), other, failed) == (len(files), [], [])
    assert made(tmp_path / "c", kind, 700, seed=4).events != made(tmp_path / "d", kind, 700).events


def test_blocks_do_not_change_the_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(tmp_path / "whole", customers=900)
    monkeypatch.setattr(making, "BLOCK", 200)
    parts = made(tmp_path / "parts", customers=900)
    assert len(parts.summary.files) == 5
    order = [("event_id", "ascending"), ("received_at", "ascending")]
    assert parts.events.sort_by(order).equals(whole.events.sort_by(order))
    assert parts.truth("stages").equals(whole.truth("stages"))
    by_customer = [("customer", "ascending")]
    assert parts.truth("people").sort_by(by_customer).equals(whole.truth("people").sort_by(by_customer))
    assert parts.effects == whole.effects


@pytest.mark.parametrize("kind", ["shop", "studio"])
def test_going_on_does_not_change_what_was(kind: str) -> None:
    until = END + dt.timedelta(days=60)
    rows = []
    for spec in (World(kind, 500, end=END), World(kind, 500, end=END, until=until)):
        teller = Teller(spec)
        told = teller.tell(teller.people(0, 500))[0]
        rows.append(told[told["time"] < making.micros(END)])
    assert len(rows[0]) > 1000
    assert rows[0].tobytes() == rows[1].tobytes()


def test_the_columns_are_historys(either: Made) -> None:
    assert either.events.schema.names == ARRIVING.names
    assert either.events.schema.types == ARRIVING.types
    assert set(either.events["event"].unique().to_pylist()) <= set(KINDS)
    for file in either.summary.files:
        received = pq.read_table(file, columns=["received_at"])["received_at"].to_numpy()
        assert (np.diff(received) >= np.timedelta64(0)).all()
    told = json.loads((either.summary.folder / "world.json").read_text(encoding="utf-8"))
    assert told["events"] == either.events.num_rows == either.summary.events


def test_all_json_is_json(either: Made) -> None:
    for column in ("properties", "context"):
        for text in either.events[column].unique().drop_null().to_pylist():
            assert isinstance(json.loads(text), dict), text


def test_events_carry_what_their_names_promise(shop: Made, studio: Made) -> None:
    wanted: dict[str, set[str]] = {
        "Product Viewed": {"product_id", "category", "price", "name"},
        "Product Added": {"product_id", "quantity"},
        "Order Completed": {"order_id", "revenue", "shipping", "products"},
        "Order Refunded": {"order_id", "total"},
        "Payment Failed": {"reason"},
        "Survey Answered": {"survey", "score"},
        "Products Searched": {"query", "results"},
        "Page Slow": {"load_ms"},
        "Form Submitted": {"form"},
    }
    for event, fields in wanted.items():
        rows = shop.events.filter(pc.equal(shop.events["event"], event))
        assert rows.num_rows, event
        assert fields <= set(json.loads(rows["properties"][0].as_py())), event
    pages = shop.events.filter(pc.equal(shop.events["event"], "page"))
    contexts = [json.loads(text) for text in pages["context"].unique().to_pylist()]
    assert all(context["page"]["path"].startswith("/") and context["userAgent"] for context in contexts)
    assert {c["campaign"]["medium"] for c in contexts if "campaign" in c} >= {"paid_social", "cpc", "email"}
    assert any(c["page"]["path"] == "/lahjakortti" for c in contexts)
    known = shop.events.filter(pc.equal(shop.events["event"], "identify"))
    traits = json.loads(known["context"][0].as_py())["traits"]
    assert set(traits) == {"email", "name", "segment", "newsletter"}
    assert {"web", "email", "store", "phone", "ads", "survey", "social"} <= set(shop.events["channel"].to_pylist())
    lessons = studio.events.filter(pc.equal(studio.events["event"], "Lesson Attended"))
    assert {json.loads(p)["kind"] for p in lessons["properties"].unique().to_pylist()} == {"live", "recorded"}
    for event in ("Trial Started", "Trial Ended", "Subscription Started", "Subscription Renewed", "Video Finished"):
        assert count(studio.events, event), event


def test_an_order_is_worth_its_products(shop: Made) -> None:
    orders = shop.events.filter(pc.equal(shop.events["event"], "Order Completed"))
    for text, value in zip(orders["properties"].to_pylist(), orders["value"].to_pylist(), strict=True):
        order = json.loads(text)
        assert order["revenue"] == pytest.approx(value, abs=0.006)
        assert order["total"] == pytest.approx(order["revenue"] + order["shipping"], abs=0.011)
        assert order["shipping"] in (0, 6.9)
    money = shop.events.filter(pc.is_valid(shop.events["value"]))
    assert set(money["event"].to_pylist()) == {"Order Completed", "Order Refunded"}
    assert set(money["currency"].to_pylist()) == {"EUR"}


def test_noise_is_as_told(either: Made) -> None:
    events, noise = either.events, either.truth("noise")
    arrivals = Counter(events["event_id"].to_pylist())
    twice = {i for i, n in arrivals.items() if n > 1}
    told = noise.filter(noise["duplicate"])
    assert sorted(twice) == sorted(told["event_id"].to_pylist())
    assert max(arrivals.values()) == 2
    people = either.truth("people")
    n = events.num_rows
    assert told.num_rows / n == pytest.approx(0.01, abs=0.003)
    late = noise.filter(pc.and_(noise["late"], pc.invert(noise["duplicate"])))
    web = int(pc.sum(pc.equal(events["source"], "web")).as_py())
    assert late.num_rows / web == pytest.approx(0.02, abs=0.005)
    wrong = noise.filter(noise["wrong_clock"])["customer"].unique()
    assert len(wrong) / people.num_rows == pytest.approx(0.03, abs=0.015)
    bots = people.filter(people["is_bot"])
    assert bots.num_rows == 4
    assert set(noise.filter(noise["bot"])["customer"].to_pylist()) <= set(bots["customer"].to_pylist())
    clean = {*noise["event_id"].to_pylist()}
    delays = pc.subtract(events["received_at"], events["time"]).cast(pa.int64()).to_numpy()
    untouched = np.array([i not in clean for i in events["event_id"].to_pylist()])
    assert delays[untouched].min() >= 0
    assert delays[untouched].max() < 30e6


def test_a_world_without_noise(tmp_path: Path) -> None:
    clean = made(tmp_path, customers=600, noise=NONE)
    assert clean.truth("noise").num_rows == 0
    assert clean.events["event_id"].to_pandas().is_unique
    assert not any(clean.truth("people")["is_bot"].to_pylist())


def test_people_have_the_ids_that_stand_on_their_events(either: Made) -> None:
    people = either.truth("people").to_pylist()
    anonymous: dict[str, set[int]] = {}
    for person in people:
        for name in person["anonymous_ids"]:
            anonymous.setdefault(name, set()).add(person["customer"])
    assert set(either.events["anonymous_id"].drop_null().unique().to_pylist()) == set(anonymous)
    shared = {name for name, owners in anonymous.items() if len(owners) > 1}
    assert len(shared) < 0.02 * len(anonymous)
    assert all(p["shares_computer"] for p in people if shared & set(p["anonymous_ids"]))
    users = [p["user_id"] for p in people if p["user_id"]]
    assert len(set(users)) == len(users)
    assert set(either.events["user_id"].drop_null().unique().to_pylist()) == set(users)
    owner = {p["user_id"]: p for p in people if p["user_id"]}
    both = either.events.filter(
        pc.and_(pc.is_valid(either.events["user_id"]), pc.is_valid(either.events["anonymous_id"]))
    )
    for user, name in zip(both["user_id"].to_pylist(), both["anonymous_id"].to_pylist(), strict=True):
        assert name in owner[user]["anonymous_ids"]
    assert any(not p["user_id"] and p["anonymous_ids"] for p in people)
    assert all(p["is_bot"] == (p["customer"] < 0) for p in people)


def test_the_shops_proportions_are_those_of_a_shop(shop: Made) -> None:
    told = shop.effects
    web_orders = count(shop.events, "Order Completed", channel="web")
    assert told["visits"] / told["people"] == pytest.approx(2.9, abs=0.4)
    assert 0.02 < web_orders / told["visits"] < 0.04
    assert 0.65 < 1 - web_orders / told["carts"] < 0.8
    assert 0.15 < count(shop.events, "Order Refunded") / count(shop.events, "Order Completed") < 0.3
    scores = [
        json.loads(p)["score"]
        for p in shop.events.filter(pc.equal(shop.events["event"], "Survey Answered"))["properties"].to_pylist()
    ]
    nps = (sum(s >= 9 for s in scores) - sum(s <= 6 for s in scores)) / len(scores)
    assert 0.1 < nps < 0.7
    assert set(scores) <= set(range(11))


def test_the_studios_proportions_are_those_of_a_studio(studio: Made) -> None:
    told = studio.effects
    assert 0.06 < told["started"] / told["people"] < 0.2
    assert 0.1 < told["converted"] / told["started"] < 0.4
    assert count(studio.events, "Subscription Renewed") > 3 * told["converted"]


def days_between(world: Made, *stages: str) -> pd.Series:
    """Days from each person's first moment in one stage to the next, for those who went on."""
    table = world.truth("stages").to_pandas()
    first = table[table["stage"].isin(stages)].groupby(["customer", "stage"])["time"].min().unstack()
    gaps = (first[stages[1]] - first[stages[0]]).dropna() / pd.Timedelta(days=1)
    return gaps[gaps >= 0]


def test_people_take_the_time_that_people_take(shop: Made, studio: Made) -> None:
    """Most come back on another day before they look closer, and again before they decide; and not all of them do."""
    for told in (shop, studio):
        closer = days_between(told, "awareness", "consideration")
        assert 0.2 < closer.median() < 7
        decided = days_between(told, "consideration", "decision")
        assert 0.5 < decided.median() < 14
        assert 0.1 < (decided < 1 / 24).mean() < 0.5
    bought = days_between(shop, "decision", "retention")
    assert 1 / 24 < bought.median() < 5
    assert 0.2 < (bought < 1 / 24).mean() < 0.6
    again = days_between(shop, "retention", "loyalty")
    assert 21 < again.median() < 180
    trial = days_between(studio, "decision", "retention")
    assert trial.median() == pytest.approx(91, abs=3)


def test_a_person_is_mostly_one_visitor(shop: Made) -> None:
    """A second device or a lost cookie makes another visitor of some, and not of most."""
    people = shop.truth("people").filter(pc.invert(shop.truth("people")["is_bot"]))
    cookies = [len(names) for names in people["anonymous_ids"].to_pylist()]
    assert 1.15 < sum(cookies) / len(cookies) < 1.5
    assert np.mean(np.array(cookies) == 1) > 0.7


def test_memory_does_not_grow_with_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "BLOCK", 1000)
    made(tmp_path / "warm", customers=1000)

    def peak(customers: int) -> int:
        tracemalloc.start()
        try:
            made(tmp_path / str(customers), customers=customers)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(6000) < 1.3 * peak(2000)


def test_progress_is_told_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "BLOCK", 100)
    steps: list[tuple[int, int, int]] = []
    summary = world(tmp_path, customers=250, end=END, progress=lambda *step: steps.append(step))
    assert [(done, of) for done, of, _ in steps] == [(100, 250), (200, 250), (250, 250)]
    assert steps[-1][2] == summary.events
    assert json.dumps(summary.to_dict())


def test_a_world_replaces_a_world_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path / "w", customers=50)
    first = made(tmp_path / "w", customers=60)
    assert first.truth("people").num_rows == 61
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        made(tmp_path / "other", customers=50)
    assert names(tmp_path / "other") == ["thesis.txt"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "bank"}, "no world 'bank'"),
        ({"customers": 0}, "at least one customer"),
        ({"months": 0}, "months"),
        ({"end": dt.datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"obstacles": ["slow_pag"]}, "nearest: slow_page"),
    ],
)
def test_what_cannot_be_made_is_said(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        world(tmp_path / "w", **options)
    assert not (tmp_path / "w").exists()


def test_noise_can_be_chosen(tmp_path: Path) -> None:
    noisy = made(tmp_path, customers=500, noise=Noise(duplicates=0.3, late=0, wrong_clock=0, people_a_bot=50))
    noise = noisy.truth("noise")
    assert noise.filter(noise["duplicate"]).num_rows / noisy.events.num_rows == pytest.approx(0.23, abs=0.03)
    assert not any(noise["late"].to_pylist())
    assert sum(noisy.truth("people")["is_bot"].to_pylist()) == 10
