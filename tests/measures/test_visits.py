"""Sessions, bounce, exit and sources, from people as short lists of events."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.journey.model import MeasureGoal
from polku.kernels import sessions as kernel
from polku.kernels import visits as visit_kernel
from polku.measures import visits
from polku.measures.ask import measure, measure_view
from polku.measures.customers import customers_behind
from polku.measures.pages import bounce, exits
from polku.measures.result import Period
from polku.measures.sources import sources
from polku.measures.view import columns_of, view_of
from polku.trails.layout import Trails, moment

MIN = 60
SHOP = journey_of(("a", ["home", "view"]), ("b", [{"id": "order", "value": "revenue"}]), window=1000)
INSTAGRAM, GOOGLE = ("instagram", "social", "summer"), ("google", "cpc", None)


def cut(person, gap=30 * MIN, as_of=10**9):
    """The sessions of one person, as lists of places."""
    bucket = columns_of(trails(SHOP, [person]).buckets[0])
    order, starts, ends, _ = kernel.sessions(bucket, gap, as_of)
    return [[int(order[j]) if len(order) else j for j in range(s, e)] for s, e in zip(starts, ends, strict=True)]


def own(time, session, **more):
    return (time, "view", None, {"session": session, **more})


@pytest.mark.parametrize(
    ("person", "found"),
    [
        ([(0, "view"), (30 * MIN - 1, "view")], [[0, 1]]),
        ([(0, "view"), (30 * MIN, "view")], [[0], [1]]),
        ([own(0, 0, micros=5), own(30 * MIN, 0, micros=4)], [[0, 1]]),
        ([own(0, 0, micros=5), own(30 * MIN, 0, micros=5)], [[0], [1]]),
        ([own(0, 7), own(9000, 7)], [[0, 1]]),
        ([own(0, 7), own(1, 8)], [[0], [1]]),
        ([own(0, 7), own(1, 8), own(2, 7)], [[0, 2], [1]]),
        ([own(0, 7), own(1, 0)], [[0, 1]]),
        ([own(0, 7), own(1, 8), own(2, 0), own(3, 7)], [[0, 3], [1, 2]]),
        ([own(0, 7), own(9000, 0), own(9001, 0)], [[0], [1, 2]]),
        ([own(0, 0), own(1, 7)], [[0], [1]]),
    ],
)
def test_sessions(person, found):
    assert cut(person) == found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=12).map(sorted), st.integers(1, 20))
def test_sessions_are_a_partition_in_order(rows, gap):
    person = [own(t, s) for t, s in sorted(rows, key=lambda r: r[0])]
    found = cut(person, gap)
    assert sorted(i for s in found for i in s) == list(range(len(person)))
    assert all(s == sorted(s) for s in found)
    assert [s[0] for s in found] == sorted(s[0] for s in found)
    for s in found:
        assert len({person[i][3]["session"] for i in s} - {0}) <= 1


def page(time, path, **more):
    return (time, "page", None, {"page": path, **more})


VISITORS = [
    [page(0, "/"), page(60, "/dress"), (70, "order")],
    [page(0, "/")],
    [page(0, "/dress"), page(10, "/")],
    [page(0, "/"), page(5000, "/dress")],
]


def test_bounce_is_a_visit_of_one_page_by_where_it_landed():
    made = trails(SHOP, VISITORS, 2, as_of=10_000)
    found = bounce(view_of(made, SHOP))
    assert (found.overall.numerator, found.overall.denominator) == (3, 5)
    assert [(p.name, p.rate.numerator, p.rate.denominator, p.customers.n) for p in found.places] == [
        ("/", 2, 3, 3),
        ("/dress", 1, 2, 2),
    ]
    for place in found.places:
        assert customers_behind(made, SHOP, place.customers.behind).total == place.customers.n
    bounced, landed = (customers_behind(made, SHOP, b).lines for b in (found.overall.behind, found.overall.behind_all))
    assert {c.customer for c in bounced} < {c.customer for c in landed}
    listed = [{c.customer for c in customers_behind(made, SHOP, p.rate.behind_all).lines} for p in found.places]
    assert set.union(*listed) == {c.customer for c in landed}, "anywhere is every place together"
    listed = [{c.customer for c in customers_behind(made, SHOP, p.rate.behind).lines} for p in found.places]
    assert set.union(*listed) == {c.customer for c in bounced}


def test_exit_is_the_last_page_over_its_views():
    made = trails(SHOP, VISITORS, 2, as_of=10_000)
    found = exits(view_of(made, SHOP))
    assert {p.name: (p.rate.numerator, p.rate.denominator) for p in found.places} == {"/": (3, 4), "/dress": (2, 3)}
    for place in found.places:
        assert customers_behind(made, SHOP, place.rate.behind).total == place.customers.n
    for which in ("behind", "behind_all"):
        listed = [customers_behind(made, SHOP, getattr(p.rate, which)).lines for p in found.places]
        anywhere = customers_behind(made, SHOP, getattr(found.overall, which)).lines
        assert {c.customer for one in listed for c in one} == {c.customer for c in anywhere}


def test_one_touchpoint_can_be_asked_for():
    """Also by a measure of the map: its ``from`` is not passed over."""
    made = trails(SHOP, [[(0, "home"), (1, "view")], [(0, "home")], [(0, "view"), (5, "other")]], as_of=10_000)
    for kind, run in (("bounce", bounce), ("exit", exits)):
        whole = run(view_of(made, SHOP), "touchpoint")
        for place in whole.places:
            own = SHOP.model_copy(update={"measures": {"own": MeasureGoal(kind=kind, **{"from": place.name})}})
            one = measure(made, "own", journey=own)
            assert one.overall.numerator == place.rate.numerator
            assert one.overall.denominator == place.rate.denominator
            assert [(p.name, p.rate) for p in one.places] == [(place.name, place.rate)]
            listed = customers_behind(made, own, one.overall.behind)
            assert 0 < listed.total <= one.overall.numerator or not one.overall.numerator
        assert len(whole.places) > 1
        with pytest.raises(MeasureError, match="There is no touchpoint 'hom'"):
            run(view_of(made, SHOP), from_="hom")
        with pytest.raises(MeasureError, match="leave out one"):
            run(view_of(made, SHOP), "page", from_="home")


def test_without_pages_touchpoints_stand_in():
    people = [[(0, "home"), (1, "view")], [(0, "home")], [(0, "view"), (5, "other")]]
    made = trails(SHOP, people, as_of=10_000)
    view = view_of(made, SHOP)
    found = bounce(view)
    assert (found.by, found.unit) == ("touchpoint", "event")
    assert [(p.name, p.rate.numerator, p.rate.denominator) for p in found.places] == [("home", 1, 2), ("view", 1, 1)]
    assert {p.name: (p.rate.numerator, p.rate.denominator) for p in exits(view).places} == {
        "home": (1, 2),
        "view": (2, 2),
    }
    for place in found.places + exits(view).places:
        assert customers_behind(made, SHOP, place.customers.behind).total == place.customers.n
    with pytest.raises(MeasureError, match="page"):
        bounce(view, "page")


def test_without_a_map_every_event_is_a_place():
    table = pa.table({"who": ["a", "a", "b", "c"], "at": [0, 60, 5, 7], "what": ["home", "view", "home", "view"]})
    made = Trails.from_table(table, customer="who", time="at", event="what")
    found, ended = made.bounce(), made.exit()
    assert [(p.name, p.rate.numerator, p.rate.denominator) for p in found.places] == [("home", 1, 2), ("view", 1, 1)]
    assert [(p.name, p.rate.numerator, p.rate.denominator) for p in ended.places] == [("view", 2, 2), ("home", 1, 2)]
    assert (found.rate.numerator, found.rate.denominator, ended.rate.numerator) == (2, 3, 3)
    for place in found.places + ended.places:
        assert found.customers(place.customers.behind).total == place.customers.n
    assert made.bounce(from_="home").rate.denominator == 2
    with pytest.raises(MeasureError, match="home, view"):
        made.bounce(from_="hime")


def test_an_event_named_as_any_of_them_is_itself():
    r"""Also one that is named as the mark which tells it apart."""
    table = pa.table({"who": ["a", "b", "c", "c"], "at": [0, 5, 7, 9], "what": ["*", "view", "\\*", "*"]})
    made = Trails.from_table(table, customer="who", time="at", event="what")
    for found, whole in ((made.bounce(), 3), (made.exit(), 3)):
        assert found.customers(found.overall.behind_all).total == whole
        for place in found.places:
            assert found.customers(place.customers.behind).total == place.customers.n
    assert {p.name: p.rate.denominator for p in made.bounce().places} == {"*": 1, "view": 1, "\\*": 1}
    assert {p.name: p.customers.n for p in made.exit().places} == {"*": 2, "view": 1, "\\*": 0}


def test_a_visit_belongs_to_the_period_in_which_it_began():
    made = trails(SHOP, [[page(90, "/"), page(110, "/dress")], [page(150, "/")]], as_of=10_000)
    found = bounce(view_of(made, SHOP, period=Period(moment(100), moment(200))))
    assert (found.overall.numerator, found.overall.denominator) == (1, 1)


def test_sources_with_their_conversion():
    people = [
        [page(0, "/", origin=INSTAGRAM), page(10, "/x", origin=GOOGLE), (20, "order")],
        [page(0, "/", origin=INSTAGRAM), page(5000, "/"), (5010, "order")],
        [page(0, "/")],
        [page(9500, "/", origin=GOOGLE)],
    ]
    made = trails(SHOP, people, 2, as_of=10_000)
    found = sources(view_of(made, SHOP))
    rows = {s.source: (s.visits, s.customers.n, s.conversion.numerator, s.conversion.denominator, s.conversion.pending)
            for s in found.sources}  # fmt: skip
    assert rows == {"instagram": (2, 2, 1, 2, 0), None: (2, 2, 1, 2, 0), "google": (1, 1, 0, 0, 1)}
    assert {s.source: s.visit_conversion.numerator for s in found.sources} == {"instagram": 1, None: 1, "google": 0}
    assert found.to == "order"
    for source in found.sources:
        for behind, n in (
            (source.customers.behind, source.customers.n),
            (source.conversion.behind, source.conversion.numerator),
            (source.conversion.behind_not, source.conversion.denominator - source.conversion.numerator),
            (source.conversion.behind_pending, source.conversion.pending),
            (source.conversion.behind_all, source.conversion.denominator),
            (source.visit_conversion.behind, {"instagram": 1, None: 1, "google": 0}[source.source]),
        ):
            assert customers_behind(made, SHOP, behind).total == n, behind


def test_sources_by_one_part():
    people = [[page(0, "/", origin=INSTAGRAM)], [page(0, "/", origin=("instagram", "paid", None))]]
    found = sources(view_of(trails(SHOP, people, as_of=10_000), SHOP), by="source")
    assert [(s.source, s.medium, s.visits) for s in found.sources] == [("instagram", None, 2)]


facts = st.tuples(
    st.integers(0, 9000),
    st.sampled_from(["/", "/a", ""]),
    st.sampled_from(["page", "order", "view"]),
    st.sampled_from([INSTAGRAM, GOOGLE, (None, None, None)]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(facts, max_size=6), max_size=5))
def test_any_split_into_buckets_gives_the_same(rows):
    people = [[(t, e, None, {"page": p, "origin": o}) for t, p, e, o in sorted(r, key=lambda x: x[0])] for r in rows]
    pair = [view_of(trails(SHOP, people, n, as_of=10_000), SHOP) for n in (1, 3)]
    for run in (bounce, exits, sources):
        one, many = (run(view) for view in pair)
        key = lambda answer: sorted(map(repr, getattr(answer, "places", None) or getattr(answer, "sources", ())))  # noqa: E731
        assert key(one) == key(many)


def test_measures_of_one_view_share_their_pass_and_say_the_same():
    """Options that differ from the map's own ask for a pass of their own, in whatever order they come."""
    person = [
        (0, "home", None, {"page": "/", "origin": INSTAGRAM}),
        (60, "order", 10.0, {}),
        (9000, "view", None, {"page": "/a", "origin": GOOGLE}),
        (9010, "view", None, {"page": "/b"}),
    ]
    made = trails(SHOP, [person, person[2:], [(5, "home", None, {"page": "/"})]], 2, as_of=20_000)
    view = view_of(made, SHOP)
    asked = [
        ("leaving", {}), ("leaving", {"to": "view"}), ("bounce", {}), ("bounce", {"by": "touchpoint"}), ("exit", {}),
        ("exit", {"by": "touchpoint"}), ("sources", {}), ("sources", {"by": "source"}), ("sources", {"within": "1h"}),
        ("sources", {"to": "view"}), ("conversion", {"by": "session"}),
    ]  # fmt: skip
    shared = [measure_view(view, name, options) for name, options in asked]
    assert shared == [measure_view(view_of(made, SHOP), name, options) for name, options in reversed(asked)][::-1]
    assert shared[0].left != shared[1].left
    assert shared[2].places != shared[3].places
    early = measure_view(view.during(Period(None, moment(100))), "leaving", {})
    assert (early.left.numerator, early.left.denominator) == (1, 2)


