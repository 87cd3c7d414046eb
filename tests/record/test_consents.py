"""Consent as of a moment: in memory what a plain list says; nobody erased is in history, whatever came when."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import SourceError, UsageError
from polku.events.arrival import Arrival
from polku.events.purposes import read_purposes, told
from polku.events.refusals import Refusal
from polku.record import erasure
from polku.record.clock import moment
from polku.record.consenting import decide, ids_meant
from polku.record.consentlist import import_list
from polku.record.consents import Consents, Decision
from polku.record.permission import Learned
from polku.record.project import Project, create_project

from .events import event, stored

IDS = [("user", "u0"), ("user", "u1"), ("anonymous", "a0"), ("anonymous", "a1")]
PURPOSES = ["analytics", "email", "ads"]


@pytest.mark.parametrize(
    ("context", "purposes"),
    [
        (
            {"consent": {"categoryPreferences": {"Advertising": True, "Analytics": False}}},
            {"ads": True, "analytics": False},
        ),
        (
            {"consent": {"analytics": "granted", "email": "denied", "source": "banner"}},
            {"analytics": True, "email": False},
        ),
        ({"consent": {"ad_storage": "GRANTED", "ad_personalization": "DENIED"}}, {"ads": False}),
        ({"consent": {"C0001": 1, "C0002": 1, "C0004": 0}}, {"analytics": True, "ads": False}),
        ({"consent": {"Statistics": "maybe", "": True, "x" * 99: True}}, {}),
        ({"consent": "yes"}, {}),
        ({}, {}),
    ],
)
def test_what_events_tell(context: dict[str, object], purposes: dict[str, bool]) -> None:
    assert told(context).purposes == purposes


def reference(decisions: Sequence[Decision], ids: Sequence[tuple[str, str]], time: int) -> frozenset[str] | None:
    """The same in plain Python."""
    latest: dict[str, tuple[tuple[int, int], bool]] = {}
    for d in decisions:
        if (d.kind, d.value) in ids and d.time <= time:
            key = (d.time, d.id)
            if d.purpose not in latest or key > latest[d.purpose][0]:
                latest[d.purpose] = (key, d.granted)
    return frozenset(p for p, (_, yes) in latest.items() if yes) if latest else None


decisions = st.lists(
    st.builds(
        lambda who, purpose, yes, time: Decision(*who, purpose, yes, time, "test"),
        st.sampled_from(IDS), st.sampled_from(PURPOSES), st.booleans(), st.integers(0, 20),
    ),
    max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """u0 has the device a0."""
    project = create_project(tmp_path_factory.mktemp("joined") / "shop", "en")
    stored(
        project, event("e1", 1, user="u0", anonymous="a0"), event("e2", 1, user="u1"), event("e3", 1, anonymous="a1")
    )
    return project


@settings(max_examples=25, deadline=None)
@given(st.lists(decisions, min_size=1, max_size=4))
def test_memory_holds_what_the_list_says(joined: Project, rounds: list[list[Decision]]) -> None:
    from polku.record import tables

    with joined.state.write() as connection:
        connection.execute(tables.consents.delete())
    here, there = Consents(joined.state), Consents(joined.state)  # one writes, the other follows
    there.refresh()
    written: list[Decision] = []
    for made in rounds:
        with joined.state.write() as connection:
            fresh = here.write(connection, made)
        here.learn(fresh)
        written += fresh
        there.refresh()
        for ids in ([IDS[0], IDS[2]], [IDS[1]], [IDS[3]]):
            for time in (0, 5, 10, 20):
                expected = reference(written, ids, time)
                assert there.as_of(ids[:1], time) == expected  # one id answers for the whole customer
                assert there.as_of(ids[1:] or ids, time) == expected
                assert here.as_of(ids, time) == expected
    assert Consents(joined.state).overview(20) == there.overview(20)


def test_a_join_brings_the_decisions_together(project: Project) -> None:
    stored(project, event("e1", 1, user="u0"), event("e2", 1, anonymous="a0"))
    project.consents.decide([Decision("anonymous", "a0", "email", True, 5, "banner")])
    project.consents.refresh()
    assert project.consents.as_of([("user", "u0")], 9) is None
    stored(project, event("e3", 2, user="u0", anonymous="a0"), event("e4", 3, user="u0", anonymous="a9"))
    project.consents.refresh()
    assert project.consents.as_of([("user", "u0")], 9) == {"email"}
    assert project.consents.as_of([("anonymous", "a9")], 9) == {"email"}
    (join,) = [j for j in project.identities.joins_of(1) if "a0" in (j.weaker.value, j.stronger.value)]
    project.identities.undo(join.number, "test")
    project.consents.refresh()
    assert project.consents.as_of([("user", "u0")], 9) is None
    assert project.consents.as_of([("anonymous", "a0")], 9) == {"email"}


# -- the door ---------------------------------------------------------------------------------------------------------


def enter(project: Project, arrival: Arrival) -> tuple[Refusal | None, list[Decision]]:
    """As the door does: ask, keep, learn."""
    learned = Learned()
    arrival.source = "web"
    refused = project.permission.check(arrival, learned)
    with project.state.write() as connection:
        written = project.permission.write(connection, learned)
    project.permission.learn(written)
    return refused, written


@pytest.mark.parametrize(
    ("rules", "refusal", "user"),
    [
        ('denied = "refuse"', Refusal.NO_CONSENT, "u0"),
        ('denied = "anonymous"', None, None),
        ('denied = "keep"', None, "u0"),
    ],
)
def test_who_denied_analytics(tmp_path: Path, rules: str, refusal: Refusal | None, user: str | None) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "polku.toml").write_text(f"[consent]\n{rules}\n", encoding="utf-8")
    with create_project(folder, "en") as project:
        no = Arrival(event="page", user_id="u0", time=5, context={"consent": {"analytics": False}, "traits": {"x": 1}})
        refused, written = enter(project, no)
        assert (refused, [d.granted for d in written]) == (refusal, [False])  # what was said is kept in any case
        later = Arrival(event="page", user_id="u0", time=9, context={"traits": {"email": "a@b.fi"}})
        assert enter(project, later) == (refusal, [])
        assert later.user_id == user
        assert project.contacts.count()["email"] == int(refusal is None and user is not None)
        before = Arrival(event="page", user_id="u0", time=4)
        assert enter(project, before) == (None, [])
        assert before.consent is None


def test_who_was_never_asked(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "polku.toml").write_text('[consent]\nunknown = "anonymous"\n', encoding="utf-8")
    with create_project(folder, "en") as project:
        arrival = Arrival(event="page", anonymous_id="a", session_id="s", time=4, context={"ids": {"number": "1"}})
        assert enter(project, arrival) == (None, [])
        assert (arrival.anonymous_id, arrival.session_id, arrival.context) == (None, None, {})


steps = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.sampled_from(IDS), st.integers(0, 30)),
        st.tuples(
            st.just("consent"), st.sampled_from(IDS), st.sampled_from(PURPOSES), st.booleans(), st.integers(0, 30)
        ),
        st.tuples(st.just("import"), st.sampled_from(IDS), st.integers(0, 30)),
        st.tuples(st.just("forget"), st.sampled_from(IDS)),
        st.tuples(st.just("move")),
    ),
    max_size=14,
)


@settings(max_examples=12, deadline=None)
@given(steps)
def test_whatever_comes_in_what_order(doings: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, create_project(Path(folder) / "shop", "en") as project:
        made: list[Decision] = []
        forgotten: set[tuple[str, str]] = set()
        expected: dict[str, str | None] = {}
        for number, (what, *facts) in enumerate(doings):
            if what == "move":
                project.mover.move()
                continue
            who: tuple[str, str] = facts[0]  # type: ignore[assignment]
            ids = {"user_id": who[1]} if who[0] == "user" else {"anonymous_id": who[1]}
            if what == "event":
                time = int(facts[1])  # type: ignore[call-overload]
                arrival = Arrival(event="page", time=time, **ids)  # type: ignore[arg-type]
                refused, _ = enter(project, arrival)
                held = reference(made, [who], time)
                if who in forgotten:
                    assert refused is Refusal.ERASED
                elif (
                    held is not None
                    and any(d.purpose == "analytics" for d in decided(made, who, time))
                    and "analytics" not in held
                ):
                    assert refused is Refusal.NO_CONSENT
                else:
                    assert refused is None
                    expected[f"e{number}"] = None if held is None else ",".join(sorted(held))
                    row = event(f"e{number}", 0, user=arrival.user_id, anonymous=arrival.anonymous_id)
                    project.inbox.append([{**row, "time": moment(time), "consent": arrival.consent}])
            elif what == "import":
                row = event(f"i{number}", 0, user=ids.get("user_id"), anonymous=ids.get("anonymous_id"))
                stored(project, {**row, "time": moment(int(facts[1]))})  # type: ignore[call-overload]
                if who not in forgotten:
                    expected[f"i{number}"] = None
            elif what == "consent" and who not in forgotten:
                purpose, yes, time = facts[1:]
                with project.state.write() as connection:
                    fresh = project.consents.write(
                        connection, [Decision(*who, str(purpose), bool(yes), int(time), "t")]
                    )  # type: ignore[call-overload]
                project.consents.learn(fresh)
                made += fresh
            elif what == "forget":
                try:
                    erasure.forget(project, who[1], "test")
                except UsageError:
                    continue  # nobody of that name has come yet
                forgotten.add(who)
                made = [d for d in made if (d.kind, d.value) != who]
                rows = project.changes(None, ["event_id", "user_id", "anonymous_id"]).rows.read_all().to_pylist()
                expected = {r["event_id"]: expected[r["event_id"]] for r in rows}
        project.mover.move()
        rows = project.history.read().read_all().to_pylist()
        assert {r["event_id"]: r["consent"] for r in rows} == expected
        gone = {value for _, value in forgotten}
        assert not [r for r in rows if r["user_id"] in gone or r["anonymous_id"] in gone]


def decided(made: Sequence[Decision], who: tuple[str, str], time: int) -> list[Decision]:
    return [d for d in made if (d.kind, d.value) == who and d.time <= time]


CONSENTING = """\
polku: 1
title: A shop
timezone: Europe/Helsinki
stages:
  - id: all
    touchpoints:
      - {id: agreed, match: {event: page, where: "consent like '%email%'"}}
      - {id: other, match: {event: page}}
