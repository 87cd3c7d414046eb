"""``polku measure FOLDER NAME``: one command, whose options are those of the measure that is named.

The options are made from the catalogue when the name has been read, so that ``--help`` shows one measure's own options
and an option of another measure is told as unknown.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from polku.cli.ask import AsOf, CompareName, Persona, Segment
from polku.cli.engine import EngineName
from polku.cli.maps import AsJson, Folder, Language, Timezone
from polku.cli.opening import looked, opened
from polku.errors import PolkuError, UsageError
from polku.language import N_, Reader

if TYPE_CHECKING:
    from polku.measures.answer import Answer, Table
    from polku.measures.definition import Measure, Option

#: How a value is named in the help, by the kind of the option.
METAVARS = {
    "step": "STEP", "steps": "STEP,STEP,...", "goal": "STEP", "duration": "TIME", "number": "N", "real": "NUMBER",
    "share": "SHARE", "text": "TEXT", "texts": "TEXT,TEXT,...", "property": "PROPERTY", "day": "DAY",
}  # fmt: skip
#: Words on a command line that take no value behind them.
FLAGS = {"--json", "--define", "--list", "--charts", "--no-charts", "--help"}
OWN_PANEL = N_("Options of {measure}")
SHARED_PANEL = N_("Options of every measure")
HELP = N_(
    "One measure of the catalogue, or one that the map names. polku measure FOLDER --list tells what there is; "
    "polku measure FOLDER NAME --help tells the options of one."
)

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help=N_("The measure: a name of --list, or one that the map gives."))
]
Listed = Annotated[bool, typer.Option("--list", help=N_("List every measure by family, and those of the map."))]
Define = Annotated[bool, typer.Option("--define", help=N_("Say in words what the measure counts, with its formula."))]
Charts = Annotated[
    bool | None,
    typer.Option(
        "--charts/--no-charts", help=N_("Draw the measure's pictures as well; by default where a person looks on.")
    ),
]
CsvFile = Annotated[
    Path | None,
    typer.Option(
        "--csv", metavar="FILE", readable=False,
        help=N_("Write the tables to a CSV file, - for stdout; several tables stand one below the other."),
    ),
]  # fmt: skip
TableNumber = Annotated[
    int | None, typer.Option("--table", min=1, help=N_("Only this table of the answer, counted from 1."))
]


OwnPeriod = Annotated[
    str | None,
    typer.Option(
        "--period",
        help=N_(
            "7d, 30d, 90d, 1y, all, or days such as 2026-01-01..2026-02-01. By default what the map sets for a measure "
            "of its own, else all."
        ),
    ),
]


def register(app: Any) -> None:
    app.command("measure", cls=MeasureCommand, help=HELP)(measure)


def measure(
    folder: Folder,
    name: Name = None,
    period: OwnPeriod = None,
    compare: CompareName = "none",
    persona: Persona = None,
    segment: Segment = None,
    as_of: AsOf = None,
    define: Define = False,
    charts: Charts = None,
    table: TableNumber = None,
    csv: CsvFile = None,
    listed: Listed = False,
    engine: EngineName = None,
    language: Language = None,
    timezone: Timezone = None,
    as_json: AsJson = False,
) -> None:
    if not listed:
        raise UsageError("Which measure? polku measure {folder} --list tells what there is.", folder=folder)
    tell_list(folder, language, as_json)


def tell(
    own: dict[str, Any],
    *,
    folder: Path,
    name: str,
    period: str | None,
    compare: str,
    persona: str | None,
    segment: str | None,
    as_of: str | None,
    define: bool,
    charts: bool | None,
    table: int | None,
    csv: Path | None,
    engine: str | None,
    language: str | None,
    timezone: str | None,
    as_json: bool,
) -> None:
    """Ask for the measure with its ``own`` options and tell the answer: as text, JSON or CSV."""
    if as_json and str(csv) == "-":
        raise UsageError("--json and --csv - would both write to stdout; choose one.")
    terminal, shop = looked(folder, language, as_json or str(csv) == "-", timezone, engine, as_of=as_of)
    answer = shop.measure(name, period=period, compare=compare, persona=persona, segment=segment, **own)
    reader = terminal.reader
    if csv is not None:
        write_csv(csv, chosen(answer.tables(reader), table))
        if str(csv) != "-":
            terminal.say("Wrote {file}.", file=csv)
        if not as_json:
            return
    if as_json:
        terminal.data(answer.to_dict())
        return
    for line in tables_told(answer, table, reader):
        terminal.out.print(line, markup=False)
    if charts if charts is not None else terminal.out.is_terminal:
        from polku.cli.charts import drawn

        for chart in answer.charts(reader):
            for picture in drawn(chart, reader, terminal.out.width):
                terminal.out.print(picture)
    if define:
        for line in ("", *answer.definition(reader.language)):
            terminal.out.print(line, markup=False)


def tables_told(answer: Answer, number: int | None, reader: Reader) -> Iterator[str]:
    """The tables of the answer as lines, then those of the compared period."""
    from polku.measures.answer import table_lines

    for found, when in ((answer, ""), (answer.before, reader(N_("before")))):
        for place, one in enumerate(chosen(found.tables(reader), number) if found is not None else ()):
            yield from ("",) if place or when else ()
            yield from table_lines(one, f"{one.title} ({when})" if when else one.title)


def chosen(tables: Sequence[Table], number: int | None) -> Sequence[Table]:
    """Table ``number``, counted from 1, or all of them."""
    if number is None:
        return tables
    if number > len(tables):
        raise UsageError("This answer has {n} tables; --table counts them from 1.", n=len(tables))
    return [tables[number - 1]]


def write_csv(file: Path, tables: Sequence[Table]) -> None:
    """The tables as CSV, the file complete or not there at all."""
    import os
    import sys

    from polku.measures.csvtext import MARK, lines, table_rows

    text = lines(table_rows(tables))
    if str(file) == "-":
        sys.stdout.writelines(line.replace("\r\n", "\n") for line in text)
        return
    if not file.absolute().parent.is_dir():
        raise UsageError("There is no folder {folder}.", folder=file.absolute().parent)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as out:
            out.write(MARK)
            out.writelines(text)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def tell_list(folder: Path, language: str | None, as_json: bool) -> None:
    """Every measure by family, then those that the map names."""
    from polku.measures.families import families

    terminal, project = opened(folder, language, as_json)
    with project:
        journey = project.journey()
    reader = terminal.reader
    own = {id: (reader.said(goal.title) or id, goal.kind) for id, goal in journey.measures.items()}
    if as_json:
        listed = [
            {"name": m.name, "family": name, "title": reader(m.title), "summary": reader(m.summary)}
            for name, _, measures in families()
            for m in measures
        ]
        mine = [{"name": id, "title": title, "kind": kind} for id, (title, kind) in own.items()]
        terminal.data({"measures": listed, "map": mine})
        return
    wide = max(len(name) for name in [*(m.name for _, _, measures in families() for m in measures), *own])
    for _, family, measures in families():
        terminal.out.print(reader(family.title), style="bold", markup=False)
        for m in measures:
            terminal.out.print(f"  {m.name.ljust(wide)}  {reader(m.title)}: {reader(m.summary)}", markup=False)
    if own:
        terminal.out.print(reader(N_("Of the map")), style="bold", markup=False)
        for id, (title, kind) in own.items():
            terminal.out.print(f"  {id.ljust(wide)}  {title} ({kind})", markup=False)


class MeasureCommand(TyperCommand):
    """The command as long as no measure is named; with a name, that measure's own command takes its place."""

    language = "en"

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        found = None if "--list" in args else measure_meant(args)
        if found is None:
            return super().make_context(info_name, args, parent, **extra)
        name, definition = found
        return command_of(name, definition, self.language).make_context(info_name, args, parent, **extra)


