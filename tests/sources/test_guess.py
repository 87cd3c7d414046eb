"""Columns told by their names and by what stands in them; names of events in one vocabulary."""

# ruff: noqa: E501 - a table reads better in one line a case
from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pyarrow as pa
import pytest

from polku.sources.guess import guess, places, squeeze
from polku.sources.names import CANONICAL, GA4, PLAIN, canonical, company

FILES = [
    ("ecom", "user_id,session_id,event,timestamp,platform", {"customer": "user_id", "session": "session_id", "event": "event", "time": "timestamp"}),
    ("rees46", "event_time,event_type,product_id,price,user_id,user_session", {"time": "event_time", "event": "event_type", "customer": "user_id", "session": "user_session"}),
    ("retail", "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID", {"time": "InvoiceDate", "customer": "CustomerID"}),
    ("helpdesk", "CaseID,ActivityID,CompleteTimestamp", {"customer": "CaseID", "event": "ActivityID", "time": "CompleteTimestamp"}),
    ("xes", "case:concept:name,concept:name,time:timestamp", {"customer": "case:concept:name", "event": "concept:name", "time": "time:timestamp"}),
    ("retailrocket", "timestamp,visitorid,event,itemid,transactionid", {"time": "timestamp", "anonymous": "visitorid", "event": "event"}),
    ("ga4", "event_name,event_timestamp,user_pseudo_id,user_id,ga_session_id", {"event": "event_name", "time": "event_timestamp", "anonymous": "user_pseudo_id", "customer": "user_id", "session": "ga_session_id"}),
    ("posthog", "uuid,event,distinct_id,timestamp", {"event_id": "uuid", "event": "event", "customer": "distinct_id", "time": "timestamp"}),
    ("segment", "messageId,anonymousId,userId,event,timestamp,receivedAt", {"event_id": "messageId", "anonymous": "anonymousId", "customer": "userId", "event": "event", "time": "timestamp"}),
    ("finnish", "Asiakasnumero,Tapahtuma,Aikaleima,Istunto,Arvo,Valuutta,Kanava,Lähde", {"customer": "Asiakasnumero", "event": "Tapahtuma", "time": "Aikaleima", "session": "Istunto", "value": "Arvo", "currency": "Valuutta", "channel": "Kanava", "source": "Lähde"}),
    ("mails", "email,action,created_at", {"customer": "email", "event": "action", "time": "created_at"}),
    ("b2b", "account_id,user_id,role,event,time", {"account": "account_id", "customer": "user_id", "role": "role", "event": "event", "time": "time"}),
    ("both ids", "user_id,customer_id,event,time", {"customer": "user_id", "event": "event", "time": "time"}),
    ("role of nobody", "user_id,role,event,time", {"customer": "user_id", "event": "event", "time": "time"}),
    ("traffic", "user_id,event,time,source,medium", {"customer": "user_id", "event": "event", "time": "time"}),
]  # fmt: skip


def sample(header: str) -> pa.Table:
    return pa.table({c: pa.array(["1"] * 3) for c in header.split(",")})


