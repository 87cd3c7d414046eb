"""What a notebook wants of an answer: a table as a frame, a picture, the customers behind a number, HTML."""

from __future__ import annotations

import importlib
from html import escape
from typing import TYPE_CHECKING, Any

from polku.errors import MeasureError, MissingExtraError
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table

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


def frame_of(answer: Answer, place: int = 0, language: str = "en") -> pd.DataFrame:
    """See :meth:`polku.measures.answer.Answer.to_frame`."""
    pandas = extra("pandas", "notebook")
    tables = answer.tables(reader_of(answer, language))
    if not 0 <= place < len(tables):
        raise MeasureError(N_("This answer has {n} tables, counted from 0."), n=len(tables))
    table = tables[place]
    frame: pd.DataFrame = pandas.DataFrame(
        [[cell.raw for cell in row] for row in table.rows], columns=list(table.heads)
    )
    return frame


def customers_of(answer: Answer, behind: str, limit: int, offset: int, order: str) -> CustomerList:
    """See :meth:`polku.measures.answer.Answer.customers`."""
    from polku.measures.customers import customers_behind

    if answer.view is None:
        raise MeasureError(N_("This answer does not know the trails it was made of, so it cannot list customers."))
    view = answer.view
    return customers_behind(
        view.trails, view.journey, behind, limit=limit, offset=offset, order=order, profiles=view.profiles,
        answers=view.answers, project=view.project,
    )


def figure_of(answer: Answer, place: int = 0, language: str = "en") -> Any:
    """See :meth:`polku.measures.answer.Answer.plot`."""
    charts = answer.charts(reader_of(answer, language))
    if not 0 <= place < len(charts):
        raise MeasureError(N_("This answer has {n} charts, counted from 0."), n=len(charts))
    extra("plotly", "notebook")
    from polku.measures.plots import figure

    return figure(charts[place], reader_of(answer, language))


def html_of(answer: Answer, language: str = "en") -> str:
    """The tables as plain HTML, with the definition folded away."""
    tables = answer.tables(reader_of(answer, language))
    says = "".join(f"<p>{escape(line)}</p>" for line in answer.definition(language))
    return "".join(map(_table, tables)) + f"<details><summary>{escape(answer.name)}</summary>{says}</details>"


def _table(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return (
        f"<table><caption>{escape(table.title)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    note = f" <small>{escape(cell.note)}</small>" if cell.note else ""
    align = ' style="text-align:right"' if cell.number else ""
    return f"<td{align}>{escape(cell.text)}{note}</td>"
