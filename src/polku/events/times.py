"""When it happened: a column of times, written in any of the usual ways, to microseconds since 1970 UTC.

What is read: ISO 8601 (``2010-12-01``, ``2010-12-01T08:26:00.5+02:00``, ``... Z``, ``... UTC``), ``1.12.2010 8.26``
and ``1.12.2010 klo 8:26`` (day first, as in Finland), ``12/1/2010 8:26`` and ``1-12-2010`` (order of day and month
told by the column or asked for), an hour with AM or PM, ``20101201`` and ``20101201082600``, mail dates (RFC 5322),
and epoch numbers: seconds, milliseconds, microseconds or nanoseconds by their size.

A time without a zone is in the zone given. In an hour that the clocks skip, and in an hour that they repeat, it is
read with the offset that held before the change (RFC 5545's rule): 03:30 of the spring night is 04:30 summer time,
and 03:30 of the autumn night is the first of the two.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import functools
from enum import IntEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.refusals import Refusal
from polku.events.text import Text, text_of
from polku.kernels.compiled import kernel

Micros = npt.NDArray[np.int64]
DAY = 86_400_000_000
#: Numbers below this are no epoch time (1973): more likely a row number, a spreadsheet's day or a year.
LEAST_EPOCH = 100_000_000


class Order(IntEnum):
    """The order of the first two numbers in ``3/4/2026``."""

    UNKNOWN = 0
    DAY_FIRST = 1
    MONTH_FIRST = 2


# What the kernel says of one text.
EMPTY, UTC, LOCAL, UNREADABLE, UNORDERED, DISORDERED = 0, 1, 2, 3, 4, 5


class Times(NamedTuple):
    """``micros`` int64[n] since 1970 UTC (0 where refused), ``refused`` uint8[n] (a :class:`Refusal`, 0 = read)."""

    micros: Micros
    refused: npt.NDArray[np.uint8]


@nb.njit(cache=True)
def days_from_civil(year, month, day):  # type: ignore[no-untyped-def]
    """Days since 1970-01-01 of a Gregorian date (Howard Hinnant's algorithm)."""
    y = year - (1 if month <= 2 else 0)
    era = (y if y >= 0 else y - 399) // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    doe = yoe * 365 + yoe // 4 - yoe // 100 + doy
    return era * 146097 + doe - 719468


@nb.njit(cache=True)
def _month_days(year, month):  # type: ignore[no-untyped-def]
    if month == 2:
        return 29 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@nb.njit(cache=True)
def _number(data, i, end, most):  # type: ignore[no-untyped-def]
    """(value, next position) of up to ``most`` digits from ``i``; the position is ``i`` where there is none."""
    value = np.int64(0)
    start = i
    while i < end and i - start < most and 48 <= data[i] <= 57:
        value = value * 10 + np.int64(data[i] - 48)
        i += 1
    return value, i


@nb.njit(cache=True)
def _read(data, i, end, order):  # type: ignore[no-untyped-def]
    """(kind, microseconds) of the text ``data[i:end]``."""
    fail = (UNREADABLE, np.int64(0))
    while i < end and (data[i] == 32 or data[i] == 9):
        i += 1
    while end > i and (data[end - 1] == 32 or data[end - 1] == 9):
        end -= 1
    if i == end:
        return EMPTY, np.int64(0)
    begin = i
    digits = 0
    while i < end and 48 <= data[i] <= 57:
        digits += 1
        i += 1
    if digits == 0:
        return fail
    plain = i == end
    hour, minute, second, micro = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    disordered = False
    if plain and digits == 14:
        year, i = _number(data, begin, end, 4)
        month, i = _number(data, i, end, 2)
        day, i = _number(data, i, end, 2)
        hour, i = _number(data, i, end, 2)
        minute, i = _number(data, i, end, 2)
        second, i = _number(data, i, end, 2)
    elif (plain and digits == 8) or (digits == 8 and i < end and data[i] == 84):
        year, i = _number(data, begin, end, 4)
        month, i = _number(data, i, end, 2)
        day, i = _number(data, i, end, 2)
    elif plain or (digits >= 9 and data[i] == 46):
        # an epoch number, seconds perhaps with a fraction
        if digits > 19:
            return fail
        whole, i = _number(data, begin, end, 18)
        if whole < LEAST_EPOCH:
            return fail
        if plain:
            if digits == 19:  # nanoseconds, of which 18 digits were read
                return UTC, whole // 100
            if whole < 100_000_000_000:
                return UTC, whole * 1_000_000
            if whole < 100_000_000_000_000:
                return UTC, whole * 1_000
            if whole < 100_000_000_000_000_000:
                return UTC, whole
            return UTC, whole // 1000
        i += 1
        start = i
        part, i = _number(data, i, end, 6)
        places = i - start
        while i < end and 48 <= data[i] <= 57:
            i += 1
        if i < end or digits > 13:
            return fail
        scale = np.int64(1)
        for _ in range(6 - places):
            scale *= 10
        if whole < 100_000_000_000:
            return UTC, whole * 1_000_000 + part * scale
        return UTC, whole * 1_000 + part * scale // 1000
    elif digits == 4:
        year, i = _number(data, begin, end, 4)
        mark = data[i]
        if mark != 45 and mark != 47 and mark != 46:
            return fail
        at = i + 1
        month, i = _number(data, at, end, 2)
        if i == at or i >= end or data[i] != mark:
            return fail
        at = i + 1
        day, i = _number(data, at, end, 2)
        if i == at:
            return fail
    elif digits <= 2:
        first, i = _number(data, begin, end, 2)
        mark = data[i]
        if mark != 45 and mark != 47 and mark != 46:
            return fail
        at = i + 1
        other, i = _number(data, at, end, 2)
        if i == at or i >= end or data[i] != mark:
            return fail
        at = i + 1
        year, i = _number(data, at, end, 4)
        if i - at != 4:
            return fail
        if mark == 46 or order == 1:
            day, month = first, other
        elif order == 2:
            day, month = other, first
        else:
            if first > 12 >= other:
                day, month = first, other
            elif other > 12 >= first:
                day, month = other, first
            elif first == other:
                day, month = first, other
            else:
                return UNORDERED, np.int64(0)
        disordered = mark != 46 and month > 12 >= day
    else:
        return fail
    if disordered:
        return DISORDERED, np.int64(0)
    if month < 1 or month > 12 or day < 1 or day > _month_days(year, month):
        return fail
    zone = False
    offset = np.int64(0)
    if i < end:
        # the clock: after T, blanks, a comma or "klo"
        at = i
        while i < end and (data[i] == 32 or data[i] == 44 or data[i] == 84 or data[i] == 116 or data[i] == 9):
            i += 1
        if i + 3 < end and data[i] | 32 == 107 and data[i + 1] | 32 == 108 and data[i + 2] | 32 == 111:
            i += 3
            while i < end and (data[i] == 32 or data[i] == 46):
                i += 1
        if i == at:
            return fail
        if i < end and 48 <= data[i] <= 57:
            at = i
            hour, i = _number(data, i, end, 2)
            compact = i - at == 2 and i < end and 48 <= data[i] <= 57
            if not compact and (i >= end or (data[i] != 58 and data[i] != 46)):
                # an hour alone, "8 AM"
                if not (i < end and (data[i] == 32 or data[i] | 32 == 97 or data[i] | 32 == 112)):
                    return fail
            else:
                if not compact:
                    i += 1
                at = i
                minute, i = _number(data, i, end, 2)
                if i - at != 2:
                    return fail
                if i < end and (
                    (compact and 48 <= data[i] <= 57) or (not compact and (data[i] == 58 or data[i] == 46))
                ):
                    if not compact:
                        i += 1
                    at = i
                    second, i = _number(data, i, end, 2)
                    if i - at != 2:
                        return fail
                    if i < end and (data[i] == 46 or data[i] == 44):
                        at = i + 1
                        micro, i = _number(data, at, end, 6)
                        if i == at:
                            return fail
                        for _ in range(6 - (i - at)):
                            micro *= 10
                        while i < end and 48 <= data[i] <= 57:
                            i += 1
            while i < end and data[i] == 32:
                i += 1
            if i + 1 < end and data[i + 1] | 32 == 109 and (data[i] | 32 == 97 or data[i] | 32 == 112):
                if hour < 1 or hour > 12:
                    return fail
                hour = hour % 12 + (12 if data[i] | 32 == 112 else 0)
                i += 2
            while i < end and data[i] == 32:
                i += 1
            if i < end and (data[i] == 90 or data[i] == 122) and i + 1 == end:
                zone = True
                i += 1
            elif i + 3 == end and (
                (data[i] | 32 == 117 and data[i + 1] | 32 == 116 and data[i + 2] | 32 == 99)
                or (data[i] | 32 == 103 and data[i + 1] | 32 == 109 and data[i + 2] | 32 == 116)
            ):
                zone = True
                i += 3
            elif i < end and (data[i] == 43 or data[i] == 45):
                sign = 1 if data[i] == 43 else -1
                at = i + 1
                hours, i = _number(data, at, end, 2)
                if i - at != 2:
                    return fail
                minutes = np.int64(0)
                if i < end and data[i] == 58:
                    i += 1
                if i < end:
                    at = i
                    minutes, i = _number(data, at, end, 2)
                    if i - at != 2:
                        return fail
                if hours > 15 or minutes > 59:
                    return fail
                zone = True
                offset = sign * (hours * 3600 + minutes * 60)
        else:
            return fail
        if i != end:
            return fail
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second or micro)):
        return fail
    days = days_from_civil(year, month, day)
    total = (days * 86400 + hour * 3600 + minute * 60 + second - offset) * 1_000_000 + micro
    return (UTC if zone else LOCAL), total


