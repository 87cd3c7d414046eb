"""The jobs of a project, in the order in which they are shown. A room that has work to do adds a line here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from polku.backups.taking import erasures_wait, note_erasures
from polku.jobs.job import Job, Outcome
from polku.language import N_
from polku.record import retention

if TYPE_CHECKING:
    from polku.guidance.live import Live
    from polku.record.project import Project

HOUR = 3600.0
#: What runs tell of themselves, for those who read it.
WORDS = (
    N_("duplicates"), N_("files"), N_("folders"), N_("places"), N_("version"), N_("author"), N_("found"),
    N_("reports"), N_("events"), N_("learned"), N_("noted"),
    N_("timers"), N_("changes"), N_("messages"), N_("products"), N_("codes"), N_("referrals"), N_("points"),
    N_("feeds"), N_("failed"), N_("listed"), N_("decided"),
    N_("refreshed"), N_("told"),
)  # fmt: skip


def jobs(project: Project) -> tuple[Job, ...]:
    """All jobs of ``project``, by its settings."""
    from polku.guidance.live import Live  # here, because it compiles kernels: commands that run no jobs start quicker

    seconds = project.settings.inbox.seconds
    live = Live(project)
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
        Job("campaigns", N_("Decides on the customers of campaigns whose moment has come"), campaign, 1.0, campaigning),
        Job("sending", N_("Sends the messages of the outbox that are due"), send, 1.0, sendable),
        Job("mailbox", N_("Reads what came back of the mail"), mailbox, 120.0, lambda p: bool(p.settings.mailbox.host)),
        Job("variants", N_("Learns which variants of messages do best"), learn, HOUR / 2, alone=True),
        Job("effects", N_("Notes what is known of each rule's effect, once a day"), note_effects, 600.0, effects_due),
        Job("guidance", N_("Takes what arrived through the rules of guidance"), guide(live), 1.0, lambda _: live.due()),
        Job("offers", N_("Takes what arrived into carts, codes, referrals and points"), offer, 2.0, offered),
        Job("feeds", N_("Fetches the feeds of products whose time has come"), feed, 60.0, feeds_due),
        Job("together", N_("Counts what is bought together, for recommendations"), together, 24 * HOUR),
        Job("audiences", N_("Refreshes lists for ads and tells web hooks of them"), lists, 60.0, listing),
        Job("site", N_("Drops messages on the site that nobody came for in their time"), expire_site, 600.0),
        Job("map", N_("Takes the map that was published on another server"), take_map, 2.0, other_map, alone=False),
        Job("retention", N_("Deletes what has been kept for its time"), retention.job, 24 * HOUR),
        Job("trails", N_("Takes news into this server's trails before anybody asks"), warm, 60.0, stale, alone=False),
        Job(
            "obstacles",
            N_("Looks for what stops people and what it costs, for the map"),
            obstacles,
            300.0,
            unseen,
            False,
        ),
        Job("clear", N_("Removes what processes that died left behind"), clear, HOUR, alone=False),
    )


def due(project: Project) -> bool:
    """Whether events wait for long enough, or enough of them."""
    return project.mover.due(project.settings.inbox.seconds, project.settings.inbox.events)


def move(project: Project) -> Outcome | None:
    done = project.mover.move()
    return None if done.version is None else {"events": done.events, "duplicates": done.duplicates}


def learn(project: Project) -> Outcome | None:
    from polku.guidance.contests import learn_all

    learned = learn_all(project) if project.map_file.exists() else 0
    return {"learned": learned} if learned else None


def effects_due(project: Project) -> bool:
    from polku.guidance.effects import due as waits

    return waits(project)


def note_effects(project: Project) -> Outcome | None:
    from polku.guidance.effects import note_day

    noted = note_day(project)
    return {"noted": noted} if noted else None


def mailbox(project: Project) -> Outcome | None:
    from polku.guidance.returned import read_mailbox

    return read_mailbox(project)


def guide(live: Live) -> Callable[[Project], Outcome | None]:
    """A job that brings guidance up to now."""

    def run(_: Project) -> Outcome | None:
        done = live.catch_up()
        if not (done.events or done.timers or done.changes):
            return None
        return {"events": done.events, "timers": done.timers, "changes": done.changes, "messages": done.messages}

    return run


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


def unseen(project: Project) -> bool:
    """Whether obstacles were last looked for a day ago, or never, and there is news since."""
    from polku.measures.obstacles import kept

    return kept.due(project)


def obstacles(project: Project) -> Outcome | None:
    from polku.measures.obstacles import kept

    return {"found": len(kept.find(project).found)}


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


def campaigning(project: Project) -> bool:
    from polku.campaigns.running import due as waits

    return waits(project)


def campaign(project: Project) -> Outcome | None:
    from polku.campaigns import running

    return running.run(project).outcome()


def listing(project: Project) -> bool:
    from polku.audiences import refreshing, telling

    return bool(refreshing.due(project)) or telling.due(project)


def lists(project: Project) -> Outcome | None:
    from polku.audiences import refreshing, telling

    done = {"refreshed": refreshing.refresh_due(project)}
    if telling.due(project):
        done["told"] = telling.tell_due(project)
    return {name: count for name, count in done.items() if count} or None


def sendable(project: Project) -> bool:
    from polku.guidance.sending import due as waits

    return waits(project)


def send(project: Project) -> Outcome | None:
    from polku.guidance import sending

    return sending.send(project)


def expire_site(project: Project) -> Outcome | None:
    from polku.onsite.waiting import expire

    dropped = expire(project)
    return {"messages": dropped} if dropped else None


def erasures(project: Project) -> Outcome | None:
    told = note_erasures(project)
    return {"places": told} if told else None


def offered(project: Project) -> bool:
    from polku.offers import live

    return live.due(project)


def offer(project: Project) -> Outcome | None:
    from polku.offers import live

    done = live.catch_up(project)
    told = {
        "events": done.events, "products": done.products, "codes": done.codes, "referrals": done.referrals,
        "points": done.points, "messages": done.told,
    }  # fmt: skip
    return {name: count for name, count in told.items() if count} or None


def feeds_due(project: Project) -> bool:
    from polku.offers import fetching

    return project.map_file.exists() and bool(fetching.due(project))


def feed(project: Project) -> Outcome | None:
    from polku.offers import fetching

    return fetching.fetch_due(project)


def together(project: Project) -> Outcome | None:
    from polku.offers import together as bought

    return bought.count(project) if project.map_file.exists() else None
