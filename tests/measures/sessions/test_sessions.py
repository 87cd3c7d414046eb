"""Sessions, returning visits and drop-off: people as lists, plain readings, the lists behind, published counts."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.customers import customers_behind
from polku.measures.result import Period
from polku.measures.sessions.dropoff import dropoff
from polku.measures.sessions.lengths import sessions
from polku.measures.sessions.returning import returning
from polku.measures.sources import NONE
from polku.measures.view import EVER, view_of
from polku.trails.layout import Trails, moment

DATA = Path(__file__).parents[4] / "shared" / "data"
DAY, HOUR, GAP = 86400, 3600, 1800
MAP = journey_of(("see", ["view"]), ("buy", [{"id": "order", "value": "revenue"}]))
AD = ("ads", "cpc", None)
PEOPLE = [
    [(0, "view", None, {"page": "/"}), (60, "view", None, {"page": "/a", "origin": AD}), (GAP + 60, "view")],
    [(DAY - 100, "view", None, {"page": "/"}), (DAY + 100, "Product Added", 30.0), (2 * DAY, "order", 30.0)],
    [(5 * DAY, "view"), (5 * DAY, "Product Added", 10.0), (5 * DAY + 9, "Product Removed", 4.0)],
    [(6, "other")],
]
END = 9 * DAY


def view(people=PEOPLE, as_of=END, period=EVER, journey=MAP):
    codes = ["Product Added", "Product Removed", "order", "view"]
    return view_of(trails(journey, people, 2, as_of=as_of, codes=codes), journey, period=period)


def drawn(answer):
    for language in ("fi", "en"):
        assert answer.tables(Reader(language))
        assert answer.charts(Reader(language))


def test_sessions_by_hand():
    seen = view()
    answer = sessions(seen)
    whole = answer.everything
    # of the first person a second session 1,800 s later; the second's runs over midnight
    assert (whole.sessions.n, whole.customers.n, whole.per_customer) == (6, 4, 1.5)
    assert (whole.single.numerator, whole.single.denominator) == (3, 6)
    assert (whole.length.q25, whole.length.median, whole.length.q75) == (0, 4.5, 47.25)
    assert whole.mean_length == pytest.approx((60 + 200 + 9) / 6)
    assert (whole.mean_events, whole.mean_pages) == (10 / 6, 3 / 6)
    assert [(c.low, c.sessions.n) for c in answer.lengths if c.sessions.n] == [(0, 3), (1, 1), (31, 1), (181, 1)]
    assert [(c.low, c.sessions.n) for c in answer.events if c.sessions.n] == [(1, 3), (2, 2), (3, 1)]
    assert [(c.low, c.sessions.n) for c in answer.pages if c.sessions.n] == [(0, 4), (1, 1), (2, 1)]
    assert lists_agree(answer, seen) == 1
    drawn(answer)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"gap": GAP + 1}, 5), ({"split": "day"}, 7), ({"gap": DAY}, 4), ({"gap": 50, "split": "day"}, 8)],
)
def test_other_rules(options, expected):
    seen = view()
    answer = sessions(seen, **options)
    assert answer.everything.sessions.n == expected
    assert lists_agree(answer, seen) == 1


def test_sessions_of_the_source_are_kept_or_not():
    people = [
        [(0, "view", None, {"session": 1}), (10, "view", None, {"session": 2}), (9000, "view", None, {"session": 1})]
    ]
    assert sessions(view(people)).everything.sessions.n == 2
    assert sessions(view(people), own=False).everything.sessions.n == 2
    assert [c.sessions.n for c in sessions(view(people), own=False).events[:2]] == [1, 1]
    assert sessions(view(people)).everything.mean_length == 4500


def test_sessions_by_source():
    seen = view()
    answer = sessions(seen, by="source")
    assert {g.name: (g.sessions.n, g.customers.n) for g in answer.groups} == {"ads": (1, 1), NONE: (5, 4)}
    assert sum(g.sessions.n for g in answer.groups) == 6
    assert next(g for g in answer.groups if g.name == "ads").customers.n == 1
    assert lists_agree(answer, seen) == 3
    assert sessions(seen, by="channel").groups[0].sessions.n == 6


def test_a_period_has_the_sessions_that_began_in_it():
    seen = view(period=Period(moment(0), moment(DAY)))
    assert sessions(seen).everything.sessions.n == 4
    answer = returning(view(period=Period(moment(DAY), moment(END))))
    assert (answer.visits.numerator, answer.visits.denominator) == (1, 2)  # the visit before lies before the period
    made = trails(MAP, PEOPLE, 2, as_of=END)
    assert customers_behind(made, MAP, answer.visits.behind).lines[0].customer == 2


def test_returning_by_hand():
    seen = view()
    answer = returning(seen)
    assert (answer.visits.numerator, answer.visits.denominator) == (2, 6)
    assert (answer.visitors.numerator, answer.visitors.denominator) == (2, 4)
    assert [(c.low, c.n) for c in answer.number if c.n] == [(1, 2), (2, 2)]
    assert answer.mean == 1.5
    assert answer.between.median == (GAP + (DAY - 100)) / 2
    assert [(c.low, c.n) for c in answer.waits if c.n] == [(0, 1), (6 * HOUR, 1)]
    assert lists_agree(answer, seen) > 10
    drawn(answer)


def test_dropoff_by_hand():
    seen = view()
    answer = dropoff(seen, within=3 * DAY)
    found = {p.name: p for p in answer.places}
    # four sessions met "see": the first person's two, the second's first, the third's; all of them ended there
    assert (found["see"].left.numerator, found["see"].left.denominator) == (4, 4)
    # the first person's second, and the third's; the others came back in time
    assert (found["see"].lost.numerator, found["see"].lost.denominator, found["see"].lost.pending) == (2, 4, 0)
    assert (found["see"].customers.n, found["see"].money.amount) == (2, 6.0)
    assert (found["buy"].left.numerator, found["buy"].left.denominator) == (0, 1)  # the order converts
    assert found["buy"].lost.value is None
    assert lists_agree(answer, seen) == 2
    drawn(answer)
    late = dropoff(seen, within=5 * DAY).places[0].lost
    assert (late.numerator, late.denominator, late.pending) == (1, 3, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"by": "touchpoint"}, {"view": (4, 4), "order": (0, 1)}),
        ({"by": "page"}, {"/": (1, 2), "/a": (1, 1)}),
        ({"by": "event", "to": "Product Removed"},
         {"view": (2, 4), "Product Added": (1, 2), "order": (1, 1), "Product Removed": (0, 1), "other": (1, 1)}),
    ],
)  # fmt: skip
def test_dropoff_by_other_places(options, expected):
    seen = view()
    answer = dropoff(seen, **options)
    assert {p.name: (p.left.numerator, p.left.denominator) for p in answer.places} == expected
    assert lists_agree(answer, seen) == len(expected)


def test_what_dropoff_cannot_tell():
    plain = journey_of(("everyone", []))
    answer = dropoff(view([[(0, "go"), (9, "stop")]], journey=plain))
    assert (answer.by, answer.to, [p.name for p in answer.places]) == ("event", None, ["stop", "go"])
    assert answer.places[0].money is None
    with pytest.raises(MeasureError, match="No page view"):
        dropoff(view([[(0, "view")]]), by="page")


events = st.tuples(
    st.integers(0, 60), st.sampled_from(["view", "order", "off", "Product Added"]),
    st.sampled_from([None, 1.0, 5.0]), st.sampled_from([{}, {}, {"session": 1}, {"session": 2}, {"page": "/x"}]),
)  # fmt: skip
people = st.lists(st.lists(events, max_size=7).map(lambda p: sorted(p, key=lambda e: e[0])), max_size=4)
UNIT = 600  # ten minutes: three of them end a session


def plain_sessions(trail, gap, daily, as_of, first_own):
    """Lists of events of each session, in order of the first event."""
    label, named, count = [], {}, 0
    for i, (t, _, _, more) in enumerate(trail):
        own = more.get("session", 0) if first_own else 0
        if own and own in named:
            label.append(named[own])
        elif not own and i and t - trail[i - 1][0] < gap:
            label.append(label[-1])
        else:
            label.append(count)
            if own:
                named[own] = count
            count += 1
    made = [[e for e, at in zip(trail, label, strict=True) if at == v] for v in range(count)]
    if daily:
        made = [[e for e in s if e[0] // DAY == day] for s in made for day in sorted({e[0] // DAY for e in s})]
    return made


@settings(deadline=None, max_examples=60)
@given(people, st.booleans(), st.booleans(), st.integers(0, 30), st.integers(1, 60))
def test_a_plain_reading_agrees(people, own, daily, start, length):
    people = [[(t * UNIT, n, v, m) for t, n, v, m in p] for p in people]
    start, end = start * UNIT, (start + length) * UNIT
    as_of = 70 * UNIT
    made = trails(MAP, people, 2, as_of=as_of, codes=["view", "order", "off", "Product Added"])
    # sessions of a source are numbered within a bucket, so that no two customers share one
    for bucket in made.buckets:
        for c in range(bucket.customers):
            part = bucket.session[bucket.offsets[c] : bucket.offsets[c + 1]]
            part[part > 0] += 2 * c
    seen = view_of(made, MAP, period=Period(moment(start), moment(end)))
    every = [plain_sessions(p, GAP, daily, as_of, own) for p in people]
    mine = [(c, s) for c, ss in enumerate(every) for s in ss if start <= s[0][0] < end]
    answer = sessions(seen, own=own, split="day" if daily else "none")
    assert answer.everything.sessions.n == len(mine)
    assert answer.everything.customers.n == len({c for c, _ in mine})
    if mine:
        assert answer.everything.mean_length == pytest.approx(sum(s[-1][0] - s[0][0] for _, s in mine) / len(mine))
        assert answer.everything.mean_events == pytest.approx(sum(len(s) for _, s in mine) / len(mine))
    lists_agree(answer, seen)
    if daily:
        return
    back = returning(seen, own=own)
    assert back.visits.numerator == sum(s is not every[c][0] for c, s in mine)
    lists_agree(back, seen)
    if not own:
        return
    within = 6 * UNIT
    met, left, lost, due, money = Counter(), Counter(), Counter(), Counter(), Counter()
    for c, s in mine:
        steps = [n for _, n, _, _ in s if n in ("view", "order")]
        met.update(set(steps))
        if not steps or "order" in steps:
            continue
        left[steps[-1]] += 1
        if s[-1][0] + within <= as_of:
            due[steps[-1]] += 1
            if not any(s[-1][0] < t <= s[-1][0] + within for t, *_ in people[c]):
                lost[steps[-1]] += 1
                money[steps[-1]] += sum(v or 0 for _, n, v, _ in s if n == "Product Added")
    found = dropoff(seen, by="touchpoint", within=within)
    assert {p.name: p.left.denominator for p in found.places} == dict(met)
    for p in found.places:
        assert (p.left.numerator, p.lost.numerator, p.lost.denominator) == (left[p.name], lost[p.name], due[p.name])
        assert p.lost.pending == left[p.name] - due[p.name]
        if p.money is not None:
            assert p.money.amount == pytest.approx(money[p.name])
    lists_agree(found, seen)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_sessions_that_others_published():
    with gzip.open(DATA / "ecom" / "ecom.csv.gz", "rt", encoding="utf-8") as f:
        rows = [(r["user_id"], r["event"], r["timestamp"]) for r in csv.DictReader(f)]
    who, what, when = zip(*rows, strict=True)
    table = pa.table({"who": who, "what": what, "at": pa.array(when).cast(pa.timestamp("s"))})
    made = Trails.from_table(table, customer="who", time="at", event="what")
    found = made.sessions()
    assert (found.everything.sessions.n, found.everything.customers.n) == (3605, 600)
    back = made.returning()
    assert (back.visits.numerator, back.visits.denominator) == (3005, 3605)
    assert back.number[-1].high is None
    assert sum(c.n for c in back.number) == 600
