"""From the kernels' numbers to history's columns, a chunk at a time and vectorised."""

from __future__ import annotations

from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.schema import MOMENT
from polku.simulate import vocabulary as v
from polku.simulate.browsers import BOT_BROWSER, BROWSERS
from polku.simulate.chance import root_of, word
from polku.simulate.noise import Sent
from polku.simulate.properties import properties
from polku.simulate.setting import CURRENCY, Setting
from polku.simulate.text import chosen, coded, dump, hexes, joined, numbered, uuids

#: Kinds whose ``value`` is money that changed hands; for the others the amount is in the properties only.
MONEY: Final = (v.ORDER, v.REFUND, v.SUBSCRIBED, v.RENEWED)
USER_BASE: Final = 10_000_000

FIRST_NAMES: Final = (
    "Aino", "Anna", "Antti", "Eeva", "Elina", "Emma", "Hanna", "Heikki", "Helmi", "Ilona", "Jari", "Johanna", "Juha",
    "Kaisa", "Kalle", "Katri", "Laura", "Lauri", "Leena", "Liisa", "Maija", "Mari", "Matti", "Mikko", "Minna", "Noora",
    "Olli", "Pekka", "Petra", "Riikka", "Saara", "Sami", "Sanna", "Sara", "Sofia", "Tero", "Tiina", "Timo", "Ville",
    "Venla",
)  # fmt: skip
LAST_NAMES: Final = (
    "Aalto", "Ahonen", "Hakala", "Heikkinen", "Heino", "Hiltunen", "Järvinen", "Kallio", "Karjalainen", "Kinnunen",
    "Koivisto", "Korhonen", "Koskinen", "Laaksonen", "Lahtinen", "Laine", "Laitinen", "Lehtinen", "Lehto", "Leppänen",
    "Mattila", "Mikkola", "Mäkelä", "Mäkinen", "Niemi", "Nieminen", "Ojala", "Peltonen", "Pitkänen", "Rantanen",
    "Räsänen",
    "Saarinen", "Salminen", "Salo", "Salonen", "Savolainen", "Toivonen", "Turunen", "Virtanen", "Väisänen",
)  # fmt: skip
_PLAIN = str.maketrans("äöÄÖ", "aoAO")


