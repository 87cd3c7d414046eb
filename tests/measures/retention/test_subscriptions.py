"""Subscriptions: people as lists, the sums that must hold, a plain reading, the lists behind, the published cohort."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from polku.errors import MeasureError
from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.ask import measure
from polku.measures.customers import keys_behind
from polku.measures.retention.billing import END, MOST_RENEWALS, START, WHATS, movements
from polku.measures.retention.subscriptions import _projected, subscriptions
from polku.measures.selectors import Selector
from polku.measures.view import view_of
from polku.trails.people import trails_of

MAP = Journey.model_validate(
    {
        "title": "Studio", "timezone": "Europe/Helsinki", "window": "100d",
        "stages": [{"id": "member", "touchpoints": [{"id": "paid", "match": {"event": "Subscription Started"}}]}],
    }
)  # fmt: skip
S, R, C, P, F, T = (
    "Subscription Started", "Subscription Renewed", "Subscription Cancelled", "Subscription Paused", "Payment Failed",
    "Trial Started",
)  # fmt: skip


def monthly(first, count, value, started=S):
    """Payments on the same day of so many months, from 2026-``first``."""
    return [
        (f"2026-{first + k:02}-{10} 12:00", started if k == 0 else R, {"value": value}) for k in range(count)
    ]  # fmt: skip


#: As of 10 June.
PEOPLE = {
    "anna": monthly(1, 6, 10.0),
    "bertta": [*monthly(1, 2, 10.0), ("2026-03-10 12:00", R, {"value": 15.0}), ("2026-04-02 9:00", C)],
    "celia": [*monthly(2, 1, 20.0), ("2026-03-10 12:00", F)],  # nothing after: runs out on 25 March
    "dora": [*monthly(1, 2, 30.0), ("2026-02-20", P), ("2026-04-10", R, {"value": 12.0}),
             ("2026-05-10", R), ("2026-06-09", R, {"value": 12.0})],
    "eeva": [("2026-03-01", S, {"value": 120.0, "properties": {"interval": "yearly"}}),
             ("2026-04-01", R, {"value": 60.0, "properties": {"interval": "P3M"}})],
    "fanni": [("2026-02-03", S, {"value": 5.0}), ("2026-02-20", C)],  # comes and goes within a month
    "gia": [("2026-02-03", T)],
    "helmi": [("2026-01-05", T), ("2026-02-03", S, {"value": 10.0}), ("2026-02-28", C)],
    "iida": [("2026-05-05", T)],
}  # fmt: skip


def asked(people=PEOPLE, as_of="2026-06-10 13:00", **options):
    view = view_of(trails_of(MAP, people, as_of=as_of), MAP)
    return view, subscriptions(view, **options)


def money(answer):
    return {
        m.name[-2:]: tuple(
            round(getattr(m, what).money.amount, 2)
            for what in ("start", "new", "reactivated", "expansion", "contraction", "churned", "end")
        )
        for m in answer.months
    }


def test_recurring_revenue_by_hand():
    view, answer = asked(interval="properties.interval")
    assert money(answer) == {
        # start, new, reactivated, expansion, contraction, churned, end
        "01": (0, 50, 0, 0, 0, 0, 50),
        "02": (50, 20, 0, 0, 0, 30, 40),  # celia; dora pauses; fanni and helmi come and go
        "03": (40, 10, 0, 5, 0, 20, 35),  # eeva 120 / 12; bertta pays 15; celia runs out
        "04": (35, 0, 12, 10, 0, 15, 42),  # dora again, eeva 60 / 3, bertta cancels
        "05": (42, 0, 0, 0, 0, 0, 42),  # dora's payment without a value is as large as the one before
        "06": (42, 0, 0, 0, 0, 0, 42),
    }
    april = answer.months[3]
    assert (april.net.value, april.gross.value) == (pytest.approx(30 / 35), pytest.approx(20 / 35))
    assert (april.churn.numerator, april.churn.denominator) == (1, 3)
    assert answer.months[2].unpaid.n == 1
    june = answer.months[5]
    assert (june.over, june.net.value, june.churn.value, june.churn.pending) == (False, None, None, 3)
    assert answer.unpriced.n == 1
    assert lists_agree(answer, view) > 30
    assert len(keys_behind(view, Selector.parse(answer.unpriced.behind))) == 1
    assert answer.tables(Reader("fi"))
    assert len(answer.charts(Reader("fi"))) == 3


def test_intervals_that_cannot_be_read_are_told():
    _, answer = asked(interval="properties.interval")
    assert answer.unread.n == sum(e[1] in (S, R) for trail in PEOPLE.values() for e in trail) - 2
    _, plain = asked()
    assert plain.unread.n == 0
    assert money(plain)["03"] == (40, 120, 0, 5, 0, 20, 145)


def test_trial_to_paid():
    _, answer = asked()
    assert (answer.trial.numerator, answer.trial.denominator, answer.trial.pending) == (1, 2, 1)
    _, quick = asked(trial_within=10 * 86400)
    assert (quick.trial.numerator, quick.trial.denominator, quick.trial.pending) == (0, 3, 0)


def test_names_of_ones_own():
    people = {
        "a": [("2026-01-10", "Paid", {"value": 10}), ("2026-02-10", "Again", {"value": 10}), ("2026-02-20", "Stopped")],
        "b": [("2026-01-10", "Paid", {"value": 7}), ("2026-03-15", "Seen")],
    }
    _, answer = asked(people, "2026-03-15", started=["Paid"], renewed=["Again"], ended=["Stopped"])
    assert money(answer) == {
        "01": (0, 17, 0, 0, 0, 0, 17), "02": (17, 0, 0, 0, 0, 17, 0), "03": (0, 0, 0, 0, 0, 0, 0),
    }  # fmt: skip
    with pytest.raises(MeasureError, match="Subscription Started"):
        asked(people)


def test_without_renewals_only_an_end_is_an_end():
    people = {"a": [("2026-01-10", S, {"value": 10})], "b": [("2026-01-10", S, {"value": 7}), ("2026-04-11", C)]}
    _, answer = asked(people, "2026-04-20")
    assert [m.end.money.amount for m in answer.months] == [17, 17, 17, 10]
    assert answer.grace is None
    # 91 days of 30.4 each: b came through two renewals and left at the third; a has three behind
    assert [(r.rate.numerator, r.rate.denominator) for r in answer.renewals[:3]] == [(2, 2), (2, 2), (1, 2)]
    view, _ = asked(people, "2026-04-20")
    third = answer.renewals[2].rate
    assert [len(keys_behind(view, Selector.parse(b))) for b in (third.behind, third.behind_not, third.behind_all)] == [
        1, 1, 2
    ]  # fmt: skip
    assert len(keys_behind(view, Selector.parse(answer.remaining.behind))) == 2
    with pytest.raises(MeasureError, match="number of a renewal"):
        keys_behind(view, Selector.parse(third.behind.replace(":3:", ":third:")))


def test_the_published_cohort():
    """Fader and Hardie's "High End" cohort of 1,000: alpha 0.668, beta 3.806."""
    lost = np.zeros(MOST_RENEWALS, np.int64)
    still = np.zeros(MOST_RENEWALS, np.int64)
    lost[:7], still[7] = [131, 126, 90, 60, 42, 34, 26], 491
    renewals, why, remaining = _projected(lost, still, lambda name, what: f"subscriptions:{name}:{what}")
    assert (why, remaining.value) == (None, None)  # alpha below 1: without a discount there is no end
    assert [r.rate.numerator for r in renewals[:7]] == [869, 743, 653, 593, 551, 517, 491]
    assert [round(r.kept, 3) for r in renewals[:7]] == [0.869, 0.743, 0.653, 0.593, 0.551, 0.517, 0.491]
    # S(t) = S(t - 1) x (beta + t - 1) / (alpha + beta + t - 1)
    by_hand = np.cumprod([(3.806 + t - 1) / (0.668 + 3.806 + t - 1) for t in range(1, 13)])
    assert [r.projected for r in renewals[:12]] == pytest.approx(by_hand.tolist(), abs=3e-4)
    assert renewals[7].rate.pending == 491
    assert renewals[7].kept is None


