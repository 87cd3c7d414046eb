from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guidance.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Make shops: ``shop(rules)``; each is closed at the end."""
    made: list[Shop] = []

    def make(rules: str, more: str = "", **options: Any) -> Shop:
        made.append(Shop(tmp_path / f"shop{len(made)}", rules, more, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
