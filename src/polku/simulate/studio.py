"""The yoga studio: visits, a free trial of three months, lessons week by week, a membership month by month.

The same habits as in ``shop``: a kernel tells one life after another, and each decision looks up its own luck.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from polku.simulate import vocabulary as v
from polku.simulate.calendar import DAY, MICROS, day_of, moment
from polku.simulate.chance import chance, gap, pick, says_yes
from polku.simulate.lives import (
    AD_LOG,
    HOUR,
    LOOKS_IN,
    begin,
    choose_device,
    end,
    is_fragile,
    known_here,
    later,
    payment_failure,
    slow_page,
)
from polku.simulate.people import DESKTOP, MOBILE
from polku.simulate.studio_model import (
    BLOG,
    CHALLENGE,
    COMMUNITY,
    FAQ,
    GIFT_CARD,
    HOME,
    LESSON_TIMES,
    LIVE,
    NO_SAMPLE_VIDEOS,
    PAYMENT_FAILS,
    PLANS,
    PRICE,
    RECORDED,
    SAMPLES,
    SIGN_UP,
    SLOW_PAGE,
    STORIES,
    TEACHERS,
    TRIAL_DAYS,
    VIDEOS,
)  # fmt: skip
from polku.simulate.vocabulary import mark, put

A_DAY = DAY * MICROS
#: Three months are promised seldom at first sight: what the earlier visits with something to see do to the wish.
READINESS = (-1.4, 0.45, 0.8)
#: Weeks and months of a person look their luck up here, apart from the visits, which count from 1.
WEEKS, MONTHS = 100_000, 200_000


@nb.njit(cache=True)
def arrive(out, changes, life, person, m, origin):  # type: ignore[no-untyped-def]
    """The landing page, with the letter or the ad that led there; returns the page."""
    root, visit = life.root, life.visit
    ids = choose_device(life, person, m)
    if origin in (v.NEWSLETTER, v.WINBACK, v.TRIAL_LETTER, v.MEMBER_LETTER) and not life.has_email:
        origin = v.DIRECT
    life.origin = origin
    if origin in (v.NEWSLETTER, v.WINBACK, v.TRIAL_LETTER, v.MEMBER_LETTER):
        life.source, life.ids = v.EMAIL, v.BY_ACCOUNT
        put(out, life, life.time, v.OPENED, 0, 0, 0, np.nan, 0.0)
        later(life, 5, 20.0)
    elif origin in (v.INSTAGRAM_AD, v.FACEBOOK_AD, v.GOOGLE_AD, v.REMARKETING) and chance(root, visit, 6) < AD_LOG:
        life.source, life.ids = v.ADS, v.BY_COOKIE
        put(out, life, life.time, v.PROMOTION, 0, 0, 0, np.nan, 0.0)
        life.time += 1_500_000
    life.source, life.ids = v.WEB, ids
    where = chance(root, visit, 7)
    page = HOME
    if where < 0.2:
        page = BLOG
    elif where < 0.35:
        page = VIDEOS
    elif where < 0.42:
        page = PLANS
    put(out, life, life.time, v.PAGE, page, 0, 0, np.nan, 0.0)
    life.origin = v.DIRECT
    mark(changes, life, life.time, v.CONSIDERATION if page in (VIDEOS, PLANS) else v.AWARENESS)
    return page


@nb.njit(cache=True)
def stays(out, life, person, m, on, landing):  # type: ignore[no-untyped-def]
    """Whether the person goes on after the landing page."""
    root, visit = life.root, life.visit
    logit = m.stay[person.persona]
    logit += slow_page(out, life, person, m, on, SLOW_PAGE, landing)
    later(life, 10, 30.0)
    return says_yes(chance(root, visit, 11), logit)


@nb.njit(cache=True)
def watch_sample(out, changes, life, person, m, on):  # type: ignore[no-untyped-def]
    """The sample videos, if the person wants one and there is one; returns what it does to the wish to try."""
    root, visit, persona = life.root, life.visit, person.persona
    if chance(root, visit, 20) >= m.wants_video[persona]:
        return 0.0
    mark(changes, life, life.time, v.CONSIDERATION)
    put(out, life, life.time, v.PAGE, VIDEOS, 0, 0, np.nan, 0.0)
    later(life, 21, 20.0)
    if on[NO_SAMPLE_VIDEOS] and chance(root, 0, 50) < 0.5:
        life.met |= np.uint32(1 << NO_SAMPLE_VIDEOS)
        put(out, life, life.time, v.FAILED, VIDEOS, 0, 0, np.nan, 0.0)
        later(life, 22, 10.0)
        return m.shifts[NO_SAMPLE_VIDEOS]
    item = np.int64(chance(root, visit, 23) * SAMPLES)
    put(out, life, life.time, v.VIDEO, VIDEOS, item, 0, np.nan, 0.0)
    later(life, 24, 300.0)
    if chance(root, visit, 25) < 0.62:
        put(out, life, life.time, v.VIDEO_END, VIDEOS, item, 0, np.nan, 0.0)
        return 0.7
    return 0.2


@nb.njit(cache=True)
def read_on(out, changes, life):  # type: ignore[no-untyped-def]
    """Teachers, stories of members, plans; returns what they do to the wish to try."""
    root, visit = life.root, life.visit
    wish = 0.0
    if chance(root, visit, 30) < 0.22:
        put(out, life, life.time, v.PAGE, TEACHERS, 0, 0, np.nan, 0.0)
        mark(changes, life, life.time, v.CONSIDERATION)
        later(life, 31, 30.0)
    if chance(root, visit, 32) < 0.3:
        put(out, life, life.time, v.PAGE, STORIES, 0, 0, np.nan, 0.0)
        mark(changes, life, life.time, v.CONSIDERATION)
        later(life, 33, 40.0)
        wish += 0.3
    if chance(root, visit, 34) < 0.06:
        put(out, life, life.time, v.PAGE, GIFT_CARD, 0, 0, np.nan, 0.0)
        later(life, 35, 20.0)
    if chance(root, visit, 36) < 0.55:
        put(out, life, life.time, v.PAGE, PLANS, 0, 0, np.nan, 0.0)
        mark(changes, life, life.time, v.CONSIDERATION)
        later(life, 37, 40.0)
        if chance(root, visit, 38) < 0.15:
            put(out, life, life.time, v.PAGE, FAQ, 0, 0, np.nan, 0.0)
            later(life, 39, 40.0)
        wish += 0.4
    return wish


@nb.njit(cache=True)
def visit_site(out, changes, life, person, m, on, totals):  # type: ignore[no-untyped-def]
    """One visit before the trial; returns whether the trial was started."""
    root, visit, persona = life.root, life.visit, person.persona
    origin = pick(m.origins[0 if visit == 1 else 1, persona], chance(root, visit, 4))
    landing = arrive(out, changes, life, person, m, origin)
    if not stays(out, life, person, m, on, landing):
        return False
    looks_in = visit == 1 and landing in (HOME, BLOG) and chance(root, visit, 44) < LOOKS_IN
    wish = READINESS[min(life.looked, len(READINESS) - 1)]
    if not looks_in:
        life.looked += 1
        wish += watch_sample(out, changes, life, person, m, on) + read_on(out, changes, life)
    if not life.has_email and chance(root, visit, 40) < 0.05:
        put(out, life, life.time, v.FORM, HOME, 0, 0, np.nan, 0.0)
        mark(changes, life, life.time, v.CONSIDERATION)
        known_here(life)
        put(out, life, life.time + 200_000, v.IDENTIFY, HOME, 0, 0, np.nan, 1.0)
        later(life, 41, 8.0)
    if looks_in or not says_yes(chance(root, visit, 42), m.trial[persona] + wish):
        return False
    put(out, life, life.time, v.PAGE, SIGN_UP, 0, 0, np.nan, 0.0)
    later(life, 43, 60.0)
    known_here(life)
    put(out, life, life.time, v.IDENTIFY, SIGN_UP, 0, 0, np.nan, 1.0)
    put(out, life, life.time + 300_000, v.TRIAL, SIGN_UP, 0, 0, np.nan, 0.0)
    mark(changes, life, life.time + 300_000, v.DECISION)
    if life.time < life.until:
        totals[v.STARTED] += 1
    return True


@nb.njit(cache=True)
def lesson_week(out, life, person, cal, m, on, week_start, week, keen):  # type: ignore[no-untyped-def]
    """A week's lessons of one who is keen (their mean a week); returns how many."""
    root, persona = life.root, person.persona
    key = WEEKS + week
    many = 0
    reach = gap(root, key, 0, 1.0)
    while reach < keen and many < 6:
        many += 1
        reach += gap(root, key, many, 1.0)
    attended = 0
    last = np.int64(0)
    for j in range(many):
        at = moment(cal, day_of(cal, week_start) + np.int64(chance(root, key, 20 + j) * 7), root, key, 30 + 2 * j)
        live = says_yes(chance(root, key, 50 + j), m.live[persona])
        if live and on[LESSON_TIMES] and m.day_job[persona]:
            life.met |= np.uint32(1 << LESSON_TIMES)
            if not says_yes(chance(root, key, 60 + j), 0.9 + m.shifts[LESSON_TIMES]):
                continue
        elif live and not says_yes(chance(root, key, 60 + j), 0.9):
            continue
        item = SAMPLES + RECORDED + np.int64(chance(root, key, 70 + j) * LIVE)
        if not live:
            item = SAMPLES + np.int64(chance(root, key, 70 + j) * RECORDED)
        life.source, life.ids = v.APP, v.BY_ACCOUNT
        if at > life.time:
            put(out, life, at, v.LESSON, 0, item, 0, np.nan, 0.0)
            attended += 1
            last = max(last, at)
        else:
            life.serial += 1  # it began before the week: not told, but numbered all the same
        if chance(root, key, 80 + j) < 0.06:
            score = min(2.0 + np.floor(chance(root, key, 90 + j) ** 0.5 * 4.0), 5.0)
            life.source = v.SURVEYS
            put(out, life, at + 2 * HOUR, v.SURVEY, 0, 0, 0, np.nan, score)
    return attended, last


