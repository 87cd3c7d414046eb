"""Data that no one here made, against the figures that others found in it (the README beside each file)."""

from __future__ import annotations

import json

import pytest

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.record.project import Project

from .conftest import bring, real, stored

pytestmark = pytest.mark.realdata


def asked(project: Project, query: str) -> list[tuple[object, ...]]:
    table = project.sql(query)
    return list(zip(*(c.to_pylist() for c in table.columns), strict=True))


def test_ecom(project: Project) -> None:
    path = real("ecom/ecom.csv.gz")
    report = bring(project, path, timezone="UTC")
    assert (report.read, report.stored, report.duplicates, report.refused_count) == (31_106, 31_106, 0, 0)
    assert (report.new_customers, report.without_customer) == (600, 0)
    assert asked(project, "select count(distinct session_id), count(distinct user_id) from events") == [(3605, 600)]
    repeats = "select count(*) from events where event_id like '%.%'"
    assert asked(project, repeats) == [(30,)]
    assert report.events["Product Viewed"] == 6851
    assert report.events["catalog"] == 6521
    assert report.renamed["purchase"] == ("Order Completed", 470)
    assert report.first is not None
    assert report.last is not None
    assert (report.first.date().isoformat(), report.last.date().isoformat()) == ("2024-01-04", "2024-06-29")
    assert bring(project, path, timezone="UTC").stored == 0


def test_ecom_keeps_the_files_order(project: Project) -> None:
    """163 rows share customer and time with an earlier one: seq follows the file."""
    bring(project, real("ecom/ecom.csv.gz"), timezone="UTC")
    ties = "select count(*) - count(distinct (user_id, time)) from events"
    assert asked(project, ties) == [(163,)]
    assert [row[0] for row in stored(project, "event")][:3] == ["home", "promo_page", "Product Viewed"]


def test_rees46(project: Project) -> None:
    report = bring(project, real("rees46_sample/2019-Oct-head.csv"))
    assert (report.read, report.stored) == (17_435, 17_434)
    assert [(r.reason, r.count, r.examples[0].line) for r in report.refused] == [(Refusal.TRUNCATED, 1, 17_436)]
    assert report.renamed == {
        "view": ("Product Viewed", 17_055),
        "purchase": ("Order Completed", 214),
        "cart": ("Product Added", 165),
    }
    assert asked(
        project, "select count(distinct user_id), count(distinct session_id), min(time)::varchar from events"
    ) == [
        (4504, 5066, "2019-10-01 00:00:00+00"),
    ]
    [kept] = report.refused_files
    mended = kept.read_text("utf-8").rstrip("\n") + ",541312140x,session\n"
    kept.write_text(mended, encoding="utf-8")


def test_online_retail(project: Project) -> None:
    said = {
        "event_name": "Order Completed",
        "value": "Quantity*UnitPrice",
        "currency": "GBP",
        "timezone": "Europe/London",
    }
    report = bring(project, real("online_retail/online_retail.csv.gz"), **said)
    assert (report.read, report.stored, report.without_customer, report.new_customers) == (
        541_909,
        541_909,
        135_080,
        4_372,
    )
    [(total, cancelled, invoices, countries)] = asked(
        project,
        "select round(sum(value), 2), count(*) filter (properties->>'InvoiceNo' like 'C%'), "
        "count(distinct properties->>'InvoiceNo'), count(distinct properties->>'Country') from events",
    )
    assert (total, cancelled, invoices, countries) == (9_747_747.93, 9_288, 25_900, 38)
    kept = asked(
        project,
        "select count(*), count(distinct user_id), round(sum(value), 2) from events "
        "where user_id is not null and value > 0 and properties->>'InvoiceNo' not like 'C%'",
    )
    assert kept == [(397_884, 4_338, 8_911_407.9)]
    assert report.first is not None
    assert report.first.isoformat() == "2010-12-01T08:26:00+00:00"


def test_online_retail_as_invoices(project: Project) -> None:
    """25,900 invoices of 541,909 lines; 18,532 after the README's filter, which is one of lines."""
    said = {
        "event_name": "Order Completed", "value": "Quantity*UnitPrice", "currency": "GBP", "timezone": "Europe/London",
        "group_by": "InvoiceNo",
    }  # fmt: skip
    path = real("online_retail/online_retail.csv.gz")
    report = bring(project, path, **said)
    assert (report.read, report.stored, report.joined, report.refused_count) == (541_909, 25_900, 516_009, 0)
    assert report.new_customers == 4_372
    lines = (
        "select user_id, properties->>'InvoiceNo' invoice, value, "
        "unnest(cast(properties->'products' as json[])) line from events"
    )
    everything = f"select count(*), count(distinct invoice) from ({lines})"
    assert asked(project, everything) == [(541_909, 25_900)]
    events = "select count(distinct event_id), round(sum(value), 2) from events"
    assert asked(project, events) == [(25_900, 9_747_747.93)]
    kept = (
        "select count(*), count(distinct user_id), count(distinct invoice), round(sum(quantity * price), 2) from "
        "(select *, cast(line->>'Quantity' as double) quantity, cast(line->>'UnitPrice' as double) price "
        f"from ({lines})) where user_id is not null and invoice not like 'C%' and quantity > 0 and price > 0"
    )
    assert asked(project, kept) == [(397_884, 4_338, 18_532, 8_911_407.9)]
    again = bring(project, path, **said)
    assert (again.stored, again.duplicates) == (0, 25_900)


def test_attribution(project: Project) -> None:
    report = bring(project, real("attribution_touchpoints/attribution_data.csv"))
    assert (report.stored, report.new_customers, report.duplicates) == (62_483, 7_896, 0)
    assert report.events == {"impression": 60_645, "conversion": 1_838}
    assert asked(project, "select sum(value), count(distinct user_id) from events where event = 'conversion'") == [
        (11_423.5, 1_642)
    ]
    channels = dict(asked(project, "select properties->>'channel', count(*) from events group by all"))  # type: ignore[arg-type]
    assert channels == {
        "Facebook": 18_676,
        "Paid Search": 16_388,
        "Online Video": 11_694,
        "Instagram": 8_037,
        "Online Display": 7_688,
    }
    assert dict(asked(project, "select channel, count(*) from events group by all")) == {
        "social": 26_713,
        "search": 16_388,
        "ads": 19_382,
    }  # type: ignore[arg-type]


def test_helpdesk(project: Project) -> None:
    report = bring(project, real("helpdesk_log/helpdesk.csv"), timezone="UTC")
    assert (report.stored, report.new_customers, len(report.events)) == (13_710, 3_804, 9)


def test_page_funnel_has_no_times(project: Project) -> None:
    with pytest.raises(SourceError) as told:
        bring(project, real("page_funnel/home_page_table.csv.gz"))
    text = str(told.value)
    assert "Its columns: user_id, home_page." in text
    assert "--time COLUMN" in text
    assert "--event COLUMN" in text
    assert "if the file has none, add one (a date is enough)" in text
    assert json.dumps(told.value.to_dict("fi"), ensure_ascii=False).count("Milloin se tapahtui?") == 1


def test_leads_are_no_events(project: Project) -> None:
    with pytest.raises(SourceError, match="When did it happen"):
        bring(project, real("xeducation_leads/Leads.csv"))
