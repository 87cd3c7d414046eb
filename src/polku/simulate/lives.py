"""What the people of both worlds have in common: how a life begins and ends, their devices, slow pages, payments.

A world's kernel (``shop``, ``studio``) tells one life after another in these words.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from polku.simulate import vocabulary as v
from polku.simulate.browsers import SAMSUNG
from polku.simulate.calendar import MICROS
from polku.simulate.chance import chance, gap, root_of
from polku.simulate.people import DESKTOP, MOBILE
from polku.simulate.shop_model import PAYMENT_FAILURE, SLOWNESS
from polku.simulate.vocabulary import put, settle

_LIFE = nb.typeof(np.zeros(1, v.LIFE))
HOUR = 3600 * MICROS
#: Share of visits that are made with the person's other device.
OTHER_DEVICE = 0.06
#: Share of visits after the first on which the device's cookie is gone.
COOKIE_LOST = 0.03
#: Share of visits on a device that is known on which the person is logged in.
LOGGED_IN = 0.7
#: Share of ad clicks that the ad platform's log can tie to a visitor.
AD_LOG = 0.3
#: Share of first visits that only look what it is about.
LOOKS_IN = 0.9


@nb.njit(nb.void(_LIFE.dtype, nb.int64, nb.float64), cache=True)
def later(life, slot, mean):  # type: ignore[no-untyped-def]
    """Let some seconds pass within a visit: 1 to 1,200, so that a visit stays one session of the 30-minute rule."""
    seconds = min(1.0 + gap(life.root, life.visit, slot, mean), 1200.0)
    life.time += np.int64(seconds * 1000) * 1000


@nb.njit(cache=True)
def known_here(life):  # type: ignore[no-untyped-def]
    """Tie the device to the account: an identify event, once for each cookie."""
    life.ids = v.BY_BOTH
    life.known[life.device] = 1
    life.has_email = True


@nb.njit(cache=True)
def choose_device(life, person, m):  # type: ignore[no-untyped-def]
    """The device, a lost cookie now and then. Returns by what the person is known on it."""
    root, visit = life.root, life.visit
    phone = chance(root, 0, 20) < m.mobile[person.persona]  # the device that the person mostly uses
    if chance(root, visit, 1) < OTHER_DEVICE:
        phone = not phone
    life.device = MOBILE if phone else DESKTOP
    if visit > 1 and chance(root, visit, 2) < COOKIE_LOST:
        life.cookies[life.device] += 1
        life.known[life.device] = 0
    return v.BY_BOTH if life.known[life.device] != 0 and chance(root, visit, 3) < LOGGED_IN else v.BY_COOKIE


@nb.njit(cache=True)
def slow_page(out, life, person, m, on, obstacle, landing):  # type: ignore[no-untyped-def]
    """The obstacle of a page that is slow on old phones. Returns what it does to the wish to stay."""
    root, visit = life.root, life.visit
    if not (on[obstacle] and life.device == MOBILE and person.old_phone and chance(root, visit, 8) < SLOWNESS):
        return 0.0
    life.met |= np.uint32(1 << obstacle)
    put(out, life, life.time + 4 * MICROS, v.SLOW, landing, 0, 0, np.nan, 4.0 + gap(root, visit, 9, 4.0))
    life.time += 6 * MICROS
    return m.shifts[obstacle]


@nb.njit(cache=True)
def is_fragile(life, person, on, obstacle):  # type: ignore[no-untyped-def]
    """Whether payments meet the obstacle of the browser on which they fail."""
    return on[obstacle] and life.device == MOBILE and person.mobile_browser == SAMSUNG


@nb.njit(cache=True)
def payment_failure(life, fragile, obstacle):  # type: ignore[no-untyped-def]
    """The share of payments that fail here; the obstacle is met by trying."""
    if not fragile:
        return 0.02
    life.met |= np.uint32(1 << obstacle)
    return PAYMENT_FAILURE


@nb.njit(cache=True)
def begin(life, person, seed, horizon):  # type: ignore[no-untyped-def]
    """A life before its first visit; ``n`` and ``changes``, how much of the buffers is filled, go on."""
    life.person = person.person
    life.root = root_of(seed, person.person)
    life.until = horizon
    life.time = person.arrival
    life.serial = 0
    life.visit = 0
    life.orders = 0
    life.looked = 0
    life.met = 0
    life.last_order = 0
    life.has_email = False
    life.member = False
    for device in range(2):
        life.cookies[device] = 0
        life.known[device] = 0


@nb.njit(cache=True)
def end(out, changes, life, person, totals, n, noted, before):  # type: ignore[no-untyped-def]
    """Close a life that was told. Returns False when a buffer was too small for it: then it left nothing behind.

    ``n``, ``noted`` and ``before`` are what ``life.n``, ``life.changes`` and ``totals`` were before this life.
    """
    totals[v.PEOPLE] += 1
    if len(out) > 0:
        if life.n > len(out) or life.changes > len(changes):
            life.n, life.changes = n, noted
            totals[:] = before
            return False
        settle(changes, noted, life)
    person.met = life.met
    return True