@pytest.mark.parametrize(("header", "expected"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_by_name(header: str, expected: dict[str, str]) -> None:
    found = guess(header.split(","), sample(header))
    assert {role: c.column for role, c in found.choices.items()} == expected
    assert found.rivals == {}


def test_rivals_are_not_guessed() -> None:
    header = "customer,user,event,time"
    assert guess(header.split(","), sample(header)).rivals == {"customer": ("customer", "user")}


def test_rivals_for_the_time_are_told_apart_by_what_stands_in_them() -> None:
    table = pa.table({"time": ["12:30", "8:00"], "timestamp": ["2026-01-01 12:30", "2026-01-01 8:00"]})
    assert guess(table.column_names, table).choices["time"].column == "timestamp"


def test_by_content() -> None:
    table = pa.table(
        {
            "who": ["a@b.fi", "c@d.fi"],
            "what": ["x", "y"],
            "when": ["1.2.2026 klo 8.00", "2.2.2026"],
            "n": ["1700000000", "1700000001"],
        }
    )
    found = guess(table.column_names, table).choices
    assert (found["customer"].column, found["time"].column) == ("who", "when")
    assert found["time"].why("en") == "the only column in which times stand"


def test_taken_columns_are_not_guessed() -> None:
    found = guess(
        ["user_id", "customer_id", "event", "time"], sample("user_id,customer_id,event,time"), taken=["user_id"]
    )
    assert found.choices["customer"].column == "customer_id"


@pytest.mark.parametrize(
    ("role", "values"),
    [("value", ["red"] * 30), ("event_id", ["click"] * 150), ("properties", ["1"]), ("context", ["x"])],
)
def test_a_name_that_its_content_belies(role: str, values: list[str]) -> None:
    assert role not in guess([role], pa.table({role: values})).choices


def test_places_in_the_context() -> None:
    assert places(["utm_source", "medium", "source", "page_path", "x"], []) == (
        ("utm_source", ("campaign", "source")),
        ("page_path", ("page", "path")),
        ("medium", ("campaign", "medium")),
    )
    assert places(["source", "x"], []) == ()


def test_squeeze() -> None:
    assert [squeeze(w) for w in ("Päivämäärä", "$User-ID", "käyttäjä")] == ["paivamaara", "userid", "kayttaja"]


@pytest.mark.parametrize(("name", "found"), sorted(GA4.items()))
def test_ga4_names(name: str, found: str) -> None:
    assert canonical(name) == found
    assert found in CANONICAL


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *((name, name) for name in CANONICAL),
        *((name.lower().replace(" ", "_"), name) for name in CANONICAL),
        ("OrderCompleted", "Order Completed"),
        ("order.completed", "Order Completed"),
        ("$pageview", "page"),
        ("view", "view"),
        ("cart", "cart"),
        ("home", "home"),
        ("checkout", "checkout"),
    ],
)
def test_names(name: str, found: str) -> None:
    assert canonical(name) == found


def test_plain_names_are_canonical() -> None:
    assert set(PLAIN.values()) <= set(CANONICAL)


def test_a_files_own_vocabulary() -> None:
    assert company(["view", "cart", "purchase"])["view"] == "Product Viewed"
    assert company(["view", "addtocart", "transaction"])["transaction"] == "Order Completed"
    assert company(["view"]) == {}
    assert company(["view", "cart", "logout"]) == {}


@pytest.mark.parametrize(
    ("table", "time"),
    [
        ({"Päivä": ["1.3.2026", "2.3.2026"], "Klo": ["9.05", "14.30.15"]}, "Päivä+Klo"),
        ({"Pvm": ["2026-03-01", "2026-03-02"], "Kellonaika": ["klo 9:05", None]}, "Pvm+Kellonaika"),
        ({"date": [dt.date(2026, 3, 1)], "clock": [dt.time(9, 5)]}, "date+clock"),
        ({"Päivä": ["1.3.2026 9.05", "2.3.2026 8.00"], "Klo": ["9.05", "14.30"]}, "Päivä"),
        ({"Päivä": ["1.3.2026", "2.3.2026"], "Klo": ["aamu", "ilta"]}, "Päivä"),
        ({"Päivä": ["1.3.2026", "2.3.2026"], "Koko": ["9.05", "9.50"]}, "Päivä"),
    ],
)
def test_a_date_and_its_clock_go_together(table: dict[str, list[object]], time: str) -> None:
    found = guess(list(table), pa.table(table))
    assert found.choices["time"].column == time


def test_every_canonical_name_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    table = [cell for line in page.splitlines() if line.startswith("| ") for cell in re.findall(r"`([^`]+)`", line)]
    assert sorted(table) == sorted(CANONICAL)
