"""The step matrix and the flow, against a plain reading, the funnel and published shares."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from pathlib import Path

import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.paths.test_transitions import MAP, PEOPLE, steps
from measures.small_world import trails
from polku.errors import MeasureError
from polku.measures.ask import measure
from polku.measures.customers import customers_behind
from polku.trails.layout import Trails

DATA = Path(__file__).parents[4] / "shared" / "data"


def shares(answer) -> dict[tuple[str, int], int]:
    return {(p.step, p.position): p.share.numerator for p in answer.places if p.share.numerator}


@pytest.mark.parametrize(
    ("options", "paths", "expected"),
    [
        ({"after": 2}, 2, {("ad", 0): 1, ("view", 0): 1, ("view", 1): 1, ("cart", 1): 1, ("view", 2): 1,
                           ("order", 2): 1}),
        ({"centre": "cart", "before": 2, "after": 1}, 2,
         {("view", -2): 1, ("path_end", -2): 1, ("view", -1): 2, ("cart", 0): 2, ("order", 1): 1, ("path_end", 1): 1}),
        ({"centre": "view", "occurrence": 2, "before": 1, "after": 1}, 1,
         {("view", -1): 1, ("view", 0): 1, ("cart", 1): 1}),
        ({"after": 1, "top": 1}, 2, {("view", 0): 1, ("rest", 0): 1, ("view", 1): 1, ("rest", 1): 1}),
        ({"of": "stage", "collapse": "yes", "after": 2}, 2, {("see", 0): 2, ("buy", 1): 2, ("path_end", 2): 2}),
    ],
)  # fmt: skip
def test_people_as_lists(options, paths, expected):
    for name in ("step_matrix", "flow"):
        answer = measure(trails(MAP, PEOPLE, buckets=2), name, journey=MAP, **options)
        assert (answer.paths, shares(answer)) == (paths, expected)


@settings(deadline=None)
@given(steps, st.sampled_from([None, "cart"]), st.integers(1, 2))
def test_every_cell_is_a_plain_count_and_opens_its_customers(people, centre, occurrence):
    made = trails(MAP, people, buckets=2, codes=["ad", "cart"])
    answer = measure(made, "flow", journey=MAP, of="event", centre=centre, occurrence=occurrence, after=2)
    back = 3 if centre else 0
    cells: Counter[tuple[str, int]] = Counter()
    moves: Counter[tuple[int, str, str]] = Counter()
    for trail in people:
        path = [name for _, name in trail]
        places = [i for i, name in enumerate(path) if name == centre] if centre else [0] if path else []
        if len(places) < (occurrence if centre else 1):
            continue
        middle = places[occurrence - 1] if centre else 0
        row = [path[i] if 0 <= i < len(path) else "path_end" for i in range(middle - back, middle + 3)]
        cells.update((name, q - back) for q, name in enumerate(row))
        moves.update((q - back, a, b) for q, (a, b) in enumerate(itertools.pairwise(row)))
    assert shares(answer) == dict(cells)
    for q in range(-back, 3):
        assert sum(p.share.numerator for p in answer.places if p.position == q) == answer.paths
    expected = {k: n for k, n in moves.items() if k[1:] != ("path_end", "path_end")}
    assert {(m.position, m.source, m.target): m.count.n for m in answer.moves} == expected
    for move in answer.moves[:3]:
        assert customers_behind(made, MAP, move.count.behind).total == move.count.n


@settings(deadline=None)
@given(steps, st.sampled_from(["customer", "session"]), st.sampled_from([None, "cart"]))
def test_moves_to_and_from_the_rest_open_their_customers(people, by, centre):
    made = trails(MAP, people, buckets=2, codes=["ad", "cart"])
    options = {"of": "event", "by": by, "centre": centre}
    whole, few = (measure(made, "flow", journey=MAP, **options, after=2, top=top) for top in (99, 2))
    told = {p.step for p in few.places}
    assert sum(m.count.n for m in few.moves) == sum(m.count.n for m in whole.moves)
    for move in few.moves:
        listed = customers_behind(made, MAP, move.count.behind)
        mine = [
            customers_behind(made, MAP, m.count.behind, limit=99) for m in whole.moves
            if m.position == move.position and (m.source if m.source in told else "rest") == move.source
            and (m.target if m.target in told else "rest") == move.target
        ]  # fmt: skip
        assert listed.total == len({line.customer for found in mine for line in found.lines})
        assert listed.total == move.count.n or (by == "session" and 0 < listed.total < move.count.n)
    for place in few.places:
        assert customers_behind(made, MAP, place.share.behind_all).total <= few.paths
        if by == "customer":
            assert customers_behind(made, MAP, place.share.behind).total == place.share.numerator
            assert customers_behind(made, MAP, place.share.behind_all).total == few.paths


@settings(deadline=None)
@given(steps)
def test_the_paths_around_a_step_are_those_that_start_its_funnel(people):
    made = trails(MAP, people, codes=["view", "cart"])
    flow = measure(made, "flow", journey=MAP, of="event", centre="view")
    assert flow.paths == measure(made, "funnel", journey=MAP, steps="view,cart").reached[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"before": 2}, "centre"), ({"after": 31}, "At most 30"), ({"centre": "crt"}, "cart"), ({"of": "page"}, "event")],
)
def test_what_cannot_be_asked_is_told(options, says):
    with pytest.raises(MeasureError, match=says):
        measure(trails(MAP, PEOPLE), "step_matrix", journey=MAP, **options)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_shares_that_others_published():
    with gzip.open(DATA / "ecom" / "ecom.csv.gz") as f:
        table = pyarrow.csv.read_csv(f)
    made = Trails.from_table(table, customer="user_id", time="timestamp", event="event", session="session_id")

    def share(answer, position, step):
        return next(round(p.share.value, 4) for p in answer.places if (p.position, p.step) == (position, step))

    by_user = made.step_matrix()
    names = ("home", "catalog", "search", "product_view")
    assert [share(by_user, 0, s) for s in names] == [0.3250, 0.2683, 0.2133, 0.1217]
    assert [share(by_user, 1, s) for s in names] == [0.1267, 0.2483, 0.2083, 0.1983]
    by_session = made.step_matrix(by="session")
    assert [share(by_session, q, "path_end") for q in (1, 5)] == [0.0641, 0.3226]
    onward = [made.onward(from_="add_to_cart", to="purchase", by=by).onward[0] for by in ("customer", "session")]
    assert [(o.rate.numerator, o.rate.denominator) for o in onward] == [(297, 522), (364, 1213)]
    assert [(round(o.base.value, 4), round(o.lift.value, 4)) for o in onward] == [(0.5467, 1.0408), (0.1304, 2.3017)]
