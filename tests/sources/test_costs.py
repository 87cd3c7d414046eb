"""Exports of ad systems become lines of costs; every row is a line's, a sum's, or refused with its reason."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.language import Reader
from polku.record.costs import Kept
from polku.record.project import Project, create_project
from polku.sources.costs import CostColumns, CostReport, import_costs

GOOGLE_FI = """Kampanjaraportti
1. tammikuuta 2026 – 3. tammikuuta 2026
Päivä;Kampanja;Valuuttakoodi;Impr.;Klikkaukset;Hinta
2026-01-01;haku;EUR;1 200;34;12,50
2026-01-02;haku;EUR;1 100;30;11,10
2026-01-02;haku;EUR;100;3;1,00
2026-01-03;haku;EUR;0;0; --
Yhteensä: tili; --;EUR;2 400;67;24,60
"""
GOOGLE_EN = """Campaign report
"January 1, 2026 - January 3, 2026"
Day,Campaign,Currency code,Impr.,Clicks,Avg. CPC,Cost
2026-01-01,haku,EUR,"1,200",34,0.37,12.50
2026-01-02,haku,EUR,"1,200",33,0.37,12.10
2026-01-03,haku,EUR,0,0, --,0.00
Total: Account, --,EUR,"2,400",67,0.37,24.60
"""
META = """"Reporting starts","Reporting ends","Campaign name","Amount spent (EUR)",Impressions,"Link clicks"
2026-01-01,2026-01-03,,30.00,1000,40
2026-01-01,2026-01-03,kesajuhlat,30.00,1000,40
"""
META_DAYS = """Päivä,Kampanjan nimi,Käytetty summa (EUR),Näyttökerrat,Linkin klikkaukset,Raportointi alkaa,Raportointi päättyy
2026-01-01,kesajuhlat,10.00,334,14,2026-01-01,2026-01-03
2026-01-02,kesajuhlat,10.00,333,13,2026-01-01,2026-01-03
"""  # noqa: E501 - as Meta writes it
OWN = """pvm;lähde;väline;kampanja;kulut
1.1.2026;tiktok;influencer;vaikuttajat;1 000,00 €
13.1.2026;tiktok;influencer;vaikuttajat;-50
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with create_project(tmp_path / "shop", "en") as made:
        yield made


def brought(project: Project, tmp_path: Path, text: str | bytes, **columns: Any) -> CostReport:
    path = tmp_path / "costs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_costs(project, path, CostColumns(**columns))[0]


def kept(project: Project) -> list[tuple[Any, ...]]:
    return [
        (r["day"].day, r["source"], r["medium"], r["campaign"], r["amount"], r["impressions"], r["clicks"])
        for r in project.costs.table().to_pylist()
    ]


HAKU = [
    (1, "google", "cpc", "haku", 12.5, 1200, 34),
    (2, "google", "cpc", "haku", 12.1, 1200, 33),
    (3, "google", "cpc", "haku", 0.0, 0, 0),
]


@pytest.mark.parametrize(
    "text", [GOOGLE_FI, GOOGLE_EN, GOOGLE_EN.encode("utf-16"), gzip.compress(GOOGLE_FI.encode("cp1252", "replace"))],
    ids=["Finnish", "English", "UTF-16", "packed, Windows"],
)  # fmt: skip
def test_google_ads(project: Project, tmp_path: Path, text: str | bytes) -> None:
    """Titles above, sums below, rows of one day and campaign added up, visits named as Google's tagging names them."""
    report = brought(project, tmp_path, text)
    assert kept(project) == HAKU
    assert (report.sums, report.refused, report.kept) == (1, (), Kept(3, 0, 0))
    assert brought(project, tmp_path, text).kept == Kept(0, 0, 3)


def test_meta_over_several_days(project: Project, tmp_path: Path) -> None:
    """Divided evenly; the first row of a Meta table is the sum of the others."""
    report = brought(project, tmp_path, META, source="facebook", medium="paid_social")
    whole = [
        (day, "facebook", "paid_social", "kesajuhlat", 10.0, *n)
        for day, n in ((1, (334, 14)), (2, (333, 13)), (3, (333, 13)))
    ]
    assert kept(project) == whole
    assert (report.spread, report.sums, report.first, report.last) == (1, 1, dt.date(2026, 1, 1), dt.date(2026, 1, 3))
    again = brought(project, tmp_path, META_DAYS, source="facebook", medium="paid_social")
    assert (again.kept, again.spread) == (Kept(0, 0, 2), 0)


def test_a_table_of_ones_own(project: Project, tmp_path: Path) -> None:
    """Finnish days and decimals; a currency beside the amount; a correction below nought."""
    report = brought(project, tmp_path, OWN)
    assert [(r[0], r[4]) for r in kept(project)] == [(1, 1000.0), (13, -50.0)]
    assert report.amounts == {"EUR": 950.0}
    assert {c.role: c.column for c in report.choices}["currency"] == "EUR"


def test_parquet_with_types(project: Project, tmp_path: Path) -> None:
    table = pa.table({"date": [dt.date(2026, 1, 1)], "source": ["bing"], "cost": [1.5], "clicks": [3]})
    pq.write_table(table, tmp_path / "c.parquet")
    import_costs(project, tmp_path / "c.parquet")
    assert kept(project) == [(1, "bing", None, None, 1.5, None, 3)]


def test_rows_that_cannot_be_read_are_told(project: Project, tmp_path: Path) -> None:
    text = "day,source,cost,clicks,currency\n2026-01-01,a,1,1,EUR\nx,a,1,1,EUR\n,a,1,1,EUR\n2026-01-02,,1,1,EUR\n"
    text += "2026-01-02,a,much,1,EUR\n2026-01-02,a,1,few,EUR\n2026-01-02,a,1,1,euros\n2026-01-01,a,1,1,SEK\n"
    report = brought(project, tmp_path, text)
    assert report.refused == (
        (Refusal.NO_TIME, 1, 4), (Refusal.UNREADABLE_TIME, 1, 3), (Refusal.NO_SOURCE, 1, 5),
        (Refusal.UNREADABLE_VALUE, 2, 6), (Refusal.UNKNOWN_CURRENCY, 2, 8),
    )  # fmt: skip
    assert (report.read, report.lines) == (8, 1)
    said = report.text(Reader("fi"))
    assert "aikaa ei voi lukea" in said
    assert "lähde puuttuu" in said
    assert report.to_dict("fi")["refused"][2] == {"reason": "no_source", "text": "lähde puuttuu", "count": 1, "line": 5}


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        (META, {}, "does not tell source. .* --source facebook"),
        ("a,b\n1,2\n", {}, "does not tell day, amount, source. Its columns: a, b."),
        (GOOGLE_EN, {"amount": "Costs"}, r"no column 'Costs'.* → Cost\?"),
        ("", {}, "is empty|holds no lines"),
    ],
)
def test_what_is_not_told_is_asked_for(
    project: Project, tmp_path: Path, text: str, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        brought(project, tmp_path, text, **columns)
    assert project.costs.table().num_rows == 0
