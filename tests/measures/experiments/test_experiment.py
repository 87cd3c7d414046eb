"""Experiments of a few people, event by event, and what a trail tells of the time before."""

from __future__ import annotations

import numpy as np
import pytest

from polku.errors import MeasureError
from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.customers import customers_view
from polku.measures.experiments.experiment import experiment
from polku.measures.selectors import Selector
from polku.measures.view import Period, view_of
from polku.trails.people import trails_of

MAP = Journey.model_validate(
    {
        "title": "Shop",
        "timezone": "UTC",
        "currency": "EUR",
        "stages": [
            {"id": "see", "touchpoints": [{"id": "page", "match": {"event": "page"}}]},
            {"id": "buy", "touchpoints": [{"id": "order", "match": {"event": "Order Completed"}, "value": "revenue"}]},
        ],
    }
)


def sees(time, arm, experiment="button"):
    return (time, "Experiment Viewed", {"properties": {"experiment_id": experiment, "variation_name": arm}})


def orders(time, value):
    return (time, "Order Completed", {"value": value})


PEOPLE = {
    "anna": [sees("2026-03-02 10:00", "control"), orders("2026-03-03 10:00", 10.0)],
    "bertta": [sees("2026-03-02 10:00", "control"), ("2026-03-02 11:00", "page")],
    "cecilia": [sees("2026-03-02 10:00", "control"), orders("2026-03-20 10:00", 30.0)],
    "daavid": [orders("2026-02-20 10:00", 5.0), sees("2026-03-02 10:00", "green"), orders("2026-03-02 10:01", 20.0),
               orders("2026-03-04 10:00", 20.0)],
    "eero": [sees("2026-03-02 10:00", "green"), orders("2026-03-05 10:00", 50.0)],
    "fanni": [sees("2026-03-02 10:00", "green"), sees("2026-03-03 10:00", "control"), orders("2026-03-04 10:00", 9.0)],
    "gun": [sees("2026-02-01 10:00", "green"), sees("2026-03-02 10:00", "green"), orders("2026-03-04 10:00", 9.0)],
    "hilla": [sees("2026-03-02 10:00", "green", "another"), orders("2026-03-04 10:00", 9.0)],
    "ilona": [sees("2026-03-28 10:00", "green")],
}  # fmt: skip


def asked(people=PEOPLE, period=None, as_of="2026-03-30 00:00", **options):
    view = view_of(trails_of(MAP, people, as_of=as_of), MAP, period=period or Period())
    return view, experiment(view, to="order", **{"experiment": "button", **options})


def arms_of(answer):
    return {a.name: (a.people.n, a.reached.numerator, a.reached.denominator, a.reached.pending) for a in answer.arms}


def effect(answer, metric="conversion"):
    return next(e for e in answer.effects if e.metric == metric)


def test_customers_count_where_they_were_first_exposed_and_in_one_arm_only():
    _, answer = asked()
    assert arms_of(answer) == {"control": (3, 2, 3, 0), "green": (4, 3, 4, 0)}
    assert answer.mixed.n == 1
    assert [a.name for a in answer.arms] == ["control", "green"]


def test_who_was_exposed_before_the_period_is_not_counted_anew():
    _, answer = asked(period=Period(start=view_of(trails_of(MAP, PEOPLE), MAP).moment.replace(month=3, day=1)))
    assert arms_of(answer)["green"] == (3, 2, 3, 0)


def test_those_whose_time_is_not_up_are_pending():
    _, answer = asked(within=7 * 86400, cuped=False)
    assert arms_of(answer) == {"control": (3, 1, 3, 0), "green": (4, 2, 3, 1)}
    assert effect(answer).value == pytest.approx(2 / 3)
    assert effect(answer).base == pytest.approx(1 / 3)


def test_means_and_ratios_of_a_few_people():
    _, answer = asked(metrics=("count", "value", "average"), cuped=False, correction="none")
    control, green = [1, 0, 1], [2, 1, 1, 0]
    assert effect(answer, "count").value == pytest.approx(np.mean(green))
    assert effect(answer, "count").base == pytest.approx(np.mean(control))
    assert effect(answer, "value").absolute.value == pytest.approx((40 + 50 + 9) / 4 - 40 / 3)
    assert effect(answer, "average").value == pytest.approx(99 / 4)
    assert effect(answer, "average").base == pytest.approx(20)


