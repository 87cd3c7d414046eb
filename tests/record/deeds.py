"""What processes die at (record.dying): each deed with the project that it is done to."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polku.trails.refresh as refreshing
from polku.errors import UsageError
from polku.journey import templates
from polku.journey.load import load_journey
from polku.record import erasure
from polku.record.consents import Decision
from polku.record.contacts import Contact
from polku.record.project import Project, create_project, open_project
from polku.record.refused import Refused, note_refused
from polku.record.state import FORMAT
from polku.sources.importing import import_files
from polku.trails import open_trails
from polku.trails.folding import fold_aside
from polku.trails.matching import Matching
from polku.trails.people import trails_of
from polku.trails.project_feed import ProjectFeed
from polku.trails.refresh import Refresher
from polku.trails.store import Store

from .events import event, stored

MAP = """\
polku: 1
title: A shop
timezone: Europe/Helsinki
stages:
  - id: all
    touchpoints:
      - {id: guide, match: {path: /guide*}}
      - {id: order, match: {event: Order Completed}, value: revenue}
"""
OTHER_MAP = MAP.replace("/guide*", "/guide/1*")
RECEIVED = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
#: The format before this version's.
OLDER = f"{int(FORMAT) - 1:04d}"


@dataclass(frozen=True)
class Deed:
    """``made`` makes the folder as it stands before; ``ready`` opens what is needed and gives the work to die at.

    ``again``: doing it once more after the death is what a person would do, and gives what one whole run gives.
    ``kernels``: it works on the trails.
    """

    made: Callable[[Path], object]
    ready: Callable[[Path], AbstractContextManager[Callable[[], object]]]
    again: bool = False
    kernels: bool = False
    #: Where not all moments are died at: every so-manieth. Other deeds pass the same kinds.
    thin: int = 1


def in_project(work: Callable[[Project], object]) -> Callable[[Path], AbstractContextManager[Callable[[], object]]]:
    """Work on a project that was opened before."""

    @contextlib.contextmanager
    def ready(folder: Path) -> Iterator[Callable[[], object]]:
        with open_project(folder) as project:
            yield lambda: work(project)

    return ready


def in_folder(work: Callable[[Path], object]) -> Callable[[Path], AbstractContextManager[Callable[[], object]]]:
    """Work that opens what it needs itself."""
    return lambda folder: contextlib.nullcontext(lambda: work(folder))


# -- the record ---------------------------------------------------------------------------------------------------


def small(folder: Path) -> None:
    """A small project: history in two commits, events waiting, one of them there already, one repeated."""
    with create_project(folder, "en") as project:
        (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
        anna = event("h1", 0, user="anna", anonymous="c1", traits={"size": "M"})
        stored(project, anna, event("h2", 90_000, user="bert"))
        stored(project, event("h3", 1, anonymous="c2"))
        project.inbox.append([event("w1", 5, user="anna", anonymous="c3"), event("h1", 6, user="anna")])
        project.inbox.append([event("w2", 90_005, anonymous="c3"), event("w2", 90_006, anonymous="c3")])
        project.changes(None, ["seq"])


def commit(project: Project) -> None:
    stored(project, *(event(f"i{n}", n * 40_000, user=f"u{n % 3}", anonymous=f"c{n % 4}") for n in range(8)))


def append(project: Project) -> None:
    project.inbox.append([event("w9", 9, user="u9", anonymous="c9")])


def move(project: Project) -> None:
    project.mover.move()


def numbers(project: Project, anonymous: str, user: str) -> tuple[int, int]:
    """The numbers of two known ids."""
    ((one, _),) = [f for f in project.identities.find(anonymous) if f[0].kind == "anonymous"]
    ((other, _),) = [f for f in project.identities.find(user) if f[0].kind == "user"]
    return one.number, other.number


def join(project: Project) -> None:
    project.identities.join(*numbers(project, "c1", "bert"), "a letter")


def undo(project: Project) -> None:
    project.identities.undo(project.identities.joins_of(1)[0].number, "mikko")


def compact(project: Project) -> None:
    project.history.compact()


def known(folder: Path) -> None:
    """Somebody of whom there is something everywhere: history, inbox, decisions, a contact, a refused event."""
    small(folder)
    with open_project(folder) as project:
        stored(project, event("f1", 1, user="carl", anonymous="c7"), event("f2", 90_001, user="carl"))
        project.inbox.append([event("f3", 5, user="carl"), event("f4", 6, user="bert")])
        project.consents.decide([Decision("user", "carl", "email", True, 5, "form")])
        hashed = project.contacts.address_hash("email", "carl@example.fi")
        with project.state.write() as connection:
            project.contacts.write(connection, [Contact("email", hashed, "carl@example.fi", 1, 2, "web")])
            told = '{"userId": "carl", "event": ""}'
            note_refused(project.state, connection, [Refused("web", "segment", "door", "no_event", 5, 5, told)])
        project.changes(None, ["seq"])


def forget(project: Project) -> None:
    with contextlib.suppress(UsageError):  # again: nobody is called so any more
        erasure.forget(project, "carl", "mikko")


# -- files --------------------------------------------------------------------------------------------------------

FIRST = "user_id,anonymous_id,event,time,revenue\n" + "".join(
    f"u{n % 3},c{n % 5},{'Order Completed' if n % 4 == 0 else 'page'},2026-01-{1 + n % 3:02d} 10:00,{n}\n"
    for n in range(12)
)
SECOND = "user_id,event,time\nanna,page,2026-01-02 08:00\nanna,page,2026-01-02 08:00\nanna,page,never\n"


def files(folder: Path) -> None:
    """A project, and two files for it: true repeats, what is there already, a row that is refused."""
    small(folder)
    (folder / "one.csv").write_text(FIRST, encoding="utf-8")
    (folder / "two.csv").write_text(SECOND, encoding="utf-8")


def import_both(project: Project) -> None:
    import_files(project, [project.folder / "one.csv", project.folder / "two.csv"], received_at=RECEIVED)


# -- trails -------------------------------------------------------------------------------------------------------


def walked(folder: Path, size: int = 30) -> None:
    """A project of twelve people, without trails."""
    with create_project(folder, "en") as project:
        (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
        stored(project, *(walk(n, n % 12) for n in range(size)))


def walk(n: int, who: int) -> dict[str, object]:
    name = "Order Completed" if n % 5 == 0 else "page"
    return {
        **event(f"e{n}", n * 3_000 + n / 8, user=f"u{who}", anonymous=f"c{who % 7}", name=name),
        "context": f'{{"page": {{"path": "/guide/{n % 13}"}}}}',
        "value": float(n),
    }


def stale(folder: Path) -> None:
    """Trails, then news: a late event, a new page, a new customer, two customers joined."""
    walked(folder)
    with open_project(folder) as project:
        open_trails(project)
        stored(project, walk(40, 1), {**walk(41, 12), "time": walk(0, 0)["time"]})
        project.inbox.append([walk(42, 12)])
        project.identities.join(*numbers(project, "c3", "u9"), "a letter")


def much_stale(folder: Path) -> None:
    """Trails, then so much news that all becomes one base again."""
    walked(folder)
    with open_project(folder) as project:
        open_trails(project)
        stored(project, *(walk(40 + n, n) for n in range(9)))


def layered(folder: Path) -> None:
    """Trails of a base and layers above it that are due to be folded."""
    walked(folder)
    with open_project(folder) as project, large():
        for n in range(4):
            refresh(project)
            stored(project, *(walk(40 + 10 * n + k, k) for k in range(5 - n)))
        refresh(project)


def two_layers(folder: Path) -> None:
    """Trails of a base and a small layer, and news that joins the layer."""
    walked(folder, 60)
    with open_project(folder) as project:
        open_trails(project)
        stored(project, walk(70, 3))
        open_trails(project)
        stored(project, walk(71, 4))


def mapped_anew(folder: Path) -> None:
    """Trails, then another map of the same events: codes are split by page."""
    walked(folder)
    with open_project(folder) as project:
        open_trails(project)
    (folder / "journey.yaml").write_text(OTHER_MAP, encoding="utf-8")


@contextlib.contextmanager
def large() -> Iterator[None]:
    """Any trails count as large: they are folded aside."""
    before, refreshing.QUICK = refreshing.QUICK, 0
    try:
        yield
    finally:
        refreshing.QUICK = before


def of_store(project: Project) -> tuple[Store, ProjectFeed, Matching]:
    return Store(project.folder / ".polku" / "trails"), ProjectFeed(project), Matching.of(project.journey())


def refresh(project: Project) -> None:
    Refresher(*of_store(project)).run()


def fold(project: Project) -> None:
    with large():
        fold_aside(*of_store(project))


def warm() -> None:
    """Load the kernels that these deeds use."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "journey.yaml").write_text(MAP, encoding="utf-8")
        trails_of(load_journey(folder), {"anna": [("2026-01-01 10:00", "page")]})


