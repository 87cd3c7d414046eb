"""What a world's advertising cost: ``costs.csv``, a line a day and campaign, as an ad system would export it.

Clicks are counted from the visits that the ads truly brought, a few more than those (some never see the page load), and
priced with the luck of the day. The influencers send one invoice a month, on its first day, without clicks.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from polku.simulate import vocabulary as v
from polku.simulate.chance import chance, root_of
from polku.simulate.setting import CURRENCY, TIMEZONE

FILE: Final = "costs.csv"
HEAD: Final = ("day", "source", "medium", "campaign", "amount", "currency", "impressions", "clicks")
#: Persons of the random numbers: no person's.
LUCK: Final = 9_000_000_000


@dataclasses.dataclass(frozen=True)
class Price:
    """What an ad costs: by ``click``, or a fee of so much a ``visit`` in the month; clicks a visit, views a click."""

    click: float = 0.0
    clicks: float = 1.1
    views: float = 50.0
    visit: float = 0.0


PRICES: Final = {
    v.INSTAGRAM_AD: Price(click=0.92, clicks=1.15, views=90),
    v.FACEBOOK_AD: Price(click=0.78, clicks=1.15, views=85),
    v.GOOGLE_AD: Price(click=1.05, clicks=1.05, views=22),
    v.REMARKETING: Price(click=0.45, clicks=1.10, views=180),
    v.INFLUENCER: Price(visit=0.8),
}


class Spending:
    """Counts the visits that each ad brought, block by block, and writes what they cost."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.zone = ZoneInfo(TIMEZONE)
        self.visits: Counter[tuple[dt.date, int]] = Counter()

    def take(self, rows: npt.NDArray[np.void]) -> None:
        """ROW[n] of a block; a campaign stands on the landing page's row only."""
        landed = (rows["kind"] == v.PAGE) & (rows["source"] == v.WEB) & np.isin(rows["origin"], list(PRICES))
        times, origins = rows["time"][landed], rows["origin"][landed]
        if not len(times):
            return
        first = dt.datetime.fromtimestamp(int(times.min()) / 1e6, self.zone).date()
        last = dt.datetime.fromtimestamp(int(times.max()) / 1e6, self.zone).date()
        days = [first + dt.timedelta(days=k) for k in range((last - first).days + 1)]
        starts = [int(dt.datetime.combine(day, dt.time(), self.zone).timestamp()) * 1_000_000 for day in days]
        at = np.searchsorted(starts, times, "right") - 1
        counts = np.bincount(at * len(v.ORIGINS) + origins)
        for key in np.flatnonzero(counts).tolist():
            self.visits[days[key // len(v.ORIGINS)], key % len(v.ORIGINS)] += int(counts[key])

    def lines(self) -> list[tuple[Any, ...]]:
        """Lines in the order of HEAD, by day."""
        made: list[tuple[dt.date, int, float, int | str, int | str]] = []
        fees: Counter[tuple[dt.date, int]] = Counter()
        for (day, origin), visits in sorted(self.visits.items()):
            price = PRICES[origin]
            if price.visit:
                fees[day.replace(day=1), origin] += visits
                continue
            root = root_of(self.seed, LUCK + origin)
            clicks = round(visits * price.clicks)
            amount = clicks * price.click * (0.8 + 0.4 * chance(root, day.toordinal(), 1))
            views = round(clicks * price.views * (0.8 + 0.4 * chance(root, day.toordinal(), 2)))
            made.append((day, origin, amount, views, clicks))
        made += [(month, origin, visits * PRICES[origin].visit, "", "") for (month, origin), visits in fees.items()]
        return [
            (
                day.isoformat(), v.ORIGINS[origin].campaign["source"], v.ORIGINS[origin].campaign["medium"],
                v.ORIGINS[origin].campaign["name"], f"{amount:.2f}", CURRENCY, views, clicks,
            )
            for day, origin, amount, views, clicks in sorted(made, key=lambda m: m[:2])
        ]  # fmt: skip

    def write(self, folder: Path) -> Path:
        """Write the file; gives its path."""
        path = folder / FILE
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEAD)
            writer.writerows(self.lines())
        return path
