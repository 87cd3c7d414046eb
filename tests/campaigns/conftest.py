from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from campaigns.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Make shops: ``shop(campaigns)``; each is closed at the end."""
    made: list[Shop] = []

    def make(*given: Any, **options: Any) -> Shop:
        made.append(Shop(tmp_path / f"shop{len(made)}", *given, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
