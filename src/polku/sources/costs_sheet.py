"""A file of costs as cells: where its header is, and which column is what.

Reports of ad systems (Google Ads, Meta and others) have titles above the header; columns are found by their names in
Finnish and English. Each choice is told with its reason, and what is not told is asked for, never made up.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from polku.errors import SourceError, nearest
from polku.language import N_
from polku.sources.csv import DELIMITERS, NAMED_DELIMITERS
from polku.sources.files import find_encoding, kind_of, known_encoding, stream
from polku.sources.guess import squeeze

#: Names of each role's column, squeezed (see ``squeeze``) and without what stands in brackets; the first found wins.
NAMES: Mapping[str, tuple[str, ...]] = {
    "day": (
        "day", "paiva", "date", "pvm", "paivamaara", "paivays", "stattimeday", "gregoriandate", "segmentsdate",
        "reportingstarts", "raportointialkaa", "raportoinninalku", "startdate", "alkupaiva", "alkupvm", "alkaa",
    ),
    "until": ("reportingends", "raportointipaattyy", "raportoinninloppu", "enddate", "loppupaiva", "loppupvm"),
    "source": ("source", "lahde", "utmsource", "sessionsource", "trafficsource", "platform", "julkaisualusta"),
    "medium": ("medium", "utmmedium", "sessionmedium", "valine"),
    "campaign": (
        "campaign", "kampanja", "utmcampaign", "campaignname", "kampanjannimi", "sessioncampaign", "campaigngroupname",
    ),
    "amount": (
        "cost", "kustannus", "kustannukset", "hinta", "amountspent", "kaytettysumma", "kulutettusumma", "spend",
        "spent", "totalspent", "kulut", "kulu", "amount", "summa", "adscost", "costs", "totalcost", "kust",
    ),
    "currency": ("currency", "currencycode", "valuutta", "valuuttakoodi"),
    "impressions": ("impressions", "impr", "impressiot", "nayttokerrat", "naytot", "impression", "nayttokerta"),
    "clicks": (
        "linkclicks", "linkinklikkaukset", "linkkiklikkaukset", "clicks", "klikkaukset", "klikk", "napsautukset",
        "clicksall", "klikkauksetkaikki",
    ),
}  # fmt: skip
#: A day column of these names is the first day of a stretch, whose last day stands in the column ``until``.
STARTS = NAMES["day"][NAMES["day"].index("reportingstarts") :]
#: Roles that a file or an option must tell.
NEEDED = ("day", "amount", "source")
#: Roles for which one word may stand for all rows.
WORDS = ("source", "medium", "campaign", "currency")
#: Columns that only Google Ads writes; its own tagging calls the visits google / cpc.
GOOGLE = {"currencycode", "valuuttakoodi", "campaigntype", "kampanjatyyppi", "avgcpc", "keskimcpc", "keskimaarinencpc"}
#: How a cell says that there is nothing.
NOTHING = {"", "-", "--", "–", "—"}
CURRENCY = re.compile(r"\(([A-Z]{3})\)")
#: Lines above the header at most.
MOST_TITLES = 40
ASKED, NAMED = N_("asked"), N_("by its name")
OF_GOOGLE = N_("as Google Ads marks its visits")
IN_HEADING, OF_MAP = N_("named in the heading of the amount"), N_("the map's currency")


@dataclasses.dataclass(frozen=True)
class CostColumns:
    """Which column is what; ``source``, ``medium``, ``campaign`` and ``currency`` may be a word for all rows."""

    day: str | None = None
    until: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    amount: str | None = None
    currency: str | None = None
    impressions: str | None = None
    clicks: str | None = None
    day_first: bool | None = None
    decimal: str | None = None
    encoding: str | None = None
    delimiter: str | None = None


@dataclasses.dataclass(frozen=True)
class CostChoice:
    """A column (or word) taken for a role, and why."""

    role: str
    column: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A file's cells: the header, each column as Arrow, the line of each row, and the titles above."""

    path: Path
    names: tuple[str, ...]
    columns: Mapping[str, pa.Array]
    lines: tuple[int, ...]

    @property
    def rows(self) -> int:
        return len(self.lines)


# -- cells -----------------------------------------------------------------------------------------------------------


def _bare(name: str) -> str:
    """A heading without its brackets: ``Amount spent (EUR)`` is ``amountspent``."""
    return squeeze(re.sub(r"\([^)]*\)|\[[^\]]*\]", "", name))


