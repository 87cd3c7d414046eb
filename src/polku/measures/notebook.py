"""What a notebook wants of an answer: a table as a frame, a picture, the customers behind a number, HTML."""

from __future__ import annotations

import dataclasses
import importlib
from html import escape
from typing import TYPE_CHECKING, Any

from polku.errors import MeasureError, MissingExtraError
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, words

if TYPE_CHECKING:
    import pandas as pd

    from polku.measures.customers import CustomerList


def extra(package: str, name: str) -> Any:
    """The module ``package``; MissingExtraError says which extra of Polku brings it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not package.startswith(error.name):
            raise
        raise MissingExtraError(
            N_('This needs {package}, which is not installed. Install it with: pip install "polku[{extra}]"'),
            package=package.partition(".")[0],
            extra=name,
        ) from error


def reader_of(answer: Answer, language: str) -> Reader:
    if answer.view is None:
        return Reader(language)
    return Reader(language, answer.view.journey.timezone, answer.view.journey.currency)


def frame_of(answer: Answer, place: int = 0, language: str = "en", notes: bool = False) -> pd.DataFrame:
    """See :meth:`polku.measures.answer.Answer.to_frame`."""
    pandas = extra("pandas", "notebook")
    tables = answer.tables(reader_of(answer, language))
    if not 0 <= place < len(tables):
        raise MeasureError(N_("This answer has {n} tables, counted from 0."), n=len(tables))
    table = tables[place]
    columns: list[tuple[str, list[Any]]] = []
    for k, head in enumerate(table.heads):
        columns.append((head, [row[k].raw for row in table.rows]))
        told = [row[k].note for row in table.rows]
        if notes and any(told):
            columns.append((f"{head}: {reader_of(answer, language)(N_('note'))}", told))
    rows = list(zip(*(values for _, values in columns), strict=True))
    frame: pd.DataFrame = pandas.DataFrame(rows, columns=[head for head, _ in columns])
    return frame


def customers_of(answer: Answer, behind: str, limit: int, offset: int, order: str) -> CustomerList:
    """See :meth:`polku.measures.answer.Answer.customers`."""
    from polku.measures.customers import customers_behind

    if answer.view is None:
        raise MeasureError(N_("This answer does not know the trails it was made of, so it cannot list customers."))
    view = answer.view
    found = customers_behind(
        view.trails,
        view.journey,
        behind,
        limit=limit,
        offset=offset,
        order=order,
        profiles=view.profiles,
        answers=view.answers,
        project=view.project,
    )
    if view.project is None:
        return found
    from polku.record.naming import names_of

    names = names_of(view.project, [line.customer for line in found.lines], view.journey.subject)
    lines = tuple(dataclasses.replace(line, name=names[line.customer]) for line in found.lines)
    return dataclasses.replace(found, lines=lines)


def frame_of_list(found: CustomerList) -> pd.DataFrame:
    """See :meth:`polku.measures.customers.CustomerList.to_frame`."""
    from polku.measures.customers import CustomerLine

    pandas = extra("pandas", "notebook")
    heads = [field.name for field in dataclasses.fields(CustomerLine)]
    frame: pd.DataFrame = pandas.DataFrame([[getattr(li, h) for h in heads] for li in found.lines], columns=heads)
    return frame


def html_of_list(found: CustomerList, language: str = "en") -> str:
    """A list of customers as a table; days are those of UTC."""
    reader = Reader(language)
    heads = (N_("customer"), N_("stage"), N_("events"), N_("first seen"), N_("last seen"), N_("value"))
    rows = tuple(
        (
            words(line.name or f"#{line.customer}"),
            words(line.stage or "–", line.stage),
            count_cell(line.events, reader),
            words(reader.date(line.first_seen)),
            words(reader.date(line.last_seen)),
            words("–") if line.value is None else Cell(reader.number(line.value, 2), line.value, number=True),
        )
        for line in found.lines
    )
    title = reader(N_("{n} of {of} customers"), n=reader.number(len(rows)), of=reader.number(found.total))
    table = Table(title, tuple(reader(h) for h in heads), rows)
    return f'<div class="polku"><style>{STYLE}</style>{_table(table, reader)}</div>'


def figure_of(answer: Answer, place: int = 0, language: str = "en") -> Any:
    """See :meth:`polku.measures.answer.Answer.plot`."""
    charts = answer.charts(reader_of(answer, language))
    if not 0 <= place < len(charts):
        raise MeasureError(N_("This answer has {n} charts, counted from 0."), n=len(charts))
    extra("plotly", "notebook")
    from polku.measures.plots import figure

    return figure(charts[place], reader_of(answer, language))


#: What a notebook's own style leaves open; light, as notebooks print.
STYLE = (
    ".polku{font:13px/1.45 Inter,'Segoe UI',system-ui,sans-serif;color:#16211d;background:#fff;padding:4px 0;"
    "max-width:960px;overflow-x:auto}"
    ".polku table{border-collapse:collapse;margin:6px 0 12px;font-variant-numeric:tabular-nums}"
    ".polku caption{text-align:left;font-weight:650;padding:4px 0;color:#16211d}"
    ".polku th,.polku td{text-align:left;padding:4px 16px 4px 0;border-top:1px solid #dfe6e1;vertical-align:top;"
    "background:none}"
    ".polku thead th{border:0;color:#4c5b54;font-weight:600}.polku .number{text-align:right;white-space:nowrap}"
    ".polku small,.polku summary{color:#4c5b54}.polku svg{max-width:100%;height:auto}"
)
#: A notebook shows this many rows of a table; `to_frame` has them all.
MOST_ROWS = 60


def html_of(answer: Answer, language: str = "en") -> str:
    """The first picture, the tables and, folded away, the definition: one piece of HTML that needs nothing else."""
    from polku.measures.drawing import in_notebook

    reader = reader_of(answer, language)
    charts = answer.charts(reader)
    drawn = in_notebook(charts[0], reader) if charts else ""
    tables = "".join(_table(table, reader) for table in answer.tables(reader))
    says = "".join(f"<p>{escape(line)}</p>" for line in answer.definition(language))
    folded = f"<details><summary>{escape(reader(N_('How this is counted')))}</summary>{says}</details>" if says else ""
    return f'<div class="polku"><style>{STYLE}</style>{drawn}{tables}{folded}</div>'


def _table(table: Table, reader: Reader) -> str:
    numbers = [any(row[i].number for row in table.rows) for i in range(len(table.heads))]
    kinds = [' class="number"' if number else "" for number in numbers]
    heads = "".join(f'<th scope="col"{k}>{escape(head)}</th>' for head, k in zip(table.heads, kinds, strict=True))
    rows = "".join(
        f"<tr>{''.join(_cell(cell, k) for cell, k in zip(row, kinds, strict=True))}</tr>"
        for row in table.rows[:MOST_ROWS]
    )
    more = len(table.rows) - MOST_ROWS
    told = f"<p><small>{escape(reader(N_('{n} rows more; to_frame() has them all.'), n=more))}</small></p>"
    body = f"<caption>{escape(table.title)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    return f"<table>{body}</table>" + (told if more > 0 else "")


def _cell(cell: Cell, kind: str) -> str:
    note = f" <small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td{kind}>{escape(cell.text)}{note}</td>"
