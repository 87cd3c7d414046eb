"""Surveys and reviews of a few people."""

from __future__ import annotations

import pytest

from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.customers import customers_view
from polku.measures.feeling.answers import COLUMNS
from polku.measures.feeling.feeling import NO_SURVEY, feeling
from polku.measures.result import Period
from polku.measures.selectors import Selector
from polku.measures.view import view_of
from polku.statistics.scores import NO_ANSWERS
from polku.trails.people import history_of, trails_of


def survey(name, **more):
    return {"event": "Survey Answered", "where": f"properties.survey = '{name}'", **more}


MAP = Journey.model_validate(
    {
        "title": "Shop",
        "timezone": "UTC",
        "stages": [
            {"id": "buy", "touchpoints": [
                {"id": "order", "match": {"event": "Order Completed"}, "felt": survey("order"), "feeling": 1.5},
            ]},
            {"id": "use", "touchpoints": [
                {"id": "help", "match": {"event": "Support"}, "felt": survey("help", scale=[1, 7])},
                {"id": "chat", "match": {"event": "Chat"}, "felt": survey("chat", scale=[1, 7])},
                {"id": "parcel", "match": {"event": "Parcel"}, "felt": survey("parcel", scale=[5, 1], kind="csat")},
                {"id": "review", "match": {"event": "Product Reviewed"}},
                {"id": "silent", "match": {"event": "Silence"}, "felt": survey("silent")},
            ]},
        ],
    }
)  # fmt: skip


def answer(time, name, score):
    return (time, "Survey Answered", {"properties": {"survey": name, "score": score}})


def stars(time, rating):
    return (time, "Product Reviewed", {"properties": {"rating": rating}})


PEOPLE = {
    "anna": [answer("2026-03-01", "order", 10), answer("2026-03-02", "order", 6), answer("2026-03-03", "help", 7)],
    "bertta": [answer("2026-03-01", "order", 9), answer("2026-03-01", "parcel", 1), stars("2026-03-05", 5)],
    "cecilia": [answer("2026-03-01", "order", 8), answer("2026-03-02", "chat", 2), stars("2026-03-05", 4)],
    "daavid": [answer("2026-03-01", "order", 7), answer("2026-03-01", "order", 11), answer("2026-03-02", "chat", 6)],
    "eero": [answer("2026-03-01", "order", 0), stars("2026-03-05", 2), stars("2026-03-06", 9)],
    "fanni": [answer("2026-02-01", "order", 10), answer("2026-03-02", "parcel", 4)],
}


def asked(people=PEOPLE, journey=MAP, period=None, **options):
    table = history_of(journey, people)
    trails = trails_of(journey, people)
    names = {name: key for key, name in enumerate(trails.names.to_pylist(), 1)}
    told = table.append_column("customer", [[names[u] for u in table["user_id"].to_pylist()]])
    view = view_of(trails, journey, period=period or Period(), answers=told.select(list(COLUMNS)))
    return view, feeling(view, **options)


def at(answer_, id):
    return next(f for f in (*answer_.touchpoints, *answer_.stages) if f.id == id)


def test_nps_of_a_few_people():
    """Answers 10, 6, 9, 8, 7, 0 and 10; 11 lies outside the scale."""
    _, found = asked()
    order = at(found, "order")
    assert (order.kind, order.answers, order.people.n) == ("nps", 7, 6)
    assert (order.best.numerator, order.middle.numerator, order.worst.numerator) == (3, 2, 2)
    assert order.score.value == pytest.approx(100 / 7)
    assert order.score.low < order.score.value < order.score.high
    assert order.score.reason == "too few to say"
    assert order.mean.value == pytest.approx(50 / 7)
    assert (order.planned, order.felt) == (1.5, pytest.approx(-2 + 4 * 5 / 7))
    assert dict(order.counts)[10.0] == 2


def test_the_last_answer_of_each_customer():
    _, found = asked(answers="last")
    order = at(found, "order")
    assert (order.answers, order.people.n, order.best.numerator) == (6, 6, 2)
    assert order.score.value == pytest.approx(0)