@kernel
def _read_all(data, offsets, valid, order, micros, kinds):  # type: ignore[no-untyped-def]
    for i in range(len(kinds)):
        if valid[i]:
            kinds[i], micros[i] = _read(data, offsets[i], offsets[i + 1], order)
        else:
            kinds[i], micros[i] = EMPTY, 0


@kernel
def _order_evidence(data, offsets, valid):  # type: ignore[no-untyped-def]
    """(rows that put the day first, rows that put the month first, rows that do not tell)."""
    day, month, silent = 0, 0, 0
    for i in range(len(valid)):
        if not valid[i]:
            continue
        at, end = offsets[i], offsets[i + 1]
        while at < end and data[at] == 32:
            at += 1
        first, j = _number(data, at, end, 2)
        if j == at or j >= end or (data[j] != 47 and data[j] != 45):
            continue
        mark = data[j]
        other, k = _number(data, j + 1, end, 2)
        if k == j + 1 or k >= end or data[k] != mark:
            continue
        if first > 12 >= other:
            day += 1
        elif other > 12 >= first:
            month += 1
        elif first != other:
            silent += 1
    return day, month, silent


def order_evidence(values: pa.Array) -> tuple[int, int, int]:
    """How many texts such as ``13/1/2010`` say day first, how many month first, how many do not tell.

    >>> order_evidence(pa.array(["13/1/2010", "1/2/2010", "2010-01-01", None]))
    (1, 0, 1)
    """
    day, month, silent = _order_evidence(*text_of(values))
    return int(day), int(month), int(silent)


