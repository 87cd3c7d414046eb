"""People: roles, passwords, one-time links, sessions, and what holds guessers up."""

from __future__ import annotations

from typing import Any

import argon2
import pytest
import sqlalchemy as sa

from polku.access import passwords, sessions, users
from polku.access.limits import Limit, network
from polku.access.sessions import Sessions
from polku.access.users import Users
from polku.errors import AccessError
from polku.record import tables
from polku.record.clock import now
from polku.record.state import State

WORD = "correct horse battery"
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def people(state: State) -> Users:
    found = Users(state)
    found.add("Anna@Shop.example ", "owner", WORD)
    return found


def actions(people: Users) -> list[str]:
    return [e.action for e in people.audit.entries()]


def test_a_name_is_one_name_however_it_is_written(people: Users) -> None:
    assert people.verify(" ANNA@shop.EXAMPLE", WORD)
    with pytest.raises(AccessError, match="already"):
        people.add("anna@shop.example", "owner", WORD)
    with pytest.raises(AccessError, match=r"did you mean anna@shop\.example"):
        people.get("ana@shop.example")


@pytest.mark.parametrize("password", ["", "short", "aaaaaaaaaaaaaaaa", "anna@shop.example!", "x" * 201, "1234567890"])
def test_weak_passwords_are_refused(people: Users, password: str) -> None:
    with pytest.raises(AccessError, match="password"):
        people.set_password("anna@shop.example", password)
    assert people.verify("anna@shop.example", WORD)


@pytest.mark.parametrize("password", ["", WORD + " ", WORD.upper(), "x" * 100_000, "\x00", "\udc80"])
def test_only_the_right_password_is_right(people: Users, password: str) -> None:
    assert people.verify("anna@shop.example", password) is None
    assert people.verify("nobody", password) is None


