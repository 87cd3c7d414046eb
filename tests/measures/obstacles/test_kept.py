"""Obstacles found by a job stand first on the map, and only while the map is the one they were found on."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

from polku.measures.obstacles import kept
from polku.web.mapview import concerns

ONE = kept.Known("failure>Slow>>", "failure", {"en": "Slow"}, "cart", 9, "obstacle:x:met", 2.0, 50.0, 9.0, 90.0, "EUR")


def project(tmp_path):
    (tmp_path / "journey.yaml").write_text("title: Shop\n")
    (tmp_path / "cache").mkdir(exist_ok=True)
    return SimpleNamespace(data=tmp_path, map_file=tmp_path / "journey.yaml")


def test_what_was_kept_is_read_again_until_the_map_changes(tmp_path):
    here = project(tmp_path)
    assert kept.kept(here) is None
    assert kept.stamp(here) == 0
    made = kept.Kept("2026-01-01T00:00:00+00:00", kept._mark(here), {"history": 1}, (ONE,))
    kept.file_of(here).write_text(json.dumps({"format": kept.FORMAT, **dataclasses.asdict(made)}))
    assert kept.kept(here) == made
    here.map_file.write_text("title: Another shop\n")
    assert kept.kept(here) is None


def test_only_what_surely_has_a_price_is_a_concern():
    free = dataclasses.replace(ONE, money=None, low=None, high=None)
    assert [c.kind for c in concerns((), (ONE, free))] == ["obstacle"]
