"""What a rule can choose from: places, segments, content, channels and measures that exist, in the reader's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

from polku.channels.catalogue import channels
from polku.content.piece import named, paths
from polku.journey.campaigns import title_of
from polku.journey.model import Journey, segment_title, titled
from polku.journey.words import CONSENTS, WAYS
from polku.language import N_, Reader
from polku.record import tables
from polku.trails import open_trails
from polku.web.editing.fields import Choice
from polku.web.words import channel_word

if TYPE_CHECKING:
    from polku.record.project import Project

#: How the channels that only guidance has are called.
WAY_WORDS: Mapping[str, str] = {
    "site": N_("on the site"), "webhook": N_("web hook"), "audience": N_("audience for ads"),
    "task": N_("a task for a person"),
}  # fmt: skip
#: What each consent is for.
CONSENT_WORDS: Mapping[str, str] = {
    "email": N_("e-mail"), "sms": N_("text message"), "push": N_("push notification"), "phone": N_("phone"),
    "mail": N_("post"), "chat": N_("chat"), "ads": N_("advertising"), "analytics": N_("analytics"),
    "marketing": N_("marketing"), "personalization": N_("personalisation"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What exists. ``events``, ``traits`` and ``owners`` are words to offer, not the only ones that may stand there."""

    places: tuple[Choice, ...] = ()
    touchpoints: tuple[Choice, ...] = ()
    stages: tuple[Choice, ...] = ()
    failing: tuple[Choice, ...] = ()
    segments: tuple[Choice, ...] = ()
    personas: tuple[Choice, ...] = ()
    roles: tuple[Choice, ...] = ()
    measures: tuple[Choice, ...] = ()
    consents: tuple[Choice, ...] = ()
    channels: tuple[Choice, ...] = ()
    content: tuple[Choice, ...] = ()
    audiences: tuple[Choice, ...] = ()
    groups: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


def known_of(project: Project, journey: Journey, reader: Reader) -> Known:
    """What ``journey`` and the project have, named for ``reader``."""
    met = reader(N_("Touchpoints"))
    touchpoints = tuple(Choice(t.id, reader.said(titled(t)), met) for _, _, t in journey.touchpoints())
    stages = tuple(Choice(s.id, reader.said(titled(s)), reader(N_("Stages"))) for s in journey.stages)
    failing = {t.id for _, _, t in journey.touchpoints() if t.fails}
    with project.state.read() as connection:
        names = connection.execute(sa.select(tables.traits.c.name).distinct()).scalars().all()
    ways = dict.fromkeys([*channels(project), *WAYS])
    return Known(
        places=(*touchpoints, *stages),
        touchpoints=touchpoints,
        stages=stages,
        failing=tuple(t for t in touchpoints if t.value in failing),
        segments=tuple(Choice(k, reader.said(segment_title(k, v))) for k, v in journey.segments.items()),
        personas=tuple(Choice(k, reader.said(v.title)) for k, v in journey.personas.items()),
        roles=tuple(Choice(k, reader.said(v.title)) for k, v in journey.roles.items()),
        measures=tuple(
            Choice(k, reader.said(v.title) if v.title is not None else k) for k, v in journey.measures.items()
        ),
        consents=tuple(Choice(c, reader(CONSENT_WORDS[c])) for c in CONSENTS),
        channels=tuple(Choice(c, reader(WAY_WORDS[c]) if c in WAY_WORDS else reader(channel_word(c))) for c in ways),
        content=_pieces(project, reader.language),
        audiences=tuple(Choice(k, reader.said(title_of(k, v))) for k, v in journey.audiences.items()),
        groups=tuple(dict.fromkeys(g.group for g in journey.guidance if g.group)),
        events=_events(project),
        traits=tuple(f"traits.{name}" for name in sorted(names)),
        owners=tuple(_owners(journey)),
    )


def _pieces(project: Project, language: str) -> tuple[Choice, ...]:
    """Each piece once, in the reader's language where it is written in it: customers get it in theirs."""
    found: dict[str, dict[str, str]] = {}
    for path in paths(project.folder):
        parts = named(path)
        if parts is not None:
            found.setdefault(parts["name"], {})[parts["language"]] = path
    return tuple(
        Choice(path, f"{name} ({', '.join(sorted(versions))})", "")
        for name, versions in found.items()
        for path in (versions.get(language) or min(versions.values()),)
    )


def _events(project: Project) -> tuple[str, ...]:
    return tuple(sorted({name for name in open_trails(project).tables.code_event if name}))


def _owners(journey: Journey) -> Iterable[str]:
    said = [s.owner for s in journey.stages] + [t.owner for _, _, t in journey.touchpoints()]
    return dict.fromkeys(owner for owner in [*said, *(t.owner for t in journey.plan)] if owner)
