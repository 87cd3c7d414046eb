"""Variants of a message against each other: what came of each, which is best, and what a bandit gives next.

A customer counts for the variant that they were given first. They have come to the goal when they did within the rule's
time after the message; who has time left counts for as much as those who had theirs had done by then (C. Vernade, O.
Cappé and V. Perchet, Stochastic bandit models for delayed conversions, UAI 2017), so that a bandit learns before
anybody's time is up and is not led astray by the last days.

A bandit gives each variant the share that is its chance of being the best (Thompson, Biometrika 25, 1933; in batches:
O. Chapelle and L. Li, An empirical evaluation of Thompson sampling, NIPS 2011), between its floor and the rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from polku.guidance.proof import LEVEL, TUNED_FOR, Entries, acts_of, judged
from polku.guidance.rules import Rule, Send, compile_rules
from polku.guidance.shares import learned_shares
from polku.kernels.experiments import UNLIMITED, VALUE
from polku.measures.result import Estimate, Rate
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import View, view_of
from polku.record import tables
from polku.record.clock import now
from polku.statistics.effects import Moments, compare
from polku.statistics.sequential import confidence_sequence

if TYPE_CHECKING:
    from polku.record.project import Project

F64 = npt.NDArray[np.float64]
#: How finely it is told how soon people come to the goal, in parts of the rule's time.
PARTS = 16
#: Draws by which the chance of being the best is found: its error is below half a point.
DRAWS = 20_000
#: Fewer customers than this a variant teach nothing: until then the weights of the map hold.
LEAST = 10
#: From this chance on a bandit's best variant is called the winner, with this many who came to the goal at least.
CHANCE, GOALS = 0.95, 20
#: Messages that reached nobody, or nobody who counts.
NOT_GIVEN = ("capped", "off")


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """What came of one variant. ``share``: of customers who are given it from now on; ``given``: who were; ``reached``:
    the goal, of those whose time is up; ``worth``: as how many all the given count by now, and ``goals`` of them;
    ``chance``: that it is the best; ``difference``: in points against the first variant, with the interval that may be
    read on any day (None of the first); ``money``: of the goal, a customer whose time is up.
    """

    name: str
    content: str
    share: float
    given: int
    reached: Rate
    goals: int
    worth: float
    chance: float | None
    difference: Estimate | None
    money: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Contest:
    """The variants of one step of a rule. ``winner``: the name of the one that is better than all others, as far as is
    known; ``half``: seconds in which half of those who come to the goal have done so, None while too few did."""

    rule: str
    step: int
    learns: bool
    floor: float
    goal: str | None
    within: int
    level: float
    currency: str | None
    variants: tuple[Variant, ...]
    winner: str | None
    half: int | None


def contests(project: Project, rule: Rule, view: View | None = None, level: float = LEVEL) -> tuple[Contest, ...]:
    """Every step of ``rule`` that has variants. Raises MissingExtraError without tea-tasting (extra ``models``)."""
    sends = [(n, step) for n, step in enumerate(rule.steps) if isinstance(step, Send) and step.variants]
    if not sends:
        return ()
    view = view_of(project) if view is None else view
    learned = learned_shares(project, rule)
    return tuple(_contest(project, view, rule, n, send, learned.get(n), level) for n, send in sends)


def _contest(
    project: Project, view: View, rule: Rule, step: int, send: Send, learned: Mapping[str, float] | None, level: float
) -> Contest:
    goal, within = judged(view.journey, rule)
    shares = send.shares(learned)
    given = given_of(project, rule.id, send)
    did = {name: acts_of(view, given[name], goal, within)[:2] for name, _ in send.variants}
    soon = by_when(view, [given[name] for name, _ in send.variants], goal, within)
    counts = {name: _count(view, given[name], goal, within, soon) for name, _ in send.variants}
    chances = chances_of(list(counts.values()), rule.id, step) if min(w for _, w in counts.values()) > 0 else None
    first = send.variants[0][0]
    made = []
    for n, (name, content) in enumerate(send.variants):
        acts, up = did[name]
        reached = Rate(int(np.count_nonzero(acts[up][:, 0] > 0)), int(up.sum()), int((~up).sum()))
        made.append(
            Variant(
                name,
                content,
                shares[name],
                len(given[name].customer),
                reached,
                counts[name][0],
                counts[name][1],
                chances[n] if chances is not None else None,
                None if name == first else _difference(did[name], did[first], level),
                float(acts[up][:, VALUE].mean()) if up.any() and no_sums(view) is None else None,
            )
        )
    half = next((round(within * (k + 1) / PARTS) for k, share in enumerate(soon) if share >= 0.5), None)
    found = Contest(
        rule.id, step, send.learns, send.floor, goal, within, level, currency_of(view), tuple(made), None,
        half if sum(c for c, _ in counts.values()) >= LEAST else None,
    )  # fmt: skip
    return dataclasses.replace(found, winner=winner_of(found, did, level))


def given_of(project: Project, rule: str, send: Send) -> dict[str, Entries]:
    """Of each variant of ``send`` the customers who were given it first, and when, from the outbox."""
    row = tables.outbox.c
    query = (
        sa.select(row.customer, row.made_at, row.variant, row.content)
        .where(row.rule == rule, row.variant.is_not(None), row.state.not_in(NOT_GIVEN))
        .order_by(row.made_at, row.key)
    )
    wanted = dict(send.variants)
    first: dict[int, tuple[int, str]] = {}
    with project.state.read() as connection:
        for customer, at, variant, content in connection.execute(query):
            # the piece itself follows the reader's language; what the map names is what was decided
            if wanted.get(variant) == content:
                first.setdefault(int(customer), (int(at) // 1_000_000, str(variant)))
    found = {}
    for name in wanted:
        mine = sorted(c for c, (_, v) in first.items() if v == name)
        found[name] = Entries(
            np.array(mine, np.int64), np.array([first[c][0] for c in mine], np.int64), np.zeros(len(mine), np.bool_),
            np.full(len(mine), int(UNLIMITED), np.int64),
        )  # fmt: skip
    return found


def by_when(view: View, given: Sequence[Entries], goal: str | None, within: int) -> F64:
    """float64[PARTS]: of those who came to the goal in time, the share that had by each part of it; of all variants
    together, from those whose time is up. Evenly spread while nobody has."""
    counts = np.zeros(PARTS)
    for entries in given:
        whole = _up(view, entries, within)
        for k in range(PARTS):
            acts, _, _ = acts_of(view, whole, goal, max(1, round(within * (k + 1) / PARTS)))
            counts[k] += np.count_nonzero(acts[:, 0] > 0)
    if not counts[-1]:
        return np.arange(1, PARTS + 1) / PARTS
    return np.asarray(counts / counts[-1], np.float64)


def _up(view: View, entries: Entries, within: int) -> Entries:
    there = entries.at + within <= view.as_of
    return Entries(entries.customer[there], entries.at[there], entries.held[there], entries.until[there])


def _count(view: View, entries: Entries, goal: str | None, within: int, soon: F64) -> tuple[int, float]:
    """(who came to the goal by now, as how many all who were given it count by now)."""
    acts, _, _ = acts_of(view, entries, goal, within)
    part = np.clip((view.as_of - entries.at) / max(within, 1), 0.0, 1.0) * PARTS
    worth = np.interp(part, np.arange(PARTS + 1), np.concatenate([[0.0], soon]))
    return int(np.count_nonzero(acts[:, 0] > 0)), float(worth.sum())


def chances_of(counts: Sequence[tuple[int, float]], rule: str, step: int) -> list[float]:
    """Of each variant the chance that it is the best, from (goals, worth) and a flat prior; the same ones every time.

    >>> [round(c, 1) for c in chances_of([(5, 100.0), (30, 100.0)], "cart", 1)]
    [0.0, 1.0]
    """
    seed = int.from_bytes(hashlib.sha256(f"bandit\0{rule}\0{step}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    drawn = np.column_stack([rng.beta(1 + goals, 1 + max(worth - goals, 0.0), DRAWS) for goals, worth in counts])
    best = np.bincount(drawn.argmax(axis=1), minlength=len(counts))
    return [float(n) / DRAWS for n in best]


def floored(chances: Mapping[str, float], floor: float) -> dict[str, float]:
    """Shares that are at least ``floor`` each and otherwise follow ``chances``.

    >>> floored({"a": 1.0, "b": 0.0}, 0.1)
    {'a': 0.9, 'b': 0.1}
    """
    floor = min(floor, 1 / len(chances))
    rest = 1 - floor * len(chances)
    return {name: round(floor + rest * chance, 6) for name, chance in chances.items()}


def _difference(one: tuple[F64, Any], base: tuple[F64, Any], level: float) -> Estimate:
    """In points, of those whose time is up, with the confidence sequence."""
    arms = [Moments.of((acts[up][:, :1] > 0).astype(np.float64)) for acts, up in (one, base)]
    found = compare(arms[0], arms[1], rate=True, level=level)
    read = confidence_sequence(found.absolute.value, found.error, found.n + found.base_n, level, TUNED_FOR)
    reason = (found.absolute.reason or found.tested.reason) if found.error is None else None
    return Estimate(read.value, read.low, read.high, found.n + found.base_n, reason)


def winner_of(contest: Contest, did: Mapping[str, tuple[F64, Any]], level: float) -> str | None:
    """The variant that is better than every other: of a bandit by its chance, else by intervals that may be read on any
    day, at a level that counts how many are compared (Bonferroni)."""
    best = max(contest.variants, key=lambda v: v.goals / v.worth if v.worth else 0.0)
    if contest.learns:
        known = best.chance is not None and best.chance >= CHANCE and sum(v.goals for v in contest.variants) >= GOALS
        return best.name if known else None
    others = [v.name for v in contest.variants if v.name != best.name]
    strict = 1 - (1 - level) / max(1, len(others))
    found = [_difference(did[best.name], did[name], strict) for name in others]
    return best.name if found and all(d.low is not None and d.low > 0 for d in found) else None


def learn_all(project: Project) -> int:
    """Every bandit of the rules that are on, and of the campaigns under way; how many were learned about."""
    from polku.campaigns.launching import under_way  # whose rules are of guidance's kind

    every = [*compile_rules(project.journey()), *under_way(project)]
    rules = [r for r in every if any(isinstance(s, Send) and s.learns for s in r.steps)]
    if not rules:
        return 0
    view = view_of(project)
    return sum(learn(project, rule, view) for rule in rules)


def learn(project: Project, rule: Rule, view: View) -> int:
    """Give the variants of every bandit of ``rule`` their shares anew; how many steps were learned about."""
    done = 0
    for step, send in enumerate(rule.steps):
        if not isinstance(send, Send) or not send.learns or not send.variants:
            continue
        goal, within = judged(view.journey, rule)
        given = given_of(project, rule.id, send)
        if goal is None or min(len(entries.customer) for entries in given.values()) < LEAST:
            continue
        soon = by_when(view, list(given.values()), goal, within)
        counts = {name: _count(view, entries, goal, within, soon) for name, entries in given.items()}
        chances = dict(zip(counts, chances_of(list(counts.values()), rule.id, step), strict=True))
        shares, at = floored(chances, send.floor), now()
        rows = [
            {
                "rule": rule.id, "step": step, "variant": name, "share": shares[name],
                "given": len(given[name].customer), "reached": counts[name][0], "worth": counts[name][1],
                "learned_at": at,
            }
            for name in shares
        ]  # fmt: skip
        row = tables.variant_shares.c
        with project.state.write("guidance") as connection:
            connection.execute(sa.delete(tables.variant_shares).where(row.rule == rule.id, row.step == step))
            connection.execute(sa.insert(tables.variant_shares), rows)
        done += 1
    return done