def test_no_p_value_where_nothing_varies():
    people = {f"p{k}": [sees("2026-03-02 10:00", "ab"[k % 2]), orders("2026-03-03 10:00", 5.0)] for k in range(40)}
    _, answer = asked(people, metrics=("conversion", "value"))
    for found in answer.effects:
        assert (found.p, found.adjusted, found.always_p, found.belief) == (None, None, None, None)
        assert found.reason is not None
        assert found.absolute.low is None
    lines = answer.text(Reader("en"))
    assert any("nothing varies" in line for line in lines)


def test_money_that_nobody_has_is_no_metric():
    people = {n: [e if len(e) < 3 or "value" not in e[2] else (e[0], e[1]) for e in p] for n, p in PEOPLE.items()}
    _, answer = asked(people)
    assert {e.metric for e in answer.effects} == {"conversion"}


def many(seed=1, n=600, lift=3.0):
    """People whose orders after the exposure resemble those before it."""
    rng = np.random.default_rng(seed)
    made = {}
    for k in range(n):
        arm = "on" if k % 2 else "off"
        keen = rng.gamma(2.0, 1.0)
        before = [orders(f"2026-02-{d + 1:02d} 10:00", float(rng.gamma(9, 2))) for d in range(rng.poisson(keen))]
        after = [
            orders(f"2026-03-{d + 3:02d} 10:00", float(rng.gamma(9, 2)) + (lift if arm == "on" else 0.0))
            for d in range(rng.poisson(keen))
        ]
        made[f"p{k}"] = [*before, sees("2026-03-02 10:00", arm), *after]
    return made


def test_cuped_takes_the_time_before_from_the_trail():
    people = many()
    _, plain = asked(people, metrics=("value",), cuped=False)
    _, adjusted = asked(people, metrics=("value",), before=60 * 86400)
    width = [e.high - e.low for e in (effect(plain, "value").absolute, effect(adjusted, "value").absolute)]
    assert width[1] < 0.95 * width[0]
    assert effect(adjusted, "value").explained > 0.1
    assert effect(plain, "value").explained is None
    assert plain.arms[0].name == "off"


def test_many_metrics_and_arms_are_corrected_for():
    people = {}
    for k in range(300):
        bought = [orders("2026-03-03 10:00", 5.0 + k)] if k % 7 < 3 + k % 3 else []
        people[f"p{k}"] = [sees("2026-03-02 10:00", "abc"[k % 3]), *bought]
    _, corrected = asked(people)
    _, plain = asked(people, correction="none")
    assert len(corrected.effects) == 4
    for one, other in zip(corrected.effects, plain.effects, strict=True):
        assert one.p == other.p == other.adjusted
        assert one.adjusted >= one.p


def test_arms_that_were_not_dealt_as_planned_are_an_alarm():
    people = {f"p{k}": [sees("2026-03-02 10:00", "a" if k % 3 else "b")] for k in range(600)}
    people["buyer"] = [sees("2026-03-02 10:00", "a"), orders("2026-03-03 10:00", 5.0)]
    _, answer = asked(people)
    assert answer.mismatch
    assert any("alarm" in line for line in answer.text(Reader("en")))
    _, planned = asked(people, shares=("67", "33"))
    assert not planned.mismatch


def test_two_lists_of_customers_were_dealt_by_nobody():
    view, _ = asked()
    answer = experiment(view, group="touchpoint:page:reached", against="touchpoint:order:reached", to="order")
    assert (answer.dealt, answer.ratio) == (False, None)
    assert [a.name for a in answer.arms] == ["touchpoint:order:reached", "touchpoint:page:reached"]
    assert arms_of(answer) == {"touchpoint:order:reached": (7, 7, 7, 0), "touchpoint:page:reached": (1, 0, 1, 0)}
    both = experiment(view, group="touchpoint:order:reached", against="map:customers", to="order")
    assert [a.people.n for a in both.arms] == [1, 7]
    assert any("nobody dealt them" in line for line in answer.text(Reader("en")))


def test_arms_by_a_trait():
    people = {}
    for k in range(40):
        page = ("2026-03-02 10:00", "page", {"context": {"traits": {"group": "AB"[k % 2]}}})
        people[f"p{k}"] = [page, *([orders("2026-03-03 10:00", 5.0)] if k % 4 else [])]
    answer = experiment(view_of(trails_of(MAP, people), MAP), arm="traits.group", to="order")
    assert arms_of(answer) == {"A": (20, 10, 20, 0), "B": (20, 20, 20, 0)}


