"""The plan of an experiment by a shop whose traffic and rate are known."""

from __future__ import annotations

import pytest

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.experiments.plan import experiment_plan
from polku.measures.view import view_of

MAP = journey_of(("see", ["page"]), ("buy", ["order"]), currency="EUR")
DAY = 86400


def shop(days=60, a_day=20, every=10, returning=0):
    """``a_day`` new people each day, of whom one in ``every`` orders an hour later; others come back each day."""
    people = [[(d * DAY + 3600, "page"), *([(d * DAY + 7200, "order", 40.0)] if k % every == 0 else [])]
              for d in range(days) for k in range(a_day)]  # fmt: skip
    people += [[(d * DAY, "page") for d in range(days)] for _ in range(returning)]
    return view_of(trails(MAP, people, as_of=days * DAY - 1, codes=("page", "order")), MAP)


def test_people_and_days():
    """(1.96 + 0.8416)^2 x 2 x 0.9 x 0.1 / 0.02^2 = 3532 an arm; 7064 at 20 a day take 354 days, and 7 to wait."""
    plan = experiment_plan(shop(), "page", "order", uplift=0.2)
    assert plan.figure == pytest.approx(0.1)
    assert plan.new_a_day == pytest.approx(20, rel=0.05)
    assert plan.wanted.arm == pytest.approx(3532, abs=2)
    assert plan.wanted.days == pytest.approx(354 + 7, abs=2)
    half = experiment_plan(shop(), "page", "order", uplift=0.2, traffic=0.5)
    assert (half.wanted.days, half.wanted.reason) == (None, "more than a year")
    assert half.wanted.arm == plan.wanted.arm


def test_what_so_many_days_find():
    plan = experiment_plan(shop(), "page", "order", uplift=0.5)
    found = {r.days: r for r in plan.reaches}
    assert found[28].people == pytest.approx(28 * 20, rel=0.05)
    assert found[28].uplift == pytest.approx(0.2 * (7064 / found[28].people) ** 0.5, rel=0.02)
    assert found[84].uplift < found[28].uplift


def test_those_who_come_back_are_no_new_people():
    plan = experiment_plan(shop(a_day=5, returning=100), "page", "order", uplift=0.5)
    people = {r.days: r.people for r in plan.reaches}
    assert people[7] == pytest.approx(100 + 35, abs=6)
    assert people[56] == pytest.approx(100 + 280, abs=12)


def test_a_young_shop_is_counted_from_its_first_day():
    plan = experiment_plan(shop(days=10), "page", "order", within=DAY, uplift=0.5)
    assert plan.new_a_day == pytest.approx(20, rel=0.05)
    assert next(r.people for r in plan.reaches if r.days == 28) == pytest.approx(28 * 20, rel=0.05)


def test_what_is_more_than_everyone_cannot_be_planned():
    """Nine in ten order: 20 % more of them would be 108 %."""
    plan = experiment_plan(shop(days=20, every=1, returning=2), "page", "order", within=DAY, uplift=0.2)
    assert plan.figure > 0.9
    assert (plan.wanted.arm, plan.wanted.reason) == (None, "it would be more than everyone")
    few = experiment_plan(shop(days=3, a_day=2, every=2), "page", "order", within=3600, uplift=0.2)
    assert few.reaches[0].uplift is None
    assert few.reaches[0].reason is not None
    assert "more than everyone" in "\n".join(plan.text(Reader("en")))


@pytest.mark.parametrize("metric", ["conversion", "count", "value", "average"])
def test_every_metric(metric):
    plan = experiment_plan(shop(every=3), "page", "order", metric=metric)
    assert plan.figure == pytest.approx({"conversion": 0.35, "count": 0.35, "value": 14.0, "average": 40.0}[metric])
    if metric == "average":
        assert plan.wanted.reason is not None  # every order is worth the same: nothing varies
    else:
        assert plan.wanted.arm > 0
    for language in ("en", "fi"):
        assert plan.text(Reader(language, currency="EUR"))


def test_where_nothing_has_happened_nothing_is_said():
    view = shop(every=10_000_000, a_day=1, days=40)
    view = view_of(trails(MAP, [[(d * DAY, "page")] for d in range(40)], as_of=40 * DAY, codes=("page", "order")), MAP)
    plan = experiment_plan(view, "page", "order")
    assert (plan.wanted.arm, plan.wanted.days) == (None, None)
    assert plan.wanted.reason is not None
    assert all(r.uplift is None and r.reason for r in plan.reaches)
    empty = experiment_plan(view, "order", "page")
    assert empty.people == 0
    assert empty.figure is None


@pytest.mark.parametrize("options", [{"arms": 1}, {"power": 1.0}, {"uplift": 0.0}, {"days": 0}])
def test_numbers_that_fit_no_experiment(options):
    with pytest.raises(MeasureError):
        experiment_plan(shop(days=10), "page", "order", **options)
