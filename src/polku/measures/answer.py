"""What every measure answers with: a frozen value that draws itself as tables, lines and plain data, and defines
itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from polku.language import N_, Reader, translate
from polku.measures.charts import Chart
from polku.measures.result import Count, Estimate, Period, Quantiles, Rate, Unit, to_dict

if TYPE_CHECKING:
    import pandas as pd

    from polku.measures.customers import CustomerList
    from polku.measures.view import View

EVER = Period()


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that may have customers behind it: the 287 of "287 of 920"."""

    text: str
    behind: str | None = None
    unit: Unit = "customers"  # what the number counts; the list is of their customers


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: text in the reader's language, the plain value, and the customers behind it."""

    text: str
    raw: Any = None
    behind: str | None = None
    number: bool = False
    share: float | None = None  # 0 to 1, to be drawn as a bar
    note: str | None = None  # n of N, those not yet; or why there is no number
    pieces: tuple[Piece, ...] = ()  # the note again, each number with those behind it; none: a note of words alone
    unit: Unit = "customers"


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """The base of every measure's answer. ``before`` is the same measure over the compared period."""

    name: ClassVar[str] = ""
    #: What the measure counts, sentence by sentence, and its formula; English, translated where it is shown.
    says: ClassVar[tuple[str, ...]] = ()

    period: Period = EVER
    persona: str | None = None
    segment: str | None = None
    before: Answer | None = None
    #: What was looked at; set by whoever asked, so that ``customers`` can be listed. Not part of the answer.
    view: View | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def rate(self) -> Rate | None:
        """The one rate that a target is held against; None where the measure has none."""
        return None

    @property
    def by_visit(self) -> bool:
        """Whether ``rate`` counts visits and not customers."""
        return False

    def to_dict(self) -> Any:
        """Plain data of the answer, for JSON."""
        left_out = ("before", "view")
        own = {f.name: to_dict(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in left_out}
        return {"measure": self.name, **own, "before": self.before.to_dict() if self.before else None}

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        """What a person reads; every measure has at least one."""
        raise NotImplementedError

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        """What a person looks at: drawn as SVG on the page, by plotly in a notebook."""
        return ()

    def to_frame(self, table: int = 0, language: str = "en", notes: bool = False) -> pd.DataFrame:
        """A table as a pandas DataFrame of plain values, one row a line; ``table`` counts from 0.

        With ``notes``, a column of texts stands beside each that has them: ``287 of 920, 113 not yet``, an interval.
        Raises MissingExtraError without pandas.
        """
        from polku.measures.notebook import frame_of

        return frame_of(self, table, language, notes)

    def customers(self, behind: str, limit: int = 50, offset: int = 0, order: str = "last_seen") -> CustomerList:
        """The customers behind one of this answer's numbers: ``answer.customers(answer.rate.behind)``.

        Raises MeasureError when the text is no selector, or when the answer was made by hand.
        """
        from polku.measures.notebook import customers_of

        return customers_of(self, behind, limit, offset, order)

    def plot(self, chart: int = 0, language: str = "en") -> Any:
        """A plotly figure of a chart; ``chart`` counts from 0. Raises MissingExtraError without plotly."""
        from polku.measures.notebook import figure_of

        return figure_of(self, chart, language)

    def _repr_html_(self) -> str:
        from polku.measures.notebook import html_of

        return html_of(self)

    def text(self, reader: Reader) -> list[str]:
        """The tables as aligned lines for a terminal."""
        lines: list[str] = []
        for table in self.tables(reader):
            lines += [*([""] if lines else []), *table_lines(table, table.title)]
        return lines

    @classmethod
    def definition(cls, language: str = "en") -> tuple[str, ...]:
        """What the measure means, in words, with its formula."""
        return tuple(translate(language, text) for text in cls.says)


def table_lines(table: Table, title: str) -> list[str]:
    """A table as lines of aligned text below its title; numbers stand at the right."""
    cells = [list(table.heads), *([cell_text(c) for c in row] for row in table.rows)]
    wide = [max(len(row[i]) for row in cells) for i in range(len(table.heads))]
    right = [i > 0 and any(row[i].number for row in table.rows) for i in range(len(table.heads))]
    lines = [title]
    for row in cells:
        parts = [w.rjust(n) if r else w.ljust(n) for w, n, r in zip(row, wide, right, strict=True)]
        lines.append("  ".join(parts).rstrip())
    return lines


def cell_text(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def words(text: str, raw: Any = None) -> Cell:
    return Cell(text, text if raw is None else raw)


def count_cell(count: Count | int, reader: Reader) -> Cell:
    if not isinstance(count, Count):
        return Cell(reader.number(count), count, number=True)
    return Cell(reader.number(count.n), count.n, count.behind, number=True, unit=count.unit)


def pieces(reader: Reader, text: str, /, **facts: Piece | tuple[Piece, ...] | str) -> tuple[Piece, ...]:
    """``text`` in the reader's language with its facts kept apart, so that each can be a link of its own.

    >>> [p.text for p in pieces(Reader("en"), "{n} of {of}", n=Piece("287", "stage:cart:went_on"), of=Piece("920"))]
    ['287', ' of ', '920']
    """
    marks = {name: f"\0{place}\0" for place, name in enumerate(facts)}
    given = list(facts.values())
    found: list[Piece] = []
    for place, part in enumerate(reader(text, **marks).split("\0")):
        if place % 2 == 0:
            found += [Piece(part)] if part else []
            continue
        fact = given[int(part)]
        found += fact if isinstance(fact, tuple) else [Piece(fact) if isinstance(fact, str) else fact]
    return tuple(found)


def joined(parts: tuple[Piece, ...]) -> str:
    return "".join(part.text for part in parts)


def rate_pieces(rate: Rate, reader: Reader) -> tuple[Piece, ...]:
    """ "287 of 920, 113 not yet", each number with those behind it."""
    pending = Piece(reader.number(rate.pending), rate.behind_pending, rate.unit)
    if rate.value is None:
        reason = reader(rate.reason or N_("no data"))
        return pieces(reader, N_("{note}: {n}"), note=reason, n=pending) if rate.pending else (Piece(reason),)
    part = Piece(reader.number(rate.numerator), rate.behind, rate.unit)
    whole = Piece(reader.number(rate.denominator), rate.behind_all, rate.unit_all or rate.unit)
    note = pieces(reader, N_("{n} of {of}"), n=part, of=whole)
    return pieces(reader, N_("{note}, {n} not yet"), note=note, n=pending) if rate.pending else note


def rate_cell(rate: Rate, reader: Reader) -> Cell:
    """ "31.2%" with the note "287 of 920, 113 not yet"; or a dash with the reason."""
    parts = rate_pieces(rate, reader)
    if rate.value is None:
        return Cell("–", number=True, note=joined(parts), pieces=parts)
    return Cell(
        reader.percent(rate.value), rate.value, rate.behind, number=True, share=rate.value, note=joined(parts),
        pieces=parts, unit=rate.unit,
    )  # fmt: skip


def time_cell(quantiles: Quantiles, reader: Reader) -> Cell:
    """The median with the quartiles as its note."""
    if quantiles.median is None or quantiles.q25 is None or quantiles.q75 is None:
        return Cell("–", None, number=True)
    note = reader("{low} to {high}", low=reader.duration(quantiles.q25), high=reader.duration(quantiles.q75))
    return Cell(
        reader.duration(quantiles.median), quantiles.median, quantiles.behind, number=True, note=note,
        unit=quantiles.unit,
    )  # fmt: skip


def money_cell(amount: float | None, currency: str, reader: Reader, behind: str | None = None) -> Cell:
    if amount is None:
        return Cell("–", None, number=True)
    return Cell(reader.money(amount, currency), amount, behind, number=True)


def estimate_cell(estimate: Estimate, reader: Reader, show: Callable[[float], str] | None = None) -> Cell:
    """A figure with its interval as the note, or a dash with the reason; ``show`` writes a number."""
    write = show or reader.number
    if estimate.value is None:
        return Cell("–", None, number=True, note=reader(estimate.reason) if estimate.reason else None)
    parts = []
    if estimate.low is not None and estimate.high is not None:
        parts.append(reader("{low} to {high}", low=write(estimate.low), high=write(estimate.high)))
    if estimate.reason:
        parts.append(reader(estimate.reason))
    return Cell(write(estimate.value), estimate.value, estimate.behind, number=True, note="; ".join(parts) or None)
