"""Channels of one's own: signed requests to a real receiver that takes, refuses, waits and hangs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.guidance.sending import pauses, send
from polku.guidance.switch import turn
from polku.record.clock import now
from polku.record.project import Project

from . import receivers, shop

MORE = """
[[channels]]
name = "sms"
url = "{url}"
address = "phone"
purpose = "none"
secret = "POLKU_CHANNEL_SMS"
"""


@pytest.fixture
def gateway() -> Iterator[receivers.Gateway]:
    with receivers.http() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, gateway: receivers.Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("POLKU_CHANNEL_SMS", "hush")
    with shop.make(tmp_path / "shop", seconds=1, more=MORE.format(url=gateway.url)) as made:
        turn(made, True, "anna")
        [anna] = shop.customers(made, "anna", phone="040 123 4567")
        shop.put(made, shop.message(anna, channel="sms"))
        yield made


def test_the_request_is_signed_and_names_the_message(project: Project, gateway: receivers.Gateway) -> None:
    assert send(project) == {"sent": 1}
    [(headers, body)] = gateway.requests
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(b"hush", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["idempotency-key"] == headers["webhook-id"] == "1:0:a"
    told = json.loads(body)
    assert told["to"] == "+358401234567"
    assert told["text"].startswith("Hei Anna")
    assert {"kind": "user", "value": "anna"} in told["customer"]
    assert shop.fate(project).state == "sent"


ANSWERS = [
    ((201, {}, b""), "sent", None),
    ((400, {}, b"bad number"), "failed", "refused: 400 bad number"),
    ((302, {"location": "https://elsewhere.example/"}, b""), "failed", "refused: 302"),
    ((410, {}, b"gone"), "failed", "refused: 410 gone"),
    ((429, {"retry-after": "7200"}, b""), "waiting", "again: 429"),
    ((500, {}, b"oops"), "waiting", "again: 500 oops"),
    ((503, {}, b""), "waiting", "again: 503"),
]


@pytest.mark.parametrize(("answer", "state", "reason"), ANSWERS)
def test_what_an_answer_means(
    project: Project, gateway: receivers.Gateway, answer: tuple[int, dict[str, str], bytes], state: str,
    reason: str | None,
) -> None:  # fmt: skip
    gateway.answers = [answer, (200, {}, b"")]
    send(project)
    found = shop.fate(project)
    assert (found.state, found.reason) == (state, reason)
    if "retry-after" in answer[1]:
        assert found.next_at > now() + 7_000_000_000
    if state == "waiting":
        shop.due_now(project)
        assert send(project) == {"sent": 1}
        assert [headers["idempotency-key"] for headers, _ in gateway.requests] == ["1:0:a"] * 2
        assert gateway.requests[0][1] == gateway.requests[1][1]


def test_a_receiver_that_hangs_is_asked_again_under_the_same_key(project: Project, gateway: receivers.Gateway) -> None:
    gateway.hang = threading.Event()
    send(project)
    assert shop.fate(project).state == "waiting"
    gateway.hang.set()
    gateway.hang = None
    shop.due_now(project)
    assert send(project) == {"sent": 1}
    assert len({headers["idempotency-key"] for headers, _ in gateway.requests}) == 1


def test_a_missing_secret_holds_the_channel(
    project: Project, gateway: receivers.Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLKU_CHANNEL_SMS")
    send(project)
    assert gateway.requests == []
    assert "POLKU_CHANNEL_SMS" in pauses(project)["sms"].reason
    monkeypatch.setenv("POLKU_CHANNEL_SMS", "hush")
    shop.due_now(project)
    assert send(project) == {"sent": 1}