@nb.njit(cache=True)
def pay_first(out, changes, life, person, on, m, totals):  # type: ignore[no-untyped-def]
    """The first month's payment on the site; returns whether it went through."""
    root = life.root
    life.source, life.ids, life.device = v.WEB, v.BY_BOTH, MOBILE if chance(root, MONTHS, 1) < 0.6 else DESKTOP
    if life.known[life.device] == 0:
        known_here(life)
        put(out, life, life.time, v.IDENTIFY, PLANS, 0, 0, np.nan, 1.0)
        life.time += MICROS
    put(out, life, life.time, v.PAGE, PLANS, 0, 0, np.nan, 0.0)
    life.time += 40 * MICROS
    fragile = is_fragile(life, person, on, PAYMENT_FAILS)
    for attempt in range(3):
        put(out, life, life.time, v.PAYINFO, PLANS, 0, 0, PRICE, np.float64(attempt))
        life.time += 30 * MICROS
        failure = payment_failure(life, fragile, PAYMENT_FAILS)
        if chance(root, MONTHS, 2 + attempt) >= failure:
            put(out, life, life.time, v.SUBSCRIBED, PLANS, 0, 0, PRICE, 0.0)
            mark(changes, life, life.time, v.RETENTION)
            if life.time < life.until:
                totals[v.ORDERS] += 1
                totals[v.REVENUE] += PRICE
                if life.orders == 0:
                    totals[v.CONVERTED] += 1
            life.orders += 1
            return True
        put(out, life, life.time, v.PAYFAILED, PLANS, 0, 0, PRICE, 1.0 if fragile else 0.0)
        life.time += 20 * MICROS
        if not says_yes(chance(root, MONTHS, 6 + attempt), 0.2 + (m.shifts[PAYMENT_FAILS] if fragile else 0.0)):
            return False
    return False


