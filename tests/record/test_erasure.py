"""A customer is erased from every file, stays away, and a death at any moment is made good."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from polku.errors import UsageError
from polku.events.arrival import Arrival
from polku.events.refusals import Refusal
from polku.record import clearing, erasure, handover, receipts, steps, tables
from polku.record.consents import Decision
from polku.record.contacts import Contact
from polku.record.permission import Learned
from polku.record.project import Project, create_project, open_project
from polku.record.refused import Refused, note_refused
from polku.sources.importing import import_files
from polku.trails import open_trails
from polku.trails.lock import locked

from .deeds import MAP
from .events import event, stored

GUIDANCE = (tables.runs, tables.timers, tables.run_notes, tables.outbox, tables.tasks)
WHO, DEVICE, MAIL, PHONE = "anna-4711-secret", "device-0815-secret", "anna.secret@example.fi", "+358401239876"
FILE = "user_id,event,time\n{who},page,2026-01-03 10:00\n{who},page,never\nbert,page,2026-01-03 11:00\n"


def fill(project: Project, trails: bool = True) -> list[str]:
    """Everything that Polku may hold of somebody. Returns the words that must be nowhere afterwards."""
    (project.folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    hashes = {
        "email": project.contacts.address_hash("email", MAIL),
        "phone": project.contacts.address_hash("phone", PHONE),
    }
    anna = event("h1", 0, user=WHO, anonymous=DEVICE, traits={"email": f"email:{hashes['email']}", "size": "M"})
    anna["context"] = json.dumps({"ids": hashes, **json.loads(anna["context"]), "page": {"path": f"/guide/{WHO}"}})
    stored(project, anna, event("h2", 90_000, user="bert"), event("h3", 3, anonymous=DEVICE))
    stored(project, event("h4", 5, user="bert", anonymous=DEVICE), event("h5", 200_000, user=WHO))
    file = project.folder.parent / "list.csv"
    file.write_text(FILE.format(who=WHO), encoding="utf-8")
    import_files(project, file)
    project.inbox.append([event("w1", 7, user=WHO), event("w2", 8, user="bert"), event("w3", 9, user=WHO)])
    project.inbox.append([event("w4", 10, user=WHO)])
    raw = json.dumps({"userId": WHO, "event": "x", "email": MAIL})
    with project.state.write() as connection:
        for kind, value in (("email", MAIL), ("phone", PHONE)):
            project.contacts.write(connection, [Contact(kind, hashes[kind], value, 1, 2, "web")])
        refused = [
            Refused("web", "segment", "door", "no_event", 5, 5, raw),
            Refused("w", "segment", "door", "bot", 5, 5, "{}"),
        ]
        note_refused(project.state, connection, refused)
    project.consents.decide([
        Decision("user", WHO, "email", True, 5, "form"), Decision("anonymous", DEVICE, "ads", False, 6, "banner"),
        Decision("user", "bert", "email", True, 5, "form"),
    ])  # fmt: skip
    project.changes(None, ["seq"])
    guided(project)
    if trails:
        open_trails(project)
    (project.data / "backups").mkdir(exist_ok=True)
    project.state.backup(project.data / "backups", "format-0001")
    return [WHO, DEVICE, MAIL, PHONE, *hashes.values()]


def guided(project: Project) -> None:
    """A rule that both are in: a run with a timer, a note, a message, a task."""
    facts = json.dumps({"path": f"/guide/{WHO}"})
    with project.state.write() as connection:
        for number, (who, told) in enumerate(((WHO, facts), ("bert", "{}")), 1):
            ((_, customer),) = project.identities.find(who)
            common = {"rule": "cart", "run": number, "customer": customer, "facts": told}
            for table, values in (
                (tables.runs, {"id": number, "rule": "cart", "customer": customer, "origin": customer, "facts": told,
                               "version": "1", "key": "", "step": 0, "entered_at": 1, "status": "waiting"}),
                (tables.timers, {"number": number, "due": 5, "run": number}),
                (tables.run_notes, {**common, "id": number, "time": 1, "known": 1, "what": "entered"}),
                (tables.outbox, {**common, "key": f"{number}:1:a", "channel": "email", "content": "cart", "owed": False,
                                 "priority": 0, "state": "waiting", "made_at": 1, "next_at": 1,
                                 "to": project.contacts.address_hash("email", MAIL) if who == WHO else None}),
                (tables.tasks, {"number": number, "key": f"{number}:2:a", "rule": "cart", "customer": customer,
                                "title": f"Call {who}", "text": "", "owner": "mikko", "made_at": 2}),
            ):  # fmt: skip
                connection.execute(sa.insert(table).values(**values))


def found(folder: Path, words: list[str]) -> list[str]:
    """Files under ``folder`` that name one of ``words``: their bytes, the cells of Parquet, the inbox's groups."""
    needles = [w.encode() for w in words] + [json.dumps(w)[1:-1].encode() for w in words]
    seen: list[str] = []
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content += str(pq.read_table(file, partitioning=None).to_pylist()).encode()
        if file.suffix == ".db":
            with sqlite3.connect(file) as connection:
                for (payload,) in connection.execute("select payload from inbox"):
                    content += str(pa.ipc.open_stream(payload).read_all().to_pylist()).encode()
            connection.close()
        if any(n in content for n in needles):
            seen.append(str(file.relative_to(folder)))
    return seen


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    with create_project(tmp_path / "here" / "shop", "en") as project:
        yield project


