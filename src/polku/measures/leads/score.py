"""How likely each lead is to reach a stage, touchpoint or event within a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.values import duration
from polku.language import N_
from polku.measures.leads import modelling
from polku.measures.leads.answer import Band, Calibrated, Lead, Lifted, Reason, Score, Weight
from polku.measures.leads.examples import Rows
from polku.measures.leads.modelling import Asked, Ground, Scored
from polku.measures.leads.reaching import goal_named, goal_title
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.value.buying import names_of, silence_of
from polku.measures.view import Mask, View
from polku.statistics import calibration
from polku.statistics.scoring import Model

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
#: The bands of a score: what share of the leads, from the highest probability down, each one ends at.
BANDS = (("a", 0.05), ("b", 0.2), ("c", 0.5), ("d", 1.0))
#: Reasons that are told of one customer, and columns whose weight is told.
MOST_REASONS, MOST_WEIGHTS = 3, 15
FEW = N_("few customers, so it is rough")
NOT_BETTER = N_("it does not tell who will and who will not")
NOBODY = N_("nobody can be scored: all have reached it, or have been silent too long")


def score(
    view: View,
    to: str | None = None,
    within: int | None = None,
    model: Model = "logistic",
    properties: Sequence[str] | None = None,
    silence: int | None = None,
    limit: int = 50,
) -> Score:
    """The probability of every lead to reach ``to`` within ``within`` seconds. ``limit`` leads are told one by one.

    Where there is too little to learn from, there is no score and the reason is told. Raises MeasureError for unknown
    names, MissingExtraError without scikit-learn (extra ``models``).
    """
    asked = asked_for(view, to, within, model, properties, silence)
    base, done = fitted(view, asked)
    options = _options(to, within, model, properties, silence)

    def pick(what: str) -> str:
        return view.select("score", asked.to, what, **options)

    rows, p = scored(view, base, done)
    order = np.argsort(-p, kind="stable")
    band = band_of(p)
    known = done.fitted is not None
    reason = done.reason if not known else None if len(p) else NOBODY
    told = rows.take(_mask(len(p), order[:limit]))
    return Score(
        period=view.period, persona=view.persona, segment=view.segment,
        to=asked.to, title=goal_title(view, asked.to), within=asked.within, model=asked.model, silence=asked.silence,
        columns=0 if done.fitted is None else len(done.fitted.encoder.names), moments=len(done.moments),
        examples=done.examples, base=Rate(done.won, done.examples, unit="times"),
        reason=reason, facts=done.facts, calibrated_by=None if done.calibrator is None else done.calibrator.method,
        **_checked(done), leaks=done.leaks,
        weights=tuple(Weight(*w) for w in done.weights[:MOST_WEIGHTS] if w[1] > 0),
        scored=Count(len(p), pick("scored")), expected=float(p.sum()) if known else None,
        bands=tuple(_band_row(k, pick, p, band, done) for k in range(len(BANDS))),
        leads=_leads(view, base, done, told, p[_mask(len(p), order[:limit])], band[_mask(len(p), order[:limit])]),
    )  # fmt: skip


def asked_for(
    view: View, to: str | None, within: int | None, model: Model, properties: Sequence[str] | None, silence: int | None
) -> Asked:
    span = within or view.journey.window
    if span < 1:
        raise MeasureError(N_("`within` is at least a second."))
    return Asked(
        goal_named(view, to), span, model, tuple(properties) if properties else None, silence or silence_of(view)
    )  # fmt: skip


def _options(
    to: str | None, within: int | None, model: str, properties: Sequence[str] | None, silence: int | None
) -> dict[str, object]:
    """What a selector has to say of the question, and nothing of what is the map's own."""
    return {
        "within": within, "model": None if model == "logistic" else model,
        "properties": chain_text(properties) if properties else None, "silence": silence,
    }  # fmt: skip


def fitted(view: View, asked: Asked) -> tuple[Ground, Scored]:
    """The fit is kept for all that is asked of the same view; the customers' rows are not."""
    base = modelling.ground(view, asked)
    return base, view.once(("score", asked), lambda: modelling.fit_score(view, base))


def scored(view: View, base: Ground, done: Scored) -> tuple[Rows, F64]:
    """The leads of now, with an event in the period, and float64[n] their probabilities; nobody without a model."""
    rows = base.rows(view, view.as_of)
    if done.fitted is None or done.calibrator is None:
        return rows.take(np.zeros(len(rows.customer), np.bool_)), np.empty(0)
    seen = view.map(modelling.seen_between(view.start, view.end))
    there = np.concatenate([*seen, np.empty(0, np.bool_)])
    begins = np.cumsum([0, *(len(s) for s in seen)])
    rows = rows.take(there[begins[rows.bucket] + rows.place])
    table = base.table(view, rows, np.empty(0, np.bool_))
    return rows, done.calibrator(done.fitted.probability(table))


