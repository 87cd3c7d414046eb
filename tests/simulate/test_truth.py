"""The truth agrees with the events, and effects are what the counterfactual says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.simulate.conftest import END, Made, made

from polku.simulate.making import Teller, World
from polku.simulate.noise import NONE
from polku.simulate.setting import setting

ORDER = ["awareness", "consideration", "decision", "retention", "loyalty"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A shop without noise: every event tells the true time."""
    return made(tmp_path_factory.mktemp("clean"), customers=2500, noise=NONE)


def events_of(world: Made) -> pd.DataFrame:
    """Events with the true customer, found by the truth's own ids."""
    people = world.truth("people").to_pandas()
    by_user = dict(zip(people["user_id"].dropna(), people.loc[people["user_id"].notna(), "customer"], strict=True))
    by_cookie = {
        name: c for c, cookies in zip(people["customer"], people["anonymous_ids"], strict=True) for name in cookies
    }
    events = world.events.to_pandas()
    known = events["user_id"].map(by_user)
    events["customer"] = known.fillna(events["anonymous_id"].map(by_cookie))
    return events


def test_stages_go_forwards_and_every_change_changes_something(either: Made) -> None:
    stages = either.truth("stages").to_pandas()
    assert stages["time"].is_monotonic_increasing or stages.groupby("customer")["time"].is_monotonic_increasing.all()
    assert stages["customer"].is_monotonic_increasing
    furthest: dict[int, int] = {}
    last: dict[int, tuple[str, bool]] = {}
    for row in stages.itertuples():
        now = (row.stage, row.advocate)
        assert last.get(row.customer) != now
        if row.stage == "lapsed":
            assert row.customer in furthest
        else:
            assert ORDER.index(row.stage) >= furthest.get(row.customer, 0)
            furthest[row.customer] = ORDER.index(row.stage)
        assert row.advocate >= last.get(row.customer, ("", False))[1]
        last[row.customer] = now
    assert stages["stage"].value_counts().reindex([*ORDER, "lapsed"]).fillna(0).gt(0).sum() >= 5


def test_the_true_stage_is_reached_with_the_event_that_shows_it(clean: Made) -> None:
    events, stages = events_of(clean), clean.truth("stages").to_pandas()
    first = stages.groupby(["customer", "stage"])["time"].min()
    shows = {"Product Added": "decision", "Order Completed": "retention", "Product Viewed": "consideration"}
    for event, stage in shows.items():
        seen = events[events["event"] == event].groupby("customer")["time"].min()
        at = [first.get((customer, s)) for customer in seen.index for s in [stage]]
        # Whoever did it has reached the stage by then, or one further right.
        for customer, when, reached in zip(seen.index, seen, at, strict=True):
            further = [first.get((customer, s)) for s in ORDER[ORDER.index(stage) :]]
            earliest = min(t for t in further if t is not None)
            assert earliest.floor("ms") <= when, (customer, stage, reached)


def test_two_orders_in_a_year_make_loyal(clean: Made) -> None:
    events, stages = events_of(clean), clean.truth("stages").to_pandas()
    orders = events[(events["event"] == "Order Completed") & events["customer"].notna()]
    gaps = orders.sort_values("time").groupby("customer")["time"].diff()
    two = set(orders.loc[gaps <= pd.Timedelta(days=364), "customer"])
    loyal = set(stages.loc[stages["stage"] == "loyalty", "customer"])
    assert two
    assert two <= loyal
    advocates = set(stages.loc[stages["advocate"], "customer"])
    told = events[events["event"].isin(["Product Reviewed", "Product Shared", "Recommended"])]
    assert set(told["customer"]) == advocates


def test_obstacles_met_leave_their_events(shop: Made) -> None:
    events, people = events_of(shop), shop.truth("people").to_pandas().set_index("customer")
    met = people["obstacles"].map(set)
    slow = set(events.loc[events["event"] == "Page Slow", "customer"].dropna())
    at_home = set(people.index[people["shares_computer"]])
    assert slow - at_home <= {c for c, m in met.items() if "slow_page" in m}
    failed = events[
        events["event"].eq("Payment Failed") & events["properties"].str.contains("authentication_window_closed")
    ]
    assert set(failed["customer"]) - at_home <= {c for c, m in met.items() if "payment_fails" in m}
    assert len(failed) > 10
    assert (failed["context"].str.contains("Samsung Internet")).all()
    for obstacle, told in shop.effects["obstacles"].items():
        assert told["people_met"] == sum(obstacle in m for m in met)
        assert told["people_met"] > 0


@pytest.mark.parametrize(("kind", "customers"), [("shop", 8000), ("studio", 24_000)])
def test_every_obstacle_costs(tmp_path: Path, kind: str, customers: int) -> None:
    told = made(tmp_path, kind, customers).effects
    for name, effect in told["obstacles"].items():
        assert effect["present"]
        assert effect["logit_shift"] < 0
        assert effect["conversion_points"] < 0, name
        assert effect["money"] < 0, name
    assert told["all_obstacles"]["converted"] < min(e["converted"] for e in told["obstacles"].values())


@pytest.mark.parametrize(("kind", "index"), [(k, i) for k in ("shop", "studio") for i in range(4)])
def test_an_effect_is_the_difference_of_two_worlds(tmp_path: Path, kind: str, index: int) -> None:
    names = [o.id for o in setting(kind).obstacles]
    others = tuple(n for i, n in enumerate(names) if i != index)
    factual, other = (
        made(tmp_path / "f", kind, 1500).effects,
        made(tmp_path / "o", kind, 1500, obstacles=others).effects,
    )
    told = factual["obstacles"][names[index]]
    assert told["converted"] == factual["converted"] - other["converted"]
    assert told["orders"] == factual["orders"] - other["orders"]
    assert told["money"] == pytest.approx(factual["money"] - other["money"], abs=0.02)
    absent = other["obstacles"][names[index]]
    assert (absent["present"], absent["people_met"], absent["orders"], absent["money"]) == (False, 0, 0, 0)


def test_a_world_without_obstacles_has_none_of_their_events(tmp_path: Path) -> None:
    free = made(tmp_path, customers=2500, obstacles=())
    names = set(free.events["event"].to_pylist())
    assert not {"Page Slow", "Page Failed"} & names
    texts = [p for p in free.events["properties"].drop_null().to_pylist() if "authentication_window_closed" in p]
    assert not texts
    assert not any(free.truth("people")["obstacles"].to_pylist()[0])


def test_who_is_not_exposed_lives_the_same_life() -> None:
    """The counterfactual changes only those who met the obstacle: everyone else's events are the same, to the bit."""
    lives: list[Any] = []
    for obstacles in (None, ("late_delivery_price", "no_size_guide", "payment_fails")):
        teller = Teller(World("shop", 1500, end=END, obstacles=obstacles))
        people = teller.people(0, 1500)
        lives.append((teller.tell(people)[0], people["met"].copy()))
    (rows, met), (others, _) = lives
    spared = np.flatnonzero((met >> 3 & 1) == 0)
    assert 0 < len(spared) < 1500
    one, other = (r[np.isin(r["person"], spared)] for r in (rows, others))
    assert len(one) == len(other)
    same = [
        np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one.dtype.names or ()
    ]
    assert all(same)
