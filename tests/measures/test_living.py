"""The living map: against a plain retelling, over any split into buckets, and against the lists behind its numbers."""

from __future__ import annotations

import dataclasses
from statistics import quantiles

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.reference import transitions
from measures.small_world import journey_of, trails
from measures.strategies import journeys, moments, people
from polku.measures.customers import customers_behind
from polku.measures.deviations import ad_hoc
from polku.measures.living import LivingMap, living_map
from polku.measures.result import Count, Period, Quantiles, Rate
from polku.measures.view import view_of
from polku.trails.layout import moment

periods = st.one_of(
    st.just((None, None)),
    st.tuples(st.integers(95, 115), st.integers(116, 135)),
    st.tuples(st.integers(95, 115), st.none()),
)


def period_of(ends) -> Period:
    return Period(*(None if e is None else moment(e) for e in ends))


def expected(journey, crowd, as_of, ends):
    """Every figure of the map, counted the slow way: {(part, id): {name: number}}."""
    start = ends[0] if ends[0] is not None else 0
    end = min(ends[1] if ends[1] is not None else as_of + 1, as_of + 1)
    end = max(start, end)
    figures = {}

    def add(part, id, name, n=1):
        row = figures.setdefault((part, id), {})
        row[name] = row.get(name, 0) + n

    ids = journey.touchpoint_ids
    homes = {t.id: s for s, _, t in journey.touchpoints()}
    last = len(journey.stages) - 1
    for person in crowd:
        events = [e for e in person if e[0] <= as_of]
        if not events:
            continue
        changes = transitions(journey, person, as_of)
        entered = {to: (time, place) for time, place, _, to, kind in changes if kind == "entered"}
        add("map", "", "customers" if any(e[1] in ids for e in events) else "outside")
        if changes:
            add("stage", changes[-1][3], "lapsed" if changes[-1][4] == "lapsed" else "now")
        for s in range(last + 1):
            for kind in ("lapsed", "won_back"):
                if any(k == kind and to == s and start <= time < end for time, _, _, to, k in changes):
                    add("stage", s, f"{kind}_in")
            later = sorted(t for to, (t, _) in entered.items() if to > s)
            if s not in entered:
                if later:
                    add("stage", s, "skipped")
                continue
            at = entered[s][0]
            if at < end:
                add("stage", s, "reached")
            if start <= at < end:
                add("stage", s, "entered")
                if s < last:
                    add("stage", s, outcome(at, journey.window, later[0] if later else None, as_of))
        for id in ids:
            mine = [(i, e) for i, e in enumerate(events) if e[1] == id]
            inside = [(i, e) for i, e in mine if start <= e[0] < end]
            if mine and mine[0][1][0] < end:
                add("touchpoint", id, "reached")
            add("touchpoint", id, "events", len(inside))
            failed = any(e[1] == f"!{id}" and start <= e[0] < end for e in events)
            if failed:
                add("touchpoint", id, "failed")
            if failed or inside:
                add("touchpoint", id, "tried")
            passing = [c for c in changes if c[4] == "entered" and c[2] == homes[id]]
            if passing and start <= entered[homes[id]][0] < end:
                add("touchpoint", id, "passed")
                time, place = passing[0][:2]
                before = [e for i, e in mine if (i <= place if place is not None else e[0] < time)]
                if not before:
                    add("touchpoint", id, "missing")
            if not inside:
                continue
            add("touchpoint", id, "entered")
            place, (at, *_) = inside[0]
            before = [c for c in changes if (c[1] is not None and c[1] < place) or (c[1] is None and c[0] <= at)]
            if before and before[-1][3] > homes[id]:
                if mine[0][1][0] >= start:
                    add("touchpoint", id, "late")
            elif homes[id] < last:
                later = sorted(t for to, (t, _) in entered.items() if to > homes[id])
                add("touchpoint", id, outcome(at, journey.window, later[0] if later else None, as_of))
    return figures


