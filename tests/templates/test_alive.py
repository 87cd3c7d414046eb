"""Each template on events: the demo's worlds for the shops and the studio, accounts written by hand for B2B."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polku.journey import templates
from polku.journey.load import load_journey
from polku.journey.model import Journey
from polku.measures.living import living_map
from polku.measures.timeline import timeline
from polku.simulate import world
from polku.trails.people import trails_of, trails_of_table

END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
#: Touchpoints that the worlds have no events for: their owner sees "no data" until a source is connected.
SILENT = {
    "shop-5": {"delivery"},
    "funnel-5": {"delivery"},
    "digital-4": {"quiz"},
    "search-4": {"delivery", "care"},
    "buying-path": {"wishlist", "delivery"},
    "subscription": {"question"},
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    @cache
    def events(kind: str) -> pa.Table:
        folder = tmp_path_factory.mktemp(kind)
        made = world(folder, kind, customers=600, seed=3, end=END)
        return pa.concat_tables([pq.read_table(file) for file in made.files])

    return events


def journey_of(name: str, folder: Path) -> Journey:
    path = folder / "journey.yaml"
    path.write_text(templates.text(name, "fi"), "utf-8")
    return load_journey(path)


@pytest.mark.parametrize("name", list(SILENT))
def test_a_world_makes_the_map_live(name, worlds, tmp_path):
    journey = journey_of(name, tmp_path)
    living = living_map(trails_of_table(journey, worlds("studio" if name == "subscription" else "shop")), journey)
    reached = [stage.figures.reached.n for stage in living.stages]
    assert all(reached), reached
    # Nearly all who met anything stand in a stage; a letter alone may leave one outside (subscription).
    assert 0.95 * living.customers.n <= sum(s.now.n + s.lapsed.n for s in living.stages) <= living.customers.n
    # From the first two stages on, fewer reach each stage than the one before.
    assert reached[1:] == sorted(reached[1:], reverse=True)
    assert reached[0] > reached[-1]
    assert living.outside.n < 0.1 * living.customers.n
    silent = {t.id for t in living.touchpoints if any(d.kind == "no_data" for d in t.deviations)}
    assert silent <= SILENT[name] | {t.id for t in living.touchpoints if journey.touchpoint(t.id).optional}
    assert {t.id for t in living.touchpoints if t.events} >= {
        t.id for _, _, t in journey.touchpoints() if not t.optional
    } - SILENT[name]
    assert all(d.count is not None for d in living.ad_hoc)


def page(path: str, account: str, role: str, campaign: dict[str, str] | None = None) -> dict[str, object]:
    facts: dict[str, object] = {"path": path, "account": account, "context": {"role": role}}
    return facts | ({"campaign": campaign} if campaign else {})


def by(account: str, role: str, **facts: object) -> dict[str, object]:
    return {"account": account, "context": {"role": role}, **facts}


#: Two companies, several people each: one becomes a partner, one goes quiet after its offer and says no.
ACCOUNTS = {
    "aurinko": [
        ("2025-09-01 09:10", "page", page("/asiakastarinat/kaluste", "aurinko", "user")),
        ("2025-09-03 10:00", "page", page("/hinnat", "aurinko", "champion")),
        ("2025-09-03 10:12", "Lead Submitted", by("aurinko", "champion", properties={"form": "contact"})),
        ("2025-09-05 13:00", "Lead Qualified", by("aurinko", "champion")),
        ("2025-09-12 09:00", "Meeting Held", by("aurinko", "champion")),
        ("2025-09-30 09:00", "Meeting Held", by("aurinko", "economic_buyer")),
        ("2025-10-02 15:00", "Offer Sent", by("aurinko", "champion", properties={"amount": 18000})),
        ("2025-10-04 11:00", "Offer Viewed", by("aurinko", "legal")),
        ("2025-11-20 12:00", "Deal Won", by("aurinko", "economic_buyer", properties={"amount": 16500})),
        ("2025-12-01 09:00", "Onboarding Finished", by("aurinko", "user")),
        ("2025-12-20 09:00", "Signed In", by("aurinko", "user")),
        ("2026-03-02 09:00", "Recommended", by("aurinko", "champion")),
    ],
    "kuutamo": [
        ("2025-09-02 09:00", "page", page("/", "kuutamo", "user", {"source": "linkedin", "medium": "paid_social"})),
        ("2025-09-08 12:00", "Call Received", by("kuutamo", "champion", properties={"answered": False})),
        ("2025-09-10 12:00", "Meeting Held", by("kuutamo", "champion")),
        ("2025-09-20 12:00", "Offer Sent", by("kuutamo", "champion", properties={"amount": 9000})),
        ("2025-12-15 12:00", "Deal Lost", by("kuutamo", "economic_buyer")),
    ],
}


def test_b2b_follows_accounts_through_many_hands(tmp_path):
    journey = journey_of("b2b", tmp_path)
    trails = trails_of(journey, ACCOUNTS, as_of="2026-03-31 12:00")
    won, lost = timeline(trails, 1, journey), timeline(trails, 2, journey)
    assert [(c.kind, c.to_stage, c.touchpoint) for c in won.changes] == [
        ("entered", "awareness", "content"),
        ("entered", "interest", "pricing"),
        ("entered", "evaluation", "qualified"),
        ("entered", "decision", "offer"),
        ("entered", "customer", "won"),
        ("entered", "partnership", "reference"),
    ]
    assert (won.name, won.stage, lost.name, lost.stage) == ("aurinko", "partnership", "kuutamo", "decision")
    living = living_map(trails, journey)
    assert living.customers.n == 2
    failed = {t.id for t in living.touchpoints for d in t.deviations if d.kind == "failed"}
    assert "won" in failed, "a lost deal is the contract's failure"
    offer = next(t for t in living.touchpoints if t.id == "offer")
    assert offer.figures.value is not None
    assert (offer.figures.value.amount, offer.figures.value.orders) == (27000, 2)


def test_the_subscription_waits_for_the_trial_itself(tmp_path):
    """A letter or a lesson does not make a trial; its start does, and the first payment makes a member."""
    journey = journey_of("subscription", tmp_path)
    trial = {"source": "polku", "medium": "email", "name": "trial"}
    people = {
        "reader": [("2026-01-10 10:00", "page", {"path": "/videot/niska", "campaign": trial})],
        "member": [
            ("2026-01-10 10:00", "page", {"path": "/videot/niska"}),
            ("2026-01-10 10:05", "Trial Started"),
            ("2026-01-11 18:00", "Lesson Attended", {"properties": {"kind": "live"}}),
            ("2026-04-09 10:00", "Subscription Started", {"properties": {"revenue": 24.9}}),
            ("2026-04-12 10:00", "Recommended"),
        ],
        "quitter": [
            ("2026-01-10 10:05", "Trial Started"),
        ],
    }
    trails = trails_of(journey, people, as_of="2026-05-01 12:00")
    told = [timeline(trails, n, journey) for n in (1, 2, 3)]
    assert [(t.stage, t.lapsed) for t in told] == [(None, False), ("community", False), ("trial", True)]
    assert told[0].events[0].touchpoint == "trial_letter"
    assert [c.to_stage for c in told[1].changes] == ["interest", "trial", "member", "community"]
    assert told[1].value == pytest.approx(24.9)


def test_one_purchase_makes_a_customer_wherever_it_is_made(tmp_path):
    journey = journey_of("shop-5", tmp_path)
    till = {"channel": "store", "properties": {"revenue": 50}}
    people = {
        "web": [("2026-01-10 10:00", "Order Completed", {"channel": "web", "properties": {"revenue": 30}})],
        "till": [("2026-01-10 10:00", "Order Completed", till)],
        "both": [
            ("2026-01-10 10:00", "Order Completed", {"properties": {"revenue": 30}}),
            ("2026-03-10 10:00", "Order Completed", till),
        ],
    }
    trails = trails_of(journey, people, as_of="2026-04-01 12:00")
    told = [timeline(trails, n, journey) for n in (1, 2, 3)]
    assert [t.stage for t in told] == ["customer", "customer", "loyalty"]
    assert [t.events[-1].touchpoint for t in told] == ["order", "store_order", "store_order"]
    assert told[2].value == pytest.approx(80)


def test_a_visit_from_a_letter_is_the_letter_not_the_page(tmp_path):
    journey = journey_of("shop-5", tmp_path)

    def visit(name: str) -> dict[str, object]:
        return {"path": "/tuote/mekko", "campaign": {"source": "polku", "medium": "email", "name": name}}

    people = {
        "anna": [
            ("2026-01-10 10:00", "page", visit("kevat")),
            ("2026-01-10 10:01", "page", visit("cart_reminder")),
            ("2026-01-10 10:02", "page", visit("customer_letter")),
            ("2026-01-10 10:03", "page", {"path": "/tuote/mekko"}),
        ]
    }
    told = timeline(trails_of(journey, people, as_of="2026-02-01 12:00"), 1, journey)
    assert [e.touchpoint for e in told.events] == ["newsletter_visit", "cart_letter", "customer_letter", "product"]


@pytest.mark.parametrize(
    ("name", "touchpoint"),
    [("shop-5", "advice"), ("search-4", "phone_call"), ("subscription", "question"), ("b2b", "call")],
)
def test_a_call_that_nobody_answers_is_a_failure_and_no_meeting(name, touchpoint, tmp_path):
    journey = journey_of(name, tmp_path)
    calls = [
        ("2026-01-10 10:00", "Call Received", {"properties": {"answered": False}}),
        ("2026-01-10 10:10", "Call Received", {"properties": {"answered": True}}),
        ("2026-01-10 10:20", "Call Received"),
    ]
    told = timeline(trails_of(journey, {"anna": calls}, as_of="2026-02-01 12:00"), 1, journey)
    assert [(e.touchpoint, e.failed) for e in told.events] == [
        (None, touchpoint),
        (touchpoint, None),
        (touchpoint, None),
    ]
