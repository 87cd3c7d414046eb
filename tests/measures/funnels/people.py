"""A shop's people for the tests of funnels: short lists of events with what they say of themselves."""

from __future__ import annotations

from polku.journey.model import Journey
from polku.measures.view import view_of
from polku.trails.people import trails_of

SHOP = Journey.model_validate(
    {
        "title": "Shop",
        "timezone": "Europe/Helsinki",
        "personas": {"sara": {"title": "Sara", "where": "traits.kind = 'fashion'"}},
        "segments": {"regular": "count(order) >= 2"},
        "stages": [
            {
                "id": "all",
                "touchpoints": [
                    {"id": "product", "match": {"event": "Product Viewed"}},
                    {"id": "cart", "match": {"event": "Product Added"}},
                    {"id": "order", "match": {"event": "Order Completed"}},
                    {"id": "chat", "match": {"event": "Chat Started"}},
                ],
            }
        ],
    }
)
EVENTS = {"product": "Product Viewed", "cart": "Product Added", "order": "Order Completed", "chat": "Chat Started"}


def at(time: str, name: str, **facts):
    """One event on 1 May 2026 or on the day given: ``at("10:00", "cart", product="a")``; facts are properties."""
    own = {k: facts.pop(k) for k in ("campaign", "session", "user", "context", "seq") if k in facts}
    when = time if " " in time else f"2026-05-01 {time}"
    return (when, EVENTS.get(name, name), {**own, **({"properties": facts} if facts else {})})


def view(people, as_of="2026-06-01 00:00", **more):
    return view_of(trails_of(SHOP, people, as_of), SHOP, **more)
