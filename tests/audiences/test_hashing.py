"""Normalising and hashing as Meta and Google document them; the examples are theirs where they publish some."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.audiences import hashing
from polku.audiences.hashing import Person, google_row, meta_row, person_of, sha256

EMAILS = [
    # Google, Data Manager API, "Format user data" and "Send audience members"
    ("google", "cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
    ("google", "user.name+NYC@Example.com", "user.name+nyc@example.com"),
    ("google", " cloudySanFrancisco@GMAIL.com ", "cloudysanfrancisco@gmail.com"),
    # Meta keeps the dots: an address is as it was given
    ("meta", " Your.Name@Gmail.com", "your.name@gmail.com"),
]


@pytest.mark.parametrize(("platform", "given_", "wanted"), EMAILS)
def test_addresses(platform, given_, wanted):
    normal = {"google": hashing.google_email, "meta": hashing.meta_email}[platform]
    assert normal(given_) == wanted


def test_a_known_hash():
    """Google's own example of an address that is hashed (Send audience members)."""
    assert sha256("dana@example.com") == "07e2f1394b0ea80e2adca010ea8318df697001a005ba7452720edda4b0ce57b3"
    assert sha256("") == ""


def test_a_whole_person():
    traits = {
        "firstName": "Anna-Maija", "lastName": "O'Neil", "city": "Jyväskylä", "postalCode": "40 100",
        "address": {"country": "Suomi", "city": "other"},
    }  # fmt: skip
    who = person_of(traits, "anna@example.fi", "+358401234567")
    assert who == Person("anna@example.fi", "+358401234567", "Anna-Maija", "O'Neil", "Jyväskylä", "", "40 100", "fi")
    plain = ("anna@example.fi", "358401234567", "annamaija", "oneil", "jyväskylä", "", "40100", "fi")
    assert meta_row(who) == tuple(sha256(one) for one in plain)
    assert google_row(who) == (
        sha256("anna@example.fi"), sha256("+358401234567"), sha256("anna-maija"), sha256("o'neil"), "FI", "40 100",
    )  # fmt: skip
    assert google_row(person_of({"firstName": "Anna"}, "a@b.fi", ""))[2:] == ("", "", "", "")  # all four or none


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text(max_size=12), st.sampled_from(["", "us", "fi"]))
def test_nothing_plain_is_ever_in_a_row_of_metas(first, last, city, postal, country):
    row = meta_row(Person("a@b.fi", "+3581", first, last, city, "", postal, country))
    assert all(one == "" or (len(one) == 64 and not set(one) - set("0123456789abcdef")) for one in row)
    assert row == meta_row(Person(" A@B.FI ", "+358 1", first, last, city, "", postal, country))
    assert row[0] == hashlib.sha256(b"a@b.fi").hexdigest()
