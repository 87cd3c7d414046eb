"""Survival and churn: people as lists, a plain reading, the lists behind."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.reference import transitions
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.kernels.retention.spells import NEVER
from polku.language import Reader
from polku.measures.customers import customers_behind, keys_behind
from polku.measures.result import Period
from polku.measures.retention.churn import asked_of, churn
from polku.measures.retention.survival import step_of, survival
from polku.measures.selectors import Selector
from polku.measures.view import EVER, view_of
from polku.trails.layout import moment

DAY = 86400
MAP = journey_of(
    ("see", ["ad", "view"], {"lapses_after": "3d"}), ("buy", [{"id": "order", "value": "revenue"}]),
    segments={"buyers": "count(order) >= 1"},
)  # fmt: skip
#: Weeks in remission (Freireich and others, 1963): a week is a day here.
#: Watched no longer: below 0.
TREATED = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35]
CONTROL = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
END = 60 * DAY


def patients(rows, drug):
    """Everyone is watched until day 60, so that those who leave earlier began later."""
    made = []
    for row in rows:
        begun = END - abs(row) * DAY
        more = {"origin": (drug, None, None)}
        made.append([(begun, "view", None, more), *([] if row < 0 else [(END, "order", None, more)])])
    return made


def view(people, as_of=END, period=EVER, journey=MAP):
    return view_of(trails(journey, people, 2, as_of=as_of, codes=["ad", "view", "order"]), journey, period=period)


def test_the_printed_curves_and_test():
    seen = view([*patients(TREATED, "6-MP"), *patients(CONTROL, "placebo")])
    answer = survival(seen, "view", "order", by="source", every=DAY)
    assert {w.name: (w.begun.n, w.happened.n, w.going.n) for w in answer.groups} == {
        "6-MP": (21, 9, 12), "placebo": (21, 21, 0),
    }  # fmt: skip
    treated = next(w for w in answer.groups if w.name == "6-MP")
    shares = {a.seconds // DAY: a.waiting for a in treated.ages}
    assert [round(shares[d].value, 3) for d in (6, 7, 10, 13, 16, 22, 23)] == [
        0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448,
    ]  # fmt: skip
    assert (treated.median.value, treated.median.low, treated.median.high) == (23 * DAY, 13 * DAY, None)
    assert (round(answer.test.statistic, 2), round(answer.test.p, 7)) == (16.79, 4.17e-05)
    assert lists_agree(answer, seen) == 9
    assert answer.tables(Reader("fi"))
    assert answer.charts(Reader("fi"))
    placebo = next(w for w in answer.groups if w.name == "placebo")
    assert placebo.ages[24].waiting.value == 0.0  # it has happened to everyone, so that it is known beyond 23
    assert treated.ages[-1].seconds == 35 * DAY


def test_groups_that_may_overlap_are_not_tested():
    seen = view(patients(TREATED, "6-MP"))
    answer = survival(seen, "view", "order", by="segment")
    assert (answer.groups[0].name, answer.groups[0].begun.n, answer.test) == ("buyers", 9, None)
    assert lists_agree(answer, seen) == 6


def test_until_they_lapse():
    people = [
        [(0, "view"), (2 * DAY, "view")],  # lapsed on day 5
        [(0, "view"), (3 * DAY, "view")],  # on day 3: so long passed before the next
        [(7 * DAY, "view")],  # not yet on day 9
        [(0, "other")],
    ]
    seen = view(people, as_of=9 * DAY)
    answer = survival(seen, "view", silence=3 * DAY)
    everyone = answer.everyone
    assert (everyone.begun.n, everyone.happened.n, everyone.going.n) == (3, 2, 1)
    assert everyone.median.value == 3 * DAY  # the third was watched 2 days: 1, then 1/2, then 0
    assert lists_agree(answer, seen) == 3


def test_a_period_chooses_who_is_watched():
    seen = view(patients(CONTROL, "x"), period=Period(moment(END - 4 * DAY), moment(END - 2 * DAY)))
    answer = survival(seen, "view", "order")
    assert answer.everyone.begun.n == 3  # those of 3 and 4 weeks; of 2 weeks began at its end, which is outside
    behind = answer.everyone.begun.behind
    made = trails(MAP, patients(CONTROL, "x"), 2, as_of=END, codes=["ad", "view", "order"])
    assert customers_behind(made, MAP, behind).total == 3


def test_nobody_at_all():
    answer = survival(view([[(0, "view")]], as_of=5), "order", "view")
    assert (answer.everyone.begun.n, answer.everyone.median.value) == (0, None)
    assert answer.tables(Reader("en"))


def test_steps_of_age():
    assert [step_of(d * DAY) // DAY for d in (1, 12, 13, 84, 85)] == [0, 1, 7, 7, 30]
    with pytest.raises(MeasureError, match="10,000 rows"):
        survival(view(patients(CONTROL, "x")), "view", "order", every=1)


# -- churn

CAME = [
    [(0, "view"), (2 * DAY, "view"), (9 * DAY, "view")],  # lapsed on day 5, won back on day 9, lapsed on day 12
    [(0, "view")],  # lapsed on day 3
    [(6 * DAY, "view"), (8 * DAY, "order")],  # by the map in "buy", which never lapses
    [(0, "other")],
]


def rows(answer):
    return {
        p.name[-2:]: (p.at_risk.n, p.lapsed.n, p.new.n, p.won_back.n, p.rate.denominator, p.rate.pending)
        for p in answer.periods
        if any((p.at_risk.n, p.new.n, p.won_back.n))
    }


def test_churn_by_the_map():
    seen = view(CAME, as_of=8 * DAY + 5)
    answer = churn(seen, "day")
    assert rows(answer) == {
        "01": (0, 0, 2, 0, 0, 0), "02": (2, 0, 0, 0, 2, 0), "03": (2, 0, 0, 0, 2, 0), "04": (2, 1, 0, 0, 2, 0),
        "05": (1, 0, 0, 0, 1, 0), "06": (1, 1, 0, 0, 1, 0), "07": (0, 0, 1, 0, 0, 0), "08": (1, 0, 0, 0, 1, 0),
        "09": (1, 0, 0, 0, 0, 1),
    }  # fmt: skip
    assert (answer.overall.numerator, answer.overall.denominator) == (2, 9)
    assert lists_agree(answer, seen) > 0
    assert answer.tables(Reader("fi"))
    assert answer.charts(Reader("fi"))


def test_churn_by_silence():
    seen = view(CAME, as_of=20 * DAY)
    answer = churn(seen, "week", "view", silence=3 * DAY)
    # weeks begin on Monday: 29 December, 5 January (day 4), 12 January (day 11), 19 January (day 18, goes on)
    assert rows(answer) == {"01": (0, 0, 2, 0, 0, 0), "02": (1, 1, 1, 1, 1, 0)} | {"03": (1, 1, 0, 0, 1, 0)}
    assert lists_agree(answer, seen) > 0


def test_what_churn_cannot_know():
    endless = journey_of(("see", ["view"]))
    with pytest.raises(MeasureError, match="silence=30d"):
        churn(view([[(0, "view")]], journey=endless))
    with pytest.raises(MeasureError, match="active_on"):
        churn(view(CAME), what="view")
    only = churn(view([[(0, "view")]], as_of=5), "day")
    assert (only.periods[0].rate.value, only.periods[0].rate.reason) == (None, "nobody was there at its beginning")
    assert churn(view([]), "month", silence=DAY).periods == ()


def test_a_period_that_goes_on_has_no_list_of_those_who_lapsed():
    going = churn(view([[(0, "view")]], as_of=2 * DAY + 5), "day", silence=9 * DAY).periods[-1]
    assert (going.over, going.rate.pending, going.rate.behind, going.rate.behind_all) == (False, 1, None, None)
    assert going.rate.behind_pending is not None


people = st.lists(
    st.lists(st.tuples(st.integers(0, 40).map(lambda q: q * DAY // 4), st.sampled_from(["view", "order"])), max_size=6)
    .map(lambda p: sorted(p, key=lambda e: e[0])),
    max_size=5,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(people, st.integers(1, 12), st.integers(0, 44))
def test_spells_as_a_plain_reading_has_them(people, quarters, until):
    silence, as_of = quarters * DAY // 4, until * DAY // 4
    seen = view(people, as_of=as_of)
    by_silence, by_map = asked_of(seen, None, silence), asked_of(seen, None, None)
    for bucket, columns in zip(seen.buckets, seen.columns, strict=True):
        expected = []
        by_rules = []
        for c, key in enumerate(bucket.customer.tolist()):
            trail = people[key - 1]
            times = [t for t, _ in trail if t <= as_of]
            for i, t in enumerate(times):
                if i == 0 or t - times[i - 1] >= silence:
                    expected.append([c, t, NEVER])
                if (
                    times[i + 1] if i + 1 < len(times) else as_of + silence * (t + silence <= as_of) * 2
                ) - t >= silence:
                    expected[-1][2] = t + silence
            moves = transitions(MAP, [(t, n, None) for t, n in trail], as_of)
            for i, move in enumerate(moves):
                if i == 0 or move[-1] == "won_back":
                    by_rules.append([c, move[0], NEVER])
                if move[-1] == "lapsed":
                    by_rules[-1][2] = move[0]
        assert by_silence.spells(columns).tolist() == expected
        assert by_map.spells(columns).tolist() == by_rules
    answer = churn(seen, "day", silence=silence)
    lists = ("behind", "behind_not", "behind_all")
    for which in lists if answer.overall.denominator else ():
        each = [getattr(p.rate, which) for p in answer.periods if p.over and p.at_risk.n]
        whose = {k for text in each for k in keys_behind(seen, Selector.parse(text)).tolist()}
        assert set(keys_behind(seen, Selector.parse(getattr(answer.overall, which))).tolist()) == whose
    lists_agree(answer, seen)
    for period in answer.periods:  # who is there at the next beginning: those at risk and new ones, less the lapsed
        low = period.period * DAY
        at_risk = Counter()
        for bucket, columns in zip(seen.buckets, seen.columns, strict=True):
            spells = by_silence.spells(columns)
            there = (spells[:, 1] < low) & (spells[:, 2] >= low)
            at_risk.update(bucket.customer[np.unique(spells[there, 0])].tolist())
        assert len(at_risk) == period.at_risk.n
