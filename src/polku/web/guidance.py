"""/guidance: the rules with state and effect; one rule with its dry run on history and its proof; the same as data."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.content.check import named_in
from polku.errors import MapError, MissingExtraError, PolkuError, UsageError
from polku.guidance import patterns as ready
from polku.guidance.contests import Contest, contests
from polku.guidance.effects import effects_of
from polku.guidance.in_words import condition_text, limit_texts, step_texts, trigger_text
from polku.guidance.lag import lag
from polku.guidance.messages import STATE_WORDS
from polku.guidance.proof import Proof, messages_of, proof
from polku.guidance.qualifying import look_now, who_qualifies
from polku.guidance.replay import OUTCOMES, Replay, replay
from polku.guidance.rules import Rule, Send, compile_rules
from polku.guidance.sweeps import REASONS, of_rule
from polku.guidance.switch import switch_of
from polku.guidance.telling import lines
from polku.guidance.turning import STATES, place_of, turn
from polku.guidance.versions import version_of, versions_of
from polku.guidance.why import rule_of, why
from polku.journey.document import Document
from polku.language import N_
from polku.measures.periods import named_period
from polku.measures.result import to_dict
from polku.measures.view import view_of
from polku.record.clock import moment, now
from polku.record.naming import meant, names_of
from polku.trails import open_trails
from polku.web.effects import drawn_days
from polku.web.guard import actor_of, form_of, needs
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import href, render
from polku.web.saving import diff, mark_of, may_edit

if TYPE_CHECKING:
    from polku.measures.view import View
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["guidance"])

#: Spans of a dry run to choose from.
SPANS = {"7d": N_("the last week"), "30d": N_("30 days"), "90d": N_("90 days"), "1y": N_("12 months")}
#: Dry runs and proofs kept, of the same record and map.
MOST_KEPT = 32
#: Looks at everybody that a rule's page tells of.
MOST_LOOKS = 6
Given = str | None
Against = Annotated[Given, Query(description=N_("another rule, or RULE@VERSION of the past: answers with both"))]
LastDays = Annotated[Given, Query(description=N_("how much of the past: 7d, 90d, 1y, all, or days; default 30d"))]
Assume = Annotated[Given, Query(description=N_("yes: as if everybody had agreed to be written to"))]
RuleId = Annotated[str, PathParameter(description=N_("the id of a rule of the map"))]
Customer = Annotated[str, Query(description=N_("any id of the customer"))]


class _Kept:
    """Answers that took long, by what they are of; one server's pages share them."""

    def __init__(self) -> None:
        self._found: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Any, work: Any) -> Any:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        made = work()
        with self._lock:
            self._found[key] = made
            while len(self._found) > MOST_KEPT:
                self._found.popitem(last=False)
        return made


def kept_of(request: Request) -> _Kept:
    """Dry runs and proofs of this server, kept."""
    state = request.app.state
    if not hasattr(state, "guidance"):
        state.guidance = _Kept()
    kept: _Kept = state.guidance
    return kept


def _view(project: Project) -> View:
    return view_of(open_trails(project), project.journey(), project=project)


def mark_of_record(project: Project) -> Any:
    """What an answer depends on besides its question: how far the record has come, and the map."""
    found = project.map_file.stat()
    return project.position(), found.st_mtime_ns, found.st_size


def proof_of_rule(request: Request, rule: Rule) -> tuple[Proof | None, PolkuError | None]:
    """The proof of a rule, or why there can be none: the library of statistics is an extra."""
    project = project_of(request)
    try:
        made = kept_of(request).of(
            ("proof", rule.id, mark_of_record(project)), lambda: proof(project, rule, view=_view(project))
        )
    except MissingExtraError as error:
        return None, error
    return made, None


def contests_of(request: Request, rule: Rule) -> tuple[Contest, ...]:
    """The messages of a rule that have variants, with what came of each; kept until the record or the map changes.

    Without the library of statistics there is nothing to tell of them.
    """
    project = project_of(request)
    if not any(isinstance(step, Send) and step.variants for step in rule.steps):
        return ()
    key = ("contests", rule.id, rule.version, mark_of_record(project))
    try:
        made: tuple[Contest, ...] = kept_of(request).of(key, lambda: contests(project, rule, _view(project)))
    except MissingExtraError:  # the rule's own page says which extra is missing
        return ()
    return made


