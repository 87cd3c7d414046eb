"""Treated against held out: exact counts of small worlds, and the promise of the interval over many."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from tests.measures.small_world import journey_of, trails

from polku.guidance import proof as p
from polku.guidance.rules import Condition, Hold, Rule, Trigger
from polku.kernels.experiments import UNLIMITED
from polku.measures.result import Rate
from polku.measures.view import view_of
from polku.record import tables
from polku.statistics.effects import Moments, compare

DAY = 86400
NONE = p.Funnel({}, 0, {})


def rule_of(**more) -> Rule:
    fields = {
        "id": "reminder", "title": None, "trigger": Trigger(()), "only_if": Condition(), "steps": (Hold(0),),
        "exits": (), "limit": None, "when_capped": "drop", "caps": {}, "quiet": None, "group": None, "priority": 0,
        "key": None, "holdout": 0.5, "owed": False, "judge_by": "bought", "state": "on", "version": "1",
    }  # fmt: skip
    return Rule(**{**fields, **more})


MAP = journey_of(
    ("decision", ["cart", {"id": "order", "value": "revenue"}]),
    measures={"bought": {"kind": "conversion", "from": "cart", "to": "order", "within": "7d"}},
)


def entries(*rows) -> p.Entries:
    """(customer, second, held out[, second from which another rule has credit)."""
    return p.Entries(
        np.array([r[0] for r in rows], np.int64),
        np.array([r[1] for r in rows], np.int64),
        np.array([r[2] for r in rows], np.bool_),
        np.array([r[3] if len(r) > 3 else int(UNLIMITED) for r in rows], np.int64),
    )


def proved(people, *rows, as_of=30 * DAY, **more):
    view = view_of(trails(MAP, people, buckets=2, as_of=as_of), MAP)
    return p.proof_of(view, rule_of(**more), entries(*rows), messages=NONE)


def test_who_counts_and_who_does_not():
    cart, soon, late = (100, "cart"), (100 + 7 * DAY, "order", 20.0), (101 + 7 * DAY, "order", 20.0)
    people = [
        [cart, soon],  # 1: within the window, whose end counts
        [cart, late],  # 2: a second too late
        [cart, (200, "!cart")],  # 3: did something else
        [cart, (100, "order", 9.0)],  # 4: in the second of the entry: neither before nor after
        [cart, (200, "order", 10.0), (300, "order", 30.0)],  # 5: held out, two orders
        [cart],  # 6: held out
        [(29 * DAY, "cart"), (29 * DAY + 5, "order", 1.0)],  # 7: ordered, but the time is not up
    ]
    rows = [(c, 100, False) for c in (1, 2, 3, 4)] + [(c, 100, True) for c in (5, 6)]
    found = proved(people, *rows, (7, 29 * DAY, False), (99, 100, False))
    assert found.treated.entered == 5
    assert found.treated.reached == Rate(1, 4, 1)
    assert found.treated.money == 5.0
    assert found.held_out.reached == Rate(1, 2, 0)
    assert found.held_out.money == 20.0
    assert found.unseen == 1
    assert found.difference.value == pytest.approx(0.25 - 0.5)
    assert (found.goal, found.within) == ("order", 7 * DAY)


def test_what_people_did_before_takes_variance_away_and_moves_little():
    rng = np.random.default_rng(5)
    keen = rng.random(2000) < 0.5
    before, after = (10, "order", 1.0), (200, "order", 1.0)
    buys = rng.random(2000) < 0.1 + 0.8 * keen
    people = [[before] * int(k) + [(100, "cart")] + [after] * int(b) for k, b in zip(keen, buys, strict=True)]
    rows = [(c + 1, 100, c % 2 == 1) for c in range(2000)]
    plain = [[e for e in person if e[0] >= 100] for person in people]
    adjusted, raw = proved(people, *rows).difference, proved(plain, *rows).difference
    assert adjusted.high - adjusted.low < 0.75 * (raw.high - raw.low)
    assert raw.low < adjusted.value < raw.high


def test_money_is_credited_to_the_rule_entered_last():
    people = [[(0, "cart"), (10, "order", 10.0), (20, "order", 30.0)], [(0, "cart"), (5, "order", 2.0)]]
    people += [[(0, "cart")], [(0, "cart"), (7, "order", 4.0)]]
    found = proved(people, (1, 0, False, 20), (2, 0, False), (3, 0, True), (4, 0, True))
    each = (10.0 + 2.0) / 2 - 4.0 / 2
    assert found.money.value == pytest.approx((10 + 30 + 2) / 2 - 4 / 2)
    assert found.credited.value == pytest.approx(each * 2)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((), p.NOBODY_YET),
        (((1, 0, False),), p.NOBODY_HELD),
        (((1, 0, True),), p.NOBODY_YET),
        (((1, 29 * DAY, False), (2, 29 * DAY, True)), p.NOT_UP),
    ],
)
def test_what_cannot_be_known_is_none_with_the_reason(rows, why):
    found = proved([[(0, "cart")], [(0, "cart")]], *rows)
    assert (found.uplift.value, found.uplift.reason) == (None, why)
    assert (found.credited.value, found.credited.reason) == (None, why)
    assert (found.known.already, found.known.day, found.known.reason) == (False, None, why)


def test_when_it_will_be_known_is_when_the_sequence_leaves_zero_out():
    """The day that is told, lived through with the same rates, is the first on which the interval leaves 0 out."""
    n, held = 2000, 400
    arm, base = (Moments.of(np.array([[float(i < k)] for i in range(m)])) for m, k in ((n - held, 220), (held, 40)))
    found = compare(arm, base, rate=True)
    now = 28 * DAY
    came = p.Entries(np.arange(n), np.linspace(1, now, n).astype(np.int64), np.zeros(n, bool), np.zeros(n, np.int64))
    known = p.known_when(found, 0.95, now, 0, came, None)
    assert not known.already
    assert known.day is not None
    days = (known.day - p.dt.date(1970, 1, 1)).days - 28
    for d, leaves in ((days - 2, False), (days + 1, True)):
        then = n + d * n / 28
        half = p._half(found.error, n, round(then), 0.95)
        assert (half < abs(found.absolute.value)) is leaves


def test_groups_that_were_not_dealt_as_planned_are_an_alarm():
    people = [[(0, "cart")] for _ in range(400)]
    rows = [(c + 1, 0, c < 100) for c in range(400)]
    assert proved(people, *rows, holdout=0.5).mismatch
    assert not proved(people, *rows, holdout=0.25).mismatch


def test_entries_come_from_the_notes(tmp_path):
    from polku.record.project import create_project

    rows = [
        ("reminder", 7, 5_000_000, "held_out"),
        ("reminder", 7, 4_000_000, "entered"),
        ("reminder", 8, 3_000_000, "treated"),
        ("reminder", 8, 9_000_000, "held_out"),  # a second run: the first one is what counts
        ("other", 8, 2_000_000, "treated"),  # before: no credit taken
        ("other", 8, 6_000_000, "treated"),
        ("other", 9, 1_000_000, "treated"),
    ]
    with create_project(tmp_path / "shop") as project:
        with project.state.write() as connection:
            for number, (rule, customer, at, what) in enumerate(rows, 1):
                note = {"id": number, "run": number, "rule": rule, "customer": customer, "what": what, "facts": "{}"}
                connection.execute(tables.run_notes.insert().values(time=at, known=at, **note))
        found = p.entries_of(project, "reminder")
        assert found.customer.tolist() == [7, 8]
        assert found.at.tolist() == [5, 3]
        assert found.held.tolist() == [True, False]
        assert found.until.tolist() == [int(UNLIMITED), 6]
        assert p.entries_of(project, "nobody").customer.tolist() == []
        assert p.entries_of(project, "reminder", 4_000_000).at.tolist() == [5, 9]


def test_who_came_while_nobody_was_held_out_is_compared_with_nobody(tmp_path):
    from polku.record.project import create_project

    shares = {1: 0, 2: 0, 3: 0.2, 4: 0.6}  # the map changed twice
    with create_project(tmp_path / "shop") as project:
        with project.state.write() as connection:
            for customer, share in shares.items():
                note = {"run": customer, "rule": "reminder", "customer": customer, "what": "treated"}
                facts = json.dumps({"share": share, "content": "content/cart.en.md"})
                at = customer * 1_000_000
                connection.execute(
                    tables.run_notes.insert().values(id=customer, time=at, known=at, facts=facts, **note)
                )
        found = p.entries_of(project, "reminder")
        assert found.customer.tolist() == [3, 4]
        assert p.planned(found, 0.9) == pytest.approx(0.4)  # what the map says now was not what they were dealt by
        with project.state.write() as connection:
            connection.execute(tables.run_notes.delete().where(tables.run_notes.c.customer > 2))
        assert p.entries_of(project, "reminder").customer.tolist() == [1, 2]


def worlds(n: int, seed: int):
    """Worlds of a known truth, looked at four times each: (the effect, looks that miss it)."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        base, lift = rng.uniform(0.05, 0.3), rng.choice([0.0, 0.02, 0.05])
        missed = 0
        arms = [Moments.none(1), Moments.none(1)]
        for _ in range(4):  # each week brings more people
            for k, (people, rate) in enumerate(((1800, base + lift), (200, base))):
                arms[k] = arms[k] + Moments.of((rng.random((people, 1)) < rate).astype(float))
            found = compare(arms[0], arms[1], rate=True)
            read = p._sequence(found.absolute, found.error, found, 0.95, None)
            missed += not read.low <= lift <= read.high
        yield missed


def covered(n: int, seed: int) -> float:
    return sum(missed == 0 for missed in worlds(n, seed)) / n


def test_the_interval_covers_the_truth_at_every_look():
    assert covered(40, 1) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 40)
