"""What happens to events on their way: wrong clocks, late and repeated deliveries, and bots among the visitors."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt

from polku.simulate import vocabulary as v
from polku.simulate.calendar import MICROS, Calendar, moment
from polku.simulate.chance import chance, gap, pick, root_of

DUPLICATE, LATE, BOT, WRONG_CLOCK = 1, 2, 4, 8
FLAGS: Final = {"duplicate": DUPLICATE, "late": LATE, "bot": BOT, "wrong_clock": WRONG_CLOCK}
#: Later than this after it was sent, an event is flagged late (microseconds).
LATE_AFTER: Final = 10 * 60 * MICROS


@dataclasses.dataclass(frozen=True)
class Noise:
    """Shares: of events delivered twice, of web events delivered late (a phone off line), of devices with a wrong
    clock, of pairs of people that share a computer; ``people_a_bot``: one bot comes to so many people, 0 for none."""

    duplicates: float = 0.01
    late: float = 0.02
    wrong_clock: float = 0.02
    household: float = 0.01
    people_a_bot: int = 1000


USUAL: Final = Noise()
NONE: Final = Noise(0.0, 0.0, 0.0, 0.0, 0)


@dataclasses.dataclass(frozen=True)
class Sent:
    """Events as they arrived, one row an arrival, in order of arrival.

    rows: ROW[n] (``time`` is the true one), client: int64[n] (time by the sender's clock), received: int64[n], both
    microseconds UTC, flags: uint8[n].
    """

    rows: npt.NDArray[np.void]
    client: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]


@nb.njit(cache=True, nogil=True)
def _send(rows, clocks, first, seed, duplicates, late, client, received, flags, again):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        row = rows[i]
        root = root_of(seed + 2, row.person)
        client[i] = row.time
        flags[i] = 0
        received[i] = row.time + 80_000 + np.int64(gap(root, row.serial, 0, 0.4) * MICROS)
        if row.person < 0:
            flags[i] |= BOT
        elif row.source == v.WEB:
            off = clocks[row.person - first, row.device]
            if off != 0:
                client[i] += off
                flags[i] |= WRONG_CLOCK
            if chance(root, row.serial, 1) < late:
                received[i] += LATE_AFTER + np.int64(gap(root, row.serial, 2, 7.0) * 3600 * MICROS)
                flags[i] |= LATE
        again[i] = 0
        if chance(root, row.serial, 3) < duplicates:
            again[i] = received[i] + 1_000_000 + np.int64(gap(root, row.serial, 4, 40.0) * MICROS)


def send(rows: npt.NDArray[np.void], people: npt.NDArray[np.void], first: int, seed: int, noise: Noise) -> Sent:
    """Deliver ``rows`` (any order) of ``people`` (whose first number is ``first``) and of bots (negative numbers)."""
    n = len(rows)
    client, received, again = (np.empty(n, np.int64) for _ in range(3))
    flags = np.empty(n, np.uint8)
    _send(rows, people["clocks"], first, seed, noise.duplicates, noise.late, client, received, flags, again)
    twice = np.flatnonzero(again)
    arrived = np.concatenate([received, again[twice]])
    order = np.argsort(arrived, kind="stable")
    which = np.concatenate([np.arange(n), twice])[order]
    repeated = np.concatenate([np.zeros(n, np.uint8), np.full(len(twice), DUPLICATE, np.uint8)])[order]
    return Sent(rows[which], client[which], arrived[order], flags[which] | repeated)


@nb.njit(cache=True)
def _crawl(out, first_bot, bots, seed, cal, day_shares, until, pages, browser_device):  # type: ignore[no-untyped-def]
    n = 0
    for b in range(bots):
        number = -(first_bot + b + 1)
        root = root_of(seed + 3, number)
        serial = 0
        for visit in range(1, 2 + int(gap(root, 0, 0, 14.0))):
            day = pick(day_shares, chance(root, visit, 0))
            time = moment(cal, day, root, visit, 1)
            for j in range(10 + int(gap(root, visit, 3, 25.0))):
                if time < until:
                    if n < len(out):
                        row = out[n]
                        row.person = number
                        row.time = time
                        row.serial = serial
                        row.visit = visit
                        row.kind = v.PAGE
                        row.page = int(chance(root, visit, 10 + 2 * j) * pages)
                        row.cookie = visit
                        row.device = browser_device
                        row.ids = v.BY_COOKIE
                        row.source = v.WEB
                        row.value = np.nan
                    n += 1
                    serial += 1
                time += np.int64((0.7 + gap(root, visit, 11 + 2 * j, 1.2)) * MICROS)
    return n


def crawl(
    first_bot: int, bots: int, seed: int, cal: Calendar, shares: npt.NDArray[np.float64], until: int, pages: int
) -> Any:
    """ROW[n]: the page views of bots ``first_bot`` onwards, numbered -1, -2, ...; each crawl has its own cookie."""
    out = np.zeros(1024, v.ROW)
    while True:
        n = _crawl(out, first_bot, bots, seed, cal, shares, until, pages, 0)
        if n <= len(out):
            return out[:n]
        out = np.zeros(n, v.ROW)
