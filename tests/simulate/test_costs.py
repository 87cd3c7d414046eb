"""What the world's ads cost, by the visits that they brought."""

from __future__ import annotations

import csv
import json
from collections import Counter
from zoneinfo import ZoneInfo

from polku.simulate.costs import FILE, HEAD

from .conftest import Made

HELSINKI = ZoneInfo("Europe/Helsinki")


def test_clicks_are_the_visits_and_a_few_more(either: Made) -> None:
    """Counted again from the events themselves: landing pages by local day and campaign, without repeats."""
    with (either.summary.folder / FILE).open(encoding="utf-8") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == HEAD
    events = either.events.select(["event_id", "event", "time", "source", "context"]).to_pylist()
    landed: Counter[str] = Counter()
    for row in {e["event_id"]: e for e in events if e["event"] == "page" and e["source"] == "web"}.values():
        campaign = json.loads(row["context"] or "{}").get("campaign")
        if campaign and campaign["medium"] in ("paid_social", "cpc", "display", "influencer"):
            landed[campaign["name"]] += 1
    clicks: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    for line in lines:
        clicks[line[3]] += int(line[7] or 0)
        spent[line[3]] += float(line[4])
        assert line[5] == "EUR"
    assert set(spent) == set(landed)
    for name, visits in landed.items():
        assert 0.4 * visits < spent[name] < 1.8 * visits, name
        if name != "vaikuttajat":
            # a wrong clock moves a visit to another day, not away
            assert visits <= clicks[name] <= 1.3 * visits, name
    days = [line[0] for line in lines]
    assert days == sorted(days)
    assert len({tuple(line[:4]) for line in lines}) == len(lines)
