"""Amounts in other currencies than the map's: they are added up as they are, and that is said beside every amount."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.acquisition.by_source import acquired
from polku.measures.acquisition.payback import paid_back
from polku.measures.experiments.experiment import experiment
from polku.measures.value.buying import MIXED, OTHER_CURRENCY
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
    ("currencies", "said"),
    [(("EUR", "SEK"), MIXED), (("SEK",), OTHER_CURRENCY), (("EUR",), None), (("EUR", None), None), ((None,), None)],
)
def test_every_amount_says_so(currencies, said):
    view = shop(*currencies)
    total = value(view).total
    assert (total.average.reason, total.value.reason) == (said, said)
    assert total.frequency.reason is None
    segments = rfm(view)
    assert segments.caution == said
    assert said is None or said in "\n".join(segments.text(Reader("en")))
    won = acquired(view, COSTS)
    assert (won.total.value.reason, won.total.ratio.reason, won.total.cost.reason) == (said, said, None)
    paid = paid_back(view, COSTS)
    assert (paid.caution, paid.total.paid[1].reason) == (said, said)
    effects = {e.metric: e for e in experiment(view, to="order", metrics=("count", "value")).effects}
    assert (effects["value"].absolute.reason, effects["value"].relative.reason) == (said, said)
    assert effects["count"].absolute.reason not in (MIXED, OTHER_CURRENCY)
    worth = lifetime(view).value
    assert worth.value is not None
    assert (worth.reason == said) if said else worth.reason not in (MIXED, OTHER_CURRENCY)
