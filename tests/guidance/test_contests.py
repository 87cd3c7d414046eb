"""Variants against each other: what is counted, what a bandit learns, and the winner adopted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.small_world import journey_of, trails

from guidance.shop import DAY, Shop
from polku.errors import UsageError
from polku.guidance import contests as c
from polku.guidance.holdout import variant
from polku.guidance.rules import compile_rules
from polku.guidance.shares import shares_of
from polku.guidance.turning import adopt
from polku.journey.check import check_text
from polku.measures.result import Rate
from polku.measures.view import view_of
from polku.record import tables
from polku.record.project import create_project

WEEK = 7 * 86400
SEND = {
    "channel": "email",
    "variants": {"a": "content/a.en.md", "b": {"content": "content/b.en.md", "weight": 1}},
    "choose": "bandit",
    "floor": "10 %",
}


def journey(send: dict[str, Any]) -> Any:
    return journey_of(
        ("decision", ["cart", {"id": "order", "value": "revenue"}]),
        measures={"bought": {"kind": "conversion", "from": "cart", "to": "order", "within": "7d"}},
        guidance=[{"id": "letter", "when": {"reached": "cart"}, "send": send, "judge_by": "bought", "state": "on"}],
    )


def test_what_came_of_each_is_counted_and_learned(tmp_path: Path) -> None:
    """200 people: of those who got a, 1 in 10 ordered on the second day; of b, 4 in 10. Ten more have time left."""
    map_ = journey(SEND)
    people, rows = [], []
    for n in range(210):
        late = n >= 200
        start = 29 * 86400 if late else 100
        name = "ab"[n % 2]
        buys = not late and (n // 2) % 10 < {"a": 1, "b": 4}[name]
        people.append([(start, "cart"), *([(start + 90_000, "order", 10.0)] if buys else [])])
        rows.append((n + 1, start, name))
    view = view_of(trails(map_, people, buckets=2, as_of=30 * 86400), map_)
    [rule] = compile_rules(map_)
    with create_project(tmp_path / "shop") as project:
        with project.state.write() as connection:
            for customer, at, name in [*rows, (1, 200, "b"), (2, 300, "gone")]:
                connection.execute(
                    tables.outbox.insert().values(
                        key=f"{customer}:1:{name}:{at}",
                        rule="letter",
                        customer=customer,
                        channel="email",
                        step=1,
                        variant=name,
                        content=f"content/{name}.en.md",
                        owed=False,
                        priority=0,
                        facts="{}",
                        state="sent",
                        made_at=at * 1_000_000,
                        next_at=0,
                    )
                )
        [found] = c.contests(project, rule, view)
        one, two = found.variants
        assert (one.reached, two.reached) == (Rate(10, 100, 5), Rate(40, 100, 5))  # whoever came again counts once
        assert (one.given, one.goals, two.goals) == (105, 10, 40)
        # all who came did so on the second day: after one day nobody counts for much, after two everybody fully
        assert 100 <= one.worth < 105
        assert (one.share, two.share) == (0.5, 0.5)
        assert found.half is not None
        assert 90_000 <= found.half <= 2 * 86400
        assert two.difference is not None
        assert two.difference.value == pytest.approx(0.3)
        assert two.difference.low is not None
        assert two.difference.low > 0
        assert (one.money, two.money) == (1.0, 4.0)
        assert two.chance is not None
        assert two.chance > 0.99
        assert found.winner == "b"
        assert c.learn(project, rule, view) == 1
        with project.state.read() as connection:
            shares = shares_of(connection, "letter", found.step)
        assert shares == pytest.approx({"a": 0.1, "b": 0.9}, abs=0.001)
        [again] = c.contests(project, rule, view)
        assert [v.share for v in again.variants] == pytest.approx([0.1, 0.9], abs=0.001)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(50, 500)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_shares_add_up_and_nobody_falls_below_the_floor(counts: list[tuple[int, float]], floor: float) -> None:
    names = [f"v{n}" for n in range(len(counts))]
    shares = c.floored(dict(zip(names, c.chances_of(counts, "r", 1), strict=True)), floor)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert min(shares.values()) >= min(floor, 1 / len(counts)) - 1e-6


def test_a_bandit_brings_more_to_the_goal_than_a_fixed_split() -> None:
    """Thirty worlds of 40 people a day for 50 days: 5 % against 12 %. The order of the days is the only clock."""
    gained = []
    for world in range(30):
        rng = np.random.default_rng(world)
        counts = {"a": [0, 0], "b": [0, 0]}
        shares = {"a": 0.5, "b": 0.5}
        goals = 0
        for day in range(50):
            for n in range(40):
                name = variant(world * 10_000 + day * 40 + n, "letter", 1, shares)
                won = rng.random() < {"a": 0.05, "b": 0.12}[name]
                counts[name][0] += won
                counts[name][1] += 1
                goals += won
            if min(n for _, n in counts.values()) >= c.LEAST:
                told = c.chances_of([(k, float(n)) for k, n in counts.values()], "letter", 1)
                shares = c.floored(dict(zip(counts, told, strict=True)), 0.1)
        gained.append(goals - 2000 * 0.085)
    assert np.mean(gained) > 30  # 54 at most, with a floor of a tenth
    assert np.mean(np.array(gained) > 0) > 0.8


RULES = """
  - id: letter
    when: {event: Product Added}
    send:
      channel: email
      variants: {a: content/a.en.md, b: {content: content/b.en.md, weight: 1}}  # two letters
      choose: bandit
      floor: 0 %
    holdout: 0 %
    state: on