@nb.njit(cache=True)
def month_acts(out, changes, life, person, m, month, start):  # type: ignore[no-untyped-def]
    """What a member does for others in a month: shares, comments, recommends, reviews; and a call for help."""
    root, persona, key = life.root, person.persona, MONTHS + 100 + month
    at = start + np.int64(chance(root, key, 1) * 27 * A_DAY) + HOUR
    life.ids = v.BY_ACCOUNT
    if says_yes(chance(root, key, 2), m.shares[persona]):
        life.source = v.SOCIAL
        put(out, life, at, v.SHARE, 0, SAMPLES, 0, np.nan, 0.0)
        mark(changes, life, at, v.ADVOCACY)
    if says_yes(chance(root, key, 3), m.shares[persona] - 0.2):
        life.source = v.APP
        put(
            out,
            life,
            at + 2 * HOUR,
            v.COMMENT,
            COMMUNITY if chance(root, key, 4) < 0.7 else CHALLENGE,
            0,
            0,
            np.nan,
            0.0,
        )
        mark(changes, life, at + 2 * HOUR, v.ADVOCACY)
    if says_yes(chance(root, key, 5), m.recommends[persona]):
        life.source = v.WEB
        put(out, life, at + 5 * HOUR, v.RECOMMEND, COMMUNITY, 0, 0, np.nan, 0.0)
        mark(changes, life, at + 5 * HOUR, v.ADVOCACY)
    if month > 0 and chance(root, key, 6) < 0.04:
        life.source = v.WEB
        put(
            out, life, at + 7 * HOUR, v.REVIEW, STORIES, SAMPLES, 0, np.nan, 4.0 + np.floor(1.99 * chance(root, key, 7))
        )
        mark(changes, life, at + 7 * HOUR, v.ADVOCACY)
    if chance(root, key, 8) < 0.03:
        life.source = v.PHONE if chance(root, key, 9) < 0.4 else v.EMAIL
        put(out, life, at + 9 * HOUR, v.SUPPORT, 0, 0, 0, np.nan, 0.0)


