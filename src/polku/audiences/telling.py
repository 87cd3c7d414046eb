"""Telling a web hook of each refresh: a signed request, tried again with back-off, under the same key at every try."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import httpx
import sqlalchemy as sa

from polku.audiences import files
from polku.audiences.refreshing import FAILED, TOLD, WAITS, Refresh, refresh_of
from polku.channels.secret import secret_of
from polku.channels.webhook import AGAIN, KEPT, retry_after, secret_bytes, sign
from polku.errors import UsageError
from polku.guidance.sending import back_off, tries
from polku.guidance.switch import switch_of
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.channelsettings import ChannelHook
    from polku.record.project import Project

MICRO: Final = 1_000_000


def due(project: Project, at: int | None = None) -> bool:
    """Whether a web hook is to be told of a refresh; while sending is off nobody is."""
    row, when = tables.audience_refreshes.c, now() if at is None else at
    query = sa.select(row.number).where(row.told == WAITS, row.next_at <= when).limit(1)
    with project.state.read() as connection:
        waits = connection.execute(query).first() is not None
    return waits and switch_of(project).on


def tell_due(project: Project, environment: Mapping[str, str] = os.environ) -> int:
    """Tell of every refresh that waits for it. Returns how many were told."""
    row, told = tables.audience_refreshes, 0
    query = sa.select(row).where(row.c.told == WAITS, row.c.next_at <= now()).order_by(row.c.number)
    with project.state.read() as connection:
        waiting = [refresh_of(found) for found in connection.execute(query)]
    journey = project.journey()
    for one in waiting:
        audience = journey.audiences.get(one.audience)
        hook = next((h for h in project.settings.channels if audience is not None and h.name == audience.tell), None)
        if hook is None:
            _write(project, one, FAILED, f"tell: {audience.tell if audience is not None else '-'}", None)
            continue
        try:
            state, reason, after = _request(project, hook, one, environment)
        except UsageError as fault:  # its files have gone by age: there is nothing to fetch any more
            state, reason, after = FAILED, fault.text("en"), None
        told += state == TOLD
        _write(project, one, state, reason, after)
    return told


def body_of(project: Project, refresh: Refresh) -> dict[str, Any]:
    """What a receiver gets: the numbers, and where each file is fetched with a key."""
    base = project.settings.mail.links.rstrip("/")
    written = []
    for one in refresh.files:
        content = files.file_of(project, refresh.audience, refresh.number, one.name).read_bytes()
        path = f"/api/audiences/{refresh.audience}/refreshes/{refresh.number}/{one.name}"
        written.append({
            "platform": one.platform, "kind": one.kind, "rows": one.rows, "url": base + path,
            "sha256": hashlib.sha256(content).hexdigest(),
        })  # fmt: skip
    return {
        "id": key_of(refresh), "audience": refresh.audience, "refresh": refresh.number,
        "at": refresh.time.isoformat(), "members": refresh.members, "added": refresh.added,
        "removed": refresh.removed, "files": written,
    }  # fmt: skip


def key_of(refresh: Refresh) -> str:
    """The key of the request, the same at every try."""
    return f"audience:{refresh.audience}:{refresh.number}"


def _request(
    project: Project, hook: ChannelHook, refresh: Refresh, environment: Mapping[str, str]
) -> tuple[str, str, float | None]:
    """(state, in the receiver's words, seconds until it may be tried again)."""
    secret = secret_of(hook.secret, environment)
    if not secret:
        return WAITS, f"secret: {hook.secret}", None
    body, at, key = json.dumps(body_of(project, refresh)).encode(), int(time.time()), key_of(refresh)
    headers = {
        "content-type": "application/json", "idempotency-key": key, "webhook-id": key, "webhook-timestamp": str(at),
        "webhook-signature": sign(secret_bytes(secret), key, at, body), "user-agent": "polku",
    }  # fmt: skip
    seconds = project.settings.mail.seconds
    try:
        answer = httpx.post(hook.url, content=body, headers=headers, timeout=seconds, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        return WAITS, (str(fault) or type(fault).__name__)[:500], None
    reason = f"{answer.status_code} {answer.text[:KEPT]}".strip()
    if answer.is_success:
        return TOLD, reason, None
    if answer.status_code in AGAIN or answer.status_code >= 500:
        return WAITS, reason, retry_after(answer.headers.get("retry-after"))
    return FAILED, reason, None


def _write(project: Project, refresh: Refresh, state: str, reason: str, after: float | None) -> None:
    attempts, next_at = refresh.attempts + 1, None
    if state == WAITS:
        if attempts >= tries(project.settings.sending.hours):
            state = FAILED
        else:
            next_at = now() + int(back_off(key_of(refresh), attempts, after) * MICRO)
    row = tables.audience_refreshes
    with project.state.write("sending") as connection:
        here = sa.and_(row.c.number == refresh.number, row.c.told == WAITS)
        values = {"told": state, "attempts": attempts, "next_at": next_at, "reason": reason[:500]}
        connection.execute(sa.update(row).where(here).values(**values))