"""


def test_a_customer_keeps_their_variant_whatever_is_learned(shop: Any) -> None:
    made: Shop = shop(RULES)
    made.tick()
    [rule] = compile_rules(made.project.journey())
    step = next(n for n, s in enumerate(rule.steps) if getattr(s, "variants", ()))

    def learned(a: float) -> None:
        with made.project.state.write() as connection:
            connection.execute(tables.variant_shares.delete())
            for name, share in (("a", a), ("b", 1 - a)):
                told = {"given": 9, "reached": 1, "worth": 9.0, "learned_at": 1}
                connection.execute(
                    tables.variant_shares.insert().values(rule="letter", step=step, variant=name, share=share, **told)
                )

    learned(1.0)
    for user in ("anna", "eero", "liisa"):
        made.event(user, "Product Added")
    assert [m["variant"] for m in made.outbox()] == ["a"] * 3
    learned(0.0)
    made.now += DAY
    made.event("anna", "Product Added")
    made.event("olli", "Product Added")
    assert [m["variant"] for m in made.outbox()][3:] == ["a", "b"]
    assert made.outbox()[4]["content"] == "content/b.en.md"
    text = (made.folder / "journey.yaml").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="no variant 'c'"):
        adopt(made.project, "letter", "c", "anna")
    adopt(made.project, "letter", "b", "anna")
    edited = (made.folder / "journey.yaml").read_text(encoding="utf-8")
    before, after = text.splitlines(), edited.splitlines()
    assert [line for line in before if line not in after] == [
        line for line in before if any(word in line for word in ("variants:", "choose:", "floor:"))
    ]
    assert [line.strip() for line in after if line not in before] == ["content: content/b.en.md"]
    made.tick()
    made.now += DAY
    made.event("anna", "Product Added")
    assert (made.outbox()[-1]["variant"], made.outbox()[-1]["content"]) == (None, "content/b.en.md")


FAULTS = [
    ("variants: {}", "variants are pieces of content by name"),
    ("variants: {a: {}}", "names no content"),
    ("variants: {a: x.md}, chose: bandit", "did you mean 'choose'"),
    ("variants: {a: x.md}, choose: best", "not known here"),
    ("variants: {a: {content: x.md, weight: 0}}", "above 0"),
    ("variants: {a: x.md}, floor: 10 %", "belongs to choose: bandit"),
    ("variants: {a: x.md, b: y.md, c: z.md}, choose: bandit, floor: 40 %", "smaller floor"),
    ("content: x.md, choose: bandit", "there are no variants"),
    ("variants: {A b: x.md}", "no name of a variant"),
]


@pytest.mark.parametrize(("said", "told"), FAULTS)
def test_slips_in_variants_are_told_with_their_place(said: str, told: str) -> None:
    text = f"""polku: 1
title: Shop
stages: [{{id: a, touchpoints: [{{id: cart, match: {{event: Product Added}}}}]}}]
guidance:
  - id: letter
    when: {{reached: cart}}
    send: {{channel: email, {said}}}
"""
    faults = [str(f) for f in check_text(text)]
    assert any(told in fault and ":7:" in fault for fault in faults), faults
