"""/experiments: everything that is being compared: hold-outs and variants of all rules, with how each stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polku.campaigns.definition import compiled
from polku.campaigns.launching import launches
from polku.guidance.proof import Proof, messages_of
from polku.guidance.rules import Rule, Send, compile_rules
from polku.guidance.shares import learned_shares
from polku.guidance.turning import STATES
from polku.language import N_
from polku.record import tables
from polku.web.guard import needs
from polku.web.guidance import fresh, proof_of_rule
from polku.web.live import project_of
from polku.web.options import known, refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import href, render
from polku.web.saving import may_edit

if TYPE_CHECKING:
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)

#: What of the list is shown.
SHOWN: Mapping[str, str] = {"running": N_("Running"), "ended": N_("Not running"), "all": N_("All")}


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One content of a message: the ``share`` of customers that is given it now, and how many messages were made."""

    name: str
    content: str
    share: float
    made: int


@dataclasses.dataclass(frozen=True, slots=True)
class Contest:
    """The variants of one message of a rule. ``learns``: a bandit deals them."""

    step: int
    learns: bool
    floor: float
    variants: tuple[Variant, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Experiment:
    """A rule or a campaign that compares: treated with held out, or variants of a message. ``page``: its own."""

    rule: Rule
    page: str
    running: bool
    runs: int
    proof: Proof | None
    contests: tuple[Contest, ...]


@router.get("/experiments")
@needs("see")
def experiments_page(request: Request) -> Response:
    visit = Visit.of(request)
    query = own_query(request)
    refuse_unknown(query, ("show",))
    shown = known("view", query.get("show", "running"), SHOWN)
    rules = [(rule, f"/guidance/{rule.id}", rule.state == "on") for rule in compile_rules(visit.journey, STATES)]
    rules += [
        (compiled(id, launch.campaign, visit.journey), f"/campaigns/{id}", launch.finished_at is None)
        for id, launch in launches(project_of(request)).items()
    ]
    found = [
        experiment_of(request, rule, page, running)
        for rule, page, running in rules
        if shown == "all" or running == (shown == "running")
    ]
    body = render(
        "experiments.html", visit.reader, found=[e for e in found if e.rule.holdout or e.contests], shown=shown,
        choices=SHOWN, may_edit=may_edit(request, visit.answers), href=href,
        **frame_of(request, visit.reader, "/experiments", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language))


def experiment_of(request: Request, rule: Rule, page: str, running: bool) -> Experiment:
    """How a rule's comparisons stand; its proof where anybody has come into it."""
    project = project_of(request)
    runs = sum(messages_of(project, rule.id).runs.values())
    proof = proof_of_rule(request, rule)[0] if runs and rule.holdout else None
    return Experiment(rule, page, running, runs, proof, contests_of(project, rule))


def contests_of(project: Project, rule: Rule) -> tuple[Contest, ...]:
    """The messages of a rule that have variants."""
    sends = [(n, step) for n, step in enumerate(rule.steps) if isinstance(step, Send) and step.variants]
    if not sends:
        return ()
    learned = learned_shares(project, rule)
    made = _made(project, rule.id)
    found = []
    for step, send in sends:
        shares: Mapping[str, Any] = send.shares(learned.get(step))
        variants = tuple(
            Variant(name, content, shares[name], made.get((name, content), 0)) for name, content in send.variants
        )
        found.append(Contest(step, send.learns, send.floor, variants))
    return tuple(found)


def _made(project: Project, rule: str) -> dict[tuple[str, str], int]:
    """Messages of a rule by variant and content."""
    row = tables.outbox.c
    query = sa.select(row.variant, row.content, sa.func.count()).where(row.rule == rule, row.variant.is_not(None))
    with project.state.read() as connection:
        rows = connection.execute(query.group_by(row.variant, row.content))
        return {(str(variant), str(content)): int(n) for variant, content, n in rows}
