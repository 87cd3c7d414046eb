"""Passwords: Argon2id with OWASP's parameters (Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane)."""

from __future__ import annotations

import functools
import threading

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from polku.errors import AccessError
from polku.language import N_

#: NIST SP 800-63B: length is what counts; no rules about kinds of letters.
SHORTEST, LONGEST = 10, 200
#: Passes, KiB and lanes of Argon2id.
PASSES, KIBIBYTES, LANES = 2, 19 * 1024, 1
HASHER = argon2.PasswordHasher(time_cost=PASSES, memory_cost=KIBIBYTES, parallelism=LANES)
#: As many are computed at once, so that many sign-ins together cannot take all memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def hashed(password: str, name: str) -> str:
    """The password as it is kept. Raises AccessError for one that is too short, too long, or too easy to guess."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccessError(
            N_("A password has {least} to {most} characters; a few words in a row are easy to keep in mind."),
            least=SHORTEST, most=LONGEST,
        )  # fmt: skip
    plain = password.casefold()
    if len(set(plain)) < 5 or name.casefold() in plain or plain in ("1234567890", "password123", "salasana123"):
        raise AccessError(N_("This password is too easy to guess: it holds your name, or few different characters."))
    return derived(password)


def derived(password: str) -> str:
    """The hash with today's parameters, for a password that was checked when it was chosen."""
    with _AT_ONCE:
        return HASHER.hash(_bytes(password))


def fits(kept: str | None, password: str) -> bool:
    """Whether it is the password that ``kept`` was made of; takes as long for None, where nobody is so called."""
    with _AT_ONCE:
        try:
            right = HASHER.verify(kept or _nobody(), _bytes(password[: LONGEST + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return right and kept is not None


def outdated(kept: str) -> bool:
    """Whether ``kept`` was made with other parameters than today's."""
    return HASHER.check_needs_rehash(kept)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


@functools.cache
def _nobody() -> str:
    return HASHER.hash("the password of nobody")
