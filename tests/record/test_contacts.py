"""Addresses leave events, wherever they stand, and come to the table of contacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku.errors import RecordError
from polku.events.arrival import Arrival
from polku.record.contacts import SECRET, Addresses, Contact, key_of, might_hold, normal_email, normal_phone
from polku.record.permission import Learned
from polku.record.placeholders import read_nobody
from polku.record.project import Project, create_project
from polku.sources.importing import import_files

from .deeds import MAP

ADDRESSES = Addresses(b"a secret", "FI")
MAIL = ADDRESSES.hash("email", "anna@example.fi")
PHONE = ADDRESSES.hash("phone", "+358401234567")


def test_the_secret_is_there_before_anybody_writes(tmp_path: Path) -> None:
    with create_project(tmp_path / "shop") as project, project.state.write() as connection:
        assert project.state.meta(connection, SECRET) is not None
        assert len(project.contacts.address_hash("email", "anna@example.fi")) == 22, "asked inside a write: no wait"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Anna.Virtanen@Example.FI ", "anna.virtanen@example.fi"),
        ("mailto:a@b.fi", "a@b.fi"),
        ("Matti@Äiti.fi", "matti@xn--iti-pla.fi"),
        ("e\u0301@x.fi", "\u00e9@x.fi"),
        ("logo@2x.png", None),
        ("lodash@4.17.21", None),
        ("two words@x.fi", None),
        ("@x.fi", None),
        ("a@x", None),
        ("", None),
        ("a@" + "x" * 70 + ".fi", None),
    ],
)
def test_emails_have_one_form(text: str, normal: str | None) -> None:
    assert normal_email(text) == normal


@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("040 123 4567", "FI", "+358401234567"),
        ("+358 (0)40-1234567", "FI", "+358401234567"),
        ("00358401234567", "FI", "+358401234567"),
        ("070-123 45 67", "SE", "+46701234567"),
        ("tel:+46701234567", "FI", "+46701234567"),
        ("12", "FI", None),
        ("no number", "FI", None),
    ],
)
def test_phone_numbers_have_one_form(text: str, country: str, normal: str | None) -> None:
    assert normal_phone(text, country) == normal


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"email": "Anna@Example.fi"}, {"email": f"email:{MAIL}"}),
        ({"puhelin": "040-123 4567"}, {"puhelin": f"phone:{PHONE}"}),
        ({"phone": 401234567}, {"phone": f"phone:{PHONE}"}),
        ({"note": "mail anna@example.fi, call +358 40 123 4567!"}, {"note": f"mail email:{MAIL}, call phone:{PHONE}!"}),
        ({"url": "https://s.fi/?e=anna%40example.fi&x=1"}, {"url": f"https://s.fi/?e=email:{MAIL}&x=1"}),
        ({"list": ["a", {"deep": ["anna@example.fi"]}]}, {"list": ["a", {"deep": [f"email:{MAIL}"]}]}),
        ({"anna@example.fi": 1}, {f"email:{MAIL}": 1}),
        ({"image": "logo@2x.png", "time": "2026-01-01T00:00:00+02:00", "order": 401234567, "handle": "@shop"}, None),
        ({"email": True, "phone": None, "mobile": "Mobile Safari"}, None),
    ],
)
def test_what_is_replaced(before: dict[str, object], after: dict[str, object] | None) -> None:
    want = json.loads(json.dumps(before)) if after is None else after
    ADDRESSES.clean(before)
    assert before == want


def test_own_addresses_become_ids_and_contacts_and_those_of_others_do_not() -> None:
    arrival = Arrival(
        event="Order Completed", user_id="ANNA@example.fi", received_at=7, source="shop",
        properties={"friend_email": "b@x.fi", "shipping": {"email": "carl@x.fi"}, "customer": {"phone": "0401234567"}},
        context={"ids": {"number": "K-1"}},
    )  # fmt: skip
    contacts = ADDRESSES.take(arrival)
    assert arrival.user_id == f"email:{MAIL}"
    assert arrival.context["ids"] == {"number": "K-1", "email": MAIL, "phone": PHONE}
    assert [(c.kind, c.value, c.first_seen, c.source) for c in contacts] == [
        ("email", "anna@example.fi", 7, "shop"), ("phone", "+358401234567", 7, "shop"),
    ]  # fmt: skip
    assert "@" not in json.dumps(arrival.properties)


leaves = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.emails(), st.floats(allow_nan=False))
objects = st.recursive(
    st.dictionaries(st.one_of(st.text(max_size=8), st.sampled_from(["email", "phone", "traits"])), leaves, max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=5), st.one_of(inner, st.lists(inner, max_size=3)), max_size=3),
    max_leaves=12,
)


@given(objects)
def test_no_address_is_left_and_a_second_time_changes_nothing(value: dict[str, object]) -> None:
    before = json.dumps(value)
    ADDRESSES.clean(value)
    once = json.dumps(value)
    ADDRESSES.clean(value)
    assert json.dumps(value) == once
    if once != before:
        assert might_hold(before.encode())


def test_keys_of_strangers_do_not_fill_memory() -> None:
    for number in range(40_000):
        key_of(f"key{number}")
    from polku.record import contacts

    assert len(contacts._keys) <= 1 << 14


def test_the_secret_is_the_projects_and_stays(tmp_path: Path) -> None:
    with create_project(tmp_path / "one", "en") as one, create_project(tmp_path / "two", "en") as two:
        mine = one.contacts.address_hash("email", "a@b.fi")
        assert mine != two.contacts.address_hash("email", "a@b.fi")
        with pytest.raises(RecordError, match="no e-mail address"):
            one.contacts.address_hash("email", "nothing")
    with create_project(tmp_path / "one", "en") as again:
        assert again.contacts.address_hash("email", "A@b.fi") == mine


def test_contacts_are_written_once(project: Project) -> None:
    with project.state.write() as connection:
        project.contacts.write(connection, [Contact("email", MAIL, "a@b.fi", 5, 5, "x")])
        project.contacts.write(
            connection, [Contact("email", MAIL, "a@b.fi", 9, 9, "y"), Contact("phone", PHONE, "+3", 1, 1)]
        )
        project.contacts.write(connection, [Contact("email", MAIL, "a@b.fi", 2, 2, "z")])
    found = project.contacts.of(f"email:{MAIL}")
    assert found == Contact("email", MAIL, "a@b.fi", 5, 9, "x")
    assert project.contacts.count() == {"email": 1, "phone": 1}
    assert set(project.contacts.of_many([MAIL, PHONE, "unknown"])) == {MAIL, PHONE}


FILES = {
    "a.csv": "email,event,time,puhelin,note\nAnna@Example.fi,page,2026-01-03 10:00,040 1234567,hei bob@y.fi\n"
    "k1,page,2026-01-03,,\n",
    "b.jsonl": '{"userId":"7","event":"identify","timestamp":"2026-01-03T10:00:00Z","traits":'
    '{"email":"anna@example.fi","phone":"0401234567"}}\n{"userId":"8","event":"page","timestamp":"2026-01-03T10:00:00Z","properties":{"a":1}}\n',
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_imports_keep_addresses_apart(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    with create_project(tmp_path / "shop", "en") as project:
        (project.folder / "journey.yaml").write_text(MAP, encoding="utf-8")
        assert import_files(project, tmp_path / name).stored == 2
        rows = project.sql("select user_id, properties, context from events").to_pylist()
        told = json.dumps(rows)
        assert "@" not in told
        assert "1234567" not in told
        mail, phone = (
            project.contacts.address_hash("email", "anna@example.fi"),
            project.contacts.address_hash("phone", "0401234567"),
        )
        ids = {"phone": phone} if name == "a.csv" else {"email": mail, "phone": phone}  # there the e-mail is the id
        assert any(json.loads(r["context"] or "{}").get("ids") == ids for r in rows)
        assert project.contacts.of(mail).value == "anna@example.fi"  # type: ignore[union-attr]
        assert project.contacts.count() == {"email": 1, "phone": 1}
        assert import_files(project, tmp_path / name).stored == 0  # the same file is known again


@pytest.mark.parametrize(
    ("address", "nobodys"),
    [
        ("test@test.com", True),
        ("TEST+7@Test.fi", True),
        ("jane@example.com", True),
        ("jane@mail.example.org", True),
        ("x@shop.invalid", True),
        ("No-Reply@kauppa.fi", True),
        ("do_not_reply@shop.de", True),
        ("ei.vastausta@kauppa.fi", True),
        ("etunimi.sukunimi@yritys.fi", True),
        ("kassa@kauppa.fi", True),
        ("anybody@till.kauppa.fi", True),
        ("anna@example.fi", False),
        ("anna.virtanen1@posti.example", False),
        ("info@kauppa.fi", False),
        ("test@kauppa.fi", False),
        ("anna@test.com", False),
        ("a@b.fi", False),
        ("test@test.io", False),
        ("myynti@kauppa.fi", False),
    ],
)
def test_addresses_that_are_nobodys_are_no_id(address: str, nobodys: bool) -> None:
    addresses = Addresses(b"a secret", "FI", read_nobody("kassa@kauppa.fi, @till.kauppa.fi"))
    assert addresses.is_nobody(address) is nobodys
    arrival = Arrival(
        event="page",
        user_id=address,
        anonymous_id="c1",
        context={"ids": {"email": address}, "traits": {"email": address}},
    )
    contacts = addresses.take(arrival)
    hashed = addresses.hash("email", address)
    assert arrival.user_id == (None if nobodys else f"email:{hashed}")
    assert arrival.context["ids"] == ({} if nobodys else {"email": hashed})
    assert arrival.context["traits"] == {"email": f"email:{hashed}"}
    assert bool(contacts) is not nobodys


def test_imports_and_doors_take_no_customer_from_them(tmp_path: Path) -> None:
    rows = "email,number,event,time\ntest@test.com,,page,2026-01-03 10:00\ntest@test.com,,page,2026-01-03 11:00\n"
    (tmp_path / "a.csv").write_text(rows + "anna@example.fi,,page,2026-01-03 12:00\n", encoding="utf-8")
    with create_project(tmp_path / "shop", "en") as project:
        (project.folder / "journey.yaml").write_text(MAP, encoding="utf-8")
        report = import_files(project, tmp_path / "a.csv")
        assert (report.stored, report.without_customer, report.new_customers) == (3, 2, 1)
        assert project.contacts.count()["email"] == 1
        arrival = Arrival(event="page", time=1, user_id="noreply@shop.fi", context={"ids": {"number": "K-1"}})
        assert project.permission.check(arrival, Learned()) is None
        assert arrival.user_id == "number:K-1"