"""


def test_a_map_asks_for_consent_as_of_the_event(tmp_path: Path) -> None:
    from polku.trails import open_trails

    with create_project(tmp_path / "shop", "en") as project:
        (project.folder / "journey.yaml").write_text(CONSENTING, encoding="utf-8")
        page = event("e1", 1, user="u0")
        stored(
            project, {**page, "consent": "ads,email"}, {**event("e2", 1, user="u1"), "consent": "ads"}, event("e3", 1)
        )
        project.inbox.append([{**event("e4", 2, user="u2"), "consent": "email"}])
        trails = open_trails(project)
        met = [trails.tables.touchpoints[trails.tables.code_touchpoint[c]] for b in trails.buckets for c in b.code]
        assert sorted(met) == ["agreed", "agreed", "other"]


# -- lists and people -------------------------------------------------------------------------------------------------


def test_a_list_is_imported_once_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    with create_project(tmp_path / "shop", "en") as project:
        file.write_text(
            "email;status;date\na@x.fi;subscribed;2026-02-01\nb@x.fi;unsubscribed;2026-02-02\n", encoding="utf-8"
        )
        done = import_list(project, file, purpose="email")
        assert (done.read, done.written, done.known) == (2, 2, 0)
        assert import_list(project, file, purpose="email").known == 2
        assert project.consents.overview()[0].granted == 1
        assert project.contacts.count()["email"] == 2
        file.write_text("email;status;date\nc@x.fi;subscribed;2026-02-01\nno address;perhaps;x\n", encoding="utf-8")
        with pytest.raises(SourceError, match="lines 3"):
            import_list(project, file, purpose="email")
        assert project.consents.overview()[0].granted == 1
        file.write_text("name\nx\n", encoding="utf-8")
        with pytest.raises(SourceError, match="no column names the customer"):
            import_list(project, file, purpose="email")


def test_what_a_person_notes(project: Project) -> None:
    stored(project, event("e1", 1, user="u0"))
    ids = ids_meant(project, "u0")
    assert decide(project, ids[0], ["newsletter"], ["ads"], 5, "call", "2026-1", "mikko") == 2
    assert project.consents.as_of(ids, 6) == {"email"}
    assert {d.text_version for d in project.consents.of(ids)} == {"2026-1"}
    with pytest.raises(UsageError, match="at once"):
        decide(project, ids[0], ["email"], ["email"], 5, "call", None, "mikko")
    with pytest.raises(UsageError, match="no purpose"):
        decide(project, ids[0], ["necessary"], [], 5, "call", None, "mikko")
    project.consents.keep_text("2026-1", "fi", "Saako kirjoittaa?")
    with pytest.raises(UsageError, match="other words"):
        project.consents.keep_text("2026-1", "fi", "Jotain muuta")
    (version,) = project.consents.versions()
    assert (version["decisions"], version["texts"]) == (2, {"fi": "Saako kirjoittaa?"})
    assert json.dumps([d.to_dict() for d in project.consents.recent()])
    assert read_purposes("analytics; Uutiskirje, necessary") == ("analytics", "email")
