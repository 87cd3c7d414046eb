"""Step by step: what share of all paths is where at each step, and how they flow from one step to the next.

The step matrix is that of product analytics (retentioneering, Amplitude's pathfinder); the flow is the same numbers
drawn as M. H. Sankey drew steam (Minutes of the Institution of Civil Engineers 134, 1898).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels.columns import Columns, frozen
from polku.kernels.paths import stepwise as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, rate_cell, words
from polku.measures.charts import Chart, Flow, Heat, Link, Node
from polku.measures.paths.alphabet import END, REST, Alphabet, alphabet_of
from polku.measures.result import Count, Rate
from polku.measures.segments import UNITS, segments
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
GONE = END
#: Positions to either side beyond which nobody can read the picture.
MOST_STEPS = 30
ENDED, NOT_BEGUN, REST_TITLE = N_("ended"), N_("not begun"), N_("the rest")


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """How many paths are at a step at one position; ``step`` may be path_end (ended, or not begun) or rest."""

    position: int  # 0 is the centre, or the first step
    step: str
    title: Text
    share: Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """From a step at ``position`` to one at the next."""

    position: int
    source: str
    target: str
    count: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepMatrix(Answer):
    name = "step_matrix"
    says = (
        N_("A cell is the share of all paths that are at that step at that position."),
        N_("Without a centre, position 0 is the first step of every path; with one, it is where the path met it."),
        N_("Paths that do not meet the centre are left out. Paths that are over stay in every share as ended."),
    )

    of: str
    by: str
    centre: str | None
    occurrence: int
    back: int  # positions before the centre
    ahead: int
    paths: int
    places: tuple[Place, ...]  # by position, within it as in the first column of the table
    moves: tuple[Move, ...]  # all that anybody made between the steps told apart

    def _grid(self) -> tuple[list[str], dict[tuple[str, int], Place]]:
        return list(dict.fromkeys(p.step for p in self.places)), {(p.step, p.position): p for p in self.places}

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        rows, of = self._grid()
        positions = range(-self.back, self.ahead + 1)
        titles = {p.step: p.title for p in self.places}
        empty = Cell("–", None, number=True)
        lines = tuple(
            (
                words(_said(step, titles[step], reader), step),
                *(rate_cell(of[step, q].share, reader) if (step, q) in of else empty for q in positions),
            )
            for step in rows
        )
        heads = (reader("step"), *(_position(q) for q in positions))
        return (Table(reader("Step by step, {n} paths", n=reader.number(self.paths)), heads, lines),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        rows, of = self._grid()
        positions = range(-self.back, self.ahead + 1)
        titles = {p.step: p.title for p in self.places}
        return (
            Heat(
                reader("Step by step"),
                tuple(_said(step, titles[step], reader) for step in rows),
                tuple(_position(q) for q in positions),
                tuple(tuple(of[s, q].share.value if (s, q) in of else None for q in positions) for s in rows),
                behind=tuple(tuple(of[s, q].share.behind if (s, q) in of else None for q in positions) for s in rows),
                x_title=reader("position"),
            ),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepFlow(StepMatrix):
    name = "flow"
    says = (
        N_("Each column is a position of the path, each band how many go from one step to the next."),
        N_("Without a centre, position 0 is the first step of every path; with one, it is where the path met it."),
        N_("Steps that few take are drawn together as the rest; paths that are over are told as ended."),
    )

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        titles = {p.step: p.title for p in self.places}
        rows = tuple(
            (
                words(_position(m.position), m.position),
                words(_said(m.source, titles[m.source], reader, m.position), m.source),
                words(_said(m.target, titles[m.target], reader, m.position + 1), m.target),
                count_cell(m.count, reader),
            )
            for m in self.moves
        )
        heads = (N_("position"), N_("from"), N_("to"), N_("paths"))
        title = reader("Flow of {n} paths", n=reader.number(self.paths))
        return (Table(title, tuple(reader(h) for h in heads), rows),)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        nodes = tuple(
            Node(
                f"{p.position}:{p.step}", _said(p.step, p.title, reader, p.position), p.share.numerator,
                p.position + self.back, p.share.behind,
            )
            for p in self.places if p.share.numerator
        )  # fmt: skip
        links = tuple(
            Link(f"{m.position}:{m.source}", f"{m.position + 1}:{m.target}", m.count.n, behind=m.count.behind)
            for m in self.moves
        )
        return (Flow(reader("Flow"), nodes, links),)


def _said(step: str, title: Text, reader: Reader, position: int = 0) -> str:
    if step == GONE:
        return reader(NOT_BEGUN if position < 0 else ENDED)
    return reader(REST_TITLE) if step == REST else reader.said(title)


def _position(position: int) -> str:
    return f"+{position}" if position > 0 else str(position).replace("-", "−")


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What is counted: as the options say, checked."""

    by: str
    collapse: bool
    centre: int  # kernel.NO_CENTRE: from the beginning
    occurrence: int
    before: int
    after: int