# -- projects -----------------------------------------------------------------------------------------------------


def nothing(folder: Path) -> None:
    """No folder at all."""


def of_ones_own(folder: Path) -> None:
    """A folder with files of its owner."""
    (folder / "content").mkdir(parents=True)
    (folder / "README.md").write_text("Ours\n", encoding="utf-8")
    (folder / "content" / "letter.md").write_text("Dear customer\n", encoding="utf-8")


def init(folder: Path) -> None:
    templates.write(folder, "shop-5", "en")
    create_project(folder).close()


def older(folder: Path) -> None:
    """A project as an older version left it."""
    small(folder)
    with open_project(folder) as project:
        project.state.migrate_to(OLDER)


def open_(folder: Path) -> None:
    open_project(folder).close()


DEEDS: dict[str, Deed] = {
    "commit": Deed(small, in_project(commit), thin=3),
    "append": Deed(small, in_project(append)),
    "move": Deed(small, in_project(move), again=True, thin=3),
    "join": Deed(small, in_project(join), again=True),
    "undo": Deed(small, in_project(undo)),
    "compact": Deed(small, in_project(compact), again=True),
    "forget": Deed(known, in_project(forget), again=True, thin=5),
    "import files": Deed(files, in_project(import_both), again=True, thin=3),
    "first trails": Deed(walked, in_project(open_trails), again=True, kernels=True, thin=4),
    "newer layer": Deed(stale, in_project(open_trails), again=True, kernels=True, thin=4),
    "layers joined": Deed(two_layers, in_project(open_trails), again=True, kernels=True, thin=5),
    "one base again": Deed(much_stale, in_project(open_trails), again=True, kernels=True, thin=5),
    "fold aside": Deed(layered, in_project(fold), again=True, kernels=True, thin=4),
    "another map": Deed(mapped_anew, in_project(open_trails), again=True, kernels=True, thin=5),
    "init": Deed(nothing, in_folder(init), again=True),
    "init among files": Deed(of_ones_own, in_folder(init), again=True, thin=5),
    "migrate": Deed(older, in_folder(open_), again=True, thin=3),
}
