"""Notes: events from matchers, whose they are, the door's refusals, the search, taking back."""

from __future__ import annotations

import datetime as dt
import json
import math

import pytest

from polku.errors import RecordError, UsageError
from polku.journey.load import load_journey
from polku.language import Reader
from polku.measures.customers import customers_view
from polku.measures.view import view_of
from polku.notes.byhand import made
from polku.notes.finding import Whom, search, whom
from polku.notes.questions import asked
from polku.notes.taking import take, take_back
from polku.record.consents import Decision
from polku.record.erasure import forget

READER = Reader("en")
ANNA = Whom(name="Anna Virtanen", email="Anna@Example.fi", phone="040 123 4567")


def touchpoint(match: str, *more: str) -> str:
    lines = ["polku: 1", "title: T", "stages:", "  - id: a", "    touchpoints:"]
    lines += [f"      - {{id: {i}, {m}}}" for i, m in zip("qrs", more, strict=False)]
    lines.append(f"      - {{id: t, channel: phone, {match}}}")
    lines.append("      - {id: last, match: {event: Last}}")
    return "\n".join(lines) + "\n"


def read(folder, text):
    (folder / "journey.yaml").write_text(text, encoding="utf-8")
    return load_journey(folder / "journey.yaml")


#: A match, and what an event that meets it has (None: none can by hand).
MATCHERS = {
    "match: {event: Call}": {"event": "Call", "channel": "phone"},
    "match: {event: [Call, Ring]}": {"event": "Call"},
    "match: {path: /guide*}": {"event": "page", "context": {"page": {"path": "/guide"}}},
    "match: {event: Call, path: '/a?/*'}": {"event": "Call", "context": {"page": {"path": "/ax/"}}},
    "match: {where: \"channel = 'store'\"}": {"channel": "store"},
    "match: {event: X, where: \"properties.score > 6 and properties.kind = 'a'\"}": {
        "properties": {"score": 7.0, "kind": "a"}
    },
    "match: {event: X, where: \"properties.score <= 3 or properties.kind = 'a'\"}": {"properties": {"score": 3.0}},
    "match: {event: X, where: \"not properties.test and 'b' = properties.kind\"}": {
        "properties": {"test": False, "kind": "b"}
    },
    "match: {event: X, where: \"properties.kind like 'big%'\"}": {"properties": {"kind": "big"}},
    "match: {event: X, where: \"lower(properties.kind) != 'a'\"}": {"properties": {"kind": "ax"}},
    'match: {event: X, where: "properties.gone is null"}': {"properties": {}},
    'match: {event: X, where: "properties.there is not null"}': {"properties": {"there": "1"}},
    "match: {event: X, where: \"traits.vip and context.campaign.source = 'ig'\"}": {
        "context": {"traits": {"vip": True}, "campaign": {"source": "ig"}}
    },
    "match: {event: X, where: \"source = 'people'\"}": {"event": "X"},
    "match: {event: X, where: \"source = 'shop'\"}": None,
    "match: {event: X, where: \"properties.a = '1' and properties.a = '2'\"}": None,
    "title: only planned": None,
}


@pytest.mark.parametrize("match", MATCHERS)
def test_an_event_is_made_that_meets_the_matcher(match, tmp_path):
    found = made(read(tmp_path, touchpoint(match)), "t")
    expected = MATCHERS[match]
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert {name: getattr(found, name) for name in expected} == expected


def test_another_touchpoint_may_claim_its_events_first(tmp_path):
    both = read(tmp_path, touchpoint("match: {event: [Call, Ring]}", "match: {event: Call}"))
    assert made(both, "t").event == "Ring"


def events(project):
    return project.sql("select * from events order by seq").to_pylist()


def test_a_note_is_an_event_like_any_other(shop):
    when = dt.datetime(2026, 1, 2, 10, tzinfo=dt.UTC)
    note = take(shop, ANNA, "sale", text=" a dress ", question="Which size?", value=64.9, when=when, author="mikko")
    (row,) = events(shop)
    assert (row["event_id"], row["event"], row["source"]) == (note.event_id, "Order Completed", "people")
    assert (row["time"], row["channel"], row["value"], row["currency"]) == (when, "store", 64.9, "EUR")
    assert json.loads(row["properties"]) == {
        "text": "a dress", "question": "Which size?", "author": "mikko", "revenue": 64.9,
    }  # fmt: skip
    assert "example.fi" not in row["context"] + row["user_id"], "addresses stand apart"
    assert row["user_id"] == f"email:{shop.contacts.address_hash('email', 'anna@example.fi')}"
    (line,) = customers_view(view_of(shop), None, 9, 0, "customer", False).lines
    assert (line.stage, line.value) == ("decision", 64.9)
    again = take(shop, whom(shop, "anna@example.fi"), "call")
    other = take(shop, whom(shop, "+358 40 1234567"), "visit")
    assert {e["customer"] for e in events(shop)} == {row["customer"]}
    assert (again.event, other.event) == ("Call", "Store Visit")