def band_of(p: F64) -> I64:
    """int64[n]: the band of each lead by the rank of its probability; equal probabilities share the band of
    their middle.

    >>> band_of(np.array([0.9, 0.1, 0.5, 0.1])).tolist()
    [1, 3, 2, 3]
    """
    n = len(p)
    ascending = np.sort(p)
    above = n - np.searchsorted(ascending, p, side="right")  # those strictly more likely
    equal = np.searchsorted(ascending, p, side="right") - np.searchsorted(ascending, p, side="left")
    middle = (above + equal / 2) / max(1, n)
    return np.asarray(np.searchsorted([end for _, end in BANDS[:-1]], middle, side="left"), np.int64)


def _mask(n: int, places: I64) -> Mask:
    found = np.zeros(n, np.bool_)
    found[places] = True
    return found


def _checked(done: Scored) -> dict[str, Any]:
    """What the check tells; nothing where there was none."""
    p, y = done.tested, done.came
    n, won = len(y), int(y.sum())
    if done.fitted is None:
        none = Estimate(None, n=0)
        return dict.fromkeys(("auc", "brier", "skill", "calibration_error"), none) | {"calibration": (), "lift": ()}
    caution = FEW if min(won, n - won) < ENOUGH else None
    area = calibration.auc(p, y)
    if area.low is not None and area.low <= 0.5:
        caution = NOT_BETTER
    table = calibration.calibration_table(p, y)
    lost = calibration.brier(p, y)
    plain = won / n * (1 - won / n)
    return {
        "auc": Estimate(area.value, area.low, area.high, n, area.reason or caution),
        "brier": Estimate(lost, n=n, reason=caution),
        "skill": Estimate(1 - lost / plain, n=n, reason=caution)
        if plain > 0
        else Estimate(None, n=n, reason=area.reason),
        "calibration_error": Estimate(calibration.calibration_error(table), n=n, reason=caution),
        "calibration": tuple(
            Calibrated(b.low, b.high, b.expected, Rate(b.happened, b.n, unit="times")) for b in table
        ),
        "lift": tuple(
            Lifted(x.share, Rate(x.happened, x.n, unit="times"), x.lift, x.gain)
            for x in calibration.lift_table(p, y)
        ),
    }  # fmt: skip


def _band_row(k: int, pick: Any, p: F64, band: I64, done: Scored) -> Band:
    mine = p[band == k]
    then = done.came[band_of(done.tested) == k]
    low, high, mean = (float(mine.min()), float(mine.max()), float(mine.mean())) if len(mine) else (None, None, None)
    name = BANDS[k][0]
    return Band(name, Count(len(mine), pick(name)), low, high, mean, Rate(int(then.sum()), len(then), unit="times"))


def _leads(view: View, base: Ground, done: Scored, rows: Rows, p: F64, band: I64) -> tuple[Lead, ...]:
    if done.fitted is None or not len(p):
        return ()
    table = base.table(view, rows, np.empty(0, np.bool_))
    adds = done.fitted.contributions(table)
    names = names_of(view, rows.customer.tolist())
    found = []
    for i in np.argsort(-p, kind="stable").tolist():
        weightiest = np.argsort(-np.abs(adds[i]), kind="stable")[:MOST_REASONS].tolist()
        reasons = tuple(
            Reason(table.columns[j].name, table.columns[j].value(i), float(adds[i, j]))
            for j in weightiest
            if adds[i, j]
        )
        customer = int(rows.customer[i])
        found.append(Lead(customer, names[customer], float(p[i]), BANDS[int(band[i])][0], reasons))
    return tuple(found)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the leads of a band, or all that are scored."""
    spans = [selector.option(k) for k in ("within", "silence")]
    within, silence = (None if s is None else duration(int(s) if s.isdigit() else s) for s in spans)
    named = selector.option("properties")
    model: Model = "boosting" if selector.option("model") == "boosting" else "logistic"
    asked = asked_for(view, selector.name, within, model, chain_of(named) if named else None, silence)
    rows, p = scored(view, *fitted(view, asked))
    chosen = np.ones(len(p), np.bool_)
    if selector.what != "scored":
        chosen = band_of(p) == [name for name, _ in BANDS].index(selector.what)
    found = [np.zeros(len(c.skip), np.bool_) for c in view.columns]
    for b, place in zip(rows.bucket[chosen].tolist(), rows.place[chosen].tolist(), strict=True):
        found[b][place] = True
    return found
