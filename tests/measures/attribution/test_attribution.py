"""Attribution of a few people by hand, against a plain reading, and on the ad log of shared/data."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.kernels.attribution import paths as kernel
from polku.language import Reader
from polku.measures.ask import measure
from polku.measures.attribution import MODELS
from polku.measures.attribution.attribution import attributed
from polku.measures.attribution.models import credits
from polku.measures.attribution.sums import GROUPS, Settings, sums_of_paths
from polku.measures.attribution.touches import OTHERS, Paths, ask
from polku.measures.customers import customers_behind
from polku.measures.result import Count, Period
from polku.measures.view import EVER, view_of
from polku.trails.layout import Trails, moment

DATA = Path(__file__).parents[4] / "shared" / "data" / "attribution_touchpoints"
DAY = 86400
AD, SOCIAL, LETTER = ("google", "cpc", "spring"), ("facebook", "social", None), ("letter", "email", None)
ADS = journey_of(("see", ["c1", "c2", "c3"]), ("buy", ["order"]), currency="EUR")
SHOP = journey_of(("see", ["home"]), ("buy", [{"id": "order", "value": "revenue"}]), currency="EUR")


def asked(people, journey=ADS, as_of=None, buckets=2, period=EVER, table=None, **options):
    made = trails(journey, people, buckets, as_of=as_of)
    return made, attributed(
        view_of(made, journey, period=period), table, **{"by": "touchpoint", "to": "order", **options}
    )


def credited(answer, model, what="conversions"):
    place = answer.models.index(model)
    return {c.name: pytest.approx(getattr(c.credits[place], what).value, abs=1e-9) for c in answer.channels}


BRYL = [[(0, "c1"), (1, "c2"), (2, "c3"), (3, "order", 10.0)], [(0, "c1")], [(0, "c2"), (1, "c3")]]


def test_bryl_2016():
    """S. Bryl, AnalyzeCore 2016: chance to convert 1/3, removal effects 0.5, 1, 1, shares 0.2, 0.4, 0.4."""
    _, found = asked(BRYL, count_pending=True)
    assert (found.conversion.numerator, found.conversion.denominator) == (1, 3)
    assert {c.name: c.removal for c in found.channels} == {"c1": 0.5, "c2": 1.0, "c3": 1.0}
    assert credited(found, "markov") == {"c1": 0.2, "c2": 0.4, "c3": 0.4}
    assert credited(found, "markov", "money") == {"c1": 2, "c2": 4, "c3": 4}


def test_paths_not_yet_over_are_in_no_rate():
    _, found = asked(BRYL, as_of=10)
    rate = found.conversion
    assert (rate.numerator, rate.denominator, rate.pending) == (1, 1, 2)
    assert [c.met.pending for c in found.channels] == [1, 1, 1]


#: c1 on day 0, c2 on day 7, c1 on day 14, c3 on day 21: the order, worth 100.
FOUR = [[(0, "c1"), (7 * DAY, "c2"), (14 * DAY, "c1"), (21 * DAY, "c3"), (21 * DAY, "order", 100.0)]]


@pytest.mark.parametrize(
    ("model", "shares"),
    [
        ("first", (1, 0, 0)),
        ("last", (0, 0, 1)),
        ("last_non_direct", (0, 0, 1)),
        ("linear", (0.5, 0.25, 0.25)),
        ("position", (0.5, 0.1, 0.4)),
        ("time_decay", ((1 / 8 + 1 / 2) / 1.875, 0.25 / 1.875, 1 / 1.875)),
    ],
)
def test_rules_by_hand(model, shares):
    _, found = asked(FOUR)
    expected = dict(zip(("c1", "c2", "c3"), shares, strict=True))
    assert credited(found, model) == expected
    assert credited(found, model, "money") == {k: 100 * v for k, v in expected.items()}


def test_position_of_short_paths_and_other_shares():
    _, one = asked([[(0, "c1"), (1, "order")]])
    assert credited(one, "position") == {"c1": 1}
    _, two = asked([[(0, "c1"), (1, "c2"), (2, "order")]], first_share=0.6, last_share=0.2)
    assert credited(two, "position") == {"c1": 0.75, "c2": 0.25}
    with pytest.raises(MeasureError, match="more than 100 %"):
        asked(FOUR, first_share=0.6, last_share=0.6)


def test_look_back():
    """What lies before the look-back is a path of its own that did not convert; one touch exactly at its end counts."""
    _, found = asked(FOUR, within=14 * DAY)
    assert credited(found, "first") == {"c1": 0, "c2": 1, "c3": 0}
    assert (found.conversion.numerator, found.conversion.denominator) == (1, 2)
    _, none = asked([[(0, "c1"), (2 * DAY, "order", 5.0)]], within=DAY)
    assert (none.untouched.n, none.untouched_money, none.money) == (1, 5.0, 0)
    assert (none.conversion.numerator, none.conversion.denominator) == (0, 1)
    assert none.channels[0].credits[0].conversions.value == 0


def test_each_conversion_has_its_own_touches():
    person = [(0, "c1"), (1, "order", 5.0), (2, "c2"), (3, "order", 7.0), (4, "order", 1.0), (5, "c3")]
    _, found = asked([person], as_of=200 * DAY)
    assert credited(found, "linear") == {"c1": 1, "c2": 1, "c3": 0}
    assert credited(found, "linear", "money") == {"c1": 5, "c2": 7, "c3": 0}
    assert (found.untouched.n, found.untouched_money) == (1, 1.0)
    assert found.conversion.denominator == 3


def test_refunds_are_taken_off_the_conversion_before_them():
    person = [(0, "c1"), (1, "order", 50.0), (2, "c2"), (3, "order", 20.0), (4, "Order Refunded", 15.0)]
    whole = [(0, "c3"), (1, "order", 9.0), (5, "Order Refunded")]
    _, found = asked([person, whole])
    assert credited(found, "last", "money") == {"c1": 50, "c2": 5, "c3": 0}
    _, gross = asked([person, whole], refunds=["none"])
    assert credited(gross, "last", "money") == {"c1": 50, "c2": 20, "c3": 9}


def visit(at, origin):
    return at, "home", None, {"origin": origin, "page": "/"}


def test_visits_and_their_origins():
    """A visit is of the first origin named in it; direct visits are passed over by the last non-direct touch."""
    direct = (5 * DAY, "home", None, {"page": "/"})
    buyer = [visit(0, AD), visit(60, SOCIAL), visit(DAY, LETTER), direct, (5 * DAY + 60, "order", 30.0)]
    looker = [visit(0, SOCIAL)]
    made, found = asked([buyer, looker], SHOP, as_of=200 * DAY, by="source")
    assert credited(found, "first") == {"google": 1, "letter": 0, "(none)": 0, "facebook": 0}
    assert credited(found, "last") == {"google": 0, "letter": 0, "(none)": 1, "facebook": 0}
    assert credited(found, "last_non_direct") == {"google": 0, "letter": 1, "(none)": 0, "facebook": 0}
    assert found.lag[1] == pytest.approx(5 * DAY + 60, rel=0.01)
    assert [s.converted.n for s in found.lags if s.converted.n] == [1]
    _, medium = asked([buyer, looker], SHOP, as_of=200 * DAY, by="medium", models=["first"])
    assert credited(medium, "first") == {"cpc": 1, "social": 0, "email": 0, "(none)": 0}
    names = {c.name: c.met.behind for c in found.channels}
    listed = customers_behind(made, SHOP, names["letter"])
    assert [c.customer for c in listed.lines] == [1]


def test_costs_in_and_return_on_ad_spend_out():
    people = [[visit(i * DAY, AD if i % 2 else SOCIAL), (i * DAY + 9, "order", 40.0)] for i in range(20)]
    costs = pa.Table.from_pylist(
        [
            {"day": dt.date(1970, 1, 1) + dt.timedelta(days=d), "source": "Google", "medium": "cpc",
             "campaign": "spring", "amount": 25.0, "currency": "EUR", "impressions": 0, "clicks": 0}
            for d in (0, 9)
        ]
        + [{"day": dt.date(1970, 1, 5), "source": "bing", "amount": 7.0, "currency": "EUR"}]
    )  # fmt: skip
    _, found = asked(people, SHOP, as_of=400 * DAY, by="source", table=costs)
    google = next(c for c in found.channels if c.name == "google")
    last = google.credits[MODELS.index("last")]
    assert (google.spent, found.days) == (50.0, ("1970-01-01", "1970-01-10"))
    assert last.conversions.value == 10  # of the whole period
    assert last.roas.value == pytest.approx(5 * 40 / 50)  # five of them in the days of which costs are known
    assert last.cost.value == pytest.approx(50 / 5)
    none = next(c for c in found.channels if c.name == "facebook").credits[0]
    assert (none.roas.value, none.roas.reason) == (None, "no costs are known of it")
    assert found.unmet == (("bing", 7.0),)
    assert "Return on ad spend, by model" in "\n".join(found.text(Reader("en")))


def test_a_second_order_in_the_same_visit_has_the_touches_of_the_first():
    person = [visit(0, AD), (60, "order", 30.0), (120, "order", 20.0), (2 * DAY, "order", 5.0)]
    _, found = asked([person], SHOP, as_of=200 * DAY, by="source")
    # the order two days later is made in a visit of its own, a direct one
    assert credited(found, "last") == {"google": 2, "(none)": 1}
    assert credited(found, "last", "money") == {"google": 50, "(none)": 5}
    assert found.untouched.n == 0


def test_a_period_takes_conversions_and_looks_back_beyond_it():
    _, found = asked(FOUR, period=Period(moment(20 * DAY), moment(30 * DAY)))
    assert credited(found, "first") == {"c1": 1, "c2": 0, "c3": 0}
    _, before = asked(FOUR, period=Period(moment(0), moment(20 * DAY)))
    assert before.conversion.numerator == 0


def test_no_model_credits_a_path_that_did_not_convert_alone():
    _, found = asked([[(0, "c1")], [(0, "c2")]], as_of=200 * DAY)
    assert found.conversion.value == 0
    reasons = {x.model: (x.conversions.value, x.conversions.reason) for x in found.channels[0].credits}
    assert reasons["markov"] == (None, "no path converted") == reasons["shapley"]


def test_shapley_by_hand():
    """c1 alone converts 1 of 2, c2 alone 0 of 2, both 2 of 2 paths: worth 0.5, 0, 3/6. Values (0.5 + 0.5) / 2 and 0."""
    both = [[(0, "c1"), (1, "c2"), (2, "order")]] * 2
    people = [[(0, "c1"), (1, "order")], [(0, "c1")], [(0, "c2")], [(0, "c2")], *both]
    _, found = asked(people, as_of=200 * DAY)
    assert credited(found, "shapley") == {"c1": 3, "c2": 0}
    _, even = asked(people, as_of=200 * DAY, worth="conversions")
    assert credited(even, "shapley") == {"c1": 2, "c2": 1}


def test_more_channels_than_fit_exactly_are_drawn_with_an_error():
    chance = np.random.default_rng(3)
    names = [f"t{i}" for i in range(18)]
    journey = journey_of(("see", names), ("buy", ["order"]))
    people = []
    for _ in range(400):
        touches = [(t, names[c]) for t, c in enumerate(chance.integers(0, 18, chance.integers(1, 4)))]
        people.append([*touches, (9, "order")] if chance.random() < 0.4 else touches)
    _, found = asked(people, journey, as_of=200 * DAY, top=18, models=["shapley", "linear"])
    assert found.sampling_error > 0
    assert sum(c.credits[0].conversions.value for c in found.channels) == pytest.approx(found.conversion.numerator)
    assert all(c.credits[0].conversions.low < c.credits[0].conversions.high for c in found.channels)
    _, few = asked(people, journey, as_of=200 * DAY, models=["shapley"])
    assert (len(few.channels), few.channels[-1].name, few.sampling_error) == (15, OTHERS, None)


def test_questions_that_cannot_be_asked():
    with pytest.raises(MeasureError, match="There is no attribution model"):
        asked(FOUR, models=["lats"])
    with pytest.raises(MeasureError, match="Channels cannot be told by 'sorce'"):
        asked(FOUR, by="sorce")
    with pytest.raises(MeasureError, match="not a single touch"):
        asked(FOUR, by="channel")
    with pytest.raises(MeasureError, match="too long"):
        asked(FOUR, order=40)


def test_chosen_touches_and_numbers_that_open():
    made, found = asked(FOUR, touches=["c1", "c3"], by=None)
    assert credited(found, "linear") == {"c1": pytest.approx(2 / 3), "c3": pytest.approx(1 / 3)}
    for channel in found.channels:
        for credit in channel.credits:
            assert len(customers_behind(made, ADS, credit.conversions.behind).lines) in (0, 1)
        assert [c.customer for c in customers_behind(made, ADS, channel.met.behind).lines] == [1]
    assert [c.customer for c in customers_behind(made, ADS, found.conversion.behind).lines] == [1]


@pytest.mark.parametrize("counted", [False, True])
def test_lengths_and_days_list_whose_paths_they_are(counted):
    """One customer has one path here, so that every number of paths is one of customers."""
    chance = np.random.default_rng(8)
    people = []
    for _ in range(120):
        n = int(chance.integers(1, 26))
        touches = [(int(t) * DAY // 4, f"c{chance.integers(1, 4)}") for t in range(n)]
        bought = chance.random() < 0.5
        people.append([*touches, (int(n * DAY // 4 + chance.choice([0, 2, 9, 40]) * DAY), "order")][: n + bought])
    made, found = asked(people, as_of=24 * DAY, within=20 * DAY, count_pending=counted)
    assert sum(s.converted.n for s in found.lengths) == found.conversion.numerator
    assert sum(s.not_converted.n for s in found.lengths) <= found.conversion.denominator
    assert sum(s.converted.n for s in found.lags) == found.conversion.numerator > 20
    assert {s.low for s in found.lengths} == set(range(1, 21))
    assert sum(1 for s in found.lags if s.converted.n) > 4
    rate = found.conversion
    numbers = [
        *(s.converted for s in found.lengths), *(s.not_converted for s in found.lengths),
        *(s.converted for s in found.lags), Count(rate.numerator, rate.behind),
        Count(rate.denominator - rate.numerator, rate.behind_not), Count(rate.denominator, rate.behind_all),
        *([] if counted else [Count(rate.pending, rate.behind_pending)]),
    ]  # fmt: skip
    assert (rate.behind_pending is None) is counted
    for number in numbers:
        assert customers_behind(made, ADS, number.behind).total == number.n, number.behind
    assert (rate.pending == 0) is counted
    with pytest.raises(MeasureError, match="5 days"):
        customers_behind(made, ADS, found.lags[0].converted.behind.replace("days=0", "days=5"))


def test_through_the_catalogue():
    made = trails(ADS, FOUR * 12, 2)
    found = measure(
        made, "attribution", journey=ADS, to="order", by="touchpoint", within="30d", models="linear, markov", order="2"
    )
    assert (found.models, found.order) == (("linear", "markov"), 2)
    assert found.to_dict()["channels"][0]["credits"][0]["conversions"]["value"] == 6
    for language in ("en", "fi"):
        assert found.text(Reader(language))
        assert found.charts(Reader(language))


def test_who_is_left_out_brings_no_channel():
    made = trails(ADS, [*FOUR, [(0, "c2"), (1, "order")]], 2)
    view = view_of(made, ADS)
    some = view.only([b.customer == 2 for b in view.buckets])
    assert [c.name for c in attributed(some, None, by="touchpoint", to="order").channels] == ["c2"]
    early = view_of(made, ADS, as_of=moment(DAY))
    assert [c.name for c in attributed(early, None, by="touchpoint", to="order").channels] == ["c1", "c2"]


# ---- against a plain reading

EVENTS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["c1", "c2", "c3", "order", "other"])), min_size=1, max_size=12
)


def plain_paths(people, within, start, end, as_of):
    """Paths as (customer, channels, state) by the definition."""
    found = []
    for c, person in enumerate(people):
        waiting = []

        def ended(touches, state, c=c):
            if touches and start <= touches[-1][0] < end:
                found.append((c, tuple(n for _, n in touches), state))

        for at, name in sorted(person, key=lambda e: e[0]):
            if at > as_of:
                break
            if name == "order":
                near = [t for t in waiting if at - t[0] <= within]
                ended(waiting[: len(waiting) - len(near)], kernel.NOT)
                if start <= at < end:
                    found.append((c, tuple(n for _, n in near), kernel.CONVERTED))
                waiting = []
            elif name != "other":
                waiting.append((at, name))
        if waiting:
            ended(waiting, kernel.PENDING if waiting[-1][0] + within > as_of else kernel.NOT)
    return Counter(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=5), st.integers(1, 30), st.integers(0, 20), st.integers(10, 45))
def test_paths_against_a_plain_reading(people, within, start, end):
    made = trails(ADS, [*people, [(0, "c1"), (0, "c2"), (0, "c3"), (0, "order")]], 1, as_of=38)
    view = view_of(made, ADS, period=Period(moment(start), moment(max(end, start + 1))))
    question, _ = ask(view, "order", "touchpoint", None, within, None, 15)
    found = question.paths(view.columns[0])
    told = Counter(
        (int(r[kernel.CUSTOMER]), tuple(question.names[c] for c in found.channel[r[kernel.BEGIN] : r[kernel.STOP]]),
         int(r[kernel.STATE]))
        for r in found.table
    )  # fmt: skip
    everyone = [*people, [(0, "c1"), (0, "c2"), (0, "c3"), (0, "order")]]
    assert told == plain_paths(everyone, within, start, view.end, 38)


def test_buckets_add_up():
    chance = np.random.default_rng(5)
    people = []
    for _ in range(300):
        n = chance.integers(1, 5)
        touches = [(int(t) * DAY, f"c{c}") for t, c in zip(range(n), chance.integers(1, 4, n), strict=True)]
        people.append([*touches, (10 * DAY, "order", 20.0)] if chance.random() < 0.3 else touches)
    one, four = (asked(people, as_of=300 * DAY, buckets=b)[1] for b in (1, 4))
    for a, b in zip(one.channels, four.channels, strict=True):
        for x, y in zip(a.credits, b.credits, strict=True):
            assert x.conversions.value == pytest.approx(y.conversions.value)
            assert x.conversions.low < x.conversions.value < x.conversions.high
    assert sum(c.credits[0].conversions.value for c in one.channels) == one.conversion.numerator


# ---- the ad log


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_the_ad_log():
    """Last touch of the README: Facebook 561, Paid Search 457, Online Video 350, Instagram 237, Online Display 233."""
    with (DATA / "attribution_data.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = pa.table(
        {
            "customer": [r["customer_id"] for r in rows],
            "time": pa.array([dt.datetime.fromisoformat(r["time"]) for r in rows]),
            "event": [r["interaction"] for r in rows],
            "value": [float(r["conversion_value"]) if r["conversion"] == "1" else None for r in rows],
            "ad": [r["channel"] for r in rows],
        }
    )
    made = Trails.from_table(
        table, customer="customer", time="time", event="event", value="value", properties=["ad"]
    )  # fmt: skip
    found = measure(made, "attribution", by="properties.ad", to="conversion", within="40d", count_pending="yes")
    assert (found.conversion.numerator, found.untouched.n) == (1838, 0)
    assert found.money == pytest.approx(11423.5)
    last = {c.name: c.credits[found.models.index("last")].conversions.value for c in found.channels}
    assert last == {
        "Facebook": 561, "Paid Search": 457, "Online Video": 350, "Instagram": 237, "Online Display": 233
    }  # fmt: skip
    for place, _ in enumerate(found.models):
        assert sum(c.credits[place].conversions.value for c in found.channels) == pytest.approx(1838)
        assert sum(c.credits[place].money.value for c in found.channels) == pytest.approx(11423.5)


# ---- intervals


def drawn_world(n, rng):
    """Paths of four channels, each touch of which adds its own chance to convert."""
    length = rng.geometric(0.45, n)
    stop = np.cumsum(length)
    begin = stop - length
    channel = rng.choice(4, int(stop[-1]), p=[0.4, 0.3, 0.2, 0.1])
    chance = np.add.reduceat(np.array([0.02, 0.05, 0.1, 0.2])[channel], begin)
    state = (rng.random(n) < np.minimum(chance, 0.9)).astype(np.int64)
    time = np.arange(len(channel)) * 5000
    table = np.stack([begin, stop, state, time[stop - 1] + 50, np.arange(n)], axis=1)
    return Paths(table, state * rng.gamma(2, 20, n), channel, time)


def test_intervals_hold_what_they_promise():
    """Of 150 worlds the 95 % intervals hold the figures of one 400 times as large in nearly 95 %."""
    models = ("last", "linear", "time_decay", "markov", "shapley")
    chosen = Settings(0.4, 0.4, 7 * DAY, 1, False)
    rng = np.random.default_rng(1)

    def worked_out(n):
        group = rng.integers(0, GROUPS, n)
        return credits(sums_of_paths(drawn_world(n, rng), group, 4, -1, chosen), models, 4, chosen, "rate")

    truth = worked_out(400_000)
    held = {model: np.zeros((4, 2)) for model in models}
    for _ in range(150):
        found = worked_out(1000)
        for model in models:
            true = truth[model].spread.value / 400
            held[model] += (found[model].spread.low <= true) & (true <= found[model].spread.high)
    for model in models:
        assert 0.91 < held[model].mean() / 150 < 0.98, model
        assert held[model].min() / 150 > 0.85, model
