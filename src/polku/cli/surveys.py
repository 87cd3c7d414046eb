"""polku surveys, survey and reviews: what customers answered and wrote; QR codes; reviews read in and replied to."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.errors import UsageError
from polku.language import N_

Name = Annotated[str, typer.Argument(metavar="SURVEY", help=N_("The survey's name in the map."))]
Review = Annotated[str, typer.Argument(metavar="REVIEW", help=N_("The review's id; polku reviews list shows them."))]
During = Annotated[str, typer.Option("--period", help=N_("Answers of this time only: 30d, 90d, all, or days."))]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help=N_("How many at most, the latest first."))]


def register(app: Any) -> None:
    app.command("surveys", help=N_("The surveys with how many answered, and their scores."))(surveys)
    survey = typer.Typer(help=N_("One survey: its results, what people wrote, its QR code."), no_args_is_help=True)
    survey.command("show", help=N_("Every question with its answers, score and interval."))(show)
    survey.command("answers", help=N_("What people wrote: by touchpoint, survey, tag and word."))(answers)
    survey.command("tag", help=N_("Tag what somebody wrote; the tags that it had are replaced."))(tag_)
    survey.command("qr", help=N_("Make the QR code of a survey, as SVG or PNG, to be laid on the counter."))(qr_)
    survey.command("link", help=N_("Make one customer's own link to a survey, as letters have it."))(link)
    app.add_typer(survey, name="survey")
    reviews = typer.Typer(help=N_("Reviews: read from files, listed, answered, removed."), no_args_is_help=True)
    reviews.command("import", help=N_("Read reviews from a CSV export of Judge.me, Trustpilot, Google or others."))(
        import_
    )
    reviews.command("list", help=N_("List reviews, the latest first, with what the public sees of them."))(list_)
    reviews.command("reply", help=N_("Reply to a review; everybody sees it. An empty text takes the reply away."))(
        reply
    )
    reviews.command("remove", help=N_("Remove a review for a reason that stays in the audit log."))(remove)
    app.add_typer(reviews, name="reviews")


# -- surveys ----------------------------------------------------------------------------------------------------------


def _period(project: Any, text: str) -> Any:
    from polku.language import Reader
    from polku.measures.periods import named_period
    from polku.record.clock import moment, now

    return named_period(text, moment(now()), Reader("en", project.journey().timezone).zone)


def surveys(folder: Folder, period: During = "all", language: Language = None, as_json: AsJson = False) -> None:
    from polku.surveys.results import names, results
    from polku.surveys.telling import scored

    terminal, project = opened(folder, language, as_json)
    with project:
        journey = project.journey()
        found = [results(project, journey, name, _period(project, period)) for name in names(project, journey)]
    if as_json:
        terminal.data({"surveys": [one.to_dict() for one in found]})
        return
    if not found:
        terminal.say(N_("The map has no surveys yet; polku patterns FOLDER satisfaction_survey adds some."))
        return
    reader = terminal.reader
    table = Table(box=None, pad_edge=False)
    for head in (N_("survey"), N_("fillings in"), N_("survey score"), N_("95 % interval"), N_("last answer")):
        table.add_column(reader(head))
    for one in found:
        score, interval = scored(one.score, reader)
        table.add_row(
            one.survey, reader.number(one.responses, 0), score or "–", interval or "–",
            reader.time(one.last) if one.last else "–",
        )  # fmt: skip
    terminal.print(table)


def show(
    folder: Folder, name: Name, period: During = "all", language: Language = None, as_json: AsJson = False
) -> None:
    from polku.errors import nearest
    from polku.surveys.results import names, results
    from polku.surveys.telling import scored

    terminal, project = opened(folder, language, as_json)
    with project:
        journey = project.journey()
        there = names(project, journey)
        if name not in there:
            raise UsageError(
                N_("There is no survey {name!r} in this map; did you mean {nearest}? There are: {known}."),
                name=name, nearest=nearest(name, there) or "-", known=", ".join(there) or "-",
            )  # fmt: skip
        found = results(project, journey, name, _period(project, period))
    if as_json:
        terminal.data(found.to_dict())
        return
    reader = terminal.reader
    terminal.say(N_("{n} filled it in, {people} customers known."), n=reader.number(found.responses, 0),
                 people=reader.number(found.customers, 0))  # fmt: skip
    for question in found.questions:
        score, interval = scored(question, reader)
        told = " · ".join(each for each in (score, interval, f"n {reader.number(question.n, 0)}") if each)
        terminal.out.print(f"{question.question} ({question.kind})  {told}", markup=False)
        for answer, n in question.counts:
            terminal.out.print(f"  {answer:<24}{reader.number(n, 0):>8}", markup=False)


def answers(
    folder: Folder,
    survey: Annotated[str | None, typer.Option("--survey", help=N_("Answers to this survey only."))] = None,
    question: Annotated[str | None, typer.Option("--question", help=N_("Answers to this question only."))] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help=N_("Answers to questions of this kind only, such as stopped."))
    ] = None,
    touchpoint: Annotated[
        str | None, typer.Option("--touchpoint", help=N_("Answers about this touchpoint only; - for none."))
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", help=N_("Answers with this tag only."))] = None,
    words: Annotated[str | None, typer.Option("--search", help=N_("Answers that hold all of these words."))] = None,
    period: During = "all",
    limit: Limit = 50,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys.texts import Filters, readable, texts

    terminal, project = opened(folder, language, as_json)
    with project:
        wanted = Filters(survey, question, kind, touchpoint, tag, words, _period(project, period))
        found, whole = texts(project, wanted, limit)
    if as_json:
        terminal.data({"count": whole, "answers": [one.to_dict() for one in found]})
        return
    reader = terminal.reader
    for one in found:
        about = [reader.time(one.time), one.survey, one.question, one.touchpoint, *(f"#{each}" for each in one.tags)]
        number = f"[{reader.number(one.score, 0)}] " if one.score is not None else ""
        terminal.out.print(f"{number}{readable(one.text)}", markup=False)
        terminal.out.print(f"    {' · '.join(each for each in about if each)}  {one.id}", markup=False, style="dim")
    terminal.say(N_("{shown} of {n}."), shown=reader.number(len(found), 0), n=reader.number(whole, 0))


def tag_(
    folder: Folder,
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help=N_("Its id; polku survey answers shows it."))],
    tags: Annotated[str, typer.Argument(metavar="TAGS", help=N_("Tags, commas between them; '' for none."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys.texts import tag

    terminal, project = opened(folder, language, as_json)
    with project:
        given = tag(project, answer, tags, actor())
        project.audit.note(actor(), "answer.tagged", answer, {"tags": ", ".join(given)})
    if as_json:
        terminal.data({"answer": answer, "tags": list(given)})
    terminal.say(N_("Tags now: {tags}."), tags=", ".join(given) or "–")


def qr_(
    folder: Folder,
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", help=N_("The file to write, .svg or .png; by default NAME.svg."))
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help=N_("The server's address, where it is not [mail] links of polku.toml."))
    ] = None,
    place: Annotated[
        str, typer.Option("--place", help=N_("Which counter it lies at, to tell its answers from others'."))
    ] = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys import qr
    from polku.surveys.asking import survey_of

    terminal, project = opened(folder, language, as_json)
    with project:
        survey = survey_of(project.journey(), name)
        base = (url or project.settings.mail.links).rstrip("/")
    if not survey.open:
        raise UsageError(N_("{name} is answered by links of one's own alone: it says open: false."), name=name)
    if not base:
        raise UsageError(N_("Say where the code leads: --url https://..., or set links under [mail] in polku.toml."))
    file = out or Path(f"{name}.svg")
    if file.suffix.lower() not in (".svg", ".png"):
        raise UsageError(N_("{file} must end in .svg or .png."), file=file.name)
    address = qr.address(f"{base}/s/{name}", place)
    file.write_bytes(qr.png(address) if file.suffix.lower() == ".png" else qr.svg(address))
    if as_json:
        terminal.data({"file": str(file), "address": address})
    terminal.say(N_("{file} leads to {address}."), file=str(file), address=address)


def link(
    folder: Folder,
    name: Name,
    customer: Annotated[
        str, typer.Argument(metavar="CUSTOMER", help=N_("An id, an e-mail address, a phone number, #number."))
    ],
    key: Annotated[str, typer.Option("--key", help=N_("What makes it another link: each answers once."))] = "by-hand",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.content.preview import customer_meant
    from polku.guidance.preparing import People
    from polku.surveys.asking import survey_of
    from polku.surveys.links import SurveyLink, path_of

    terminal, project = opened(folder, language, as_json)
    with project:
        survey_of(project.journey(), name)
        number = customer_meant(project, customer)
        whose = People(project, [number]).id(number)
        made = SurveyLink(name, whose, key, language=terminal.reader.language)
        if not project.settings.mail.links:
            raise UsageError(
                N_("A link of one's own needs the server's address: set links under [mail] in polku.toml.")
            )
        address = project.settings.mail.links.rstrip("/") + path_of(project, made)
    if as_json:
        terminal.data({"address": address})
        return
    terminal.out.print(address, markup=False)


# -- reviews ----------------------------------------------------------------------------------------------------------


def import_(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("The CSV file."))],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="WHAT=NAME",
            help=N_(
                "Which column is what, where the guess is wrong: rating, text, title, author, email, customer, time, "
                "product_id, product, review_id, reply. May be repeated."
            ),
        ),
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys.importing import import_reviews

    terminal, project = opened(folder, language, as_json)
    said = {}
    for each in column or ():
        what, mark, name = each.partition("=")
        if not mark or not name:
            raise UsageError(N_("--column is written WHAT=NAME, such as rating=Stars; this is {given!r}."), given=each)
        said[what.strip()] = name.strip()
    with project, terminal.progress() as progress:
        done = import_reviews(project, file, said, actor(), progress)
        project.audit.note(actor(), "reviews.imported", file.name, {"reviews": done.read})
    reader = terminal.reader
    if as_json:
        told = {"columns": dict(done.columns), "rows": done.rows, "reviews": done.read, "replies": done.replies}
        terminal.data(
            told | {
                "refused": done.refused,
                "examples": [{"line": e.line, "reason": reader(e.reason, **e.facts)} for e in done.examples],
                "import": done.report.to_dict() if done.report is not None else None,
            }
        )  # fmt: skip
        return
    terminal.say(N_("Columns: {columns}."), columns=", ".join(f"{a} = {b}" for a, b in done.columns.items()))
    stored = done.report.to_dict().get("stored", 0) if done.report is not None else 0
    terminal.say(
        N_("{rows} rows: {read} reviews, {stored} of them new, {replies} replies, {refused} refused."),
        rows=reader.number(done.rows, 0), read=reader.number(done.read, 0), stored=reader.number(stored, 0),
        replies=reader.number(done.replies, 0), refused=reader.number(done.refused, 0),
    )  # fmt: skip
    for example in done.examples:
        terminal.say(N_("line {line}: {reason}"), line=example.line, reason=reader(example.reason, **example.facts))


def list_(
    folder: Folder,
    product: Annotated[str | None, typer.Option("--product", help=N_("Reviews of this product only."))] = None,
    limit: Limit = 50,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys.reviews import STATES, reviews_of

    terminal, project = opened(folder, language, as_json)
    with project:
        every = [one for one in reviews_of(project) if product is None or one.product == product]
    if as_json:
        told = [one.to_dict() | {"product": one.product or None, "state": one.state} for one in every[:limit]]
        terminal.data({"count": len(every), "reviews": told})
        return
    reader = terminal.reader
    for one in every[:limit]:
        head = f"{'★' * round(one.rating)}{'☆' * (5 - round(one.rating))} {one.title}".rstrip()
        about = (reader.time(one.time), one.product_name, one.author, reader(STATES[one.state]), one.id)
        terminal.out.print(head, markup=False)
        if one.text:
            terminal.out.print(f"    {one.text}", markup=False)
        terminal.out.print(f"    {' · '.join(each for each in about if each)}", markup=False, style="dim")
    terminal.say(N_("{shown} of {n}."), shown=reader.number(min(limit, len(every)), 0), n=reader.number(len(every), 0))


def reply(
    folder: Folder,
    review: Review,
    text: Annotated[str, typer.Argument(metavar="TEXT", help=N_("What everybody reads below the review."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys import reviews

    terminal, project = opened(folder, language, as_json)
    with project:
        reviews.reply(project, review, text, actor())
    if as_json:
        terminal.data({"review": review, "reply": text.strip() or None})
    terminal.say(N_("The reply is published.") if text.strip() else N_("The reply is taken away."))


def remove(
    folder: Folder,
    review: Review,
    reason: Annotated[str, typer.Option("--reason", help=N_("fake, personal, abusive, illegal, elsewhere or asked."))],
    why: Annotated[str, typer.Option("--why", help=N_("In words; it stays in the log."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.surveys import reviews

    terminal, project = opened(folder, language, as_json)
    with project:
        reviews.remove(project, review, reason, why, actor())
    if as_json:
        terminal.data({"review": review, "state": "removed"})
    terminal.say(N_("The review is not shown any more; the reason stands in the audit log."))
