"""CDNOW as every paper counts it: days with a purchase, weeks from the first, watched to 30 September 1997."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parent / "cdnow" / "purchases.csv.gz"
CALIBRATION = dt.date(1997, 9, 30)


def purchases() -> dict[str, dict[dt.date, float]]:
    """What each customer spent on each day on which they bought."""
    found: dict[str, dict[dt.date, float]] = defaultdict(lambda: defaultdict(float))
    with gzip.open(FILE, "rt", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            day = dt.datetime.strptime(row["date"], "%Y%m%d").replace(tzinfo=dt.UTC).date()
            found[row["customer"]][day] += float(row["amount"])
    return found


@pytest.fixture(scope="session")
def cdnow():
    """frequency, recency and age in weeks, the mean of repeat purchases, repeat purchases in the 39 weeks after."""
    rows = []
    for spent in purchases().values():
        days = sorted(spent)
        seen = [d for d in days if d <= CALIBRATION]
        again = seen[1:]
        mean = sum(spent[d] for d in again) / len(again) if again else 0.0
        later = sum(CALIBRATION < d <= CALIBRATION + dt.timedelta(weeks=39) for d in days)
        rows.append(
            (len(again), (seen[-1] - seen[0]).days / 7, (CALIBRATION - seen[0]).days / 7, mean, later)
        )  # fmt: skip
    return tuple(np.array(column) for column in zip(*rows, strict=True))