def read_sheet(path: Path, wanted: CostColumns) -> Sheet:
    kind, compression = kind_of(path)
    if kind == "parquet":
        with stream(path, compression) as packed:
            table = pq.read_table(pa.BufferReader(packed.read()))
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        return Sheet(path, tuple(table.column_names), columns, tuple(range(1, table.num_rows + 1)))
    if kind != "csv":
        raise SourceError(N_("{path} is not CSV or Parquet; costs are read from these."), path=str(path))
    encoding = known_encoding(wanted.encoding) if wanted.encoding else find_encoding(path, compression)
    with stream(path, compression) as packed:
        text = packed.read().decode(encoding, "replace").removeprefix("\ufeff")
    asked = NAMED_DELIMITERS.get(wanted.delimiter, wanted.delimiter) if wanted.delimiter else None
    tried = [_cells(text, mark) for mark in ([asked] if asked else DELIMITERS)]
    best = max(tried, key=lambda rows: max((_recognised(cells, wanted) for _, cells in rows[:MOST_TITLES]), default=0))
    if not best:
        raise SourceError(N_("{path} holds no lines."), path=str(path))
    # The header is the first line that names most roles: reports have titles above it.
    header = max(range(min(len(best), MOST_TITLES)), key=lambda k: (_recognised(best[k][1], wanted), -k))
    names = tuple(name.strip() for name in best[header][1])
    rows = best[header + 1 :]
    columns = {
        name: pa.array([_cell(cells, k) for _, cells in rows], pa.string()) for k, name in enumerate(names) if name
    }
    return Sheet(path, tuple(columns), columns, tuple(line for line, _ in rows))


def _cells(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    reading = csv.reader(io.StringIO(text, None), delimiter=delimiter)
    found = []
    try:
        for cells in reading:
            if any(cell.strip() for cell in cells):
                found.append((reading.line_num, cells))
    except csv.Error:
        return []  # not with this delimiter
    return found


def _cell(cells: Sequence[str], k: int) -> str | None:
    word = cells[k].strip() if k < len(cells) else ""
    return None if word in NOTHING else word


def _recognised(cells: Sequence[str], wanted: CostColumns) -> int:
    """How many roles a line's cells name as headings do."""
    names = {_bare(c) for c in cells}
    asked = {getattr(wanted, role) for role in NAMES} - {None}
    return sum(bool(names & set(of_role)) for of_role in NAMES.values()) + len(asked & {c.strip() for c in cells})


# -- columns ---------------------------------------------------------------------------------------------------------


def choose(sheet: Sheet, wanted: CostColumns, currency: str) -> list[CostChoice]:
    """Each role's column, or word, with its reason."""
    bare: dict[str, str] = {}
    for name in sheet.names:
        bare.setdefault(_bare(name), name)
    choices: dict[str, CostChoice] = {}
    for role, names in NAMES.items():
        asked = getattr(wanted, role)
        if asked is not None:
            if asked not in sheet.columns and role not in WORDS:
                raise SourceError(
                    N_("{path} has no column {column!r}. Its columns: {columns}.{meant}"),
                    path=str(sheet.path),
                    column=asked,
                    columns=", ".join(sheet.names),
                    meant=f" → {near}?" if (near := nearest(asked, sheet.names)) else "",
                )
            choices[role] = CostChoice(role, asked, ASKED)
        elif (known := next((bare[n] for n in names if n in bare), None)) is not None:
            choices[role] = CostChoice(role, known, NAMED)
    if "day" in choices and wanted.until is None and _bare(choices["day"].column) not in STARTS:
        choices.pop("until", None)  # a report by day tells its whole stretch beside
    if "source" not in choices and GOOGLE & bare.keys():
        choices["source"] = CostChoice("source", "google", OF_GOOGLE)
        choices.setdefault("medium", CostChoice("medium", "cpc", OF_GOOGLE))
    missing = [role for role in NEEDED if role not in choices]
    if missing:
        raise SourceError(
            N_(
                "{path} does not tell {missing}. Its columns: {columns}. Name a column with {options}; for the source "
                "a word as in your links will do, for example --source facebook."
            ),
            path=str(sheet.path),
            missing=", ".join(missing),
            columns=", ".join(sheet.names),
            options=", ".join(f"--{role}" for role in missing),
        )
    if "currency" not in choices:
        named = CURRENCY.search(choices["amount"].column)
        choices["currency"] = CostChoice("currency", *((named[1], IN_HEADING) if named else (currency, OF_MAP)))
    return [choices[role] for role in NAMES if role in choices]
