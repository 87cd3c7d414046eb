"""Costs of advertising from a file: what ad systems export, or a table of one's own.

A line says a day (or a first and a last one), a source, and what was spent; medium, campaign, currency, impressions and
clicks where they are known. Sums below the lines are left out; a line of several days is divided over them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.refusals import Refusal
from polku.events.times import Order, order_evidence, read_times
from polku.events.values import read_values
from polku.language import N_, Reader, translate
from polku.record.costs import COSTS, EPOCH, Kept
from polku.sources.costs_sheet import CostChoice, CostColumns, Sheet, choose, read_sheet
from polku.sources.files import expand

if TYPE_CHECKING:
    from polku.record.project import Project

SUM = re.compile(r"\s*(total|yhteens|summa yht)", re.IGNORECASE)
#: A whole number parted into threes.
THREES = r"^(\d{1,3})[ ,.'\x{a0}\x{202f}](\d{3})(?:[ ,.'\x{a0}\x{202f}](\d{3}))?$"
#: Days that one line may cover.
MOST_DAYS = 1100
ROLES = {
    "day": N_("day"),
    "until": N_("last day"),
    "source": N_("source"),
    "medium": N_("medium"),
    "campaign": N_("campaign"),
    "amount": N_("cost"),
    "currency": N_("currency"),
    "impressions": N_("impressions"),
    "clicks": N_("clicks"),
}


@dataclasses.dataclass(frozen=True)
class CostReport:
    """What became of one file. ``read`` = ``sums`` + refused + the rows that ``lines`` are made of."""

    path: str
    choices: tuple[CostChoice, ...]
    read: int
    sums: int  # rows that are sums of others
    spread: int  # rows of several days, divided evenly over them
    refused: tuple[tuple[Refusal, int, int], ...]  # reason, how many, the first one's line in the file
    lines: int  # of one day, source, medium and campaign
    kept: Kept
    first: dt.date | None
    last: dt.date | None
    amounts: Mapping[str, float]  # by currency
    campaigns: int

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "file": self.path,
            "columns": {c.role: {"column": c.column, "reason": translate(language, c.reason)} for c in self.choices},
            "read": self.read,
            "sums": self.sums,
            "spread": self.spread,
            "refused": [
                {"reason": r.name.lower(), "text": r.text(language), "count": n, "line": at}
                for r, n, at in self.refused
            ],
            "lines": self.lines,
            **dataclasses.asdict(self.kept),
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "amounts": dict(self.amounts),
            "campaigns": self.campaigns,
        }

    def text(self, reader: Reader) -> str:
        """The report for people."""
        n = reader.number
        told = [self.path]
        for choice in self.choices:
            told.append(f"  {reader(ROLES[choice.role])}: {choice.column} ({reader(choice.reason)})")
        told.append(
            reader("  rows read: {read}; lines kept: {lines} ({added} new, {changed} changed, {same} as before)",
                   read=n(self.read), lines=n(self.lines), added=n(self.kept.added), changed=n(self.kept.changed),
                   same=n(self.kept.same))
        )  # fmt: skip
        if self.sums:
            told.append(reader("  sums of other rows, left out: {n}", n=n(self.sums)))
        if self.spread:
            told.append(reader("  rows of several days, divided evenly over them: {n}", n=n(self.spread)))
        for reason, count, line in self.refused:
            facts = {"n": n(count), "reason": reason.text(reader.language), "line": line}
            told.append(reader("  rows refused: {n}, {reason} (first on line {line})", **facts))
        if self.first is not None and self.last is not None:
            sums = ", ".join(reader.money(amount, currency) for currency, amount in self.amounts.items())
            told.append(
                reader("  {sums} from {first} to {last}; campaigns: {campaigns}", sums=sums,
                       first=reader.date(self.first), last=reader.date(self.last), campaigns=n(self.campaigns))
            )  # fmt: skip
        return "\n".join(told)


def import_costs(
    project: Project, paths: str | Path | Iterable[str | Path], columns: CostColumns | None = None
) -> tuple[CostReport, ...]:
    """Read costs from files (CSV or Parquet, plain or gzip) into the project; gives a report for each file.

    Rows of one day, source, medium and campaign are added up within a file; a file's lines replace what was known of
    the same four before, so that importing twice changes nothing. All files are read before any is kept.

    Raises SourceError for a file whose columns do not tell the day, the amount or the source, with its columns.
    """
    wanted = columns or CostColumns()
    currency = project.journey().currency if project.map_file.exists() else "EUR"
    read = [_read_file(path, wanted, currency) for path in expand(paths)]
    return tuple(dataclasses.replace(report, kept=project.costs.keep(lines)) for report, lines in read)


def _read_file(path: Path, wanted: CostColumns, currency: str) -> tuple[CostReport, pa.Table]:
    sheet = read_sheet(path, wanted)
    choices = choose(sheet, wanted, currency)
    found = _Rows(sheet, {c.role: c.column for c in choices}, wanted)
    lines, refused = found.lines()
    table = pa.Table.from_pylist(lines, schema=COSTS)
    days = [line["day"] for line in lines]
    amounts: Counter[str] = Counter()
    for line in lines:
        amounts[line["currency"]] += line["amount"]
    report = CostReport(
        path=str(path),
        choices=tuple(choices),
        read=sheet.rows,
        sums=found.sums,
        spread=found.spread,
        refused=refused,
        lines=len(lines),
        kept=Kept(0, 0, 0),
        first=min(days, default=None),
        last=max(days, default=None),
        amounts=dict(sorted(amounts.items())),
        campaigns=len({(line["source"], line["campaign"]) for line in lines}),
    )
    return report, table


# -- lines -----------------------------------------------------------------------------------------------------------


class _Rows:
    """The rows of one sheet on their way to lines of costs."""

    def __init__(self, sheet: Sheet, roles: Mapping[str, str], wanted: CostColumns) -> None:
        self.sheet, self.roles, self.wanted = sheet, roles, wanted
        self.sums = self.spread = 0

    def texts(self, role: str) -> list[str | None]:
        """A role's words, one a row: of its column, or the one word for all."""
        name = self.roles.get(role)
        if name is None:
            return [None] * self.sheet.rows
        if name not in self.sheet.columns:
            return [name] * self.sheet.rows
        words = self.sheet.columns[name]
        if not pa.types.is_string(words.type):
            words = words.cast(pa.string())
        return [w.strip() or None if w else None for w in words.to_pylist()]

    def days(self, role: str) -> tuple[list[int], Any]:
        """Days since 1970 and why a row has none (a Refusal, 0 where it has)."""
        column = self.sheet.columns[self.roles[role]]
        order = Order.UNKNOWN
        if self.wanted.day_first is not None:
            order = Order.DAY_FIRST if self.wanted.day_first else Order.MONTH_FIRST
        elif pa.types.is_string(column.type):
            day, month, _ = order_evidence(column)
            order = Order.DAY_FIRST if day > month else Order.MONTH_FIRST if month else Order.UNKNOWN
        found = read_times(column, "UTC", 2**62, order)
        return (found.micros // 86_400_000_000).tolist(), found.refused

    def numbers(self, role: str) -> tuple[list[float], Any, list[str | None]]:
        """A role's numbers (0 where nothing is said), refusals, and the currencies that stand with them."""
        name = self.roles.get(role)
        if name is None:
            return [np.nan] * self.sheet.rows, np.zeros(self.sheet.rows, np.uint8), [None] * self.sheet.rows
        column, mark = self.sheet.columns[name], self.wanted.decimal
        if pa.types.is_string(column.type):
            if role == "amount":
                mark = mark or _decimal_mark(column)
            else:  # whole numbers: whatever parts them into threes is no decimal mark
                column = pc.replace_substring_regex(column, THREES, r"\1\2\3")
        values = read_values(column, mark)
        written = values.currency.to_pylist() if values.currency is not None else [None] * self.sheet.rows
        return values.amount.tolist(), values.refused, written

    def lines(self) -> tuple[list[dict[str, Any]], tuple[tuple[Refusal, int, int], ...]]:
        """Lines of one day, source, medium and campaign, in that order; and the refused rows by reason."""
        start, no_start = self.days("day")
        end, no_end = self.days("until") if "until" in self.roles else (start, no_start)
        amounts, no_amount, written = self.numbers("amount")
        seen, no_seen, _ = self.numbers("impressions")
        clicked, no_click, _ = self.numbers("clicks")
        sources, media, campaigns = (self.texts(role) for role in ("source", "medium", "campaign"))
        currencies = self.texts("currency")
        kept: dict[tuple[int, str, str, str], list[Any]] = {}
        refused: dict[Refusal, list[int]] = {}
        whole = "until" in self.roles and any(campaigns)
        for k, line in enumerate(self.sheet.lines):
            if self._is_sum(k) or (whole and campaigns[k] is None):
                self.sums += 1
                continue
            currency = (written[k] or currencies[k] or "").upper()
            reason = int(no_start[k] or no_end[k] or no_amount[k] or no_seen[k] or no_click[k])
            if not reason and end[k] < start[k]:
                reason = Refusal.UNREADABLE_TIME
            if not reason and end[k] - start[k] >= MOST_DAYS:
                reason = Refusal.UNREADABLE_TIME
            if not reason and not re.fullmatch(r"[A-Z]{3}", currency):
                reason = Refusal.UNKNOWN_CURRENCY
            if not reason and sources[k] is None:
                reason = Refusal.NO_SOURCE
            many = end[k] - start[k] + 1
            for day in range(many if not reason else 0):
                key = (start[k] + day, (sources[k] or "")[:200], (media[k] or "")[:200], (campaigns[k] or "")[:400])
                amount = 0.0 if np.isnan(amounts[k]) else amounts[k] / many
                before = kept.setdefault(key, [0.0, currency, None, None])
                if before[1] != currency:
                    reason = Refusal.UNKNOWN_CURRENCY
                    break
                before[0] += amount
                for i, number in ((2, seen[k]), (3, clicked[k])):
                    if (part := _share(number, many, day)) is not None:
                        before[i] = (before[i] or 0) + part
            if reason:
                refused.setdefault(Refusal(reason), []).append(line)
            elif many > 1:
                self.spread += 1
        made = [
            {
                "day": EPOCH + dt.timedelta(days=day), "source": source, "medium": medium or None,
                "campaign": campaign or None, "amount": round(amount, 6), "currency": currency, "impressions": shown,
                "clicks": clicks,
            }
            for (day, source, medium, campaign), (amount, currency, shown, clicks) in sorted(kept.items())
        ]  # fmt: skip
        return made, tuple((reason, len(at), at[0]) for reason, at in sorted(refused.items()))

    def _is_sum(self, k: int) -> bool:
        """Whether a row is a sum of others: it says so in its first words."""
        for name in self.sheet.names[:3]:
            word = self.sheet.columns[name][k].as_py()
            if isinstance(word, str) and SUM.match(word):
                return True
        return False


def _decimal_mark(column: pa.Array) -> str | None:
    """The mark that some amount of the column shows by one or two digits behind it; None when none or both do.

    >>> _decimal_mark(pa.array(["1,200", "3.50"])), _decimal_mark(pa.array(["1,200"]))
    ('.', None)
    """
    point, comma = (
        bool(pc.any(pc.match_substring_regex(column, rf"[{mark}]\d{{1,2}}\D*$")).as_py()) for mark in (".", ",")
    )
    return None if point == comma else "." if point else ","


def _share(number: float, many: int, k: int) -> int | None:
    """The k-th of ``many`` whole parts of a number; None where none is given.

    >>> [_share(10, 3, k) for k in range(3)], _share(float("nan"), 2, 0)
    ([4, 3, 3], None)
    """
    if np.isnan(number):
        return None
    whole = round(number)
    return whole // many + (1 if k < whole % many else 0)


__all__ = ["CostColumns", "CostReport", "import_costs"]
