"""The pages on which customers answer, without signing in: /s/<survey>, and /review/<token> for what they bought.

They work without scripts: what an answer brings up is asked on a page of its own, after the first answers are kept. A
link in a letter only fills in the form; nothing is kept before somebody presses the button, since programs that look at
mail follow its links.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku.access.entrance import ThrottledError
from polku.access.limits import Limit, network
from polku.errors import PolkuError
from polku.guidance.preparing import sender_of
from polku.journey.surveys import Question, Survey
from polku.language import LANGUAGES, N_, Reader, said
from polku.surveys import answering, reviewing
from polku.surveys.answering import FIELD, AnsweredError, Filling, UnansweredError, Via
from polku.surveys.asking import WORDS, asked_for, form_of_survey
from polku.surveys.links import SurveyLink, read_link
from polku.web.guard import by_link, form_of
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.pages import read_language
from polku.web.reading import href, render

router = APIRouter(include_in_schema=False)

NO_STORE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}
#: Sendings from one address in an hour, without a link of one's own: a counter's tablet has many guests.
MOST_AN_HOUR: Final = 120
_PLACE: Final = re.compile(r"[\w .:-]{1,60}")


# -- a survey ---------------------------------------------------------------------------------------------------------


@router.get("/s/{survey}")
@by_link
def open_survey(request: Request, survey: str) -> Response:
    """Whoever has the address may answer, as by a QR code at the counter."""
    return survey_page(request, survey, None)


@router.get("/s/{survey}/{token}")
@by_link
def own_survey(request: Request, survey: str, token: str) -> Response:
    """By a link of one's own, from a letter; ``?score=9`` marks that number, and sends nothing."""
    return survey_page(request, survey, token)


@router.post("/s/{survey}")
@by_link
async def send_open(request: Request, survey: str) -> Response:
    return await run_in_threadpool(survey_sent, request, survey, None, await fields_of(request))


@router.post("/s/{survey}/{token}")
@by_link
async def send_own(request: Request, survey: str, token: str) -> Response:
    return await run_in_threadpool(survey_sent, request, survey, token, await fields_of(request))


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form, each with all its values. Raises ForeignFormError for one that is too long."""
    await form_of(request)
    body = await request.body()
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)


def found_survey(request: Request, name: str, token: str | None) -> tuple[Survey, SurveyLink | None]:
    project = project_of(request)
    survey = project.journey().surveys.get(name)
    if not isinstance(survey, Survey):
        raise NotFoundError(N_("There is no such survey here, or it is over."))
    if token is None:
        if not survey.open:
            raise NotFoundError(N_("This survey is answered by a link of one's own, which comes in a letter."))
        return survey, None
    link = read_link(project, name, token)
    if link is None:
        raise NotFoundError(N_("This link is not whole. Open it from the letter once more."))
    return survey, link


def survey_page(request: Request, name: str, token: str | None) -> Response:
    survey, link = found_survey(request, name, token)
    project = project_of(request)
    if request.query_params.get("done") or (
        link is not None and not link.test and answering.is_answered(project, link.response(project))
    ):
        return drawn(request, name, survey, link, done=True)
    chosen = preselected(survey, request.query_params)
    values = {id: float(v) if v.isdigit() and _scaled(survey, id) else v for id, v in chosen.items()}
    shown = [q for q in survey.questions if asked_for(q, values)]
    return drawn(request, name, survey, link, shown=shown, given={FIELD + k: [v] for k, v in chosen.items()})


def preselected(survey: Survey, query: Mapping[str, str]) -> dict[str, str]:
    """What the address fills in: ``score`` goes to the first scale, ``answer`` to the first choices."""
    found: dict[str, str] = {}
    scored = survey.scored
    if scored is not None and scored.scale is not None and (score := query.get("score", "")).isdigit():
        worst, best = scored.scale
        if worst <= int(score[:4]) <= best:
            found[scored.id] = str(int(score))
    chosen = next((q for q in survey.questions if q.choices), None)
    if chosen is not None and query.get("answer") in {choice.id for choice in chosen.choices}:
        found[chosen.id] = query["answer"]
    return found


def _scaled(survey: Survey, id: str) -> bool:
    question = survey.question(id)
    return question is not None and question.scale is not None


def survey_sent(request: Request, name: str, token: str | None, sent: dict[str, list[str]]) -> Response:
    """Keep what was answered, then ask what it brought up, or thank."""
    survey, link = found_survey(request, name, token)
    project = project_of(request)
    if sent.get("opened"):
        return survey_opened(request, name, survey, link, sent)
    filling = filling_of(request, name, survey, link, sent)
    earlier = opened(request, sent, filling.response)
    ids = {part for each in sent.get("shown", ()) for part in each.split(",")}
    shown = [q for q in survey.questions if q.id in ids]
    try:
        answers = answering.read_answers(survey, sent, earlier)
    except UnansweredError as error:
        return drawn(
            request, name, survey, link, shown=shown, given=sent, earlier=earlier, filling=filling, status=400,
            wrong={error.question: error.text(language_for(request, link))},
        )  # fmt: skip
    values = {**(earlier or {}), **{answer.question: answer.value for answer in answers}}
    try:
        if link is None or not link.test:
            answering.keep_answers(project, filling, answers)
    except AnsweredError:
        return drawn(request, name, survey, link, done=True)
    more = answering.follow_ups(survey, values, [*(earlier or {}), *(q.id for q in shown)])
    if more:
        for question in shown:
            values.setdefault(question.id, None)  # shown and left empty: not asked again
        return drawn(request, name, survey, link, shown=more, earlier=values, filling=filling)
    path = f"/s/{name}" + (f"/{token}" if token else "")
    return RedirectResponse(href(path, done=1, lang=request.query_params.get("lang")), 303, NO_STORE)


def survey_opened(
    request: Request, name: str, survey: Survey, link: SurveyLink | None, sent: Mapping[str, Sequence[str]]
) -> Response:
    """What the page itself tells, by a script: it has been before somebody's eyes for a while."""
    filling = filling_of(request, name, survey, link, sent, "surveys_opened")
    if link is None or not link.test:
        answering.keep_opened(project_of(request), filling)
    return Response(status_code=204, headers=NO_STORE)