def people(project: Project) -> list[tuple[str, str | None, str | None]]:
    rows = project.changes(None, ["event_id", "user_id", "anonymous_id"]).rows.read_all().to_pylist()
    return sorted((r["event_id"], r["user_id"], r["anonymous_id"]) for r in rows if len(r["event_id"]) == 2)


def test_no_file_names_them_afterwards(shop: Project) -> None:
    words = fill(shop)
    before = found(shop.folder, words)
    assert any("state.db" in name for name in before)
    assert any(name.endswith(".parquet") for name in before)
    assert any("refused" in name for name in before)
    assert any("backups" in name for name in before)
    of, held = erasure.preview(shop, MAIL)
    assert set(of.ids) >= {("user", WHO), ("anonymous", DEVICE)}
    assert {c.value for c in of.contacts} == {MAIL, PHONE}
    assert (held.events, held.consents, held.contacts) == (7, 2, 2)
    told = handover.held(shop, WHO)["guidance"]
    assert {name: len(rows) for name, rows in told.items()} == {"runs": 1, "decisions": 1, "messages": 1, "tasks": 1}
    assert (told["messages"][0]["to"], told["messages"][0]["state_fi"]) == (MAIL, "odottaa")
    assert told["decisions"][0]["fi"].startswith("Tuli sääntöön")
    assert told["tasks"][0]["title"] == f"Call {WHO}"
    receipt = erasure.forget(shop, WHO, "mikko", confirm=WHO)
    assert found(shop.folder, words) == []
    assert receipt.done
    assert receipt.counts["events"] == 7
    assert receipt.counts["refused_rows"] == 1
    assert receipt.counts["refused_events"] == 1
    assert receipt.counts["inbox"] == 3
    assert receipt.counts["backups"] == 1
    assert receipt.counts["guidance"] == 5
    with shop.state.read() as connection:
        left = [connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in GUIDANCE]
    assert left == [1, 1, 1, 1, 1], "bert's stay"
    assert WHO not in json.dumps(receipt.to_dict())
    assert people(shop) == [("h2", "bert", None), ("h4", "bert", None), ("w2", "bert", None)]
    assert shop.identities.find(WHO) == ()
    assert shop.consents.as_of([("user", WHO)], 10) is None
    assert shop.consents.as_of([("user", "bert")], 10) == {"email"}
    assert open_trails(shop).events == 4


def test_what_erases_anonymous_visitors_takes_their_rows(shop: Project) -> None:
    fill(shop)
    stored(shop, event("k1", 1, anonymous="only-a-device"))
    erasure.forget(shop, "only-a-device", "mikko")
    assert not any(anonymous == "only-a-device" for _, _, anonymous in people(shop))
    assert any(user == WHO for _, user, _ in people(shop))


def test_nothing_brings_them_back(shop: Project, tmp_path: Path) -> None:
    words = fill(shop)
    erasure.forget(shop, WHO, "mikko")
    learned = Learned()
    for arrival in (
        Arrival(event="page", user_id=WHO),
        Arrival(event="page", anonymous_id=DEVICE),
        Arrival(event="Order Completed", user_id="new-number", properties={"email": MAIL.upper()}),
        Arrival(event="identify", anonymous_id="x", context={"traits": {"puhelin": "040 123 9876"}}),
        Arrival(event="alias", user_id="new", previous_id=WHO),
    ):
        assert shop.permission.check(arrival, learned) is Refusal.ERASED
    shared = Arrival(event="page", user_id="bert", anonymous_id=DEVICE)
    assert shop.permission.check(shared, learned) is None
    assert shared.anonymous_id is None
    assert not learned
    file = tmp_path / "again.csv"
    file.write_text(FILE.format(who=WHO).replace("page", "Order Completed"), encoding="utf-8")
    report = import_files(shop, file)
    assert {r.reason: r.count for r in report.refused} == {Refusal.ERASED: 1, Refusal.UNREADABLE_TIME: 1}
    assert report.stored == 1
    stored(shop, event("z1", 1, user=WHO), event("z2", 1, user="bert"))
    shop.inbox.append([event("z3", 7, user=WHO), event("z4", 8, user="bert")])
    shop.mover.move()
    assert {user for _, user, _ in people(shop)} == {"bert"}
    assert [n for n in found(shop.folder, words) if "history" in n] == []