class Zone(NamedTuple):
    """A zone's changes as arrays: local microseconds up to which the offset before holds, and the offsets."""

    until: Micros  # int64[k], ascending: the local time from which offset k + 1 holds
    offsets: Micros  # int64[k + 1], microseconds east of UTC


@functools.cache
def zone_table(name: str) -> Zone:
    """The changes of ``name`` from 1970 to 2107, found by bisection between days.

    >>> zone_table("UTC").offsets.tolist()
    [0]
    """
    zone = ZoneInfo(name)

    def offset(second: int) -> int:
        there = dt.datetime.fromtimestamp(second, dt.UTC).astimezone(zone).utcoffset()
        return round(there.total_seconds()) if there else 0

    until, offsets = [], [offset(-86400)]
    step = 86400 * 7
    for second in range(-86400, 4_323_000_000, step):
        low, high = second, second + step
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if offset(middle) == offset(low):
                low = middle
            else:
                high = middle
        before, after = offsets[-1], offset(high)
        until.append((high + max(before, after)) * 1_000_000)
        offsets.append(after)
    return Zone(np.array(until, np.int64), np.array([o * 1_000_000 for o in offsets], np.int64))


def to_utc(local: Micros, zone: str) -> Micros:
    """Local wall-clock microseconds to UTC.

    >>> summer = np.array([1_593_604_800_000_000])   # 2020-07-01 12:00 on the wall
    >>> int(to_utc(summer, "Europe/Helsinki")[0] - summer[0]) // 3_600_000_000
    -3
    """
    table = zone_table(zone)
    if not len(table.until):
        fixed: Micros = local - table.offsets[0]
        return fixed
    moved: Micros = local - table.offsets[np.searchsorted(table.until, local, side="right")]
    return moved


