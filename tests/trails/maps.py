"""Maps that the tests of trails share."""

from __future__ import annotations

from typing import Any

from polku.journey.model import Journey


def journey(*touchpoints: dict[str, Any], **more: Any) -> Journey:
    """A map of one stage with these touchpoints."""
    return Journey.model_validate(
        {"title": "Shop", "timezone": "Europe/Helsinki", **more, "stages": [{"id": "all", "touchpoints": touchpoints}]}
    )


SHOP = journey(
    {"id": "ad", "match": {"event": "page", "where": "context.campaign.source = 'instagram'"}},
    {"id": "guide", "match": {"path": "/guide*"}},
    {"id": "cart", "match": {"event": "Product Added"}, "fails": {"event": "Page Failed"}},
    {
        "id": "order",
        "match": {"event": "Order Completed"},
        "value": "revenue",
        "fails": {"event": "Payment Failed", "where": "properties.final = true"},
    },
    {"id": "store", "match": [{"event": "Store Visited"}, {"where": "channel = 'store'"}]},
)
