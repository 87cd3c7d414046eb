"""A map compiled for the kernels: touchpoints and stages to numbers, conditions to small postfix programs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.journey.condition import And, Atom, Condition, Not, Or, parse_condition
from polku.journey.model import Journey
from polku.kernels import fold
from polku.kernels.columns import frozen
from polku.trails.layout import Tables

KINDS = {"count": fold.COUNT_OF, "sum": fold.SUM_OF, "days_since": fold.DAYS_SINCE}
COMPARES = {
    ">=": fold.AT_LEAST, ">": fold.MORE, "<=": fold.AT_MOST, "<": fold.LESS, "=": fold.EQUAL, "!=": fold.OTHER,
}  # fmt: skip
#: What one of an atom's number is in the kernel's whole numbers: counts in thousandths, money in units, days in
#: seconds.
SCALES = {"count": 1000, "sum": fold.UNIT, "days_since": 86400}


def postfix(condition: Condition, atoms: list[Atom]) -> list[int]:
    """The condition as a postfix program; its atoms are added to ``atoms`` (equal ones once).

    >>> postfix(parse_condition("count(a) >= 1 and not count(b) >= 2"), [])
    [0, 1, -3, -1]
    """
    match condition:
        case Atom():
            if condition not in atoms:
                atoms.append(condition)
            return [atoms.index(condition)]
        case Not(part):
            return [*postfix(part, atoms), fold.NOT]
        case And(parts) | Or(parts):
            word = fold.AND if isinstance(condition, And) else fold.OR
            program = postfix(parts[0], atoms)
            for part in parts[1:]:
                program += [*postfix(part, atoms), word]
            return program


def on_journey(tables: Tables, touchpoints: Sequence[str]) -> npt.NDArray[np.int16]:
    """int16[codes]: the touchpoint number of each code in the order of ``touchpoints``, whatever order the trails
    have.
    """
    known = {id: i for i, id in enumerate(touchpoints)}
    number = np.array([known.get(id, -1) for id in tables.touchpoints] + [-1], np.int16)
    return np.asarray(number[np.asarray(tables.code_touchpoint, np.int16)], np.int16)


def fails_of(tables: Tables, touchpoints: Sequence[str]) -> npt.NDArray[np.int16]:
    """The same of the touchpoint that a code says has failed."""
    known = {id: i for i, id in enumerate(touchpoints)}
    number = np.array([known.get(id, -1) for id in tables.touchpoints] + [-1], np.int16)
    return np.asarray(frozen(number[np.asarray(tables.code_fails, np.int16)], np.int16))


def rules_of(journey: Journey, tables: Tables) -> fold.Rules:
    """The map's rules for :mod:`polku.kernels.fold`.

    Raises ExpressionError when a condition does not parse (a checked map has none such).
    """
    placed = list(journey.touchpoints())
    ids = [t.id for _, _, t in placed]
    atoms: list[Atom] = []
    programs = [postfix(parse_condition(s.enter, ids), atoms) if s.enter is not None else [] for s in journey.stages]
    active = np.zeros((len(journey.stages), len(ids)), np.bool_)
    for s, stage in enumerate(journey.stages):
        active[s] = [not stage.active_on or id in stage.active_on for id in ids]
    return _rules(
        on_journey(tables, ids),
        np.array([s for s, _, _ in placed], np.int16),
        np.array([stage.enter is None for _, stage, _ in placed], np.bool_),
        np.array([s.lapses_after or 0 for s in journey.stages], np.int64),
        active,
        programs,
        atoms,
        ids,
    )


def segment_rules(condition: str, journey: Journey, tables: Tables) -> fold.Rules:
    """A segment's condition as the condition of a map of one stage, for :func:`polku.kernels.fold.holding`."""
    ids = journey.touchpoint_ids
    atoms: list[Atom] = []
    program = postfix(parse_condition(condition, ids), atoms)
    count = len(ids)
    nothing = np.zeros(count, np.int16)
    return _rules(
        on_journey(tables, ids), nothing, nothing.astype(np.bool_), np.zeros(1, np.int64),
        np.ones((1, count), np.bool_), [program], atoms, ids,
    )  # fmt: skip


def _rules(
    code_touchpoint: npt.NDArray[np.int16],
    stage_of: npt.NDArray[np.int16],
    touching: npt.NDArray[np.bool_],
    lapse: npt.NDArray[np.int64],
    active: npt.NDArray[np.bool_],
    programs: list[list[int]],
    atoms: list[Atom],
    ids: Sequence[str],
) -> fold.Rules:
    furthest = max((s for s, program in enumerate(programs) if program), default=-1)
    members = np.zeros((len(atoms), len(ids)), np.bool_)
    for a, atom in enumerate(atoms):
        members[a] = [id in atom.touchpoints for id in ids]
    return fold.Rules(
        frozen(code_touchpoint, np.int16),
        frozen(stage_of, np.int16),
        frozen(touching, np.bool_),
        frozen(lapse, np.int64),
        frozen(active, np.bool_),
        frozen([furthest], np.int64),
        frozen([word for program in programs for word in program], np.int32),
        frozen(np.cumsum([0, *(len(program) for program in programs)]), np.int32),
        frozen([KINDS[a.function] for a in atoms], np.int8),
        frozen([COMPARES[a.operator] for a in atoms], np.int8),
        frozen([round(a.number * SCALES[a.function]) for a in atoms], np.int64),
        frozen([a.within or 0 for a in atoms], np.int64),
        frozen(members, np.bool_),
        frozen(members.any(axis=0), np.bool_),
        frozen(np.searchsorted(stage_of, np.arange(len(lapse) + 1)), np.int32),
    )