payments = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([S, R, C, P, F]), st.sampled_from([None, 0.0, 5.0, 10.0, 20.0])),
    max_size=8,
).map(lambda rows: sorted(rows, key=lambda r: r[0]))


@settings(deadline=None, max_examples=12)
@given(st.lists(payments, min_size=1, max_size=4), st.integers(0, 30))
def test_a_plain_reading_agrees(people, grace):
    first = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    named = {
        str(i): [(first + dt.timedelta(days=d), n, {} if v is None else {"value": v}) for d, n, v in trail]
        for i, trail in enumerate(people)
    }
    named["known"] = [(first, S, {"value": 1.0}), (first + dt.timedelta(days=10), R, {})]
    as_of = first + dt.timedelta(days=200)
    view = view_of(trails_of(MAP, named, as_of=as_of), MAP)
    answer = subscriptions(view, grace=grace * 86400)
    month = round(365.2425 / 12 * 86400)
    for m in answer.months:
        low = dt.datetime.strptime(m.name + "-01", "%Y-%m-%d").replace(tzinfo=view.zone)
        total, there = 0.0, 0
        for trail in named.values():
            active, value, until = False, 0.0, None
            for at, name, facts in trail:
                if at >= low:
                    break
                if active and at > until:
                    active = False
                if name in (S, R):
                    value = facts.get("value", value)
                    active, until = True, at + dt.timedelta(seconds=month + grace * 86400)
                elif name in (C, P):
                    active = False
            if active and until < low:
                active = False
            there += active
            total += value if active else 0.0
        assert (m.start.customers.n, m.start.money.amount) == (there, pytest.approx(total))
    for one, other in zip(answer.months, answer.months[1:], strict=False):
        assert one.end.money.amount == pytest.approx(other.start.money.amount)
        moved = one.new.money.amount + one.reactivated.money.amount + one.expansion.money.amount
        moved -= one.contraction.money.amount + one.churned.money.amount
        assert one.start.money.amount + moved == pytest.approx(one.end.money.amount)
    lists_agree(answer, view)


def test_nothing_moves_where_nothing_happened():
    customer, who, money = movements(np.empty((0, 6)), np.array([0, 10, 20]))
    assert (len(customer), who.shape, money.sum()) == (0, (0, 2, len(WHATS)), 0.0)
    assert (WHATS[START], WHATS[END]) == ("start", "end")


def test_asked_as_people_ask():
    answer = measure(trails_of(MAP, PEOPLE, as_of="2026-06-10 13:00"), "subscriptions", journey=MAP, grace="20d")
    assert answer.grace == 20 * 86400
    assert answer.rate == answer.trial
