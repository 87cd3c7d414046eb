"""The link in a letter by which a form's consent is confirmed; what it does is in ``polku.onsite.confirming``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polku.guidance.links import Link, path_of
from polku.onsite.fields import REQUESTED, SUBSCRIBED

if TYPE_CHECKING:
    from polku.record.project import Project


def confirm_facts(
    project: Project, given: Mapping[str, Any], id_: tuple[str, str], key: str, rule: str, test: bool
) -> dict[str, Any]:
    """``confirm_url`` for a message that a form with double opt-in has set off; nothing for any other. ``given``: the
    message's facts. Without ``[mail] links`` there is no address that it could lead to."""
    event = given.get("event")
    base = project.settings.mail.links.rstrip("/")
    if not base or not isinstance(event, Mapping) or event.get("event") != REQUESTED:
        return {}
    asked = event.get("properties") or {}
    purposes = ",".join(str(one) for one in asked.get("purposes") or ())
    link = Link("confirm", id_, key, rule, str(asked.get("text_version") or ""), purposes,
                str(asked.get("event") or SUBSCRIBED), test=test)  # fmt: skip
    return {"confirm_url": base + path_of(project, link)}