def _moves(view: View, steps: Alphabet, asked: Asked, bucket: Columns) -> I64:
    found = kernel.moves(
        bucket, segments(view, asked.by, bucket), steps.symbol, len(steps), view.start, view.end, asked.collapse,
        asked.centre, asked.occurrence, asked.before, asked.after,
    )  # fmt: skip
    return np.asarray(found)


def asked_for(
    steps: Alphabet, by: str, collapse: bool, centre: str | None, occurrence: int, before: int | None, after: int
) -> Asked:
    """The options checked. Raises MeasureError for steps before a beginning, or too many."""
    if centre is None and before:
        raise MeasureError(N_("Nothing comes before the first step of a path; name a centre to look back from."))
    back = 0 if centre is None else 3 if before is None else before
    if back + after > MOST_STEPS:
        raise MeasureError(N_("At most {most} positions can be shown at once."), most=MOST_STEPS)
    place = kernel.NO_CENTRE if centre is None else steps.place(centre)
    return Asked(by, collapse, place, occurrence, back, after)


def _answer(
    kind: type[StepMatrix], view: View, of: str | None, by: str, collapse: bool, centre: str | None, occurrence: int,
    before: int | None, after: int, top: int,
) -> StepMatrix:  # fmt: skip
    steps = alphabet_of(view, of)
    asked = asked_for(steps, by, collapse, centre, occurrence, before, after)
    n = len(steps)
    zero = np.zeros((asked.before + asked.after, n + 1, n + 1), np.int64)
    counts = view.sum(functools.partial(_moves, view, steps, asked), zero)
    at = np.concatenate([counts.sum(axis=2), counts[-1:].sum(axis=1)])  # int64[positions, n + 1]
    paths = int(at[0].sum())
    order = np.argsort(-at[:, :n].sum(axis=0), kind="stable")
    shown = [int(s) for s in order[:top] if at[:, s].any()]
    rest = [int(s) for s in order[top:] if at[:, s].any()]
    groups: list[tuple[str, Text, list[int]]] = [(steps.names[s], steps.titles[s], [s]) for s in shown]
    groups += [(REST, REST, rest)] if rest else []
    groups += [(GONE, GONE, [n])]
    select = functools.partial(
        view.select, "path_step", of=steps.of, by=None if by == "customer" else by, centre=centre,
        collapse="yes" if collapse else None, occurrence=occurrence if occurrence > 1 else None,
    )  # fmt: skip

    known_steps = chain_text(tuple(steps.names[s] for s in shown))
    everyone = select("", "elsewhere", position=0)

    def behind(names: tuple[str, ...], position: int) -> str:
        """The rest is told by the steps that are told apart."""
        if names == (REST,):
            return select(known_steps, "elsewhere", position=position)
        if REST in names:
            return select(known_steps, "moved", position=position, source=names[0], target=names[1])
        return select(chain_text(names), "walked", position=position)

    places = tuple(
        Place(
            q - asked.before, name, title,
            Rate(
                int(at[q, mine].sum()), paths, behind=behind((name,), q - asked.before), behind_all=everyone,
                unit=UNITS[by],
            ),
        )
        for q in range(len(at)) for name, title, mine in groups
    )  # fmt: skip
    moved = tuple(
        Move(q - asked.before, a, b, Count(number, behind((a, b), q - asked.before), UNITS[by]))
        for q in range(len(counts)) for a, _, ones in groups for b, _, others in groups
        if (number := int(counts[q][np.ix_(ones, others)].sum())) and (a, b) != (GONE, GONE)
    )  # fmt: skip
    return kind(
        period=view.period, persona=view.persona, segment=view.segment, of=steps.of, by=by, centre=centre,
        occurrence=occurrence, back=asked.before, ahead=asked.after, paths=paths, places=places, moves=moved,
    )  # fmt: skip


