"""What every measure answers with: a frozen value that draws itself as tables, lines and plain data, and defines
itself.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from polku.language import N_, Reader, translate
from polku.measures.result import Count, Period, Quantiles, Rate, to_dict

EVER = Period()


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: text in the reader's language, the plain value, and the customers behind it."""

    text: str
    raw: Any = None
    behind: str | None = None
    number: bool = False
    share: float | None = None  # 0 to 1, to be drawn as a bar
    note: str | None = None  # n of N, those not yet; or why there is no number


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

    def to_dict(self) -> Any:
        """Plain data of the answer, for JSON."""
        own = {f.name: to_dict(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "before"}
        return {"measure": self.name, **own, "before": self.before.to_dict() if self.before else None}

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        raise NotImplementedError

    def text(self, reader: Reader) -> list[str]:
        """The tables as aligned lines for a terminal."""
        lines: list[str] = []
        for table in self.tables(reader):
            cells = [list(table.heads), *([cell_text(c) for c in row] for row in table.rows)]
            wide = [max(len(row[i]) for row in cells) for i in range(len(table.heads))]
            right = [i > 0 and any(row[i].number for row in table.rows) for i in range(len(table.heads))]
            lines += [*([""] if lines else []), table.title]
            for row in cells:
                parts = [w.rjust(n) if r else w.ljust(n) for w, n, r in zip(row, wide, right, strict=True)]
                lines.append("  ".join(parts).rstrip())
        return lines

    @classmethod
    def definition(cls, language: str = "en") -> tuple[str, ...]:
        """What the measure means, in words, with its formula."""
        return tuple(translate(language, text) for text in cls.says)


def cell_text(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def words(text: str, raw: Any = None) -> Cell:
    return Cell(text, text if raw is None else raw)


def count_cell(count: Count | int, reader: Reader) -> Cell:
    n, behind = (count.n, count.behind) if isinstance(count, Count) else (count, None)
    return Cell(reader.number(n), n, behind, number=True)


def rate_cell(rate: Rate, reader: Reader) -> Cell:
    """ "31.2%" with the note "287 of 920, 113 not yet"; or a dash with the reason."""
    if rate.value is None:
        note = reader(rate.reason or N_("no data"))
        if rate.pending:
            note = reader("{note}: {n}", note=note, n=reader.number(rate.pending))
        return Cell("–", None, rate.behind_pending, number=True, note=note)
    note = reader("{n} of {of}", n=reader.number(rate.numerator), of=reader.number(rate.denominator))
    if rate.pending:
        note = reader("{note}, {n} not yet", note=note, n=reader.number(rate.pending))
    return Cell(reader.percent(rate.value), rate.value, rate.behind, number=True, share=rate.value, note=note)


def time_cell(quantiles: Quantiles, reader: Reader) -> Cell:
    """The median with the quartiles as its note."""
    if quantiles.median is None or quantiles.q25 is None or quantiles.q75 is None:
        return Cell("–", None, number=True)
    note = reader("{low} to {high}", low=reader.duration(quantiles.q25), high=reader.duration(quantiles.q75))
    return Cell(reader.duration(quantiles.median), quantiles.median, number=True, note=note)


def money_cell(amount: float | None, currency: str, reader: Reader) -> Cell:
    if amount is None:
        return Cell("–", None, number=True)
    return Cell(reader.money(amount, currency), amount, number=True)