def words_of(args: Sequence[str]) -> list[str]:
    """The words of a command line that are neither options nor their values.

    >>> words_of(["shop/", "--period", "30d", "funnel", "--steps=a,b", "--json"])
    ['shop/', 'funnel']
    """
    found: list[str] = []
    value = False
    for word in args:
        if value:
            value = False
        elif word.startswith("-") and word != "-":
            value = "=" not in word and word not in FLAGS
        else:
            found.append(word)
    return found


def measure_meant(args: Sequence[str]) -> tuple[str, Measure] | None:
    """The name and the measure that a command line asks for; None: none, or the command itself will say what is amiss.

    Raises MeasureError, with the nearest name, for a measure that is neither in the catalogue nor in the map.
    """
    from polku.measures.catalogue import CATALOGUE
    from polku.measures.definition import known

    words = words_of(args)
    asks_help = "--help" in args
    if asks_help and len(words) == 1 and words[0] in CATALOGUE:
        return words[0], CATALOGUE[words[0]]
    if len(words) != 2:
        return None
    folder, name = words
    own: dict[str, str] = {}
    with suppress(PolkuError, OSError):  # what is wrong with the project is told when the command opens it
        from polku.journey.load import load_journey

        own = {id: goal.kind for id, goal in load_journey(Path(folder) / "journey.yaml").measures.items()}
    kind = own.get(name, name)
    if kind not in CATALOGUE:
        known(kind, [*CATALOGUE, *own], N_("There is no measure {name!r}.{meant} There are: {known}."))
    return name, CATALOGUE[kind]