def test_what_is_kept_is_argon2id_with_todays_parameters(
    state: State, people: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> str:
        with state.read() as connection:
            return str(connection.execute(sa.select(tables.users.c.password)).scalar())

    assert kept().startswith("$argon2id$")
    assert WORD not in kept()
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert people.verify("anna@shop.example", "wrong one, surely") is None
    assert "m=8,t=1" in kept()
    assert people.verify("anna@shop.example", WORD)
    assert "m=16,t=2" in kept()
    assert people.verify("anna@shop.example", WORD)


def test_the_parameters_are_owasps() -> None:
    """Password Storage Cheat Sheet: Argon2id with 19 MiB of memory, 2 iterations, 1 degree of parallelism."""
    assert (passwords.PASSES, passwords.KIBIBYTES, passwords.LANES) == (2, 19 * 1024, 1)


def test_there_is_always_an_owner(people: Users) -> None:
    for change in (lambda: people.remove("anna@shop.example"), lambda: people.set_role("anna@shop.example", "viewer")):
        with pytest.raises(AccessError, match="only owner"):
            change()
    people.add("ben", "viewer", WORD)
    people.set_role("ben", "owner", by="anna")
    people.set_role("anna@shop.example", "editor", by="ben")
    assert [(u.name, u.role) for u in people.list()] == [("anna@shop.example", "editor"), ("ben", "owner")]
    assert actions(people)[:2] == ["user.role", "user.role"]


def test_the_first_person_is_an_owner(state: State) -> None:
    found = Users(state)
    assert not found.any()
    for make in (lambda: found.add("ben", "viewer", WORD), lambda: found.invite("ben", "editor")):
        with pytest.raises(AccessError, match="has to be an owner"):
            make()
    found.add("ben", "owner", WORD)
    assert found.any()
    with pytest.raises(AccessError, match="no role 'king'"):
        found.add("carl", "king", WORD)


def test_the_first_owners_link_opens_once(state: State) -> None:
    found = Users(state)
    first, second = found.owner_link(), found.owner_link()
    assert found.link(first) is not None
    with pytest.raises(AccessError, match="characters"):
        found.follow(first, "short", "anna")
    user = found.follow(first, WORD, "Anna")
    assert (user.name, user.role) == ("anna", "owner")
    for text in (first, second, "", "x" * 1000):
        assert found.link(text) is None
        with pytest.raises(AccessError, match="opens nothing any more"):
            found.follow(text, WORD, "mallory")
    with pytest.raises(AccessError, match="an owner already"):
        found.owner_link()


def test_invitations_and_resets(people: Users, state: State) -> None:
    old, invitation = people.invite("ben", "viewer", by="anna"), people.invite("ben", "editor", by="anna")
    assert people.link(old) is None, "the newest link alone opens"
    ben = people.follow(invitation, WORD, "somebody else")
    assert (ben.name, ben.role) == ("ben", "editor")
    open_sessions = Sessions(state, 3600, 86400)
    text = open_sessions.open(ben, "::1", "x")
    reset = people.reset_link("ben", by="anna")
    assert people.verify("ben", WORD)
    people.follow(reset, "another good password")
    assert people.verify("ben", WORD) is None
    assert people.verify("ben", "another good password")
    assert open_sessions.who(text) is None, "whoever had the old password is out"
    pending = people.reset_link("ben")
    people.remove("ben", by="anna")
    assert people.link(pending) is None
    assert {"user.invited", "user.link", "user.password", "user.removed"} <= set(actions(people))


@pytest.mark.parametrize("kind", ["owner", "invite", "reset"])
def test_links_end(state: State, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    found = Users(state)
    if kind == "owner":
        text = found.owner_link()
    else:
        found.add("anna", "owner", WORD)
        text = found.invite("ben", "viewer") if kind == "invite" else found.reset_link("anna")
    later = now() + users.VALID[kind]
    monkeypatch.setattr(users, "now", lambda: later)
    assert found.link(text) is None
    with pytest.raises(AccessError, match="opens nothing"):
        found.follow(text, WORD, "carl")


def test_no_text_that_opens_anything_is_kept(people: Users, state: State) -> None:
    link = people.invite("ben", "viewer")
    text = Sessions(state, 60, 60).open(people.get("anna@shop.example"), "::1", "Firefox\r\nX: y")
    with state.read() as connection:
        for table in (tables.users, tables.links, tables.sessions, tables.audit):
            rows = repr(connection.execute(sa.select(table)).all())
            assert link not in rows
            assert text not in rows
            assert "\\r" not in rows


def test_sessions_end_by_silence_and_by_age(people: Users, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Sessions(state, idle=100, age=1000)
    anna = people.get("anna@shop.example")
    text = found.open(anna, "::1", "x")
    began = now()
    who = found.who(text)
    assert who is not None
    assert (who.name, who.role, who.how, len(who.token)) == ("anna@shop.example", "owner", "session", 64)
    at = began
    for _ in range(12):  # every 90 s: never silent for long, until its age ends it
        at += 90_000_000
        moment = at
        monkeypatch.setattr(sessions, "now", lambda moment=moment: moment)
        assert (found.who(text) is not None) == (at - began < 1_000_000_000)
    silent = found.open(anna, "::1", "x")
    monkeypatch.setattr(sessions, "now", lambda: at + 101_000_000)
    assert found.who(silent) is None
    assert found.list(anna.id) == []


def test_a_role_is_the_one_of_now(people: Users, state: State) -> None:
    ben = people.add("ben", "editor", WORD)
    found = Sessions(state, 100, 100)
    text = found.open(ben, "::1", "x")
    people.set_role("ben", "viewer")
    who = found.who(text)
    assert who is not None
    assert who.role == "viewer"
    people.remove("ben")
    assert found.who(text) is None


def test_one_person_has_so_many_sessions(people: Users, state: State) -> None:
    anna = people.get("anna@shop.example")
    found = Sessions(state, 100, 100)
    texts = [found.open(anna, "::1", "x") for _ in range(sessions.MOST + 3)]
    assert [found.who(t) is not None for t in texts] == [False] * 3 + [True] * sessions.MOST
    found.close_all(anna.id)
    assert found.list(anna.id) == []


def test_an_unknown_name_takes_as_long_as_a_wrong_password(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """By counting what is computed, not by the clock: one verification each, with the same parameters."""
    found = Users(state)
    found.add("anna", "owner", WORD)
    found.verify("nobody", "x")
    computed: list[str] = []
    real = passwords.HASHER

    class Counting:
        def verify(self, kept: str, password: str) -> Any:
            computed.append(kept.rsplit("$", 2)[0])
            return real.verify(kept, password)

    monkeypatch.setattr(passwords, "HASHER", Counting())
    found.verify("nobody", "wrong")
    found.verify("anna", "wrong")
    assert len(computed) == 2
    assert computed[0] == computed[1]


@pytest.mark.parametrize(
    ("takes", "waits"),
    [
        ([(0, 1)] * 3, [0, 0, 5]),
        ([(0, 1), (0, 1), (5, 1), (5, 1)], [0, 0, 0, 5]),
        ([(0, 5), (0, 1), (40, 1)], [0, 20, 0]),
        ([(10, 1), (0, 1), (0, 1)], [0, 0, 5]),
    ],
)
def test_buckets(takes: list[tuple[float, float]], waits: list[float]) -> None:
    limit = Limit(2, per=10)
    assert [limit.take("a", tokens, at) for at, tokens in takes] == waits
    assert limit.take("b", at=0) == 0


def test_buckets_forget_and_forgive() -> None:
    limit = Limit(1, per=10, most=2)
    for name in "abc":
        assert limit.take(name, at=0) == 0
    assert limit.take("a", at=0) == 0, "forgotten"
    assert limit.take("c", at=0) == 10
    limit.forgive("c")
    assert limit.take("c", at=0) == 0
    assert [Limit(0).take("x") for _ in range(3)] == [0, 0, 0]
    assert [network(a) for a in ("::ffff:10.0.0.1", "2001:db8::1%eth0")] == ["10.0.0.1", "2001:db8::/64"]
