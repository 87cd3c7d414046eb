"""E-mail addresses that are nobody's: reserved names, senders that nobody reads, what people type to get past a form.

Such an address would join everybody who typed it. It is taken out of the event as every address is, but it is no id and
no contact. What is here is short on purpose: an address that may be somebody's (``info@``, ``sales@``) is left to the
caps (polku.record.quarantine), and ``[identity] nobody`` in ``polku.toml`` takes a shop's own.

>>> names_nobody("test@test.com"), names_nobody("jane@shop.invalid"), names_nobody("anna@example.fi")
(True, True, False)
>>> names_nobody("kassa@kauppa.fi", read_nobody("kassa@kauppa.fi, @till.kauppa.fi"))
True
"""

from __future__ import annotations

import re
from typing import Final

#: Names that RFC 2606 (section 3) and RFC 6761 set apart: nobody can have an address there.
DOMAINS: Final = frozenset({"example.com", "example.net", "example.org"})
#: Top levels that lead nowhere: RFC 2606 (section 2), RFC 6761, RFC 6762 (local), ICANN's resolution 2024.07.29.06
#: (internal). ``example`` is not among them: made-up people live there, each with an address of their own (the demo's).
ENDINGS: Final = frozenset({"test", "invalid", "localhost", "local", "internal"})
#: Senders that nobody reads, in any domain: no customer writes from them, and tools put them where an address must be.
#: ``mailer-daemon`` and ``postmaster`` are the mail system itself (RFC 5321, 4.5.1; RFC 3464).
SENDERS: Final = frozenset(
    {"noreply", "donotreply", "noanswer", "nomail", "mailerdaemon", "postmaster", "eivastausta", "alavastaa",
     "älävastaa"}
)  # fmt: skip
#: Typed to get past a form: the same word before and after the @ (``test@test.com``, ``asdf@asdf.fi``), or a word that
#: stands for a person, at a domain that stands for a domain (``name@domain.com``). The domains are real and belong to
#: those who registered them; it is the pair that is nobody's.
TYPED: Final = frozenset(
    {"test", "testing", "tester", "testi", "asd", "asdf", "asdasd", "qwe", "qwerty", "abc", "aaa", "xxx", "foo", "bar",
     "none", "null", "na", "no", "nobody", "email", "mail", "example", "user", "guest", "anonymous", "fake", "a", "x"}
)  # fmt: skip
PEOPLE: Final = frozenset(
    {"test", "testi", "user", "username", "name", "yourname", "firstname.lastname", "etunimi.sukunimi", "nimi", "you",
     "your", "email", "youremail", "me", "someone", "john.doe", "johndoe", "jane.doe", "matti.meikalainen"}
)  # fmt: skip
PLACES: Final = frozenset(
    {"domain", "yourdomain", "company", "yourcompany", "yritys", "test", "testi", "email", "mail"}
)
#: Top levels under which the pairs above are typed; elsewhere a domain such as test.io may well have people.
USUAL: Final = frozenset({"com", "fi", "net", "org"})

Nobody = tuple[frozenset[str], tuple[str, ...]]
NONE: Final[Nobody] = (frozenset(), ())


def names_nobody(address: str, more: Nobody = NONE) -> bool:
    """Whether an address (normal: lower case) is nobody's. ``more``: a project's own, as :func:`read_nobody` gives."""
    local, _, domain = address.rpartition("@")
    whole, domains = more
    if address in whole or domain in domains:
        return True
    rest, _, ending = domain.rpartition(".")
    if ending in ENDINGS or domain in DOMAINS or domain.endswith((".example.com", ".example.net", ".example.org")):
        return True
    local = local.partition("+")[0]
    if re.sub(r"[._-]", "", local) in SENDERS:
        return True
    if ending not in USUAL:
        return False
    return (local == rest and local in TYPED) or (local in PEOPLE and rest in PLACES)


def read_nobody(text: str) -> Nobody:
    """Addresses and, with an ``@`` before them, whole domains, as the setting lists them."""
    words = [word.lower() for word in re.split(r"[,;\s]+", text) if word]
    return frozenset(w for w in words if not w.startswith("@")), tuple(w[1:] for w in words if w.startswith("@"))