ORIGINS = (None, INSTAGRAM, GOOGLE)
#: Close together and with few session names, so that sessions cross a period's start and names come back later.
clicks = st.tuples(
    st.integers(0, 40), st.sampled_from(["", "/", "/a"]), st.sampled_from(["view", "order"]),
    st.sampled_from(ORIGINS), st.integers(0, 3),
)  # fmt: skip


def plain_visits(person, gap):
    """The sessions of one person as lists of clicks, in order of their first one; the rules once more."""
    label, seen = [], {}
    for i, (second, *_, session) in enumerate(person):
        if session and session in seen:
            label.append(seen[session])
        elif not session and i and second - person[i - 1][0] < gap:
            label.append(label[-1])
        else:
            label.append(max(label, default=-1) + 1)
            if session:
                seen[session] = label[-1]
    return [[c for c, at in zip(person, label, strict=True) if at == v] for v in range(max(label, default=-1) + 1)]


def plain_counts(people, gap, within, start, end, as_of):
    """(visits, converted visits), landings {page: (visits, bounced, customers)}, exits {page: (views, ended,
    customers)}, sources {origin: (visits, won, customers, converted, pending)} of the visits that began in the period.
    """
    totals, landings, exits_, sources_ = [0, 0], {}, {}, {}
    for who, everything in enumerate(people):
        person = [c for c in everything if c[0] <= as_of]
        orders = [c[0] for c in person if c[2] == "order"]
        for visit in plain_visits(person, gap):
            began = visit[0][0]
            if not start <= began < end:
                continue
            pages = [c[1] for c in visit if c[1]]
            won = any(c[2] == "order" for c in visit)
            totals[0] += 1
            totals[1] += won
            if pages:
                landings.setdefault(pages[0], []).append((who, len(pages) == 1))
            left = exits_.setdefault(pages[-1] if pages else "", [0, []])
            left[1].append(who)
            for c in visit:
                exits_.setdefault(c[1], [0, []])[0] += 1
            origin = next((c[3] for c in visit if c[3]), None)
            rows, outcomes = sources_.setdefault(origin, ([], {}))
            rows.append(won)
            if who not in outcomes:
                pending = began + within > as_of
                outcomes[who] = None if pending else any(began <= o <= began + within for o in orders)
    return (
        tuple(totals),
        {p: (len(v), sum(b for _, b in v), len({w for w, _ in v})) for p, v in landings.items()},
        {p: (views, len(ended), len(set(ended))) for p, (views, ended) in exits_.items()},
        {o: (len(r), sum(r), len(w), sum(x is True for x in w.values()), sum(x is None for x in w.values()))
         for o, (r, w) in sources_.items()},
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(clicks, max_size=8).map(lambda p: sorted(p, key=lambda c: c[0])), max_size=4),
    st.integers(0, 40), st.integers(1, 25), st.integers(20, 45),
)  # fmt: skip
def test_every_count_of_visits_is_what_counting_by_hand_gives(people, start, length, as_of):
    gap, within = 4, 6
    shop = journey_of(("a", ["view"]), ("b", [{"id": "order", "value": "revenue"}]), window=within, session_gap=gap)
    everyone = [*people, [(0, "/a", "view", None, 0)]]  # so that there is always a page
    rows = [
        [(t, name, None, {"page": page, "origin": origin or (None, None, None), "session": session})
         for t, page, name, origin, session in person]
        for person in everyone
    ]  # fmt: skip
    made = trails(shop, rows, 2, as_of=as_of)
    view = view_of(made, shop, period=Period(moment(start), moment(start + length)))
    question = visits.usually(view)
    found = visits.counts(view, question)
    end = min(start + length, as_of + 1)
    totals, landings, exits_, sources_ = plain_counts(everyone, gap, within, start, end, as_of)
    assert tuple(found.totals[: visit_kernel.STEPPED].tolist()) == totals

    def told(table):
        return {key: tuple(row.tolist()) for key, row in table if row.any()}

    pages = list(made.tables.pages)
    origins = [None if o == (None, None, None) else o for o in made.tables.origins]
    assert told(list(zip(pages, found.landings, strict=True))[1:]) == landings  # row 0: those of no page
    assert told(zip(pages, found.exits, strict=True)) == exits_
    assert told(zip(origins, found.sources, strict=True)) == sources_

    def behind(kind, key, what):
        return sum(int(m.sum()) for m in visits.members(view, question, kind, key, what))

    for place, page_ in enumerate(pages[1:], 1):
        assert behind(visit_kernel.OF_LANDING, place, visit_kernel.ALL) == landings.get(page_, (0, 0, 0))[2]
        assert behind(visit_kernel.OF_EXIT, place, visit_kernel.YES) == exits_.get(page_, (0, 0, 0))[2]
    for group, origin in enumerate(origins):
        _, _, customers, converted, pending = sources_.get(origin, (0, 0, 0, 0, 0))
        asked = [visit_kernel.ALL, visit_kernel.YES, visit_kernel.NOT_YET]
        assert [behind(visit_kernel.OF_SOURCE, group, w) for w in asked] == [customers, converted, pending]