def test_who_is_behind():
    view, answer = asked(within=7 * 86400)
    for arm in answer.arms:
        for behind, n in (
            (arm.people.behind, arm.people.n),
            (arm.reached.behind, arm.reached.numerator),
            (arm.reached.behind_not, arm.reached.denominator - arm.reached.numerator),
            (arm.reached.behind_pending, arm.reached.pending),
        ):
            listed = customers_view(view, Selector.parse(behind), 50, 0, "customer", False)
            assert listed.total == n, behind
    mixed = customers_view(view, Selector.parse(answer.mixed.behind), 50, 0, "customer", False)
    assert [line.name for line in mixed.lines] == ["fanni"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"experiment": "buton"}, "button"),
        ({"experiment": None}, "another"),
        ({"metrics": ("convertion",)}, "conversion"),
        ({"base": "contro"}, "control"),
        ({"arm": "properties.experiment_id"}, "from 2 to 20 arms"),
        ({"shares": ("50",)}, "as many shares"),
        ({"shares": ("x", "y")}, "not shares"),
        ({"group": "touchpoint:page:reached"}, "both"),
        ({"prior": -1.0}, "above 0"),
        ({"shares": ("nan", "1")}, "as many shares"),
        ({"level": 1.0}, "fits no experiment"),
        ({"level": 0.0}, "fits no experiment"),
    ],
)
def test_what_does_not_fit_is_said(options, said):
    with pytest.raises(MeasureError, match=said):
        asked(**options)


@pytest.mark.parametrize("language", ["en", "fi"])
def test_it_can_be_read(language):
    _, answer = asked(many(), metrics=("conversion", "count", "value", "average"))
    reader = Reader(language, currency="EUR")
    assert len(answer.tables(reader)) == 5
    assert answer.text(reader)
    assert [len(c.labels) for c in answer.charts(reader)] == [4, 4, 5, 5, 5, 5]  # four over time
    assert answer.to_dict()["effects"][0]["belief"]["chance"] > 0


@pytest.mark.parametrize(
    ("event", "names", "options"),
    [
        ("Experiment Viewed", ("experiment_name", "variation_id"), {}),
        ("$feature_flag_called", ("$feature_flag", "$feature_flag_response"), {}),
        ("Seen", ("test", "version"), {"arm": "properties.version", "named_by": "properties.test"}),
        ("Seen", ("test", "version"), {"arm": "properties.version", "experiment": None}),
        ("Seen", ("test", "variant"), {"experiment": None, "event": "Seen"}),
    ],
)
def test_the_exposures_of_several_trackers(event, names, options):
    people = {}
    for k in range(40):
        told = {"properties": dict(zip(names, ("button", "ab"[k % 2]), strict=True))}
        people[f"p{k}"] = [("2026-03-02 10:00", event, told), *([orders("2026-03-03 10:00", 5.0)] if k % 4 else [])]
    _, answer = asked(people, **options)
    assert arms_of(answer) == {"a": (20, 10, 20, 0), "b": (20, 20, 20, 0)}


@pytest.mark.parametrize("track", ["week", "day"])
def test_the_interval_over_time_is_that_of_each_moment_as_it_was(track):
    """Every point is what the measure would have answered then; the last is what it answers now."""
    people = many()
    view, found = asked(people, track=track, metrics=("conversion",), within=5 * 86400)
    (one,) = found.tracks
    assert one.of_relative
    assert len(one.points) == len(found.tracked) > 1
    assert one.points[-1] == effect(found).always
    for when, point in zip(found.tracked, one.points, strict=True):
        past = view_of(view.trails, MAP, as_of=when)
        options = {"to": "order", "experiment": "button", "metrics": ("conversion",), "within": 5 * 86400}
        then = experiment(past, track="none", **options)
        assert (then.tracks, then.tracked) == ((), ())
        was = effect(then).always
        assert (point.value, point.low, point.high, point.n) == (was.value, was.low, was.high, was.n)
    table = found.tables(Reader("en"))[-1]
    assert len(table.rows) == len(found.tracked)
    assert sum("over time" in chart.title for chart in found.charts(Reader("en"))) == 1