def outcome(start, within, following, as_of):
    if start + within > as_of:
        return "pending"
    return "went_on" if following is not None and following <= start + within else "dropped"


def told(living: LivingMap):
    """The map's figures in the same form."""
    out = {("map", ""): {"customers": living.customers.n, "outside": living.outside.n}}
    for s, stage in enumerate(living.stages):
        figures = stage.figures
        out["stage", s] = {
            "now": stage.now.n,
            "lapsed": stage.lapsed.n,
            "lapsed_in": stage.lapsed_in.n,
            "won_back_in": stage.won_back.n,
            "skipped": stage.skipped.n,
            "reached": figures.reached.n,
            "entered": figures.entered.n,
            "went_on": figures.went_on.numerator,
            "dropped": figures.drop_off.numerator,
            "pending": figures.went_on.pending,
        }
    for touchpoint in living.touchpoints:
        figures = touchpoint.figures
        deviations = {d.kind: d.rate for d in touchpoint.deviations}
        out["touchpoint", touchpoint.id] = {
            "events": touchpoint.events,
            "reached": figures.reached.n,
            "entered": figures.entered.n,
            "went_on": figures.went_on.numerator,
            "dropped": figures.drop_off.numerator,
            "pending": figures.went_on.pending,
            **{
                name: deviations[kind].numerator if deviations.get(kind) else 0
                for name, kind in (("late", "out_of_sequence"), ("failed", "failed"), ("missing", "missing"))
            },
        }
    return out


@settings(max_examples=80, deadline=None)
@given(journeys(), people, moments, periods)
def test_every_figure_is_what_counting_by_hand_gives(journey, crowd, as_of, ends):
    living = living_map(trails(journey, crowd, as_of=as_of), journey, period=period_of(ends))
    right = expected(journey, crowd, as_of, ends)
    unseen = {t.id for t in living.touchpoints if any(d.kind == "no_data" for d in t.deviations)}
    for key, row in told(living).items():
        for name, n in row.items():
            if key[1] in unseen and name == "missing":
                continue
            assert n == right.get(key, {}).get(name, 0), (key, name)


@settings(max_examples=40, deadline=None)
@given(journeys(), people, moments, periods, st.integers(2, 5))
def test_any_split_into_buckets_gives_the_same(journey, crowd, as_of, ends, buckets):
    one, many = (
        living_map(trails(journey, crowd, n, as_of=as_of), journey, period=period_of(ends)) for n in (1, buckets)
    )
    assert one == many


@settings(max_examples=40, deadline=None)
@given(journeys(), people, moments, periods)
def test_customers_without_events_change_nothing(journey, crowd, as_of, ends):
    made = trails(journey, crowd, as_of=as_of)
    padded = trails(journey, [*crowd, [], []], as_of=as_of)
    assert living_map(made, journey, period=period_of(ends)) == living_map(padded, journey, period=period_of(ends))


@settings(max_examples=40, deadline=None)
@given(journeys(), people, moments)
def test_counts_reconcile(journey, crowd, as_of):
    living = living_map(trails(journey, crowd, as_of=as_of), journey)
    moved = 0
    for stage in living.stages:
        reached = stage.figures.reached.n
        rate = stage.figures.went_on
        assert rate.denominator + rate.pending == (reached if stage is not living.stages[-1] else 0)
        assert rate.numerator + stage.figures.drop_off.numerator == rate.denominator
        moved += stage.now.n + stage.lapsed.n
    assert moved <= living.customers.n
    assert living.customers.n + living.outside.n == sum(any(e[0] <= as_of for e in p) for p in crowd)


