"""The truth beside the events: who each person is, where they truly were, what each obstacle cost, what noise did."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polku.events.schema import MOMENT
from polku.simulate import vocabulary as v
from polku.simulate.browsers import BROWSERS
from polku.simulate.chance import root_of, word
from polku.simulate.noise import FLAGS, Sent
from polku.simulate.rows import emails, user_ids
from polku.simulate.setting import Setting
from polku.simulate.text import chosen, coded, hexes

_TEXTS: Final = pa.list_(pa.string())
STAGES: Final = pa.schema(
    [("customer", pa.int64()), ("time", MOMENT), ("stage", pa.string()), ("advocate", pa.bool_())]
)
PEOPLE: Final = pa.schema(
    [
        ("customer", pa.int64()),
        ("persona", pa.string()),
        ("first", MOMENT),
        ("anonymous_ids", _TEXTS),
        ("user_id", pa.string()),
        ("email", pa.string()),
        ("browsers", _TEXTS),
        ("obstacles", _TEXTS),
        ("shares_computer", pa.bool_()),
        ("is_bot", pa.bool_()),
    ]
)
NOISE: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("received_at", MOMENT),
        ("customer", pa.int64()),
        *((name, pa.bool_()) for name in FLAGS),
    ]
)


def lists(words: pa.Array, owners: npt.NDArray[np.int64], count: int) -> pa.Array:
    """list<string>[count]: ``words`` (ordered by owner) of each owner 0 to count - 1."""
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(owners, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), words)


def _anonymous(
    rows: npt.NDArray[np.void], people: npt.NDArray[np.void], first: int, seed: int, slot: npt.NDArray[np.int64]
) -> pa.Array:
    """The anonymous ids on the events, of each person once; ``slot``: where in the table each row's person stands."""
    here = (rows["ids"] == v.BY_COOKIE) | (rows["ids"] == v.BY_BOTH)
    keys = np.unique((slot[here] << 20) | (rows["device"][here].astype(np.int64) << 16) | rows["cookie"][here])
    owners, device, cookie = keys >> 20, (keys >> 16) & 15, keys & 0xFFFF
    words = np.empty(len(keys), np.uint64)
    for i, (owner, d, c) in enumerate(zip(owners.tolist(), device.tolist(), cookie.tolist(), strict=True)):
        person = int(people["person"][owner])
        shared = person >= 0 and d == 1 and bool(people["household"][owner])
        root = root_of(seed + 1, person // 2) if shared else root_of(seed, person)
        words[i] = word(root, d, 1_000_000 + c)
    return lists(hexes(words), owners, len(people))


@dataclasses.dataclass
class Truth:
    """Writes ``truth/*.parquet`` chunk by chunk; a context manager."""

    folder: Path
    world: Setting
    seed: int

    def __enter__(self) -> Truth:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stages = pq.ParquetWriter(self.folder / "stages.parquet", STAGES, compression="snappy")
        self._people = pq.ParquetWriter(self.folder / "people.parquet", PEOPLE, compression="snappy")
        self._noise = pq.ParquetWriter(self.folder / "noise.parquet", NOISE, compression="snappy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in (self._stages, self._people, self._noise):
            writer.close()

    def stages(self, changes: npt.NDArray[np.void]) -> None:
        """CHANGE[n], settled, in order of person and time."""
        self._stages.write_table(
            pa.table(
                {
                    "customer": changes["person"],
                    "time": pa.array(changes["time"]).cast(MOMENT),
                    "stage": coded(v.STAGES, changes["stage"]).cast(pa.string()),
                    "advocate": changes["advocate"],
                },
                schema=STAGES,
            )
        )

    def people(self, people: npt.NDArray[np.void], bots: int, first_bot: int, rows: npt.NDArray[np.void]) -> None:
        """The people of a chunk and its bots (numbered -1, -2, ...), with the ids that stand on their events."""
        first = int(people["person"][0]) if len(people) else 0
        everyone = np.concatenate([people, np.zeros(bots, people.dtype)])
        everyone["person"][len(people) :] = -(first_bot + 1 + np.arange(bots))
        slot = np.where(rows["person"] >= 0, rows["person"] - first, len(people) - rows["person"] - first_bot - 1)
        known = np.zeros(len(everyone), np.bool_)
        known[slot[(rows["ids"] == v.BY_BOTH) | (rows["ids"] == v.BY_ACCOUNT)]] = True
        times = np.full(len(everyone), np.iinfo(np.int64).max)
        np.minimum.at(times, slot, rows["time"])
        persons, bot = everyone["person"], everyone["person"] < 0
        met = [(int(i), k) for i in np.flatnonzero(everyone["met"]) for k in range(32) if everyone["met"][i] >> k & 1]
        names = [o.id for o in self.world.obstacles]
        used = np.stack([everyone["mobile_browser"], everyone["desktop_browser"]], axis=1)
        used[bot] = len(BROWSERS) - 1
        personas = chosen(
            [*(p[0] for p in self.world.personas), None], np.where(bot, len(self.world.personas), everyone["persona"])
        )
        self._people.write_table(
            pa.table(
                {
                    "customer": persons,
                    "persona": personas,
                    "first": pa.array(times, mask=times == np.iinfo(np.int64).max).cast(MOMENT),
                    "anonymous_ids": _anonymous(rows, everyone, first, self.seed, slot),
                    "user_id": user_ids(persons, known),
                    "email": pc.if_else(pa.array(known), emails(np.abs(persons)), None),
                    "browsers": lists(
                        chosen([b[0] for b in BROWSERS], used.ravel()),
                        np.repeat(np.arange(len(everyone)), 2),
                        len(everyone),
                    ),
                    "obstacles": lists(
                        pa.array([names[k] for _, k in met], pa.string()),
                        np.array([i for i, _ in met], np.int64),
                        len(everyone),
                    ),
                    "shares_computer": everyone["household"],
                    "is_bot": bot,
                },
                schema=PEOPLE,
            )
        )

    def noise(self, sent: Sent, event_ids: pa.Array) -> None:
        """The arrivals that noise touched, one row each."""
        touched = np.flatnonzero(sent.flags)
        self._noise.write_table(
            pa.table(
                {
                    "event_id": event_ids.take(pa.array(touched)),
                    "received_at": pa.array(sent.received[touched]).cast(MOMENT),
                    "customer": sent.rows["person"][touched],
                    **{name: (sent.flags[touched] & flag) > 0 for name, flag in FLAGS.items()},
                },
                schema=NOISE,
            )
        )


def effects(
    world: Setting,
    on: tuple[bool, ...],
    factual: npt.NDArray[np.float64],
    without: dict[int, npt.NDArray[np.float64]],
    met: npt.NDArray[np.int64],
) -> dict[str, Any]:
    """What each obstacle did to the world: factual minus the same people with the same luck without it.

    factual, without[k]: totals (``vocabulary.TOTALS``), key -1 of ``without`` is the world without any obstacle;
    met: int64[obstacles], people who met each. Conversion is converted people of all people, in points of 100.
    """

    def difference(other: npt.NDArray[np.float64]) -> dict[str, Any]:
        people = factual[v.PEOPLE] or 1.0
        return {
            "conversion_points": round(float(100 * (factual[v.CONVERTED] - other[v.CONVERTED]) / people), 6),
            "converted": int(factual[v.CONVERTED] - other[v.CONVERTED]),
            "orders": int(factual[v.ORDERS] - other[v.ORDERS]),
            "money": round(float(factual[v.REVENUE] - factual[v.REFUNDED] - other[v.REVENUE] + other[v.REFUNDED]), 2),
        }

    return {
        "people": int(factual[v.PEOPLE]),
        "converted": int(factual[v.CONVERTED]),
        "conversion": round(float(100 * factual[v.CONVERTED] / max(factual[v.PEOPLE], 1)), 6),
        "orders": int(factual[v.ORDERS]),
        "money": round(float(factual[v.REVENUE] - factual[v.REFUNDED]), 2),
        "visits": int(factual[v.VISITS]),
        "carts": int(factual[v.CARTS]),
        "checkouts": int(factual[v.CHECKOUTS]),
        "started": int(factual[v.STARTED]),
        "obstacles": {
            o.id: {
                "present": on[k],
                "step": o.step,
                "logit_shift": o.shift,
                "exposure": o.exposure,
                "people_met": int(met[k]),
                **(difference(without[k]) if on[k] else difference(factual)),
            }
            for k, o in enumerate(world.obstacles)
        },
        "all_obstacles": difference(without[-1]),
    }
