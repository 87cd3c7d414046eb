"""Who the people are before anything happens: persona, first need, devices and their clocks, household."""

from __future__ import annotations

from typing import Final

import numba as nb
import numpy as np
import numpy.typing as npt

from polku.simulate.calendar import DAY, MICROS, Calendar, arrivals, moment
from polku.simulate.chance import chance, cumulative, gap, pick, root_of

#: ``arrival``: microseconds UTC; browsers: numbers of the world's BROWSERS; ``household``: shares the desktop computer
#: with the neighbour (the other of 2k and 2k + 1); ``clocks``: microseconds that each device's clock is ahead;
#: ``met``: bit k is set when obstacle k was met (written by the kernels); ``reminded``: from when on (microseconds UTC)
#: a rule of guidance writes to them about a cart that waits; USUAL: no rule, the shop reminds half of them itself.
PERSON: Final = np.dtype(
    [
        ("person", np.int64),
        ("arrival", np.int64),
        ("clocks", np.int64, (2,)),
        ("reminded", np.int64),
        ("met", np.uint32),
        ("persona", np.uint8),
        ("mobile_browser", np.uint8),
        ("desktop_browser", np.uint8),
        ("old_phone", np.bool_),
        ("household", np.bool_),
    ]
)
MOBILE, DESKTOP = 0, 1
#: Values of ``reminded``.
USUAL: Final = -1
NEVER: Final = 1 << 62

#: Shares of people, each a number of the world's noise (see ``noise.Noise``).
WRONG_ZONE: Final = 0.6  # of wrong clocks: set to another zone, hours off
WRONG_MINUTES: Final = 0.3  # some minutes off; the rest: days off


@nb.njit(cache=True)
def _draw(out, seed, first, cal, days, day_shares, personas, old_phone, mobiles, desktops, household, wrong):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        root = root_of(seed, first + i)
        person = out[i]
        person.person = first + i
        person.met = 0
        person.reminded = USUAL
        persona = pick(personas, chance(root, 0, 1))
        person.persona = persona
        day = days[pick(day_shares, chance(root, 0, 2))]
        person.arrival = moment(cal, day, root, 0, 3)
        person.mobile_browser = pick(mobiles, chance(root, 0, 5))
        person.desktop_browser = len(mobiles) + pick(desktops, chance(root, 0, 6))
        person.old_phone = chance(root, 0, 7) < old_phone[persona]
        pair = root_of(seed + 1, (first + i) // 2)
        person.household = chance(pair, 0, 8) < household
        for device in range(2):
            person.clocks[device] = 0
            if chance(root, device, 9) < wrong:
                sign = 1 if chance(root, device, 10) < 0.5 else -1
                how = chance(root, device, 11)
                if how < WRONG_ZONE:
                    off = (1 + np.int64(chance(root, device, 12) * 3)) * 3600 * MICROS
                elif how < WRONG_ZONE + WRONG_MINUTES:
                    off = np.int64((2 + gap(root, device, 12, 8.0)) * 60 * MICROS)
                else:
                    sign = -1
                    off = np.int64((1 + chance(root, device, 12) * 6) * DAY * MICROS)
                person.clocks[device] = sign * off


def draw(
    seed: int,
    first: int,
    count: int,
    cal: Calendar,
    span: tuple[int, int],
    personas: npt.ArrayLike,
    old_phone: npt.ArrayLike,
    mobiles: npt.ArrayLike,
    desktops: npt.ArrayLike,
    household: float,
    wrong_clock: float,
) -> npt.NDArray[np.void]:
    """The people ``first`` to ``first + count - 1`` as an array of :data:`PERSON`; the same whatever the chunk.

    ``span``: microseconds UTC between which they first come; ``personas``, ``mobiles``, ``desktops``: relative shares;
    ``old_phone``: share a persona; ``household``, ``wrong_clock``: shares.
    """
    out = np.zeros(count, PERSON)
    days, shares = arrivals(cal, *span)
    _draw(
        out, seed, first, cal, days, shares, cumulative(personas), np.asarray(old_phone, np.float64),
        cumulative(mobiles), cumulative(desktops), household, wrong_clock,
    )  # fmt: skip
    return out
