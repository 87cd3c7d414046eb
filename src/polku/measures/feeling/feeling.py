"""The measure: each survey's own score, by touchpoint and pooled by stage."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from polku.journey.model import Felt as Survey
from polku.journey.model import Text
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Forest, Series, Unit
from polku.measures.feeling.answers import HIGH, LOW, answered, customers_in
from polku.measures.result import Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import title_of
from polku.measures.view import Mask, View
from polku.statistics.rates import wilson
from polku.statistics.scores import NO_ANSWERS, mean_of, net_promoter_score

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Kind = Literal["nps", "csat", "ces", "review"]
TITLES: dict[Kind, str] = {"nps": N_("NPS"), "csat": N_("CSAT"), "ces": N_("CES"), "review": N_("Reviews")}
#: Properties in which shops send the stars of a review (Segment's Product Reviewed has ``rating``), from 1 to 5.
STARS, STAR_SCALE = "properties.rating", (1.0, 5.0)
#: Fewer answers are shown with the word that they are few.
ENOUGH = 30
FEW = N_("too few to say")
NO_SURVEY = N_("the map binds no survey to a touchpoint: add one under `surveys`, as the docs of surveys tell")


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one touchpoint, in order of time."""

    touchpoint: str
    kind: Kind
    scale: tuple[float, float]
    customers: I64
    scores: F64


