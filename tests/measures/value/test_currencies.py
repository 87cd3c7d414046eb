"""Amounts in several currencies cannot be added up: then every one of them is None with that reason. Where all are in
one, they are told in that one, whatever the map's.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa
import pytest

from polku.errors import MeasureError
from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.acquisition.by_source import acquired
from polku.measures.acquisition.costs import OF_EVERYONE
from polku.measures.acquisition.payback import paid_back
from polku.measures.attribution.attribution import attributed
from polku.measures.experiments.experiment import experiment
from polku.measures.forecast.what_if import what_if
from polku.measures.living import living_view
from polku.measures.value.buying import MIXED
from polku.measures.value.formula import value
from polku.measures.value.lifetime import lifetime
from polku.measures.value.rfm import rfm
from polku.measures.view import View, view_of
from polku.trails.people import trails_of

MAP = Journey.model_validate(
    {
        "title": "Shop",
        "timezone": "UTC",
        "currency": "EUR",
        "stages": [
            {"id": "buy", "touchpoints": [{"id": "order", "match": {"event": "Order Completed"}, "value": "revenue"}]}
        ],
    }
)


def shop(*currencies: str | None) -> View:
    """Sixty who see an arm of a button and buy twice, in these currencies in turn."""
    people = {}
    for k in range(60):
        at = [("2026-01-01", "Experiment Viewed", {"properties": {"variation_name": "ab"[k % 2]}})]
        for i, day in enumerate(("2026-01-02", f"2026-02-{1 + k % 20:02d}")):
            money = {"value": 10.0 + k % 7 + i, "currency": currencies[i % len(currencies)]}
            at.append((day, "Order Completed", {n: v for n, v in money.items() if v is not None}))
        people[f"c{k}"] = at
    return view_of(trails_of(MAP, people, as_of="2026-12-31"), MAP)


COSTS = pa.Table.from_pylist(
    [
        {
            "day": dt.date(2026, 1, 2),
            "source": "google",
            "medium": None,
            "campaign": None,
            "amount": 9.0,
            "currency": "EUR",
        }
    ]
)


@pytest.mark.parametrize(
    ("currencies", "said", "told"),
    [
        (("EUR", "SEK"), MIXED, "EUR"), (("SEK",), None, "SEK"), (("EUR",), None, "EUR"), (("EUR", None), None, "EUR"),
        ((None,), None, "EUR"),
    ],
)  # fmt: skip
def test_every_amount_says_so(currencies, said, told):
    view = shop(*currencies)

    def holds(*figures):
        for figure in figures:
            assert (figure.value is None) == (said is not None)
            assert (figure.reason == MIXED) == (said is not None)

    found = value(view)
    holds(found.total.average, found.total.value)
    assert (found.total.net is None, found.currency) == (said is not None, told)
    assert found.total.frequency.value is not None
    segments = rfm(view)
    assert segments.unsummed == said
    assert said is None or said in "\n".join(segments.text(Reader("en")))
    assert all((s.net is None) == (said is not None) for s in segments.segments)
    won = acquired(view, COSTS)
    holds(won.total.value)
    assert won.total.cost.value == (None if told == "SEK" else won.total.cost.value)
    if told == "EUR":
        assert (won.total.ratio.value is None) == (said is not None)
    paid = paid_back(view, COSTS)
    assert paid.unsummed == said
    holds(paid.total.paid[1])
    assert said is None or paid.total.payback.value is None
    effects = {e.metric: e for e in experiment(view, to="order", metrics=("count", "value")).effects}
    holds(effects["value"].absolute, effects["value"].relative)
    assert effects["count"].absolute.value is not None
    assert (effects["value"].p is None) == (said is not None)
    holds(lifetime(view).value)
    credit = attributed(view, COSTS, models=("first",), touches=("Experiment Viewed",)).channels[0].credits[0]
    holds(credit.money)
    forecast = what_if(view, change=("start:+10%",))
    holds(forecast.money.now, forecast.money.changed)
    assert forecast.converted.now.value is not None
    order = living_view(view).stages[0].figures
    assert (order.value is None) == (said is not None)
    assert said is not None or order.value.currency == told
    for answer in (found, segments, won, paid, forecast):
        assert answer.text(Reader("fi"))


def test_no_goal_of_money_in_several_currencies():
    with pytest.raises(MeasureError, match="EUR, SEK"):
        what_if(shop("EUR", "SEK"), goal="100 EUR")


def test_what_was_spent_on_everyone_is_held_against_no_persona():
    view = dataclasses.replace(shop("EUR"), persona="somebody")
    answer = attributed(view, COSTS, models=("first",), by="source", touches=("Experiment Viewed",))
    assert answer.no_costs == OF_EVERYONE
    assert {c.cost.reason for channel in answer.channels for c in channel.credits} == {OF_EVERYONE}
    assert not answer.unmet