@nb.njit(cache=True)
def belong(out, changes, life, person, cal, m, on, totals):  # type: ignore[no-untyped-def]
    """Trial, membership, cancellation, and coming back once to a letter."""
    root, persona = life.root, person.persona
    began = life.time
    # Keenness differs from person to person around the persona's mean: that alone makes some attend and others not.
    keen = m.lessons[persona] * (0.25 + 1.5 * chance(root, 0, 60))
    lessons, week, stopped = 0, 0, False
    last = began
    while week * 7 < TRIAL_DAYS - 6 and not stopped:
        start = began + week * 7 * A_DAY
        life.time = start
        many, latest = lesson_week(out, life, person, cal, m, on, start, week, keen)
        lessons += many
        last = max(last, latest)
        if week in (2, 9) and chance(root, WEEKS + week, 10) < 0.3:
            life.time = max(moment(cal, day_of(cal, start + 3 * A_DAY), root, WEEKS + week, 11), start)
            life.visit += 1
            totals[v.VISITS] += 1
            arrive(out, changes, life, person, m, v.TRIAL_LETTER)
        life.visit, kept = 0, life.visit
        stopped = chance(root, WEEKS + week, 15) < m.tires[persona] * (2.0 if lessons < week else 1.0)
        life.visit = kept
        week += 1
    ended = began + TRIAL_DAYS * A_DAY
    visits = life.visit
    life.visit, life.source, life.ids, life.time = 0, v.BACKEND, v.BY_ACCOUNT, ended
    put(out, life, ended, v.TRIAL_ENDED, 0, 0, 0, np.nan, 0.0)
    wish = m.member[persona] + 0.11 * min(lessons, 24)
    if stopped or not says_yes(chance(root, MONTHS, 0), wish):
        mark(changes, life, last + A_DAY, v.LAPSED)
        return
    life.visit = visits + 1
    totals[v.VISITS] += 1
    life.time = moment(cal, day_of(cal, ended), root, MONTHS, 10) + A_DAY
    if not pay_first(out, changes, life, person, on, m, totals):
        mark(changes, life, life.time + A_DAY, v.LAPSED)
        return
    visits = life.visit
    month, returned = 0, False
    paid = life.time
    while paid < life.until and month < 200:
        many = 0
        life.visit = 0
        for w in range(4):
            life.time = paid + w * 7 * A_DAY
            found, latest = lesson_week(out, life, person, cal, m, on, life.time, 100 + month * 5 + w, keen * 0.8)
            many += found
            last = max(last, latest)
        month_acts(out, changes, life, person, m, month, paid)
        if chance(root, MONTHS + 100 + month, 20) < 0.25:
            visits += 1
            life.visit = visits
            totals[v.VISITS] += 1
            life.time = moment(cal, day_of(cal, paid + 12 * A_DAY), root, MONTHS + 100 + month, 21)
            arrive(out, changes, life, person, m, v.MEMBER_LETTER)
            life.visit = 0
        month += 1
        life.source, life.ids = v.BACKEND, v.BY_ACCOUNT
        due = paid + 30 * A_DAY
        if says_yes(chance(root, MONTHS + 100 + month, 30), m.cancels[persona] + (0.9 if many == 0 else -0.12 * many)):
            put(out, life, due - A_DAY, v.CANCELLED, 0, 0, 0, np.nan, 0.0)
            mark(changes, life, due - A_DAY, v.LAPSED)
            if returned or chance(root, MONTHS, 40) >= 0.16:
                return
            returned = True
            paid = due + np.int64((60 + gap(root, MONTHS, 41, 40.0)) * A_DAY)
            visits += 1
            life.visit, life.time = visits, paid - 90 * MICROS
            if paid < life.until:
                totals[v.VISITS] += 1
            arrive(out, changes, life, person, m, v.WINBACK)
            mark(changes, life, paid, v.BACK)
            life.source, life.ids = v.WEB, v.BY_ACCOUNT
            put(out, life, paid, v.SUBSCRIBED, PLANS, 0, 0, PRICE, 0.0)
        else:
            paid = due
            if chance(root, MONTHS + 100 + month, 31) < 0.02:
                put(out, life, paid - HOUR, v.PAYFAILED, 0, 0, 1, PRICE, 0.0)
            put(out, life, paid, v.RENEWED, 0, 0, 0, PRICE, 0.0)
        if paid < life.until:
            totals[v.ORDERS] += 1
            totals[v.REVENUE] += PRICE


@nb.njit(cache=True)
def studio(out, changes, lives, people, start, seed, horizon, cal, m, on, totals):  # type: ignore[no-untyped-def]
    """Tell ``people`` from ``start`` on; arguments and result as in ``shop.shop``."""
    life = lives[0]
    before = np.empty(len(totals))
    for i in range(start, len(people)):
        person = people[i]
        n, noted = life.n, life.changes
        before[:] = totals
        begin(life, person, seed, horizon)
        for _ in range(8):
            life.visit += 1
            visit = life.visit
            if life.time < horizon:
                totals[v.VISITS] += 1
            if visit_site(out, changes, life, person, m, on, totals):
                belong(out, changes, life, person, cal, m, on, totals)
                break
            if chance(life.root, visit, 100) >= m.comes_back[person.persona] + (0.15 if life.looked > 0 else 0.0):
                mark(changes, life, life.time + 30 * A_DAY, v.LAPSED)
                break
            at = life.time + np.int64(gap(life.root, visit, 101, 4.0) * A_DAY)
            life.time = max(moment(cal, day_of(cal, at), life.root, visit, 102), life.time + HOUR)
        if not end(out, changes, life, person, totals, n, noted, before):
            return i
    return len(people)
