"""The jobs of a project, in the order in which they are shown. A room that has work to do adds a line here."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from polku.backups.taking import erasures_wait, note_erasures
from polku.jobs.job import Job, Outcome
from polku.language import N_
from polku.record import retention

if TYPE_CHECKING:
    from polku.record.project import Project

HOUR = 3600.0
#: What runs tell of themselves, for those who read it.
WORDS = (
    N_("duplicates"), N_("files"), N_("folders"), N_("places"), N_("version"), N_("author"),
)  # fmt: skip


def jobs(project: Project) -> tuple[Job, ...]:
    """All jobs of ``project``, by its settings."""
    seconds = project.settings.inbox.seconds
    return (
        Job("move", N_("Brings events from the inbox to history"), move, min(1.0, seconds), due),
        Job("compact", N_("Puts the small files of a day into one"), compact, min(60.0, seconds), crowded),
        Job("vacuum", N_("Deletes history's files that nothing needs any more"), vacuum, HOUR),
        Job(
            "erasures",
            N_("Tells the places of backups who was erased, so that no backup brings them back"),
            erasures,
            30.0,
            erasures_wait,
        ),
        Job("sending", N_("Sends the messages of the outbox that are due"), send, 1.0, sendable),
        Job("map", N_("Takes the map that was published on another server"), take_map, 2.0, other_map, alone=False),
        Job("retention", N_("Deletes what has been kept for its time"), retention.job, 24 * HOUR),
        Job(
            "trails", N_("Takes news into this server's trails before anybody asks"), warm, 60.0, stale, alone=False
        ),
        Job("clear", N_("Removes what processes that died left behind"), clear, HOUR, alone=False),
    )


def due(project: Project) -> bool:
    """Whether events wait for long enough, or enough of them."""
    return project.mover.due(project.settings.inbox.seconds, project.settings.inbox.events)


def move(project: Project) -> Outcome | None:
    done = project.mover.move()
    return None if done.version is None else {"events": done.events, "duplicates": done.duplicates}


def crowded(project: Project) -> bool:
    """Whether a day has so many files that reading it is slow."""
    counts: dict[object, int] = {}
    for file in project.history.files():
        counts[file.day] = counts.get(file.day, 0) + 1
    return any(count >= project.settings.inbox.files for count in counts.values())


def compact(project: Project) -> Outcome | None:
    done = project.history.compact(project.settings.inbox.files)
    return {"days": done["days"], "files": done["files_before"] - done["files_after"]} if done["days"] else None


def stale(project: Project) -> bool:
    """Whether this machine has trails, and they are behind: news, or an erasure that another server made."""
    from polku.trails.store import Store

    if not project.map_file.exists() or Store(project.data / "trails").current_name() is None:
        return False
    from polku.trails import open_trails

    return open_trails(project, refresh=False).position != dataclasses.asdict(project.position())


def warm(project: Project) -> Outcome | None:
    from polku.trails import open_trails

    return {"events": open_trails(project).events}


def vacuum(project: Project) -> Outcome | None:
    gone = project.history.vacuum()
    return {"files": len(gone)} if gone else None


def clear(project: Project) -> Outcome | None:
    gone = project.history.clean_staging()
    return {"folders": gone} if gone else None


def other_map(project: Project) -> bool:
    """Whether another version of the map was published."""
    return project.published.waits()


def take_map(project: Project) -> Outcome | None:
    taken = project.published.take()
    return None if taken is None else {"version": taken.number, "author": taken.author}


def sendable(project: Project) -> bool:
    from polku.guidance.sending import due as waits

    return waits(project)


def send(project: Project) -> Outcome | None:
    from polku.guidance import sending

    return sending.send(project)


def erasures(project: Project) -> Outcome | None:
    told = note_erasures(project)
    return {"places": told} if told else None
