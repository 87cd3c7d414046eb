"""The worked examples of docs/stages.md are run: each tells what the page says it tells."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ruamel.yaml import YAML

from measures.small_world import journey_of, trails
from polku.language import Reader
from polku.measures.timeline import timeline

PAGE = Path(__file__).parents[2] / "docs" / "stages.md"
EXAMPLES = re.findall(r"```yaml\n(map:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def seconds(text) -> int:
    import datetime as dt

    if isinstance(text, dt.datetime):
        return int(text.replace(tzinfo=dt.UTC).timestamp())
    return int(dt.datetime.fromisoformat(str(text)).replace(tzinfo=ZoneInfo("UTC")).timestamp())


def told(change) -> str:
    stage = change.to_stage
    why = f"{change.by} {change.touchpoint}" if change.by in ("touchpoint", "activity") else change.by
    return f"{change.time:%Y-%m-%d %H:%M:%S} {change.kind} {stage}, {why}"


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_tells_what_it_says(text):
    example = YAML(typ="safe", pure=True).load(text)
    stages = [(s.pop("id"), s.pop("touchpoints", []), s) for s in example["map"]]
    named = {t for _, touchpoints, _ in stages for t in touchpoints}
    journey = journey_of(*stages)
    person = [(seconds(when), event) for when, event in example["events"]]
    assert {e for _, e in person} <= named
    found = timeline(trails(journey, [person], as_of=seconds(example["as of"])), 1, journey)
    expected = [re.sub(r"^(\S+ \d\d:\d\d) ", r"\1:00 ", line) for line in example["tells"]]
    assert [told(change) for change in found.changes] == expected
    for language in ("fi", "en"):
        assert all(change.text(Reader(language)) for change in found.changes)


def test_the_page_has_examples():
    assert len(EXAMPLES) >= 12