def read_times(values: pa.Array, zone: str, latest: int, order: Order = Order.UNKNOWN) -> Times:
    """Times of a column: text, timestamps, dates or numbers (epoch).

    ``zone`` is the zone of times that name none; ``latest`` the greatest time believed, in microseconds since 1970 UTC.

    >>> read_times(pa.array(["1.12.2010 klo 8.26", "x"]), "Europe/Helsinki", 2**62).micros.tolist()
    [1291184760000000, 0]
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        words = read_times(values.dictionary, zone, latest, order)
        codes = pc.fill_null(values.indices.cast(pa.int64()), len(words.micros)).to_numpy(zero_copy_only=False)
        micros = np.append(words.micros, 0)[codes]
        refused = np.append(words.refused, np.uint8(Refusal.NO_TIME))[codes]
        return Times(micros, refused)
    empty = np.asarray(values.is_null(), dtype=np.bool_) if values.null_count else np.zeros(len(values), np.bool_)
    if pa.types.is_timestamp(kind):
        whole = np.array(
            pc.fill_null(values.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()), 0), dtype=np.int64
        )
        micros = whole if kind.tz else to_utc(whole, zone)
        refused = np.zeros(len(values), np.uint8)
    elif pa.types.is_date(kind):
        days = pc.fill_null(values.cast(pa.date32()).cast(pa.int32()), 0).to_numpy(zero_copy_only=False)
        micros = to_utc(days.astype(np.int64) * DAY, zone)
        refused = np.zeros(len(values), np.uint8)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        micros, refused = _read_numbers(values, zone)
    else:
        micros, refused = _read_texts(text_of(values), values, zone, order)
    refused = np.where(empty, np.uint8(Refusal.NO_TIME), refused)
    fine = refused == 0
    refused[fine & (micros < 0)] = Refusal.TIME_TOO_EARLY
    refused[fine & (micros > latest)] = Refusal.TIME_TOO_LATE
    micros[refused != 0] = 0
    return Times(micros, refused)


def _read_numbers(values: pa.Array, zone: str) -> tuple[Micros, npt.NDArray[np.uint8]]:
    """Epoch numbers, their unit by their size. Fractions of whole-number columns are 0."""
    refused = np.zeros(len(values), np.uint8)
    if pa.types.is_integer(values.type):
        raw = pc.fill_null(values.cast(pa.int64()), LEAST_EPOCH).to_numpy(zero_copy_only=False)
        micros = np.select(
            [raw < 100_000_000_000, raw < 100_000_000_000_000, raw < 100_000_000_000_000_000],
            [raw * 1_000_000, raw * 1_000, raw],
            raw // 1000,
        )
        # a date written as a number, 20101201
        for at in np.flatnonzero((raw >= 19_000_101) & (raw < LEAST_EPOCH)).tolist():
            kind, day = _read(np.frombuffer(str(raw[at]).encode(), np.uint8), 0, 8, 0)
            micros[at] = to_utc(np.array([day]), zone)[0]
            refused[at] = 0 if kind == LOCAL else Refusal.UNREADABLE_TIME
        refused[raw < 19_000_101] = Refusal.UNREADABLE_TIME
        return micros.astype(np.int64), refused
    real = pc.fill_null(values.cast(pa.float64()), float(LEAST_EPOCH)).to_numpy(zero_copy_only=False).copy()
    refused[~np.isfinite(real) | (real < LEAST_EPOCH) | (real > 9e18)] = Refusal.UNREADABLE_TIME
    real[refused != 0] = LEAST_EPOCH
    size = np.select([real < 1e11, real < 1e14, real < 1e17], [1e6, 1e3, 1.0], 1e-3)
    return np.rint(real * size).astype(np.int64), refused


def _read_texts(text: Text, values: Any, zone: str, order: Order) -> tuple[Micros, npt.NDArray[np.uint8]]:
    n = len(text.valid)
    micros, kinds = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    _read_all(text.data, text.offsets, text.valid, int(order), micros, kinds)
    refused = np.zeros(n, np.uint8)
    local = kinds == LOCAL
    if local.all():
        micros = to_utc(micros, zone)
    elif local.any():
        micros[local] = to_utc(micros[local], zone)
    refused[kinds == EMPTY] = Refusal.NO_TIME
    refused[(kinds == UNORDERED) | (kinds == DISORDERED)] = Refusal.DAY_MONTH_ORDER
    odd = np.flatnonzero(kinds == UNREADABLE)
    if len(odd):
        refused[odd] = Refusal.UNREADABLE_TIME
        known: dict[str, int | None] = {}
        for at, word in zip(odd.tolist(), values.take(pa.array(odd)).to_pylist(), strict=True):
            if word not in known:
                known[word] = _mail_date(word)
            found = known[word]
            if found is not None:
                micros[at], refused[at] = found, 0
    return micros, refused


def _mail_date(word: str) -> int | None:
    """``Wed, 01 Dec 2010 08:26:00 +0200`` in microseconds, or None. Only with a zone: without it the standard says
    nothing.
    """
    if not any(c.isalpha() for c in word) or len(word) > 60:
        return None
    try:
        when = email.utils.parsedate_to_datetime(word)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None or not 1970 <= when.year <= 9998:
        return None
    return round((when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))
