"""Lists for ads: who is on them, what each refresh tells, what becomes of those who were erased."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from audiences.hook import Hook
from campaigns.shop import DAY, HOUR, Shop
from polku.audiences import files, refreshing, telling
from polku.audiences.hashing import google_email, sha256
from polku.channels.audience import Audiences
from polku.channels.channel import Outgoing
from polku.errors import UsageError
from polku.guidance.switch import turn
from polku.record import erasure, steps, tables
from web.inprocess import loop_in_a_thread

LISTS = """
audiences:
  buyers:
    of: earlier
    for: [meta, google]
    only_if: {not: {segment: recent}}
    every: 1d
    at: "04:00"
    tell: crm
    state: on
guidance:
  - id: leavers
    when: {event: Product Viewed}
    send: {channel: audience, audience: buyers, do: add, for: 30d}
"""
TOML = """
[[channels]]
name = "crm"
url = "{url}"
purpose = "none"
"""
ZONE = ZoneInfo("Europe/Helsinki")
ADS = {"ads": True, "analytics": True}


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path / "shop", "  {}", LISTS)
    yield made
    made.close()


def hashes(made, refresh, kind="members", platform="meta"):
    path = files.file_of(made.project, "buyers", refresh.number, files.file_name(platform, kind))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(refreshing.files.COLUMNS[platform])
    return {row[0] for row in rows[1:]}


def mail(*names):
    return {sha256(f"{name}@example.fi") for name in names}


def refresh(made):
    return refreshing.refresh(made.project, "buyers", "mikko", at=made.now)


def test_a_list_follows_its_segment_and_tells_what_changed(shop):
    shop.people("anna", "bert", "carla", consent=ADS)
    shop.people("dora")  # e-mail alone: no consent to ads
    shop.people("emil", consent=ADS, mail=False)
    shop.people("fanni", consent=ADS, phone="040 123 4567")
    first = refresh(shop)
    assert (first.members, first.added, first.removed) == (4, 4, 0)
    assert first.left_out == {"no_consent": 1, "no_address": 1}
    assert hashes(shop, first) == hashes(shop, first, "added") == mail("anna", "bert", "carla", "fanni")
    assert hashes(shop, first, "removed") == set()
    assert hashes(shop, first, platform="google") == {sha256(google_email(f"{n}@example.fi"))
                                                      for n in ("anna", "bert", "carla", "fanni")}  # fmt: skip
    shop.consent("bert", "ads", False)
    shop.event("carla", "Order Completed")  # buys again: recent, so not on the list
    shop.people("gita", consent=ADS)
    second = refresh(shop)
    assert (second.members, second.added, second.removed) == (3, 1, 2)
    assert hashes(shop, second, "added") == mail("gita")
    assert hashes(shop, second, "removed") == hashes(shop, second, "removed", "google") == mail("bert", "carla")
    third = refresh(shop)
    assert (third.members, third.added, third.removed) == (3, 0, 0)
    with pytest.raises(UsageError, match="no audience 'buyer'"):
        refreshing.refresh(shop.project, "buyer", "")
    with pytest.raises(UsageError, match="no file"):
        files.file_of(shop.project, "buyers", third.number, "../../state.db")


def test_another_address_is_a_removal_and_an_addition_and_a_joined_customer_neither(shop):
    shop.people("anna", "bert", consent=ADS)
    refresh(shop)
    shop.event("anna", "Profile Changed", email="anna.new@example.fi")
    changed = refresh(shop)
    assert (changed.added, changed.removed) == (1, 1)
    assert hashes(shop, changed, "removed") == mail("anna")
    assert hashes(shop, changed, "added") == mail("anna.new")
    shop.project.identities.join(shop.customer("anna"), shop.customer("bert"), "the same", "mikko")
    joined = refresh(shop)
    assert joined.members == 1
    assert len(hashes(shop, joined, "removed")) == 1


def deliver(made, user, **facts):
    outgoing = Outgoing(
        "1:1:", "leavers", made.customer(user), None, "en", "", "", "", 0, {"audience": "buyers", **facts}
    )
    with loop_in_a_thread() as loop:
        delivered = asyncio.run_coroutine_threadsafe(Audiences(made.project).deliver(outgoing), loop)
        return delivered.result(60).result


def test_rules_add_and_take_away(shop):
    shop.people("anna", "bert", consent=ADS)
    shop.event("carla", "Product Viewed")
    shop.people("carla", consent=ADS)
    shop.event("carla", "Order Completed")  # recent
    assert deliver(shop, "anna", do="remove") == "delivered"
    assert refresh(shop).left_out == {"taken_off": 1, "not_met": 1}
    assert deliver(shop, "anna", do="add", **{"for": "30d"}) == "delivered"
    assert refresh(shop).members == 2
    assert deliver(shop, "anna", audience="nobody") == "refused"


def test_who_is_erased_is_in_the_next_removals_and_then_nowhere(shop):
    shop.people("anna", "bert", consent=ADS)
    shop.now -= 2 * DAY
    refresh(shop)
    number, name = refresh(shop).number, sha256("anna@example.fi")
    erasure.forget(shop.project, "anna", "mikko")
    folder = files.folder_of(shop.project, "buyers", number)
    assert name not in (folder / "meta-members.csv").read_text(encoding="utf-8")
    assert refreshing.due(shop.project, shop.now) == ["buyers"]
    shop.now += DAY
    last = refresh(shop)
    assert hashes(shop, last, "removed") == mail("anna")
    assert hashes(shop, last) == mail("bert")
    with shop.project.state.read() as connection:
        listed = connection.execute(sa.select(tables.audience_listed.c.identifiers)).scalars().all()
    assert name not in json.dumps(list(listed))
    shop.now += 31 * DAY
    assert hashes(shop, refresh(shop), "removed") == set()
    assert not [f for f in files.root(shop.project).rglob("*.csv") if name in f.read_text(encoding="utf-8")]


def test_the_schedule_and_the_web_hook(shop, monkeypatch):
    monkeypatch.setenv("POLKU_CHANNEL_CRM", "secret")
    shop.people("anna", consent=ADS)
    with Hook() as hook:
        shop.close()
        with (shop.folder / "polku.toml").open("a", encoding="utf-8") as file:
            file.write(TOML.format(url=hook.url))
        from polku.record.project import open_project

        shop.project = open_project(shop.folder)
        assert refreshing.due(shop.project) == ["buyers"]
        assert refreshing.refresh_due(shop.project) == 1
        assert refreshing.due(shop.project) == []
        last = refreshing.last_refresh(shop.project, "buyers")
        assert last is not None
        next_at = refreshing.next_at(shop.project.journey().audiences["buyers"], last.at, ZONE, 0)
        assert 0 < next_at - last.at <= 25 * HOUR
        assert not telling.due(shop.project), "sending is off"
        turn(shop.project, True, "mikko")
        hook.answers = [503, 200]
        assert telling.tell_due(shop.project) == 0
        assert not telling.due(shop.project)
        assert telling.due(shop.project, last.at + DAY)
        monkeypatch.setattr(telling, "now", lambda: last.at + DAY)
        assert telling.tell_due(shop.project) == 1
        assert [b["audience"] for b in hook.bodies] == ["buyers", "buyers"]
        assert hook.ids == [f"audience:buyers:{last.number}"] * 2
        assert {f["kind"]: f["rows"] for f in hook.bodies[0]["files"] if f["platform"] == "meta"} == {
            "members": 1, "added": 1, "removed": 0,
        }  # fmt: skip
        gone = refreshing.refresh(shop.project, "buyers", "mikko", at=last.at + DAY)
        shutil.rmtree(files.folder_of(shop.project, "buyers", gone.number))
        later = refreshing.refresh(shop.project, "buyers", "mikko", at=last.at + DAY)
        monkeypatch.setattr(telling, "now", lambda: last.at + 2 * DAY)
        assert telling.tell_due(shop.project) == 1, "what is not there any more holds up nobody"
        assert {r.number: r.told for r in refreshing.refreshes(shop.project)} == {
            last.number: "done", gone.number: "failed", later.number: "done",
        }  # fmt: skip


def test_dying_between_files_and_state_loses_nothing(shop, monkeypatch):
    shop.people("anna", consent=ADS)

    def listen(moment):
        if moment == "audience files written":
            raise KeyboardInterrupt

    monkeypatch.setattr(steps, "listener", listen)
    with pytest.raises(KeyboardInterrupt):
        refresh(shop)
    monkeypatch.setattr(steps, "listener", None)
    done = refresh(shop)
    assert hashes(shop, done, "added") == mail("anna")
    assert [p.name for p in (files.root(shop.project) / "buyers").iterdir()] == [str(done.number)]
