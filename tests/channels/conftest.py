"""A shop whose mail arrives at a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.guidance.switch import turn
from polku.record.project import Project

from . import receivers, shop


@pytest.fixture
def box() -> Iterator[tuple[receivers.Mailbox, int]]:
    with receivers.smtp() as found:
        yield found


@pytest.fixture
def mailbox(box: tuple[receivers.Mailbox, int]) -> receivers.Mailbox:
    return box[0]


@pytest.fixture
def project(tmp_path: Path, box: tuple[receivers.Mailbox, int]) -> Iterator[Project]:
    """Sending is on."""
    with shop.make(tmp_path / "shop", box[1]) as made:
        turn(made, True, "anna")
        yield made