def step_matrix(
    view: View, of: str | None = None, by: str = "customer", collapse: bool = False, centre: str | None = None,
    occurrence: int = 1, before: int | None = None, after: int = 8, top: int = 20,
) -> StepMatrix:  # fmt: skip
    """Shares of all paths by step and position. Raises MeasureError for unknown steps and too many positions."""
    return _answer(StepMatrix, view, of, by, collapse, centre, occurrence, before, after, top)


def flow(
    view: View, of: str | None = None, by: str = "customer", collapse: bool = False, centre: str | None = None,
    occurrence: int = 1, before: int | None = None, after: int = 5, top: int = 8,
) -> StepFlow:  # fmt: skip
    """The same as moves from position to position. Raises MeasureError for unknown steps and too many positions."""
    made = _answer(StepFlow, view, of, by, collapse, centre, occurrence, before, after, top)
    assert isinstance(made, StepFlow)
    return made


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who is at the step (and goes to the next one) that a selector names; at any step but those
    named (elsewhere); or goes between two, of which ``rest`` is any step but those named (moved).
    """
    steps = alphabet_of(view, selector.option("of"))
    names = chain_of(selector.name) if selector.name else ()
    centre = selector.option("centre")
    position = selector.option("position") or "0"
    if not position.lstrip("-").isdigit() or (selector.what == "walked" and not 1 <= len(names) <= 2):
        raise MeasureError(N_("{selector} does not say which position; add ,position=2."), selector=str(selector))
    asked = Asked(
        selector.option("by") or "customer", selector.option("collapse") == "yes",
        kernel.NO_CENTRE if centre is None else steps.place(centre), int(selector.option("occurrence") or 1), 0, 0,
    )  # fmt: skip
    rest = np.append(np.ones(len(steps), np.bool_), False)
    if selector.what != "walked":
        rest[_numbers(steps, names)] = False
    anywhere = np.ones(len(steps) + 1, np.bool_)
    if selector.what == "elsewhere":
        chosen = [rest, anywhere]
    else:
        ends = names if selector.what == "walked" else (selector.option("source"), selector.option("target"))
        chosen = [_only(steps, end, None if selector.what == "walked" else rest) for end in ends]
    sources, targets = (frozen(of, np.bool_) for of in (*chosen, anywhere)[:2])
    return view.map(functools.partial(_walked, view, steps, asked, int(position), sources, targets))


def _numbers(steps: Alphabet, names: Sequence[str]) -> list[int]:
    return [len(steps) if name == GONE else steps.place(name) for name in names]


def _only(steps: Alphabet, name: str | None, rest: Mask | None) -> Mask:
    """bool[steps + 1]: one step, or with ``rest`` what that name may stand for; None is any step."""
    if name is None:
        return np.ones(len(steps) + 1, np.bool_)
    if name == REST and rest is not None:
        return rest
    found = np.zeros(len(steps) + 1, np.bool_)
    found[_numbers(steps, [name])] = True
    return found


def _walked(
    view: View, steps: Alphabet, asked: Asked, position: int, sources: Mask, targets: Mask, bucket: Columns
) -> Mask:
    found = kernel.walked(
        bucket, segments(view, asked.by, bucket), steps.symbol, len(steps), view.start, view.end, asked.collapse,
        asked.centre, asked.occurrence, position, sources, targets,
    )  # fmt: skip
    return np.asarray(found)
