"""Looking as of an earlier moment: the same answers as when nothing later had been imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polku as package

from .test_commands import polku, shop

__all__ = ["polku", "shop"]


def counts(found: Any) -> Iterator[tuple[int, str]]:
    """Every count in an answer with the selector of its customers."""
    if isinstance(found, dict):
        if isinstance(found.get("n"), int) and isinstance(found.get("behind"), str):
            yield found["n"], found["behind"]
        for inner in found.values():
            yield from counts(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from counts(inner)


def test_customers_of_the_first_day(polku: Callable[..., Any], shop: Path) -> None:
    """Bertta put a product into the cart on the second of March only, and Celia came then."""
    now = polku("customers", shop, "--json").json
    then = polku("customers", shop, "--as-of", "2026-03-01", "--json").json
    assert (now["total"], then["total"]) == (3, 2)
    assert sorted(line["stage"] for line in then["lines"]) == ["consideration", "customer"]
    assert sorted(line["stage"] for line in now["lines"]) == ["consideration", "customer", "purchase"]
    events = sorted(line["events"] for line in then["lines"])
    assert events == [1, 3]
    assert polku("customers", shop, "--as-of", "2026-03-01T10:04", "--json").json["total"] == 1


def test_a_measure_and_its_list_agree(polku: Callable[..., Any], shop: Path) -> None:
    found = polku("measure", shop, "stages", "--as-of", "2026-03-01", "--json").json
    told = [(n, text) for n, text in counts(found) if "as_of=20260301T" in text]
    assert {n for n, _ in told} >= {0, 1}
    for n, text in told[:6]:
        assert polku("customers", shop, "--behind", text, "--json").json["total"] == n


def test_status_of_a_moment(polku: Callable[..., Any], shop: Path) -> None:
    then = polku("status", shop, "--period", "all", "--as-of", "2026-03-01", "--json")
    assert then.code == 0, then.err
    assert then.json["customers"]["n"] == 2
    assert polku("status", shop, "--as-of", "2026-03-01").code == 0
    story = polku("customer", shop, "bertta", "--as-of", "2026-03-01", "--json").json
    assert len(story["events"]) == 1


def test_what_is_no_moment_is_told(polku: Callable[..., Any], shop: Path) -> None:
    wrong = polku("status", shop, "--as-of", "1.3.2026", "--language", "fi")
    assert wrong.code != 0
    assert "ei ole ajankohta" in wrong.err
    assert "has not come yet" in polku("measure", shop, "stages", "--as-of", "2999-01-01").err


def test_in_a_notebook(shop: Path) -> None:
    with package.open(shop, as_of="2026-03-01") as then:
        assert then.customers().total == 2
        assert then.living(period="all").customers.n == 2