@dataclasses.dataclass(frozen=True, slots=True)
class Felt:
    """What was answered at a touchpoint, or in a stage to all of its surveys of one kind.

    ``score``: of NPS from -100 to 100, of CSAT and CES the share of good answers, of reviews the mean of the stars.
    ``mean`` is of the scale's own numbers. ``best``, ``middle`` and ``worst`` are promoters, passives and detractors of
    NPS; of the others the top, the middle and the bottom of the scale. ``planned`` is the map's hypothesis, ``felt``
    the mean answer on the same scale from -2 to 2.
    """

    id: str
    title: Text
    stage: str
    kind: Kind
    scale: tuple[float, float]
    answers: int
    people: Count
    score: Estimate
    mean: Estimate
    best: Rate
    middle: Rate
    worst: Rate
    planned: float | None
    felt: float | None
    counts: tuple[tuple[float, int], ...]  # each answer given, and how often


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feeling(Answer):
    name = "feeling"
    says = (
        N_("Answers of the period, to the surveys that the map binds to touchpoints (`felt`), and stars of reviews."),
        N_(
            "NPS = promoters (9 and 10) less detractors (0 to 6), of all who answered, from -100 to 100. Its interval "
            "is the adjusted Wald (Rocks 2016)."
        ),
        N_("CSAT and CES = share of good answers: the best quarter of the scale (4 and 5 of 5; 6 and 7 of 7)."),
        N_("Reviews = mean of the stars."),
        N_("In a stage, answers to all of its surveys of one kind are taken together."),
    )

    answers: str
    touchpoints: tuple[Felt, ...]
    stages: tuple[Felt, ...]
    silent: tuple[str, ...]  # touchpoints with a survey that nobody answered in the period
    reason: str | None  # why there is nothing

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        return (
            self._table(reader("By touchpoint"), N_("touchpoint"), self.touchpoints, reader),
            self._table(reader("By stage"), N_("stage"), self.stages, reader),
        )

    def _table(self, title: str, place: str, felt: tuple[Felt, ...], reader: Reader) -> Table:
        rows = tuple(
            (
                words(reader.said(f.title), f.id),
                words(reader(TITLES[f.kind]), f.kind),
                estimate_cell(f.score, reader, functools.partial(written, f.kind, reader)),
                Cell(reader.number(f.answers), f.answers, number=True),
                count_cell(f.people, reader),
                rate_cell(f.best, reader),
                rate_cell(f.worst, reader),
                estimate_cell(f.mean, reader, lambda x: reader.number(x, 2)),
                _feeling(f.felt, reader),
                _feeling(f.planned, reader),
            )
            for f in felt
        )
        if not rows and self.reason is not None:
            rows = ((words(reader(self.reason), ""), *(Cell(""),) * 9),)
        heads = (
            place, N_("survey"), N_("survey score"), N_("answers"), N_("people"), N_("best"), N_("worst"), N_("mean"),
            N_("felt"), N_("planned"),
        )  # fmt: skip
        return Table(title, tuple(reader(h) for h in heads), rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        made: list[Chart] = []
        for kind, title in TITLES.items():
            shown = [f for f in self.touchpoints if f.kind == kind and f.score.value is not None]
            if not shown:
                continue
            labels = tuple(reader.said(f.title) for f in shown)
            series = Series(
                reader("survey score"),
                tuple(f.score.value for f in shown),
                tuple(f.score.low for f in shown),
                tuple(f.score.high for f in shown),
                behind=tuple(f.people.behind for f in shown),
            )
            unit: Unit = "share" if kind in ("csat", "ces") else "number"
            made.append(Forest(reader(title), labels, series, 0.0 if kind == "nps" else None, unit))
        for f in self.touchpoints:
            if f.counts:
                title = reader("{survey}: {touchpoint}", survey=reader(TITLES[f.kind]), touchpoint=reader.said(f.title))
                numbers = tuple(reader.number(s) for s, _ in f.counts)
                made.append(Bars(title, numbers, (Series(reader("answers"), tuple(float(n) for _, n in f.counts)),)))
        return tuple(made)


def _feeling(value: float | None, reader: Reader) -> Cell:
    return Cell("–" if value is None else reader.number(value, 1), value, number=True)


def written(kind: Kind, reader: Reader, score: float) -> str:
    """A score as people write it: NPS as a whole number, CSAT and CES as a share, reviews with a decimal or two."""
    if kind == "nps":
        return reader.number(round(score))
    return reader.number(score, 2) if kind == "review" else reader.percent(score)


def kind_of(survey: Survey) -> Kind:
    """What a survey asks: as the map says, else by its scale."""
    if survey.kind is not None:
        return survey.kind
    ends = tuple(sorted(survey.scale))
    return "nps" if ends == (0, 10) else "ces" if ends == (1, 7) else "csat"


def feeling(view: View, answers: str = "every") -> Feeling:
    """NPS, CSAT, CES and reviews of the view's customers in its period.

    Where the map binds no survey to a touchpoint and no review has stars, the answer is empty and says why.
    """
    surveys = [_last(s) if answers == "last" else s for s in surveys_of(view)]
    asked = {t.id for _, _, t in view.journey.touchpoints() if view.journey.felt_at(t) is not None}
    places = {t.id: (stage, t.feeling) for _, stage, t in view.journey.touchpoints()}
    by_touchpoint = tuple(
        _felt(view, s.touchpoint, title_of(view.journey, s.touchpoint), places[s.touchpoint][0].id, [s],
              places[s.touchpoint][1], answers)
        for s in surveys
    )  # fmt: skip
    by_stage = []
    for stage in view.journey.stages:
        for kind in TITLES:
            mine = [s for s in surveys if places[s.touchpoint][0].id == stage.id and s.kind == kind]
            if mine and len({tuple(sorted(s.scale)) for s in mine}) == 1:
                title: Text = stage.title if stage.title is not None else stage.id
                by_stage.append(_felt(view, stage.id, title, stage.id, mine, stage.feeling, answers))
    reason = None if surveys else NO_ANSWERS if asked else NO_SURVEY
    return Feeling(
        period=view.period, persona=view.persona, segment=view.segment,
        answers=answers, touchpoints=by_touchpoint, stages=tuple(by_stage),
        silent=tuple(id for id in view.journey.touchpoint_ids if id in asked - {s.touchpoint for s in surveys}),
        reason=reason,
    )  # fmt: skip


def surveys_of(view: View) -> list[Answers]:
    """Every touchpoint's answers, in the map's order; those that nobody answered are left out.

    A touchpoint without a survey of its own whose events carry stars is a review.
    """
    found = {
        id: Answers(id, kind_of(survey), survey.scale, customers, scores)
        for id, (survey, customers, scores) in answered(view).items()
        if len(scores)
    }
    bound = {t.id for _, _, t in view.journey.touchpoints() if view.journey.felt_at(t) is not None}
    found |= {r.touchpoint: r for r in _reviews(view, bound)}
    return [found[id] for id in view.journey.touchpoint_ids if id in found]


def _reviews(view: View, bound: set[str]) -> Iterable[Answers]:
    if not any(p.name == STARS for p in view.property_names()):
        return
    stars, ids = view.numbers(STARS), view.journey.touchpoint_ids
    place = np.asarray(view.rules.code_touchpoint, np.int64)
    parts: list[tuple[I64, I64, F64]] = []
    for bucket, keys, given in zip(view.columns, view.buckets, stars, strict=True):
        owner = np.repeat(np.arange(len(keys.customer)), np.diff(bucket.offsets))
        time = bucket.time.astype(np.int64)
        here = (given >= STAR_SCALE[0]) & (given <= STAR_SCALE[1]) & ~bucket.skip[owner]
        here &= (time >= view.start) & (time < view.end) & (place[bucket.code] >= 0)
        parts.append((place[bucket.code[here]], keys.customer[owner[here]], given[here]))
    if not parts:
        return
    places, customers, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    for t in np.unique(places):
        if ids[t] not in bound:
            mine = places == t
            yield Answers(ids[t], "review", STAR_SCALE, customers[mine], scores[mine])


def _last(survey: Answers) -> Answers:
    """Only each customer's last answer."""
    _, places = np.unique(survey.customers[::-1], return_index=True)
    kept = np.sort(len(survey.customers) - 1 - places)
    return dataclasses.replace(survey, customers=survey.customers[kept], scores=survey.scores[kept])


def parts_of(kind: Kind, scale: tuple[float, float], scores: F64) -> tuple[Mask, Mask]:
    """bool[n] each: the best answers and the worst.

    Promoters and detractors of NPS on its own scale of 0 to 10; of any other scale the quarters at its two ends.
    """
    if kind == "nps" and tuple(sorted(scale)) == (0, 10):
        good = scores if scale[0] < scale[1] else 10 - scores
        return good >= 9, good < 7
    worst, best = scale
    share = (scores - worst) / (best - worst)
    return share >= 0.75 - 1e-9, share <= 0.25 + 1e-9


def _felt(
    view: View, id: str, title: Text, stage: str, surveys: list[Answers], planned: float | None, answers: str
) -> Felt:
    kind, scale = surveys[0].kind, surveys[0].scale
    # A scale may be told best first at one touchpoint and worst first at another: all as at the first of them.
    scores = np.concatenate([s.scores if s.scale == scale else sum(scale) - s.scores for s in surveys])
    people = len(np.unique(np.concatenate([s.customers for s in surveys])))
    split = [parts_of(kind, s.scale, s.scores) for s in surveys]
    n, best, worst = len(scores), *(sum(int(np.count_nonzero(p[k])) for p in split) for k in (0, 1))
    option = None if answers == "every" else answers

    def select(what: str) -> str:
        return view.select("feeling", "+".join(s.touchpoint for s in surveys), what, answers=option)

    def rate(what: str, of: int) -> Rate:
        return Rate(of, n, behind=select(what), behind_all=select("answered"), unit="answers")

    mean = mean_of(scores)
    felt = np.concatenate([LOW + (s.scores - s.scale[0]) / (s.scale[1] - s.scale[0]) * (HIGH - LOW) for s in surveys])
    caution = FEW if 0 < n < ENOUGH else None
    return Felt(
        id, title, stage, kind, scale, n, Count(people, select("answered")),
        score_of(kind, best, worst, n, scores, caution),
        Estimate(mean.value, mean.low, mean.high, n, mean.reason),
        rate("best", best), rate("middle", n - best - worst), rate("worst", worst),
        planned, float(felt.mean()) if n else None,
        tuple((float(s), int(c)) for s, c in zip(*np.unique(scores, return_counts=True), strict=True)),
    )  # fmt: skip


def score_of(kind: Kind, best: int, worst: int, n: int, scores: F64, caution: str | None) -> Estimate:
    """The score of ``n`` answers with its interval: NPS from -100 to 100, of CSAT and CES the share of good answers, of
    reviews the mean of the stars.
    """
    if n == 0:
        return Estimate(None, n=0, reason=NO_ANSWERS)
    if kind == "nps":
        found = net_promoter_score(best, worst, n)
        ends = (None if x is None else 100 * x for x in (found.value, found.low, found.high))
        value, low, high = ends
        return Estimate(value, low, high, n, caution)
    if kind == "review":
        found = mean_of(scores)
        return Estimate(found.value, found.low, found.high, n, caution or found.reason)
    interval = wilson(best, n)
    low, high = interval if interval is not None else (None, None)
    return Estimate(best / n, low, high, n, caution)


def feeling_members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who gave such an answer at the touchpoints of a ``feeling:`` selector."""
    wanted = selector.name.split("+")
    for id in wanted:
        view.touchpoint(id)
    customers = [np.empty(0, np.int64)]
    for survey in surveys_of(view):
        if survey.touchpoint not in wanted:
            continue
        asked = _last(survey) if selector.option("answers") == "last" else survey
        best, worst = parts_of(asked.kind, asked.scale, asked.scores)
        chosen = {"best": best, "worst": worst, "middle": ~best & ~worst}.get(
            selector.what, np.ones(len(best), np.bool_)
        )
        customers.append(asked.customers[chosen])
    listed = np.intersect1d(np.concatenate(customers), customers_in(view))
    return [np.isin(b.customer, listed) for b in view.buckets]
