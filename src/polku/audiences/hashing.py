"""How Meta and Google want a person written: normalised, then SHA-256 in hexadecimal digits, each by its own rules.

Meta, "Customer File Custom Audiences" (Marketing API): everything is hashed. Google, "Format your customer data file"
and "Formatting guidelines for uploading hashed data" (Customer Match): country and postal code stay plain, and an
address counts only with both names, country and postal code. Google's rule for gmail.com and googlemail.com (no dots,
nothing behind a plus) is that of its Data Manager API.

>>> sha256("test@example.com")[:16]
'973dfe463ec85785'
>>> google_email("Jane.Doe+shop@googlemail.com"), meta_email(" Jane.Doe@Gmail.com ")
('janedoe@googlemail.com', 'jane.doe@gmail.com')
>>> google_phone("+358401234567"), meta_phone("+358401234567")
('+358401234567', '358401234567')
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from babel import Locale

from polku.content.facts import person

#: The columns of each platform's file, under the names that it asks for.
META: Final = ("email", "phone", "fn", "ln", "ct", "st", "zip", "country")
GOOGLE: Final = ("Email", "Phone", "First Name", "Last Name", "Country", "Zip")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {"meta": META, "google": GOOGLE}
GMAIL: Final = ("gmail.com", "googlemail.com")
_SPACES: Final = re.compile(r"\s+")
#: Where traits keep each part, as sources write it.
_FIRST: Final = ("first_name", "firstname", "given_name", "etunimi")
_LAST: Final = ("last_name", "lastname", "surname", "family_name", "sukunimi")
_CITY: Final = ("city", "town", "kaupunki", "postitoimipaikka")
_STATE: Final = ("state", "region", "province")
_ZIP: Final = ("zip", "postal_code", "zip_code", "postcode", "postinumero")
_COUNTRY: Final = ("country", "country_code", "maa")


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    """What is known of somebody, plain: "" for what is not. ``phone``: E.164; ``country``: two letters, lower case."""

    email: str = ""
    phone: str = ""
    first: str = ""
    last: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


def sha256(text: str) -> str:
    """64 hexadecimal digits; "" for nothing."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def person_of(traits: Mapping[str, Any], email: str, phone: str) -> Person:
    """A person as traits tell, at the top or under ``address``. The country of a phone number stands in where traits
    name none.

    >>> person_of({"name": "Anna Maija Virtanen", "address": {"city": "Jyväskylä", "country": "Suomi"}}, "", "").last
    'Virtanen'
    """
    told = person(traits)
    address = told.get("address")
    if isinstance(address, Mapping):
        told = {**person(address), **told}

    def first_of(names: tuple[str, ...]) -> str:
        found = next((told[name] for name in names if isinstance(told.get(name), (str, int))), "")
        return _SPACES.sub(" ", str(found)).strip()

    whole = told.get("name")
    parts = whole.split() if isinstance(whole, str) else []
    return Person(
        email=email,
        phone=phone,
        first=first_of(_FIRST) or (parts[0] if len(parts) > 1 else ""),
        last=first_of(_LAST) or (parts[-1] if len(parts) > 1 else ""),
        city=first_of(_CITY),
        state=first_of(_STATE),
        postal_code=first_of(_ZIP),
        country=country_code(first_of(_COUNTRY)) or country_of_phone(phone),
    )


def country_code(text: str) -> str:
    """Two lower-case letters (ISO 3166-1) of a country's code, or its name in Finnish, Swedish or English; else "".

    >>> country_code("Suomi"), country_code("FI"), country_code("Atlantis")
    ('fi', 'fi', '')
    """
    return _countries().get(text.strip().lower(), "")


@functools.cache
def _countries() -> dict[str, str]:
    found: dict[str, str] = {}
    for language in ("en", "fi", "sv"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "UN", "XA", "XB", "ZZ", "QO"):
                found.setdefault(code.lower(), code.lower())
                found.setdefault(name.lower(), code.lower())
    return found


def country_of_phone(phone: str) -> str:
    """The country that a number in E.164 is of; "" where it is of none or of several."""
    if not phone:
        return ""
    import phonenumbers  # here: most of Polku does without it

    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return ""
    code = phonenumbers.region_code_for_number(number)
    return code.lower() if code and code.isalpha() else ""


# -- Meta -------------------------------------------------------------------------------------------------------------


def meta_email(text: str) -> str:
    """Trimmed, lower case."""
    return text.strip().lower()


def meta_phone(text: str) -> str:
    """Digits alone, with the country code, without leading zeros."""
    return re.sub(r"\D", "", text).lstrip("0")


def _letters(text: str, keep: str = "") -> str:
    """Lower case, composed (NFC), without punctuation and signs; ``keep``: what stays besides letters and digits."""
    low = unicodedata.normalize("NFC", text).lower().strip()
    return "".join(sign for sign in low if sign.isalnum() or sign in keep)


def meta_name(text: str) -> str:
    """Lower case, no punctuation; letters of any alphabet in UTF-8.

    >>> meta_name(" Anna-Maija "), meta_name("O'Neil")
    ('annamaija', 'oneil')
    """
    return _SPACES.sub(" ", _letters(text, " ")).strip()


def meta_place(text: str) -> str:
    """A city, a state: lower case, no punctuation, no blanks.

    >>> meta_place("New York")
    'newyork'
    """
    return _letters(text)


def meta_zip(text: str, country: str) -> str:
    """Lower case, no blanks and no hyphens; in the United States the first five digits.

    >>> meta_zip("94035-1234", "us"), meta_zip("SW1A 2AA", "gb")
    ('94035', 'sw1a2aa')
    """
    plain = _letters(text)
    return plain[:5] if country == "us" else plain


def meta_row(who: Person) -> tuple[str, ...]:
    """The values of META, hashed."""
    return tuple(
        map(
            sha256,
            (
                meta_email(who.email), meta_phone(who.phone), meta_name(who.first), meta_name(who.last),
                meta_place(who.city), meta_place(who.state), meta_zip(who.postal_code, who.country), who.country,
            ),
        )
    )  # fmt: skip


# -- Google -----------------------------------------------------------------------------------------------------------


def google_email(text: str) -> str:
    """Lower case, no blanks; of Gmail's domains the dots and what stands behind a plus go."""
    plain = _SPACES.sub("", text).lower()
    local, at, domain = plain.rpartition("@")
    if at and domain in GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}{at}{domain}"


def google_phone(text: str) -> str:
    """E.164 with its plus."""
    return text.strip()


def google_name(text: str) -> str:
    """Lower case, no blanks around it and one at most inside."""
    return _SPACES.sub(" ", text).strip().lower()


def google_row(who: Person) -> tuple[str, ...]:
    """The values of GOOGLE: names hashed, country and postal code plain; of an address all four or none."""
    first, last = google_name(who.first), google_name(who.last)
    whole = bool(first and last and who.country and who.postal_code)
    postal = who.postal_code.strip()
    if who.country == "us":
        postal = postal[:5]
    return (
        sha256(google_email(who.email)), sha256(google_phone(who.phone)),
        sha256(first) if whole else "", sha256(last) if whole else "",
        who.country.upper() if whole else "", postal if whole else "",
    )  # fmt: skip


ROWS: Final = {"meta": meta_row, "google": google_row}