@nb.njit(cache=True, nogil=True)
def _ids(rows, household, first, seed, anonymous, session, high, low):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        row = rows[i]
        root = root_of(seed, row.person)
        owner = root
        if row.person >= 0 and row.device == 1 and household[row.person - first]:
            owner = root_of(seed + 1, row.person // 2)
        anonymous[i] = word(owner, row.device, 1_000_000 + row.cookie)
        session[i] = word(root, row.visit, 1_100_000)
        high[i] = word(root, row.serial, 1_200_000)
        low[i] = word(root, row.serial, 1_200_001)


def user_ids(persons: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """string[n]: the customer numbers of the shop."""
    return numbered("K", USER_BASE + np.abs(persons), valid)


def emails(persons: npt.NDArray[np.int64]) -> pa.Array:
    """string[n]: addresses under a domain that cannot exist (RFC 2606)."""
    first = [name.lower() for name in FIRST_NAMES]
    last = [name.lower().translate(_PLAIN) for name in LAST_NAMES]
    number = pa.array(persons).cast(pa.string())
    return joined(chosen(first, persons % 40), ".", chosen(last, persons // 40 % 40), number, "@posti.example")


def browsers(rows: npt.NDArray[np.void], people: npt.NDArray[np.void], first: int) -> npt.NDArray[np.int64]:
    """int64[n]: the number of each row's browser; a bot's is the bot's."""
    local = np.clip(rows["person"] - first, 0, max(len(people) - 1, 0))
    picked = np.where(rows["device"] == 0, people["mobile_browser"][local], people["desktop_browser"][local])
    return np.where(rows["person"] < 0, BOT_BROWSER, picked).astype(np.int64)


def _context(world: Setting, page: int, origin: int, browser: int) -> str:
    name, agent, device = BROWSERS[browser]
    path = world.pages[page]
    came = v.ORIGINS[origin]
    context: dict[str, Any] = {"page": {"path": path, "url": world.host + path}}
    if came.referrer:
        context["page"]["referrer"] = came.referrer
    if came.campaign:
        context["campaign"] = came.campaign
    context["userAgent"] = agent
    context["device"] = {"type": device, "browser": name}
    return dump(context)


def contexts(
    rows: npt.NDArray[np.void], browser: npt.NDArray[np.int64], people: npt.NDArray[np.void], first: int, world: Setting
) -> pa.Array:
    """string[n]: page, campaign and device of web events, the campaign of e-mail and ads, traits of identify."""
    n_origins, n_browsers = len(v.ORIGINS), len(BROWSERS)
    on_web = rows["source"] == v.WEB
    campaign_only = (rows["source"] == v.EMAIL) | (rows["source"] == v.ADS)
    size = len(world.pages) * n_origins * n_browsers
    key = (rows["page"].astype(np.int64) * n_origins + rows["origin"]) * n_browsers + browser
    key = np.where(on_web, key, np.where(campaign_only, size + rows["origin"].astype(np.int64), size + n_origins))
    used = np.zeros(size + n_origins + 1, np.bool_)
    used[key] = True
    texts: list[str | None] = []
    for k in np.flatnonzero(used).tolist():
        if k < size:
            texts.append(_context(world, k // n_browsers // n_origins, k // n_browsers % n_origins, k % n_browsers))
        elif k < size + n_origins:
            campaign = v.ORIGINS[k - size].campaign
            texts.append(dump({"campaign": campaign}) if campaign else None)
        else:
            texts.append(None)
    codes = (np.cumsum(used, dtype=np.int32) - np.int32(1))[key]
    absent = np.array([t is None for t in texts], np.bool_)[codes]
    words = pa.array([t or "" for t in texts], pa.string())
    known = np.flatnonzero(rows["kind"] == v.IDENTIFY)
    if len(known):
        traits = _traits(rows[known], words.take(pa.array(codes[known], mask=absent[known])), people, first, world)
        codes[known] = len(words) + np.arange(len(known), dtype=np.int32)
        absent[known] = False
        words = pa.concat_arrays([words, traits])
    # As plain strings: given the dictionary itself, pyarrow 26 writes the same world in other bytes now and then.
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), words).dictionary_decode()


def _traits(
    rows: npt.NDArray[np.void], plain: pa.Array, people: npt.NDArray[np.void], first: int, world: Setting
) -> pa.Array:
    """``plain`` contexts with the person's traits in front."""
    persons = rows["person"]
    segment = chosen([p[2] for p in world.personas], people["persona"][persons - first])
    letter = chosen(["false", "true"], rows["extra"] > 0)
    rest = pc.fill_null(pc.utf8_slice_codeunits(plain, 1), "}")
    comma = chosen([",", ""], np.asarray(pc.equal(rest, "}")))
    return joined(
        '{"traits":{"email":"', emails(persons), '","name":"', chosen(FIRST_NAMES, persons % 40), " ",
        chosen(LAST_NAMES, persons // 40 % 40), '","segment":"', segment, '","newsletter":', letter, "}", comma, rest,
    )  # fmt: skip


def table(sent: Sent, people: npt.NDArray[np.void], first: int, seed: int, world: Setting) -> pa.Table:
    """History's columns without ``seq`` and ``day`` (docs/architecture.md), one row an arrival."""
    rows = sent.rows
    n = len(rows)
    anonymous, session, high, low = (np.empty(n, np.uint64) for _ in range(4))
    _ids(rows, people["household"], first, seed, anonymous, session, high, low)
    ids, source = rows["ids"], rows["source"]
    by_cookie = (ids == v.BY_COOKIE) | (ids == v.BY_BOTH)
    by_user = (ids == v.BY_BOTH) | (ids == v.BY_ACCOUNT)
    money = np.isin(rows["kind"], MONEY)
    letters = (rows["kind"] == v.FORM) | ((rows["kind"] == v.IDENTIFY) & (rows["extra"] > 0))
    consent = np.where(letters, 1, np.where(source == v.WEB, 0, 2))
    nothing = pa.nulls(n, pa.string())
    columns = {
        "event_id": uuids(high, low),
        "time": pa.array(sent.client // 1000 * 1000).cast(MOMENT),
        "received_at": pa.array(sent.received).cast(MOMENT),
        "event": coded(v.KINDS, rows["kind"]),
        "original_event": nothing,
        "source": coded([s for s, _ in v.SOURCES], source),
        "channel": coded([c for _, c in v.SOURCES], source),
        "anonymous_id": hexes(anonymous, by_cookie),
        "user_id": user_ids(rows["person"], by_user),
        "account_id": nothing,
        "session_id": hexes(session, (source == v.WEB) & (rows["visit"] > 0)),
        "value": pa.array(rows["value"], mask=~money | np.isnan(rows["value"])),
        "currency": coded([None, CURRENCY], money.astype(np.uint8)),
        "consent": coded(["analytics", "analytics,email", None], consent),
        "properties": properties(rows, world),
        "context": contexts(rows, browsers(rows, people, first), people, first, world),
    }
    return pa.table(columns)