def counts(value):
    """Every Count and Rate in a result, as (selector, how many)."""
    if isinstance(value, Count) and value.behind:
        yield value.behind, value.n
    elif isinstance(value, Rate):
        for behind, n in (
            (value.behind, value.numerator),
            (value.behind_not, value.denominator - value.numerator),
            (value.behind_pending, value.pending),
            (value.behind_all, value.denominator),
        ):
            if behind and not value.why:
                yield behind, n
    elif isinstance(value, Quantiles):
        if value.behind:
            yield value.behind, value.n
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from counts(getattr(value, field.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from counts(part)


@settings(max_examples=8, deadline=None)
@given(journeys(), people, moments, periods)
def test_every_number_has_as_many_customers_behind_it(journey, crowd, as_of, ends):
    made = trails(journey, crowd, 2, as_of=as_of)
    asked = dict.fromkeys(counts(living_map(made, journey, period=period_of(ends))))
    for behind, n in asked:
        assert customers_behind(made, journey, behind, limit=100).total == n, behind


@settings(max_examples=8, deadline=None)
@given(journeys(), people, moments, periods)
def test_whose_money_a_value_is(journey, crowd, as_of, ends):
    """The list behind a value: those with an event of the place that carries money, in the period."""
    made = trails(journey, crowd, 2, as_of=as_of)
    living = living_map(made, journey, period=period_of(ends))
    start, end = ends

    def paid(names):
        return sum(
            any(
                e[1] in names and e[2] is not None and e[0] <= as_of and (start is None or start <= e[0])
                and (end is None or e[0] < end)
                for e in person
            )
            for person in crowd
        )  # fmt: skip

    places = [(t.figures.value, {t.id}) for t in living.touchpoints]
    places += [(s.figures.value, {t.id for t in journey.stage(s.id).touchpoints}) for s in living.stages]
    for value, names in places:
        if value is None:
            assert paid(names) == 0
        else:
            assert customers_behind(made, journey, value.behind, limit=100).total == paid(names) > 0


SHOP = journey_of(
    ("aware", ["ad", {"id": "blog", "optional": True}]),
    ("decide", ["cart", {"id": "order", "value": "revenue", "expect": {"share": "50 %", "within": "10s"}}]),
    ("loyal", [], {"enter": "count(order) >= 2"}),
    window=100,
)


def test_quartiles_are_exact():
    waits = [3, 5, 8, 13, 21, 34, 55]
    crowd = [[(0, "ad"), (wait, "cart")] for wait in waits]
    stage = living_map(trails(SHOP, crowd, 3, as_of=500), SHOP).stages[0]
    found = stage.figures.to_next
    assert [found.q25, found.median, found.q75] == quantiles(waits, method="inclusive")
    assert found.n == 7


def test_time_not_yet_up_is_neither_going_on_nor_dropping_off():
    crowd = [[(0, "ad"), (50, "cart")], [(0, "ad")], [(450, "ad"), (460, "cart")], [(450, "ad")]]
    rate = living_map(trails(SHOP, crowd, as_of=500), SHOP).stages[0].figures.went_on
    assert (rate.numerator, rate.denominator, rate.pending, rate.value) == (1, 2, 2, 0.5)


def test_the_window_counts_both_its_ends():
    crowd = [[(0, "ad"), (100, "cart")], [(0, "ad"), (101, "cart")]]
    assert living_map(trails(SHOP, crowd, as_of=500), SHOP).stages[0].figures.went_on.numerator == 1


def test_money_is_summed_exactly_where_the_map_says_there_is_money():
    crowd = [[(0, "cart", 99.0), (1, "order", 0.1), (2, "order", 0.2)]] * 3
    living = living_map(trails(SHOP, crowd, 2, as_of=500), SHOP)
    values = {t.id: t.figures.value for t in living.touchpoints}
    assert values["cart"] is None
    assert (values["order"].amount, values["order"].orders) == (0.9, 6)
    assert living.stages[1].figures.value.amount == 0.9


def test_a_target_is_judged_only_over_enough_customers():
    def state(n):
        crowd = [[(0, "order"), (5, "order")]] * n + [[(0, "order")]] * n
        return living_map(trails(SHOP, crowd, as_of=500), SHOP).touchpoints[3].figures.state

    assert (state(14), state(15)) == ("too_few", "on_target")
    late = [[(0, "order"), (50, "order")]] * 40
    assert living_map(trails(SHOP, late, as_of=500), SHOP).touchpoints[3].figures.state == "behind"
    assert living_map(trails(SHOP, [[(0, "ad")]], as_of=500), SHOP).touchpoints[3].figures.state == "no_data"


def test_an_optional_touchpoint_is_never_missing():
    living = living_map(trails(SHOP, [[(0, "blog"), (1, "cart")], [(0, "ad"), (1, "cart")]], as_of=500), SHOP)
    missing = {t.id: [d.rate.numerator for d in t.deviations if d.kind == "missing"] for t in living.touchpoints}
    assert missing["ad"] == [1]
    assert missing["blog"] == []


def deviations_of(living: LivingMap, id: str) -> dict[str, tuple[int, int]]:
    return {
        d.kind: (d.rate.numerator, d.rate.denominator) if d.rate else (0, 0)
        for t in living.touchpoints
        if t.id == id
        for d in t.deviations
    }


@pytest.mark.parametrize(
    ("person", "found"),
    [
        ([(10, "view"), (20, "cart"), (200, "view")], {}),  # comes back to look again
        ([(20, "cart"), (200, "view")], {"out_of_sequence": (1, 1)}),  # met for the first time, too late
        ([(20, "cart"), (50, "view"), (200, "view")], {}),  # was late before the period
        ([(200, "view"), (210, "cart"), (220, "view")], {}),  # in order, then again
    ],
)
def test_only_a_first_meeting_can_be_out_of_sequence(person, found):
    shop = journey_of(("a", ["view"]), ("b", ["cart"]))
    living = living_map(trails(shop, [person], as_of=1000), shop, period=period_of((100, 300)))
    assert deviations_of(living, "view") == found
    listed = customers_behind(trails(shop, [person], as_of=1000), shop,
                              "touchpoint:view:out_of_sequence:19700101T000140Z..19700101T000500Z")  # fmt: skip
    assert listed.total == len(found)


def test_failures_are_told_of_a_touchpoint_that_nobody_ever_met():
    shop = journey_of(("a", ["view"]), ("b", ["pay"]))
    living = living_map(trails(shop, [[(1, "view"), (2, "!pay")]], as_of=1000), shop)
    assert deviations_of(living, "pay") == {"no_data": (0, 0), "failed": (1, 1)}


def test_no_stage_follows_the_last():
    living = living_map(trails(SHOP, [[(0, "order"), (1, "order")]], as_of=500), SHOP)
    assert living.stages[2].figures.went_on.reason == "no stage follows"
    assert living.stages[2].figures.reached.n == 1


def test_the_compared_period_stands_beside():
    crowd = [[(10, "ad"), (20, "cart")], [(110, "ad")], [(120, "ad")]]
    period, compare = Period(moment(100), moment(200)), Period(moment(0), moment(100))
    living = living_map(trails(SHOP, crowd, as_of=500), SHOP, period=period, compare=compare)
    figures = living.stages[0].figures
    assert (figures.entered.n, figures.before.entered.n) == (2, 1)
    assert (figures.went_on.value, figures.before.went_on.value) == (0.0, 1.0)


def test_what_the_map_lacks_is_told_by_event_and_by_page():
    crowd = [[(0, "page", None, {"page": "/gift"}), (1, "page", None, {"page": "/gift"}), (2, "Quiz Taken")]] * 3
    made = trails(SHOP, [*crowd, [(0, "ad"), (1, "identify")]], 2, as_of=500)
    found = [(d.event, d.page, d.count.n, d.rate.denominator) for d in ad_hoc(view_of(made, SHOP))]
    assert found == [("Quiz Taken", None, 3, 4), ("page", "/gift", 3, 4)]
    assert [customers_behind(made, SHOP, d.count.behind).total for d in ad_hoc(view_of(made, SHOP))] == [3, 3]


def test_nobody_at_all():
    living = living_map(trails(SHOP, []), SHOP)
    assert living.customers.n == 0
    assert living.stages[0].figures.went_on.value is None
    assert living.stages[0].figures.to_next.median is None