def filling_of(
    request: Request, name: str, survey: Survey, link: SurveyLink | None, sent: Mapping[str, Sequence[str]],
    counted: str = "surveys_limit",
) -> Filling:  # fmt: skip
    """Whose filling in this is. Raises NotFoundError for a form that this server did not draw, ThrottledError.

    ``counted``: what of an address is limited.
    """
    project = project_of(request)
    more = bool(sent.get("earlier"))
    if link is not None:
        return Filling(name, link.response(project), "email", link.id, survey.touchpoint, more=more)
    response, _, signature = (sent.get("response") or [""])[0].partition(".")
    if not response or not secrets.compare_digest(sign(request, "survey-form", name, response), signature):
        raise NotFoundError(N_("This form is not whole. Open the survey once more."))
    limited(request, counted)
    via: Via = "qr" if "qr" in sent.get("via", ()) else "form"
    place = (sent.get("place") or [""])[0]
    return Filling(name, response, via, None, survey.touchpoint, place if _PLACE.fullmatch(place) else "", more)


def limited(request: Request, counted: str = "surveys_limit") -> None:
    state = request.app.state
    if not hasattr(state, counted):
        setattr(state, counted, Limit(MOST_AN_HOUR, 3600.0))
    limit: Limit = getattr(state, counted)
    if wait := limit.take(network(request.client.host if request.client else "")):
        raise ThrottledError(N_("There were too many answers from here. Wait a while and try again."), wait)


def sign(request: Request, what: str, *texts: str) -> str:
    return project_of(request).contacts.addresses.mark(what, "\0".join(texts))


def sealed(request: Request, values: Mapping[str, Any], response: str) -> str:
    """Answers that are kept already, carried along in the form of the next page."""
    text = base64.urlsafe_b64encode(json.dumps(values).encode()).decode("ascii")
    return f"{text}.{sign(request, 'survey-earlier', response, text)}"


def opened(request: Request, sent: Mapping[str, Sequence[str]], response: str) -> dict[str, Any] | None:
    """The opposite of :func:`sealed`; None on the first page. Raises NotFoundError where it was changed."""
    given = (sent.get("earlier") or [""])[0]
    if not given:
        return None
    text, _, signature = given.partition(".")
    if secrets.compare_digest(sign(request, "survey-earlier", response, text), signature):
        try:
            found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        except (ValueError, binascii.Error) as fault:
            raise NotFoundError(N_("This form is not whole. Open the survey once more.")) from fault
        return found
    raise NotFoundError(N_("This form is not whole. Open the survey once more."))


