"""The channels of a project: Polku's own, those of ``polku.toml`` and those of plug-ins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from polku.channels.audience import Audiences
from polku.channels.channel import Channel
from polku.channels.email import Email
from polku.channels.site import Site
from polku.channels.task import Tasks
from polku.channels.webhook import Webhook
from polku.errors import ChannelError
from polku.language import N_

if TYPE_CHECKING:
    from polku.record.project import Project

GROUP: Final = "polku.channels"


def channels(project: Project, environment: Mapping[str, str] = os.environ) -> dict[str, Channel]:
    """Every channel by its name. Raises ChannelError where two have one name."""
    settings = project.settings
    found: dict[str, Channel] = {}
    own: list[Channel] = [
        Email(settings.mail, environment),
        Site(settings.onsite.purpose),
        Tasks(project),
        Audiences(project),
    ]
    own += [Webhook(hook, settings.mail.seconds, environment) for hook in settings.channels]
    own += [point.load()(project) for point in entry_points(group=GROUP)]
    for channel in own:
        if channel.name in found:
            raise ChannelError(N_("Two channels are called {name}."), name=channel.name)
        found[channel.name] = channel
    return found