def replay_of_rule(request: Request, rule: Rule, last: str, assume: bool) -> Replay:
    """The dry run of a rule, kept until the record or the map changes."""
    project = project_of(request)

    def work() -> Replay:
        view = _view(project)
        period = named_period(last, view.moment, view.zone)
        start = period.start or view.trails.first or view.moment
        return replay(project, rule, start=start, end=period.end, view=view, assume_consent=assume)

    made: Replay = kept_of(request).of(("replay", rule.id, rule.version, last, assume, mark_of_record(project)), work)
    return made


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A rule in the list: its words, its numbers, its effect."""

    rule: Rule
    trigger: str
    runs: int
    sent: int
    capped: int
    held_out: int
    proof: Proof | None


@router.get("/guidance")
@needs("see")
def rules_page(request: Request) -> Response:
    return rules_drawn(request)


def rules_drawn(request: Request, status: int = 200, message: str | None = None) -> Response:
    visit = Visit.of(request)
    if status == 200:
        refuse_unknown(own_query(request), ("added",))
    project, reader = project_of(request), visit.reader
    told = []
    for rule in compile_rules(visit.journey, STATES):
        funnel = messages_of(project, rule.id)
        dealt = proof_of_rule(request, rule)[0] if funnel.runs else None
        told.append(
            Line(
                rule, trigger_text(rule, reader, visit.journey), sum(funnel.runs.values()),
                funnel.states.get("sent", 0), funnel.states.get("capped", 0), funnel.runs.get("held_out", 0), dealt,
            )
        )  # fmt: skip
    body = render(
        "guidance.html", reader, rules=told, patterns=[ready.pattern(n) for n in ready.names()],
        may_edit=may_edit(request, visit.answers), switch=switch_of(project), message=message, lag=lag(project.state),
        added=own_query(request).get("added") if status == 200 else None, href=href,
        **frame_of(request, reader, "/guidance", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language, status=status))


def fresh(response: Response) -> Response:
    """An answer that nobody keeps."""
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post("/guidance/add-pattern")
@needs("edit")
async def add_pattern(request: Request) -> Response:
    return await run_in_threadpool(added, request, await form_of(request))


def added(request: Request, sent: dict[str, str]) -> Response:
    """Add a pattern to the map, as drafts; a fault is told above the list."""
    visit, project = Visit.of(request), project_of(request)
    try:
        may_change(request, visit)
        document = Document(project.map_file.read_bytes(), project.map_file)
        adopted = ready.adopt(sent.get("name", ""), document.journey, visit.language)
        ready.add(document, project.folder, adopted)
        name, address = actor_of(request)
        project.map_saved(name)
        ids = ", ".join(str(rule["id"]) for rule in adopted.rules)
        project.audit.note(name, "rule.saved", ids, {"pattern": sent.get("name", "")}, address=address)
    except (UsageError, MapError) as fault:
        return rules_drawn(request, 400, fault.text(visit.language))
    return RedirectResponse(f"/guidance/{adopted.rules[0]['id']}", 303)


def may_change(request: Request, visit: Visit) -> None:
    """Raises UsageError where the map is not edited from this reader's place."""
    if not may_edit(request, visit.answers):
        raise UsageError(N_("The map is not edited from here; the setting is server.edits."))


def rule_named(request: Request, visit: Visit, id: str) -> Rule:
    """The rule of the address. Raises NotFoundError."""
    if id not in {g.id for g in visit.journey.guidance}:
        raise NotFoundError(
            N_("There is no rule {value!r} in the map. It has: {known}."),
            value=id, known=", ".join(g.id for g in visit.journey.guidance) or "-",
        )  # fmt: skip
    return rule_of(visit.journey, id)


@router.get("/guidance/{id}")
@needs("see")
def rule_page(request: Request, id: str) -> Response:
    return rule_drawn(request, id)


def rule_drawn(
    request: Request, id: str, status: int = 200, message: str | None = None, changed: str | None = None
) -> Response:
    """One rule: in words, its dry run where one is asked for, its proof."""
    visit = Visit.of(request)
    query = own_query(request) if status == 200 else {}
    refuse_unknown(query, ("last", "assume", "against", "saved", "qualify", "looks"))
    project, reader = project_of(request), visit.reader
    rule = rule_named(request, visit, id)
    last, assume = query.get("last"), query.get("assume") == "yes"
    others = [g.id for g in visit.journey.guidance if g.id != id]
    earlier = [v for v in versions_of(project, id) if v.version != rule.version]
    against = query.get("against") or None
    runs = [replay_of_rule(request, rule, last, assume)] if last else []
    if last and against:
        runs.append(replay_of_rule(request, version_of(project, against), last, assume))
    qualifies = who_qualifies(project, rule) if query.get("qualify") == "yes" else None
    made, missing = proof_of_rule(request, rule)
    content = project.map_file.read_bytes()
    with project.state.read() as connection:
        swept = of_rule(connection, id, MOST_LOOKS)
    sample = runs[0].sample if runs else ()
    body = render(
        "guidance_rule.html", reader, rule=rule, journey=visit.journey, runs=runs, proof=made,
        missing=missing.text(visit.language) if missing else None,
        when=trigger_text(rule, reader, visit.journey), only_if=condition_text(rule.only_if, reader, visit.journey),
        steps=step_texts(rule, reader, visit.journey), limits=limit_texts(rule, reader, visit.journey),
        outcomes=OUTCOMES, spans=SPANS,
        rows=[(text, [r.outcomes.get(o, 0) for r in runs]) for o, text in OUTCOMES.items()],
        last=last, assume=assume, against=against, others=others, earlier=earlier,
        names=names_of(project, {p.customer for p in sample}, project.subject()),
        told=lambda notes: [(moment(note.time), text) for note, text in lines(notes, reader, visit.journey)],
        line=_line(content, id), mark=request.app.state.seen.note(project.map_file),
        may_edit=may_edit(request, visit.answers), switch=switch_of(project), message=message, changed=changed,
        message_words=STATE_WORDS, href=href, most=_most(runs), saved=query.get("saved"),
        swept=swept, swept_why=REASONS, moment=moment,
        qualifies=qualifies, looks=query.get("looks"), contests=contests_of(request, rule),
        figures=drawn_days(effects_of(project, id), made, moment(now()).astimezone(reader.zone).date(), reader),
        pieces=[path for path, users in named_in(visit.journey).items() if id in users],
        **frame_of(request, reader, "/guidance", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language, status=status))


