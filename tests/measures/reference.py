"""Stage recognition told once more, as plainly as can be, to hold the kernels against.

Every condition is asked from scratch at every moment at which anything could change; nothing is kept but the stage.
"""

from __future__ import annotations

import operator

from polku.journey.condition import And, Atom, Not, Or, parse_condition

COMPARE = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}


def holds(condition, past, now):
    match condition:
        case And(parts):
            return all(holds(p, past, now) for p in parts)
        case Or(parts):
            return any(holds(p, past, now) for p in parts)
        case Not(part):
            return not holds(part, past, now)
        case Atom(function, touchpoints, sign, number, within, _):
            mine = [e for e in past if e[1] in touchpoints]
            if function == "days_since":
                return bool(mine) and COMPARE[sign](now - mine[-1][0], round(number * 86400))
            if within is not None:
                mine = [e for e in mine if e[0] >= now - within]
            if function == "count":
                return COMPARE[sign](len(mine), number)
            total = sum(round(e[2] * 10000) for e in mine if e[2] is not None)
            return COMPARE[sign](total, round(number * 10000))


def atoms(condition):
    match condition:
        case Atom():
            return [condition]
        case Not(part):
            return atoms(part)
        case _:
            return [a for p in condition.parts for a in atoms(p)]


def transitions(journey, events, as_of):
    """[(time, position or None, from, to, kind)] of one customer; ``events`` [(time, name, value or None)] in order."""
    ids = journey.touchpoint_ids
    home = {t.id: s for s, _, t in journey.touchpoints()}
    conditions = [parse_condition(s.enter, ids) if s.enter else None for s in journey.stages]
    on_map = [(i, e) for i, e in enumerate(events) if e[1] in home and e[0] <= as_of]
    stage, lapsed, active_at = -1, False, 0
    past, out = [], []

    def enter(now, position, to):
        nonlocal stage, lapsed, active_at
        if lapsed:
            out.append((now, position, stage, stage, "won_back"))
            lapsed = False
        out.append((now, position, stage, to, "entered"))
        stage, active_at = to, now

    def ask(now, position):
        for s in reversed(range(stage + 1, len(journey.stages))):
            if conditions[s] is not None and holds(conditions[s], past, now):
                enter(now, position, s)
                return

    moments = set()
    for _, (time, name, *_rest) in on_map:
        for condition in filter(None, conditions):
            for atom in atoms(condition):
                if name in atom.touchpoints:
                    if atom.function == "days_since":
                        moments |= {time + round(atom.number * 86400), time + round(atom.number * 86400) + 1}
                    elif atom.within:
                        moments.add(time + atom.within + 1)
    waiting = sorted(m for m in moments if m <= as_of)

    def pass_time(upto):
        nonlocal lapsed
        while True:
            lapse = None
            if stage >= 0 and not lapsed and journey.stages[stage].lapses_after:
                lapse = active_at + journey.stages[stage].lapses_after
            moment = min([m for m in (lapse, waiting[0] if waiting else None) if m is not None], default=None)
            if moment is None or moment > upto:
                return
            while waiting and waiting[0] <= moment:
                waiting.pop(0)
            if past:
                ask(moment, None)
            after = journey.stages[stage].lapses_after if stage >= 0 else None
            if stage >= 0 and not lapsed and after and active_at + after <= moment:
                lapsed = True
                out.append((moment, None, stage, stage, "lapsed"))

    for position, event in on_map:
        time, name = event[0], event[1]
        pass_time(time)
        if stage >= 0 and (not journey.stages[stage].active_on or name in journey.stages[stage].active_on):
            active_at = time
            if lapsed:
                lapsed = False
                out.append((time, position, stage, stage, "won_back"))
        if home[name] > stage and conditions[home[name]] is None:
            enter(time, position, home[name])
        past.append((time, name, event[2] if len(event) > 2 else None))
        ask(time, position)
    pass_time(as_of)
    return out
