"""What is older than its kind's time goes, nothing else, and it is told."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from polku.jobs import jobs
from polku.record import retention, tables
from polku.record.clock import moment, now
from polku.record.consents import Decision
from polku.record.contacts import Contact
from polku.record.project import Project, create_project
from polku.record.refused import Refused, note_refused

from .events import event, stored

DAY = 86_400_000_000
RULES = "[retention]\nevents = 100\nanonymous = 30\nrefused = 7\ncontacts = 50\nmessages = 40\nbackups = 20\n"


def ago(days: float) -> dt.datetime:
    return moment(now() - int(days * DAY))


def on(name: str, days: float, **ids: str) -> dict[str, object]:
    return {**event(name, 0, **ids), "time": ago(days)}  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "polku.toml").write_text(RULES, encoding="utf-8")
    with create_project(folder, "en") as project:
        stored(
            project,
            on("old", 150, user="anna"), on("young", 90, user="anna"), on("mine", 60, anonymous="c1"),
            on("joins", 5, user="anna", anonymous="c1"), on("nobody", 60), on("stranger", 60, anonymous="c9"),
            on("fresh", 10, anonymous="c9"), on("junk", 60, user="null", anonymous="c8"),
        )  # fmt: skip
        mail = [project.contacts.address_hash("email", f"{name}@x.fi") for name in ("anna", "gone", "new")]
        with project.state.write() as connection:
            long_ago, lately = now() - 60 * DAY, now() - DAY
            project.contacts.write(
                connection,
                [Contact("email", h, "x", t, t) for h, t in zip(mail, (long_ago, long_ago, lately), strict=True)],
            )
            refused = [Refused("web", "segment", "door", "no_event", now() - d * DAY, None, "{}") for d in (1, 9)]
            note_refused(project.state, connection, refused)
        stored(project, {**on("known", 2, user="anna"), "context": f'{{"ids": {{"email": "{mail[0]}"}}}}'})
        for name, days in (("refused/a.csv", 9), ("refused/b.csv", 1), ("backups/state-1-format.db", 30)):
            file = project.data / name
            file.parent.mkdir(exist_ok=True)
            file.write_text("x", encoding="utf-8")
            os.utime(file, (ago(days).timestamp(),) * 2)
        with project.state.write() as connection:
            used = [
                {"response": f"r{d}", "survey": "nps", "via": "qr", "finished_at": now() - d * DAY} for d in (99, 101)
            ]
            connection.execute(sa.insert(tables.survey_responses), used)
            asked = {"code": "C", "via": "chat", "page": "/", "made_at": now() - 50 * DAY}
            connection.execute(sa.insert(tables.handovers).values(asked))
        yield project


def names(project: Project) -> set[str]:
    return set(project.history.read(["event_id"]).read_all()["event_id"].to_pylist())


DUE = {
    "events": 1,
    "anonymous": 3,
    "beside": 1,
    "visitors": 1,
    "refused": 2,
    "contacts": 1,
    "messages": 1,
    "backups": 1,
}


def test_a_dry_run_changes_nothing(shop: Project) -> None:
    before = names(shop)
    due = {kept.rule: kept.due for kept in retention.preview(shop)}
    assert due == DUE | {"visitors": 0}, "theirs go when their events have gone"
    assert names(shop) == before
    assert retention.runs(shop) == ()


def test_what_is_older_goes(shop: Project) -> None:
    files = set((shop.data / "history").rglob("*.parquet"))
    assert {kept.rule: kept.due for kept in retention.apply(shop)} == DUE
    assert names(shop) == {"young", "mine", "joins", "fresh", "known"}
    assert {r["rule"]: r["removed"] for r in retention.runs(shop)} == DUE
    assert not any(path.exists() for path in files if "day=" + ago(150).date().isoformat() in str(path))
    assert sorted(p.name for p in (shop.data / "refused").iterdir()) == ["b.csv"]
    assert shop.contacts.count()["email"] == 2
    assert {kept.due for kept in retention.apply(shop)} == {0}
    assert (shop.identities.find("c8"), len(shop.identities.find("c9")), len(shop.identities.find("c1"))) == ((), 1, 1)
    everything = shop.changes(None, ["event_id"]).rows.read_all()
    assert set(everything["event_id"].to_pylist()) == names(shop)


def test_the_daily_job_does_it(shop: Project) -> None:
    (job,) = [job for job in jobs(shop) if job.name == "retention"]
    assert job.run(shop) == DUE
    assert job.run(shop) is None


def test_tags_and_replies_go_with_what_they_are_about(shop: Project) -> None:
    stored(
        shop,
        *({**on(name, days, user="anna"), "event": kind}
          for kind, short in (("Survey Answered", "a"), ("Product Reviewed", "r"))
          for name, days in ((f"{short}-old", 150), (f"{short}-young", 90))),
    )  # fmt: skip
    who = {"customer": shop.identities.find("anna")[0][1], "made_at": 1, "author": "me"}
    with shop.state.write() as connection:
        for age in ("old", "young"):
            connection.execute(sa.insert(tables.answer_tags).values(answer=f"a-{age}", tag="price", **who))
            connection.execute(sa.insert(tables.review_replies).values(review=f"r-{age}", text="Thanks", **who))
            connection.execute(
                sa.insert(tables.offer_orders).values(order_id=age, time=now() - (150 if age == "old" else 90) * DAY)
            )
    assert {kept.rule: kept.due for kept in retention.preview(shop)}["beside"] == 2, "the others go with their events"
    assert {kept.rule: kept.due for kept in retention.apply(shop)}["beside"] == 4
    left = (tables.answer_tags.c.answer, tables.review_replies.c.review, tables.offer_orders.c.order_id)
    with shop.state.read() as connection:
        assert [connection.execute(sa.select(c)).scalars().all() for c in left] == [["a-young"], ["r-young"], ["young"]]


def test_what_messages_said_goes_and_that_they_were_stays(shop: Project) -> None:
    def message(key: str, days: float | None, state: str) -> dict[str, object]:
        return {
            "key": key, "rule": "thanks", "customer": 1, "channel": "email", "content": "content/x.md", "owed": False,
            "priority": 0, "facts": '{"event": {}}', "payload": '{"text": "Hei Anna"}', "state": state,
            "made_at": now() - 90 * DAY, "next_at": 0, "finished_at": None if days is None else now() - int(days * DAY),
        }  # fmt: skip

    lots = [message("old", 41, "sent"), message("young", 39, "sent"), message("waits", None, "waiting"),
            message("shows", 41, "sent")]  # fmt: skip
    with shop.state.write() as connection:
        connection.execute(sa.insert(tables.outbox), lots)
        drawn = [{"key": k, "drawn": "{}", "drawn_at": 1, "expires_at": now() - d * DAY} for k, d in
                 (("old", 41), ("shows", 1))]  # fmt: skip
        connection.execute(sa.insert(tables.site_messages), drawn)
        asked = [
            {"code": c, "via": "chat", "page": "/x", "made_at": now() - d * DAY} for c, d in (("A", 41), ("B", 39))
        ]
        connection.execute(sa.insert(tables.handovers), asked)
    for run in (retention.preview, retention.apply):
        assert {kept.rule: kept.due for kept in run(shop)}["messages"] == 4
    row = tables.outbox.c
    with shop.state.read() as connection:
        left = connection.execute(sa.select(row.key, row.state, row.payload, row.facts).order_by(row.key)).all()
        codes = connection.execute(sa.select(tables.handovers.c.code)).scalars().all()
    whole = ('{"text": "Hei Anna"}', '{"event": {}}')
    assert [tuple(one) for one in left] == [
        ("old", "sent", None, "{}"), ("shows", "sent", *whole), ("waits", "waiting", *whole), ("young", "sent", *whole),
    ]  # fmt: skip
    assert codes == ["B"]
    assert {kept.rule: kept.due for kept in retention.apply(shop)}["messages"] == 0


def test_nothing_goes_where_everything_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "polku.toml").write_text(RULES.replace("100", "0").replace("30", "0"), encoding="utf-8")
    with create_project(folder, "en") as project:
        stored(project, on("a", 5000, user="anna"), on("b", 5000))
        assert {kept.due for kept in retention.apply(project)} == {0}
        assert names(project) == {"a", "b"}


def test_visitors_go_with_their_last_event_and_may_come_again(shop: Project) -> None:
    guided = shop.identities.find("c9")[0][1]
    stored(shop, on("twin", 60, anonymous="c7"), on("twins", 60, anonymous="c6"), on("waits", 60, anonymous="c5"))
    for one in ("c7", "c6"):
        ((known, _),) = shop.identities.find(one)
        with shop.state.write() as connection:
            connection.execute(
                sa.insert(tables.traits).values(identity=known.number, name="x", value="1", time=1, seq=1)
            )
    shop.identities.join(*(shop.identities.find(name)[0][0].number for name in ("c7", "c6")), "said so")
    shop.consents.decide([Decision("anonymous", "c7", "ads", False, 6, "banner")])
    shop.inbox.append([on("again", 60, anonymous="c5")])
    before = shop.changes(None, ["event_id"]).position
    assert {kept.rule: kept.due for kept in retention.apply(shop)}["visitors"] == 2, "c8, and c7 with c6"
    assert [len(shop.identities.find(name)) for name in ("c5", "c6", "c7", "c8", "c9")] == [1, 0, 0, 0, 1]
    assert guided == shop.identities.find("c9")[0][1]
    with shop.state.read() as connection:
        assert connection.execute(sa.select(tables.traits.c.identity)).all() == []
        assert connection.execute(sa.select(tables.joins.c.id).where(tables.joins.c.evidence == "said so")).all() == []
    assert shop.consents.as_of([("anonymous", "c7")], 10) == frozenset()
    assert len(shop.changes(before, ["event_id"]).erased) == 2 or shop.changes(before, ["event_id"]).rebuild
    shop.inbox.append([on("back", 0, anonymous="c8")])
    shop.identities.catch_up(inbox=True)
    ((_, customer),) = shop.identities.find("c8")
    assert shop.events_of([customer], ["event_id"]).read_all()["event_id"].to_pylist() == ["back"]
