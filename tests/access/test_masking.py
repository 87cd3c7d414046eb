"""No line of the log holds what opens a door."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from polku.access.masking import mask_logs, masked

KEY = "pk_w_" + "a1B" * 11


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    before = logging.getLogRecordFactory()
    mask_logs()
    mask_logs()
    out = io.StringIO()
    handler, logger = logging.StreamHandler(out), logging.getLogger("polku.tests.masking")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, out
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"refused {KEY}.", KEY),
        (f"rotated pk_rw_{'x' * 33}", "x" * 33),
        ("cannot reach postgresql+psycopg://polku:hunter2@db:5432/polku", "hunter2"),
        ("Authorization: Bearer abc.def-1", "abc.def-1"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("GET /mp/collect?measurement_id=G-1&api_secret=s3cr3t", "s3cr3t"),
        ("POST /batch/?api_key=phc_1", "phc_1"),
        ("Cookie: polku_lang=fi; __Host-polku_session=AbC-1_2", "AbC-1_2"),
        ("followed /welcome/Zm9vYmFyYmF6cXV4MTIzNDU2", "Zm9vYmFy"),
    ],
)
def test_secrets_are_masked(log: tuple[logging.Logger, io.StringIO], text: str, secret: str) -> None:
    logger, out = log
    logger.warning(text)
    logger.warning("with an argument: %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("it failed")
    told = out.getvalue()
    assert secret not in told
    assert told.count("***") == 3, told


@pytest.mark.parametrize("text", ["key 7 was revoked", "https://shop.example/a:b@c", "pk_w_short", "1 of 2: 50 %"])
def test_other_texts_stay(text: str) -> None:
    assert masked(text) == text


def test_a_line_that_does_not_fit_its_arguments_is_still_told(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, _ = log
    record = logger.makeRecord("x", logging.INFO, __file__, 1, "%d", ("no number",), None)
    assert record.args == ("no number",)
