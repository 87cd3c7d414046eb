"""The map as values: what is written is read, and nothing in it changes."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import copy
import datetime as dt
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from polku.journey import templates, values
from polku.journey.check import checked
from polku.journey.model import Journey, Target, Touchpoint, segment_title, titled
from polku.journey.tree import read_text


def journey(name: str = "shop-5", language: str = "fi") -> Journey:
    found, faults = checked(read_text(templates.text(name, language)), name, None)
    assert found is not None, faults
    return found


@pytest.mark.parametrize("name", templates.names())
def test_a_map_is_a_value(name: str) -> None:
    one, other = journey(name), journey(name)
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert copy.deepcopy(one) == one
    assert Journey.model_validate_json(one.model_dump_json(by_alias=True)) == one


def test_nothing_in_a_map_changes() -> None:
    one = journey()
    with pytest.raises(ValidationError):
        one.window = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        one.stages[0].touchpoints[0].id = "x"  # type: ignore[misc]
    for mapping in (one.personas, one.measures, one.segments, one.guidance[0].when):
        for change in (
            lambda m: m.update(x=1),
            lambda m: m.__setitem__("x", 1),
            lambda m: m.pop("x", None),
            lambda m: m.clear(),
            lambda m: m.setdefault("x", 1),
        ):
            with pytest.raises(TypeError, match="does not change"):
                change(mapping)
    assert isinstance(one.stages, tuple)


def test_a_segment_is_a_condition_alone_or_with_a_title() -> None:
    short, long = ({"vip": "count(order) > 3"}, {"vip": {"condition": "count(order) > 3", "title": {"fi": "Kantis"}}})
    stages = [{"id": "a"}]
    one, other = (Journey.model_validate({"title": "x", "stages": stages, "segments": s}) for s in (short, long))
    assert one.segments["vip"].condition == other.segments["vip"].condition == "count(order) > 3"
    assert segment_title("vip", one.segments["vip"]) == "Vip"
    assert segment_title("vip", other.segments["vip"]) == {"fi": "Kantis"}
    assert Journey.model_validate_json(other.model_dump_json(by_alias=True)) == other


def test_one_item_needs_no_list_and_an_empty_key_is_no_key() -> None:
    touchpoint = Touchpoint.model_validate(
        {"id": "a", "questions": "Why?", "tools": None, "match": {"event": "page"}, "personas": None, "title": None}
    )
    assert touchpoint.questions == ("Why?",)
    assert touchpoint.match[0].event == ("page",)
    assert touchpoint.tools == touchpoint.personas == ()
    assert titled(touchpoint) == "A"


def test_parts_are_found_by_their_id() -> None:
    one = journey()
    for _, stage, touchpoint in one.touchpoints():
        assert one.touchpoint(touchpoint.id) is touchpoint
        assert one.stage(stage.id) is stage
    with pytest.raises(KeyError):
        one.stage("nowhere")
    with pytest.raises(KeyError):
        one.touchpoint("nothing")


DURATIONS = [
    ("30m", 1800), ("30min", 1800), ("4h", 14400), ("7d", 604800), ("7 days", 604800), ("2w", 1209600), ("1 month", 2592000),
    ("3 months", 7776000), ("1y", 31536000), ("2 years", 63072000), ("1.5h", 5400), ("1,5h", 5400), ("90s", 90), (90, 90), (" 4 h ", 14400),
]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations(text: str | int, seconds: int) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "7 parsecs", "-7d", "7", "7dd", "0d", "0.1s", True, None, 1e30, -5])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(values.UnreadableError):
        values.duration(text)


@pytest.mark.parametrize(
    ("text", "share"), [("12 %", 0.12), ("12%", 0.12), ("2,5 %", 0.025), (0.3, 0.3), ("0.3", 0.3), ("100 %", 1), (0, 0)]
)
def test_shares(text: str | float, share: float) -> None:
    assert values.share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "101 %", "-3 %", "many", True, 1.5])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(values.UnreadableError):
        values.share(text)


TARGETS = [
    (">= 3 %", Target(at_least=True, value=0.03)),
    ("≥ 3%", Target(at_least=True, value=0.03)),
    ("<= 40 %", Target(at_least=False, value=0.4)),
    ("≤2,5 %", Target(at_least=False, value=0.025)),
    ("30 %", Target(at_least=True, value=0.3)),
    (0.3, Target(at_least=True, value=0.3, percent=False)),
    ({"at_least": False, "value": 0.1}, Target(at_least=False, value=0.1)),
]


@pytest.mark.parametrize(("text", "target"), TARGETS)
def test_targets(text: object, target: Target) -> None:
    read = Target.model_validate(Target.read(text))
    assert (read.at_least, read.percent) == (target.at_least, target.percent)
    assert read.value == pytest.approx(target.value)
    assert read.met(read.value)
    assert read.met(read.value + 0.01) is read.at_least


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [("every 3 months", 3, 0), ("3 months", 3, 0), ("every week", 0, 7), ("every 2 weeks", 0, 14), ("yearly", None, None),
     ("every year", 12, 0), ("every quarter", 3, 0), ("Every Month", 1, 0), ("every 0 days", None, None), ("10d", 0, 10)],
)  # fmt: skip
def test_intervals(text: str, months: int | None, days: int | None) -> None:
    if months is None:
        with pytest.raises(values.UnreadableError):
            values.interval(text)
    else:
        assert values.interval(text) == (months, days)


def test_the_next_review() -> None:
    text = "title: x\nreview: every 3 months\nreviewed: 2026-11-30\nstages: [{id: a, enter: count(*) > 1}]\n"
    found, _ = checked(read_text(text), "x", None)
    assert found is not None
    assert found.next_review == dt.date(2027, 2, 28)
    assert found.model_copy(update={"reviewed": None}).next_review is None


@given(st.dates(dt.date(1, 1, 1), dt.date(9000, 1, 1)), st.integers(0, 60), st.integers(0, 400))
def test_later_days(start: dt.date, months: int, days: int) -> None:
    found = values.later(start, months, days)
    assert found >= start
    assert (found - dt.timedelta(days=days)).day <= start.day
