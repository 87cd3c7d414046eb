"""Double opt-in: the consent that a form on the site asks for holds when a link in a letter has been followed.

The form is the event ``Newsletter Requested``; a rule that hears it sends a letter, whose piece asks for
``{{ confirm_url }}``. So nobody can put another's address onto a list, and the consent has its proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polku.guidance.links import Link
from polku.guidance.sending import event_of
from polku.guidance.unsubscribing import keep
from polku.onsite.fields import SUBSCRIBED
from polku.record.clock import now
from polku.record.consents import Decision, read_purpose

if TYPE_CHECKING:
    from polku.record.project import Project

#: Where the decision was made, as consents keep it.
WHERE: Final = "link in a letter"


def confirmed(project: Project, link: Link) -> bool:
    """Whether all that a link confirms holds by now."""
    return set(_purposes(link)) <= project.consents.held([link.id], now()).granted


def confirm(project: Project, link: Link) -> None:
    """Give the consent of a link, and tell what the form was for. A second time changes nothing."""
    if link.test or confirmed(project, link) or project.erased.any([link.id]):
        return
    at = now()
    project.consents.decide(
        [Decision(*link.id, purpose, True, at, WHERE, link.content or None, "") for purpose in _purposes(link)]
    )
    properties = {"message": link.key, "rule": link.rule, "purposes": _purposes(link), "text_version": link.content}
    keep(project, event_of(link.url or SUBSCRIBED, link.id, link.key, properties, at))


def _purposes(link: Link) -> list[str]:
    return [read_purpose(one) for one in link.purpose.split(",") if one]