def command_of(name: str, definition: Measure, language: str) -> Any:
    """The command of one measure: ``measure`` with the measure's own options before those of every measure."""
    from polku.cli.app import translated

    reader = Reader(language)

    def run(**given: Any) -> None:
        own = {o.name: given.pop(keyword(o)) for o in definition.options}
        tell({k: v for k, v in own.items() if v is not None}, **given)

    shared = [p for p in inspect.signature(measure, eval_str=True).parameters.values() if p.name != "listed"]
    panel = reader(OWN_PANEL, measure=reader(definition.title))
    own = [parameter(option, reader, panel) for option in definition.options]
    setattr(run, "__signature__", inspect.Signature([*shared[:2], *own, *shared[2:]]))  # noqa: B010 mypy knows no such
    run.__annotations__ = {p.name: p.annotation for p in (*shared, *own)}
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(name, help=f"{reader(definition.title)}: {reader(definition.summary)}")(run)
    made = translated(typer.main.get_command(app), language)
    for parameter_made in made.params:
        if parameter_made.param_type_name == "option" and not parameter_made.rich_help_panel:
            parameter_made.rich_help_panel = reader(SHARED_PANEL)
    return made


def keyword(option: Option) -> str:
    return f"own_{option.name}"


def flag_of(option: Option) -> str:
    """``--named-by`` for ``named_by``.

    >>> from polku.measures.definition import Option
    >>> flag_of(Option("named_by", "property", "named by", "the property")), flag_of(Option("cuped", "flag", "", ""))
    ('--named-by', '--cuped/--no-cuped')
    """
    name = option.name.replace("_", "-")
    return f"--{name}/--no-{name}" if option.kind == "flag" else f"--{name}"


def parameter(option: Option, reader: Reader, panel: str | None = None) -> inspect.Parameter:
    """A measure's option as a parameter of its command; what is not given stays the measure's, or the map's, to say."""
    default = default_words(option)
    given = typer.Option(
        flag_of(option),
        metavar=None if option.kind == "flag" else metavar(option),
        help=reader(option.help) + (f" [{reader(N_('needed'))}]" if option.required else ""),
        show_default=default or False,
        rich_help_panel=panel,
    )
    kind = bool | None if option.kind == "flag" else str | None
    return inspect.Parameter(
        keyword(option), inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Annotated[kind, given]
    )


def metavar(option: Option) -> str:
    return "|".join(option.choices) if option.kind == "choice" else METAVARS[option.kind]


def default_words(option: Option) -> str:
    """What an option is when it is not given, as a person would write it; empty: nothing."""
    from polku.measures.definition import written

    return "" if option.default is None or option.required else written(option, option.default)
