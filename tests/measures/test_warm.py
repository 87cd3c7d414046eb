"""Warming up runs everything that a page may ask."""

from __future__ import annotations

import pytest

from polku.measures import ask, catalogue, warm


def test_every_measure_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    compute = ask.measure_view

    def noted(view: object, name: str, options: object) -> object:
        asked.append(name)
        return compute(view, name, options)  # type: ignore[arg-type]

    monkeypatch.setattr(ask, "measure_view", noted)
    told: list[tuple[float, float | None, str]] = []
    warm.warm(lambda *said: told.append(said))
    assert asked == list(catalogue.CATALOGUE)
    assert len(told) == told[0][1]