def test_new_customers_and_known_ones(shop):
    take(shop, Whom(name="Bo"), "visit")
    take(shop, Whom(number="K-7"), "visit")
    take(shop, whom(shop, "K-7"), "call")
    shop.inbox.append([{"event_id": "1", "time": dt.datetime.now(dt.UTC), "event": "page", "source": "shop",
                        "anonymous_id": "cookie"}])  # fmt: skip
    take(shop, whom(shop, "cookie"), "call")
    rows = events(shop)
    assert [r["user_id"] for r in rows[1:3]] == ["number:K-7"] * 2
    assert rows[0]["user_id"].startswith("number:P-")
    assert (rows[4]["anonymous_id"], rows[4]["user_id"]) == ("cookie", None)
    assert rows[4]["customer"] == rows[3]["customer"]


SEARCHES = {"anna": ["Anna Virtanen"], "virt ann": ["Anna Virtanen"], "EXAMPLE.fi": ["Anna Virtanen"], "K-7": ["Bo"],
            "0401234": ["Anna Virtanen"], "": ["Bo", "Anna Virtanen"], "nobody": [], "100%": [], "'": []}  # fmt: skip


def test_customers_are_found_as_one_types(shop):
    take(shop, ANNA, "call")
    take(shop, Whom(name="Bo", number="K-7"), "call")
    for text, expected in SEARCHES.items():
        assert [f.name for f in search(shop, text, READER)] == expected, text
    (found,) = search(shop, "anna", READER)
    assert found.about == "anna@example.fi · +358401234567"
    assert shop.identities.id_number(found.id).names == "email"
    assert len(search(shop, "", READER, limit=1)) == 1


def test_what_cannot_be_noted_is_told(shop):
    cases = [
        ((ANNA, "cal"), {}, "did you mean call"),
        ((ANNA, "xyz"), {}, "there are guide"),
        ((ANNA, "fair"), {}, "only planned"),
        ((Whom(), "call"), {}, "whose note"),
        ((ANNA, "call"), {"text": "x" * 2001}, "longer than 2000"),
        ((ANNA, "call"), {"value": math.nan}, "no amount"),
    ]
    for arguments, more, message in cases:
        with pytest.raises(UsageError, match=message):
            take(shop, *arguments, **more)
    with pytest.raises(RecordError, match="in the future"):
        take(shop, ANNA, "call", when=dt.datetime.now(dt.UTC) + dt.timedelta(days=3))
    assert events(shop) == []


def test_consent_and_erasure_hold_for_notes(shop):
    take(shop, ANNA, "call")
    mark = shop.contacts.address_hash("email", "anna@example.fi")
    with shop.state.write() as connection:
        said = Decision("user", f"email:{mark}", "analytics", False, 0, "letter")
        written = shop.consents.write(connection, [said])
    shop.consents.learn(written)
    with pytest.raises(RecordError, match="not kept"):
        take(shop, ANNA, "call")
    shop.sql("select 1 from events")
    forget(shop, "anna@example.fi", "mikko")
    with pytest.raises(RecordError, match="not kept"):
        take(shop, ANNA, "visit")
    assert events(shop) == []


@pytest.mark.parametrize("moved", [False, True])
def test_a_note_is_taken_back(shop, moved):
    kept = take(shop, ANNA, "visit")
    sale = take(shop, ANNA, "sale", value=10)
    assert customers_view(view_of(shop), None, 9, 0, "customer", False).lines[0].stage == "decision"
    if moved:
        shop.mover.move()
    take_back(shop, sale.event_id, "mikko")
    assert [e["event_id"] for e in events(shop)] == [kept.event_id]
    (line,) = customers_view(view_of(shop), None, 9, 0, "customer", False).lines
    assert (line.stage, line.events, line.value) == ("consideration", 1, 0.0)
    with pytest.raises(UsageError, match="no note"):
        take_back(shop, sale.event_id)
    shop.mover.move()
    assert [e["event_id"] for e in events(shop)] == [kept.event_id]
    assert [e.action for e in shop.audit.entries()][:1] == ["note.removed"]


def test_only_notes_are_taken_back(shop):
    shop.inbox.append([{"event_id": "theirs", "time": dt.datetime.now(dt.UTC), "event": "page", "source": "shop",
                        "user_id": "u"}])  # fmt: skip
    with pytest.raises(UsageError, match="no note"):
        take_back(shop, "theirs")
    assert len(events(shop)) == 1


def test_what_customers_asked_stands_beside_what_the_map_expects(shop):
    text = (shop.folder / "journey.yaml").read_text(encoding="utf-8")
    (shop.folder / "journey.yaml").write_text(
        text.replace("{id: call, ", "{id: call, questions: [{fi: Mikä koko?, en: Which size?}, When?], "),
        encoding="utf-8",
    )
    days = [dt.datetime(2026, 11, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    take(shop, Whom(number="K-1"), "call", question="Which size", when=days[0])
    take(shop, Whom(number="K-2"), "call", question="  which   SIZE?", when=days[2])
    take(shop, Whom(number="K-2"), "visit", question="Which size?", when=days[1])
    take(shop, Whom(number="K-3"), "visit", text="looked around")
    shop.mover.move()
    found = asked(shop)
    assert [(a.touchpoint, a.question, a.times, a.customers, a.latest, a.in_map) for a in found] == [
        ("call", "which   SIZE?", 2, 2, days[2], True), ("visit", "Which size?", 1, 1, days[1], False),
    ]  # fmt: skip
    assert [a.times for a in asked(shop, "visit")] == [1]
    with pytest.raises(UsageError, match="no touchpoint cal;"):
        asked(shop, "cal")