def language_for(request: Request, link: SurveyLink | None) -> str:
    """The language of the page: what its reader asks for, else that of the letter, else what the browser says."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return asked
    return link.language if link is not None and link.language in LANGUAGES else read_language(request)


def drawn(
    request: Request, name: str, survey: Survey, link: SurveyLink | None, *, shown: Sequence[Question] = (),
    given: Mapping[str, Sequence[str]] | None = None, earlier: Mapping[str, Any] | None = None,
    filling: Filling | None = None, wrong: Mapping[str, str] | None = None, done: bool = False, status: int = 200,
) -> Response:  # fmt: skip
    """One page of a survey: its questions, or thanks."""
    project = project_of(request)
    language = language_for(request, link)
    reader = Reader(language)
    form = form_of_survey(name, survey, language)
    ids = [question.id for question in shown]
    query = request.query_params
    response = filling.response if filling is not None else answering.new_response()
    place = filling.place if filling is not None else query.get("place", "")
    other = "en" if language == "fi" else "fi"
    kept = {k: v for k, v in query.items() if k in ("via", "place", "score", "answer", "done")}
    context = {
        "form": form, "questions": [q for q in form["questions"] if q["id"] in ids], "given": given or {},
        "wrong": wrong or {}, "done": done, "test": link is not None and link.test, "own": link is not None,
        "action": href(request.url.path, lang=query.get("lang")), "shown": ",".join(ids),
        "response": None if link is not None else f"{response}.{sign(request, 'survey-form', name, response)}",
        "earlier": sealed(request, earlier, response) if earlier is not None else None,
        "via": filling.via if filling is not None else query.get("via", ""),
        "place": place if _PLACE.fullmatch(place) else "", "field": FIELD, "written": answering.WRITTEN,
        "sender": sender_of(project.settings.mail.sender) or said(project.journey().title, language),
        "other_language": href(request.url.path, lang=other, **kept), "other": other,
        "assets": request.app.state.assets,
    }  # fmt: skip
    return HTMLResponse(render("survey_form.html", reader, **context), status, NO_STORE)


# -- reviews ----------------------------------------------------------------------------------------------------------


@router.get("/review/{token}")
@by_link
def review_page(request: Request, token: str) -> Response:
    """The products of an order, each with stars and a field to write in."""
    return review_form(request, review_link(request, token))


def review_link(request: Request, token: str) -> SurveyLink:
    link = read_link(project_of(request), "", token)
    if link is None:
        raise NotFoundError(N_("This link is not whole. Open it from the letter once more."))
    return link


def review_form(
    request: Request, link: SurveyLink, sent: Mapping[str, Sequence[str]] | None = None, message: str = ""
) -> Response:
    project = project_of(request)
    language = language_for(request, link)
    done = "done" in request.query_params or (not link.test and answering.is_answered(project, link.response(project)))
    context = {
        "products": link.products, "given": sent or {}, "message": message, "done": done,
        "test": link.test, "action": href(request.url.path, lang=request.query_params.get("lang")),
        "sender": sender_of(project.settings.mail.sender) or said(project.journey().title, language),
        "most": reviewing.LONGEST, "words": WORDS, "other": "en" if language == "fi" else "fi",
        "other_language": href(request.url.path, lang="en" if language == "fi" else "fi"),
        "assets": request.app.state.assets,
    }  # fmt: skip
    return HTMLResponse(render("review_form.html", Reader(language), **context), 400 if message else 200, NO_STORE)


@router.post("/review/{token}")
@by_link
async def send_review(request: Request, token: str) -> Response:
    return await run_in_threadpool(reviewed, request, token, await fields_of(request))


def reviewed(request: Request, token: str, sent: dict[str, list[str]]) -> Response:
    link = review_link(request, token)
    language = language_for(request, link)
    try:
        reviews = reviewing.read_reviews(link.products, {name: values[0] for name, values in sent.items() if values})
        if not link.test:
            reviewing.keep_reviews(project_of(request), link, reviews)
    except AnsweredError:
        return review_form(request, link)
    except PolkuError as error:
        return review_form(request, link, sent, error.text(language))
    return RedirectResponse(href(request.url.path, done=1, lang=request.query_params.get("lang")), 303, NO_STORE)