def test_who_comes_back_as_a_customer_is_let_in(shop: Project) -> None:
    fill(shop)
    erasure.forget(shop, WHO, "mikko")
    assert erasure.lift(shop, WHO, "mikko") >= 1
    assert shop.permission.check(Arrival(event="page", user_id=WHO), Learned()) is None
    with pytest.raises(UsageError, match="Nobody who was erased"):
        erasure.lift(shop, "never-seen", "mikko")


def test_another_word_erases_nobody(shop: Project) -> None:
    fill(shop)
    with pytest.raises(UsageError, match="nothing was erased"):
        erasure.forget(shop, WHO, "mikko", confirm="anna")
    with pytest.raises(UsageError, match="There is no customer"):
        erasure.forget(shop, "nobody-of-that-name", "mikko")
    assert any(user == WHO for _, user, _ in people(shop))


class Death(BaseException):
    """The process ends here."""


def moments(folder: Path) -> list[str]:
    passed: list[str] = []
    with create_project(folder, "en") as project:
        fill(project, trails=False)
        steps.listener = passed.append
        try:
            erasure.forget(project, WHO, "mikko")
        finally:
            steps.listener = None
    return passed


def test_a_death_at_any_moment_is_made_good(tmp_path: Path) -> None:
    passed = moments(tmp_path / "all")
    places = [number for number, name in enumerate(passed) if name not in passed[:number]]
    assert len(places) > 6
    for number in places:
        folder = tmp_path / f"at-{number}"
        with create_project(folder, "en") as project:
            words = fill(project, trails=False)
            left = iter(range(number, -1, -1))

            def die(moment: str, left: Iterator[int] = left) -> None:
                if next(left) == 0:
                    raise Death(moment)

            steps.listener = die
            with pytest.raises(Death):
                erasure.forget(project, WHO, "mikko")
            steps.listener = None
        with open_project(folder) as project:
            if any(user == WHO for _, user, _ in people(project)):
                assert not receipts.receipts(project), passed[number]  # it died before it was planned
                continue
            (receipt,) = receipts.receipts(project)
            assert (receipt.done, receipt.counts["events"]) == (True, 7), passed[number]
        assert found(folder, words) == [], passed[number]


def test_trails_that_another_refreshes_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes news in at that moment began before the customer was gone: their trails still have the customer."""
    held, release = threading.Event(), threading.Event()

    def refresh(lock: Path) -> None:
        with locked(lock) as mine:
            assert mine
            held.set()
            assert release.wait(30)

    with create_project(tmp_path / "shop", "en") as project:
        (project.folder / "journey.yaml").write_text(MAP, encoding="utf-8")
        stored(project, event("a", 0, user="anna"))
        assert open_trails(project).events == 1
        stored(project, event("b", 1, user="anna"))
        other = threading.Thread(target=refresh, args=(project.data / "trails" / "lock",))
        other.start()
        assert held.wait(30)
        assert (open_trails(project).late, open_trails(project).events) == (True, 1)
        monkeypatch.setattr(clearing, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: release.set()))
        clearing.renew_trails(project, ["nobody"])
        other.join(30)
        assert open_trails(project, refresh=False).events == 2


def test_on_a_server_as_well(project: Project) -> None:
    """The same on PostgreSQL, whose own files are not Polku's to look into."""
    stored(project, event("e1", 1, user=WHO, anonymous=DEVICE), event("e2", 2, user="bert"))
    project.inbox.append([event("w1", 3, user=WHO)])
    project.consents.decide([Decision("user", WHO, "email", True, 5, "form")])
    receipt = erasure.forget(project, WHO, "mikko")
    assert receipt.done
    assert {user for _, user, _ in people(project)} == {"bert"}
    assert project.consents.of([("user", WHO)]) == ()
    assert erasure.finish(project) == 0