def _most(runs: list[Replay]) -> int:
    """The most that entered on a day, for the height of the columns."""
    return max((day.entered for r in runs for day in r.days), default=0)


def _line(content: bytes, id: str) -> int:
    document = Document(content)
    return document.place(("guidance", place_of(document, id))).line


@router.post("/guidance/{id}")
@needs("edit")
async def turn_rule(request: Request, id: str) -> Response:
    return await run_in_threadpool(turned, request, id, await form_of(request))


def turned(request: Request, id: str, sent: dict[str, str]) -> Response:
    """Give a rule another state in journey.yaml, unless the file is another than the person saw: then that is shown."""
    visit, project = Visit.of(request), project_of(request)
    rule_named(request, visit, id)
    try:
        may_change(request, visit)
        content = project.map_file.read_bytes()
        if sent.get("mark") and mark_of(content) != sent["mark"]:
            return rule_drawn(request, id, 409, visit.reader(CHANGED), changes_since(request, sent["mark"]))
        by = actor_of(request)[0]
        turn(project, id, sent.get("state", ""), by, content=content)
        looks = None
        if sent.get("now") == "yes":
            looks = "yes" if look_now(project, rule_of(project.journey(), id), by) else "before"
    except (UsageError, MapError) as fault:
        return rule_drawn(request, id, 400, fault.text(visit.language))
    return RedirectResponse(href(f"/guidance/{id}", looks=looks), 303)


def changes_since(request: Request, mark: str) -> str:
    """What has changed in journey.yaml since a page of that mark was drawn; "" where that text is no longer known."""
    before = request.app.state.seen.text(mark)
    if before is None:
        return ""
    now = project_of(request).map_file.read_bytes()
    return diff(before.decode("utf-8", "replace"), now.decode("utf-8", "replace"))


CHANGED = N_("journey.yaml has changed since you opened the page. Look at it, then turn the rule once more.")


# -- the same as data -------------------------------------------------------------------------------------------------


@api.get("/api/guidance", description=N_("The rules of guidance: state, hold-out, runs and messages by state."))
@needs("see")
def rules_data(request: Request) -> dict[str, Any]:
    visit, project = Visit.of(request), project_of(request)
    told = []
    for rule in compile_rules(visit.journey, STATES):
        funnel = messages_of(project, rule.id)
        told.append(
            {
                "id": rule.id, "title": rule.title_text, "state": rule.state, "version": rule.version,
                "holdout": rule.holdout, "owed": rule.owed, "when": trigger_text(rule, visit.reader, visit.journey),
                "runs": dict(funnel.runs), "messages": dict(funnel.states),
            }
        )  # fmt: skip
    return {"rules": told}


@api.get("/api/guidance/{id}/proof", description=N_("Whether a rule helped: treated against held out, euros, when."))
@needs("see")
def proof_data(request: Request, id: RuleId) -> Any:
    visit = Visit.of(request)
    made, missing = proof_of_rule(request, rule_named(request, visit, id))
    if missing is not None:
        raise missing
    return to_dict(made)


@api.get("/api/guidance/{id}/proof/days", description=N_("What was known of a rule at the end of each day."))
@needs("see")
def proof_days_data(request: Request, id: RuleId) -> Any:
    rule = rule_named(request, Visit.of(request), id)
    return {"days": [to_dict(one) for one in effects_of(project_of(request), rule.id)]}


@api.get("/api/guidance/{id}/replay", description=N_("A dry run of a rule on history: who would have got what."))
@needs("see")
def replay_data(
    request: Request, id: RuleId, last: LastDays = None, assume: Assume = None, against: Against = None
) -> Any:
    visit = Visit.of(request)
    refuse_unknown(own_query(request), ("last", "assume", "against"))
    rules = [rule_named(request, visit, id)]
    if against:
        rules.append(version_of(project_of(request), against))
    told = [to_dict(replay_of_rule(request, rule, last or "30d", assume == "yes")) for rule in rules]
    return {"replays": told} if against else told[0]


@api.get("/api/guidance/{id}/why", description=N_("Why a customer did, or did not, get what a rule sends."))
@needs("see")
def why_data(request: Request, id: RuleId, customer: Customer) -> Any:
    visit, project = Visit.of(request), project_of(request)
    refuse_unknown(own_query(request), ("customer",))
    found = meant(project.identities.find(customer), visit.journey.subject)
    if found is None:
        raise NotFoundError(N_("There is no customer with the id {value!r}."), value=customer)
    return to_dict(why(project, found, rule_named(request, visit, id), view=_view(project)))