def test_kinds_by_scale_and_by_the_map():
    _, found = asked()
    assert {f.id: f.kind for f in found.touchpoints} == {
        "order": "nps", "help": "ces", "chat": "ces", "parcel": "csat", "review": "review"
    }  # fmt: skip
    parcel = at(found, "parcel")  # 1 is the best of this scale: 1 and 4 are answers
    assert (parcel.best.numerator, parcel.worst.numerator) == (1, 1)
    review = at(found, "review")
    assert (review.score.value, review.answers) == (pytest.approx(11 / 3), 3)
    assert found.silent == ("silent",)


def test_a_stage_takes_its_surveys_of_one_kind_together():
    _, found = asked()
    ces = next(f for f in found.stages if f.kind == "ces")
    assert (ces.id, ces.answers, ces.best.numerator, ces.score.value) == ("use", 3, 2, pytest.approx(2 / 3))


def test_the_last_answer_is_the_last_in_time_not_in_arrival():
    late = {"anna": [answer("2026-03-05", "order", 2), answer("2026-03-01", "order", 10)]}
    _, found = asked(late, answers="last")
    assert at(found, "order").mean.value == 2


def test_scales_that_begin_at_other_ends_are_turned_before_they_are_put_together():
    """1 of 5 to 1 is as good as 5 of 1 to 5: three answers of 5, 5 and 4."""
    places = [
        {"id": "one", "match": {"event": "One"}, "felt": survey("one", scale=[1, 5])},
        {"id": "two", "match": {"event": "Two"}, "felt": survey("two", scale=[5, 1])},
    ]
    journey = Journey.model_validate({"title": "x", "timezone": "UTC", "stages": [{"id": "a", "touchpoints": places}]})
    said = [answer("2026-03-01", "one", 5), answer("2026-03-01", "two", 1), answer("2026-03-02", "two", 2)]
    _, found = asked({"anna": said}, journey)
    stage = at(found, "a")
    assert (stage.best.numerator, stage.mean.value) == (3, pytest.approx(14 / 3))
    assert dict(stage.counts) == {5.0: 2, 4.0: 1}
    assert stage.felt == pytest.approx(-2 + 4 * (11 / 3) / 4)


def test_an_answer_in_the_last_second_of_a_period_is_in_it():
    whole, _ = asked()
    end = whole.moment.replace(year=2026, month=3, day=2, hour=0, minute=0, second=0, microsecond=0)
    late = {"anna": [answer("2026-03-01 23:59:59.700", "order", 2)], "bertta": [answer("2026-03-03", "order", 3)]}
    _, found = asked(late, period=Period(end=end))
    assert at(found, "order").answers == 1


def test_the_period():
    whole, _ = asked()
    _, march = asked(period=Period(start=whole.moment.replace(month=3, day=1, hour=0)))
    assert at(march, "order").answers == 6


def test_who_is_behind():
    view, found = asked()
    for felt in (*found.touchpoints, *found.stages):
        people = customers_view(view, Selector.parse(felt.people.behind), 50, 0, "customer", False)
        assert people.total == felt.people.n
    worst = customers_view(view, Selector.parse(at(found, "order").worst.behind), 50, 0, "customer", False)
    assert [line.name for line in worst.lines] == ["anna", "eero"]


def test_nothing_to_say_is_said():
    place = {"id": "p", "match": {"event": "page"}}
    bare = Journey.model_validate({"title": "x", "stages": [{"id": "a", "touchpoints": [place]}]})
    _, nothing = asked({"anna": [("2026-03-01", "page")]}, bare)
    assert nothing.reason == NO_SURVEY
    _, silent = asked({"anna": [("2026-03-01", "Silence")]})
    assert (silent.reason, silent.touchpoints) == (NO_ANSWERS, ())
    assert any("felt" in line for line in nothing.text(Reader("en")))


@pytest.mark.parametrize("language", ["en", "fi"])
def test_it_can_be_read(language):
    _, found = asked()
    reader = Reader(language)
    assert any("NPS" in line for line in found.text(reader))
    assert len(found.charts(reader)) == 4 + len(found.touchpoints)
    assert found.to_dict()["touchpoints"][0]["score"]["n"] == 7
