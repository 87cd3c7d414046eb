"""Who is who: what a join costs on a customer who has ten thousand ids already, beside one who has a single id.

Each deed is timed from the call to the end of its transaction: an event that brings one more id, a join by hand, its
preview, its undo, and a customer's page of ids.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data import HERE
from shop import new_project, tell, timed

if TYPE_CHECKING:
    from polku.record.project import Project

GROUP = "Who is who"
MANY = 10_000
RUNS = 20
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def pairs(user: str, cookies: Iterator[str], number: Iterator[int]) -> list[dict[str, Any]]:
    """Events of a user, each with a cookie of its own."""
    return [
        {"event_id": f"e{next(number)}", "time": NOW, "event": "page", "user_id": user, "anonymous_id": cookie}
        for cookie in cookies
    ]


def measure(project: Project, user: str, ids: int, number: Iterator[int]) -> None:
    cookies = (f"{user}-c{i}" for i in itertools.count())
    project.inbox.append(pairs(user, itertools.islice(cookies, ids), number))
    others = [f"{user}-other-{n}" for n in range(3 * RUNS + 3)]
    project.inbox.append([
        {"event_id": f"e{next(number)}", "time": NOW, "event": "page", "user_id": other} for other in others
    ])  # fmt: skip
    who = project.identities
    who.catch_up(inbox=True)
    ((mine, _),) = who.find(user)
    known = {other: who.find(other)[0][0].number for other in others}
    left = iter(known.values())
    joined: list[int] = []

    def event() -> None:
        project.inbox.append(pairs(user, itertools.islice(cookies, 1), number))
        who.catch_up(inbox=True)

    def join() -> None:
        joined.append(next(left))
        who.join(mine.number, joined[-1], "bench")

    def undo() -> None:
        customer = who.customer_of_number(mine.number)
        ends = {mine.number, joined.pop()}
        found = next(j for j in who.joins_of(customer) if {j.weaker.number, j.stronger.number} == ends)
        who.undo(found.number)

    def page() -> None:
        who.ids_of(who.customer_of_number(mine.number))

    deeds = (
        ("an event that brings one more id", event), ("a join by hand", join),
        ("a preview of a join", lambda: who.preview(mine.number, next(left))), ("a join found and undone", undo),
        ("all ids of the customer", page),
    )  # fmt: skip
    for name, deed in deeds:
        deed()  # once before it counts
        note = "customer with one id" if ids == 1 else f"customer with {ids:,} ids"
        tell(GROUP, f"{name}, {note}", "Polku", timed(deed, RUNS), None, "median")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=0, help="not used: the ids decide")
    parser.add_argument("--ids", type=int, default=MANY)
    options = parser.parse_args()
    from polku.record.project import create_project

    (HERE / ".data").mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=HERE / ".data"))
    try:
        with create_project(new_project(work / "shop")) as project:
            number = itertools.count()
            for user, ids in (("one", 1), ("many", options.ids)):
                measure(project, user, ids, number)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
