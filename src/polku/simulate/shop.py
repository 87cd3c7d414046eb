"""The fashion shop: one person's life after another, told by a kernel.

A person has needs (a party, cold weather, a bargain). A need leads to visits, on the web or at the counter, until they
buy or give up; after it the next need comes, or the person stops coming and may be won back by an e-mail. Each decision
looks up its own luck (``chance``), so that a world without an obstacle differs only by the obstacle.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from polku.simulate import vocabulary as v
from polku.simulate.calendar import DAY, MICROS, day_of, moment, wait
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
from polku.simulate.people import MOBILE, USUAL
from polku.simulate.shop_model import (  # fmt: skip
    BLOG,
    CART_PAGE,
    CATEGORY_PAGE,
    CHECKOUT_PAGE,
    CLUB,
    COMPARE,
    DELIVERY,
    DELIVERY_PAGE,
    FREE_DELIVERY,
    GIFT_CARD,
    HOME,
    LATE_DELIVERY_PRICE,
    NO_SIZE_GUIDE,
    PAYMENT_FAILS,
    PER_CATEGORY,
    PRODUCT_PAGE,
    RETURNS,
    REVIEWS,
    SEARCH_PAGE,
    SIZE_GUIDE,
    SLOW_PAGE,
    STORE_PAGE,
)
from polku.simulate.vocabulary import mark, put

# Slots of luck that belong to a visit; a product's slots follow from PRODUCT_SLOT on, 16 a product.
PRODUCT_SLOT = 200
WAIT_SLOT = 20_000
LOYAL_WITHIN = 365 * DAY * MICROS
MOST_PRODUCTS = 12
#: Nobody is in a hurry: the first visit with products seldom fills a cart, the later ones for the same need do.
READINESS = (-1.4, 0.8, 1.1)
#: When a rule writes about a cart that waits, and the share of those it brings back who would not have come again.
REMINDS_AFTER = 4 * HOUR
REMINDED = 0.3
#: Share of full carts that wait for a decision, and of later visits that go straight to a cart that waits.
SLEEPS_ON_IT = 0.62
BACK_TO_CART = 0.9


@nb.njit(cache=True)
def arrive(out, changes, life, person, m, phase, remind):  # type: ignore[no-untyped-def]
    """Where the visit comes from and the landing page. Returns (the category looked for, the landing page)."""
    root, visit, persona = life.root, life.visit, person.persona
    origin = pick(m.origins[phase, persona], chance(root, visit, 4))
    if remind != 0:
        origin = remind
    if origin == v.NEWSLETTER and life.orders > 0:
        origin = v.CUSTOMER_LETTER
    if origin in (v.NEWSLETTER, v.WINBACK, v.CART_REMINDER, v.CUSTOMER_LETTER):
        if not life.has_email:
            origin = v.DIRECT
        else:
            ids = life.ids
            life.source, life.ids, life.origin = v.EMAIL, v.BY_ACCOUNT, origin
            put(out, life, life.time, v.OPENED, 0, 0, 0, np.nan, 0.0)
            later(life, 5, 20.0)
            life.source, life.ids = v.WEB, ids
    life.origin = origin
    if origin in (v.INSTAGRAM_AD, v.FACEBOOK_AD, v.GOOGLE_AD, v.REMARKETING) and chance(root, visit, 25) < AD_LOG:
        life.source = v.ADS
        ids = life.ids
        life.ids = v.BY_COOKIE
        put(out, life, life.time, v.PROMOTION, 0, 0, 0, np.nan, 0.0)
        life.source, life.ids = v.WEB, ids
        life.time += np.int64(1500 * 1000)
    category = pick(m.categories[persona], chance(root, visit, 6))
    page = HOME
    where = chance(root, visit, 7)
    if origin in (v.INSTAGRAM_AD, v.INFLUENCER, v.FACEBOOK_AD):
        page = CATEGORY_PAGE + category if where < 0.6 else (BLOG if where < 0.8 else HOME)
    elif origin in (v.GOOGLE_AD, v.ORGANIC, v.REMARKETING):
        page = CATEGORY_PAGE + category if where < 0.7 else HOME
    elif origin in (v.NEWSLETTER, v.WINBACK, v.CUSTOMER_LETTER):
        page = CATEGORY_PAGE + category if where < 0.75 else CLUB
    elif origin == v.CART_REMINDER:
        page = CART_PAGE
    put(out, life, life.time, v.PAGE, page, 0, 0, np.nan, 0.0)
    life.origin = v.DIRECT  # the campaign stands on the landing page's address only
    mark(changes, life, life.time, v.AWARENESS)
    return category, page


@nb.njit(cache=True)
def stays(out, life, person, m, on, landing):  # type: ignore[no-untyped-def]
    """Whether the person goes on after the landing page; a slow page makes some leave."""
    root, visit = life.root, life.visit
    logit = m.stay[person.persona] + (0.5 if life.orders > 0 else 0.0)
    logit += slow_page(out, life, person, m, on, SLOW_PAGE, landing)
    return says_yes(chance(root, visit, 10), logit)


@nb.njit(cache=True)
def look_in(out, life, landing):  # type: ignore[no-untyped-def]
    """A first visit that goes no further than the front page and the blog."""
    root, visit = life.root, life.visit
    later(life, 11, 25.0)
    if landing != HOME:
        put(out, life, life.time, v.PAGE, HOME, 0, 0, np.nan, 0.0)
        later(life, 14, 25.0)
    elif chance(root, visit, 12) < 0.4:
        put(out, life, life.time, v.PAGE, BLOG, 0, 0, np.nan, 0.0)
        later(life, 15, 60.0)


@nb.njit(cache=True)
def look_around(out, changes, life, person, category):  # type: ignore[no-untyped-def]
    """Search, lists, and pages that are read on the way, the gift card among them, which no map plans."""
    root, visit = life.root, life.visit
    later(life, 11, 25.0)
    if chance(root, visit, 12) < 0.32:
        found = np.floor(max(chance(root, visit, 23) - 0.07, 0.0) * 40.0)
        put(out, life, life.time, v.SEARCH, SEARCH_PAGE, np.int64(chance(root, visit, 13) * 10), 0, np.nan, found)
        mark(changes, life, life.time, v.CONSIDERATION)
        later(life, 14, 12.0)
    put(out, life, life.time, v.LIST, CATEGORY_PAGE + category, category, 0, np.nan, 0.0)
    mark(changes, life, life.time, v.CONSIDERATION)
    later(life, 15, 20.0)
    if chance(root, visit, 16) < 0.05:
        put(out, life, life.time, v.PAGE, GIFT_CARD, 0, 0, np.nan, 0.0)
        later(life, 17, 30.0)
    if life.orders > 0 and chance(root, visit, 26) < 0.12:
        put(out, life, life.time, v.PAGE, CLUB, 0, 0, np.nan, 0.0)
        later(life, 27, 30.0)
    if person.persona == 3 and chance(root, visit, 18) < 0.25:
        put(out, life, life.time, v.PAGE, STORE_PAGE, 0, 0, np.nan, 0.0)
        later(life, 19, 20.0)


@nb.njit(cache=True)
def subscribe(out, changes, life, person, m):  # type: ignore[no-untyped-def]
    """The pop-up with 10 % for newsletter subscribers: the form, and from then on the person is known here."""
    root, visit = life.root, life.visit
    if not life.has_email and says_yes(chance(root, visit, 20), m.subscribes[person.persona]):
        put(out, life, life.time, v.FORM, HOME, 0, 0, np.nan, 0.0)
        mark(changes, life, life.time, v.CONSIDERATION)
        known_here(life)
        life.member = True
        put(out, life, life.time + 200_000, v.IDENTIFY, HOME, 0, 0, np.nan, 1.0)
        later(life, 21, 8.0)


@nb.njit(cache=True)
def view_products(out, changes, life, person, m, on, category):  # type: ignore[no-untyped-def]
    """Product pages, size guide, reviews; returns (items in the cart, their worth, the last item, size known)."""
    root, visit, persona = life.root, life.visit, person.persona
    ready = READINESS[min(life.looked, len(READINESS) - 1)]
    life.looked += 1
    many = min(1 + int(gap(root, visit, 24, m.viewed[persona] - 0.5)), MOST_PRODUCTS)
    count, worth, last, sized = 0, 0.0, 0, True
    for j in range(many):
        slot = PRODUCT_SLOT + 16 * j
        kind = (
            category if chance(root, visit, slot) < 0.8 else pick(m.categories[persona], chance(root, visit, slot + 1))
        )
        item = kind * PER_CATEGORY + np.int64(chance(root, visit, slot + 2) ** 1.6 * PER_CATEGORY)
        price = m.prices[item]
        put(out, life, life.time, v.PAGE, PRODUCT_PAGE + item, 0, 0, np.nan, 0.0)
        put(out, life, life.time + 150_000, v.PRODUCT, PRODUCT_PAGE + item, item, 0, price, 0.0)
        mark(changes, life, life.time + 150_000, v.CONSIDERATION)
        later(life, slot + 3, 35.0)
        logit = m.cart[persona] + ready + (0.55 if life.orders > 0 else 0.0) - 0.004 * (price - 60.0)
        knows = True
        if chance(root, visit, slot + 4) < m.asks_size[persona]:
            if m.guide[kind] or not on[NO_SIZE_GUIDE]:
                if chance(root, visit, slot + 5) < 0.55:
                    put(out, life, life.time, v.PAGE, SIZE_GUIDE, 0, 0, np.nan, 0.0)
                    later(life, slot + 6, 25.0)
            else:
                life.met |= np.uint32(1 << NO_SIZE_GUIDE)
                if chance(root, visit, slot + 5) < 0.4:
                    put(out, life, life.time, v.FAILED, SIZE_GUIDE, 0, 0, np.nan, 0.0)
                    later(life, slot + 6, 5.0)
                logit += m.shifts[NO_SIZE_GUIDE]
                knows = False
        if chance(root, visit, slot + 7) < 0.16:
            put(out, life, life.time, v.PAGE, REVIEWS, item, 0, np.nan, 0.0)
            later(life, slot + 8, 40.0)
            logit += 0.35
        if j > 0 and chance(root, visit, slot + 9) < 0.06:
            put(out, life, life.time, v.PAGE, COMPARE, 0, 0, np.nan, 0.0)
            later(life, slot + 10, 40.0)
        if says_yes(chance(root, visit, slot + 11), logit):
            quantity = 1 + (1 if chance(root, visit, slot + 12) < 0.08 else 0)
            put(out, life, life.time, v.ADDED, PRODUCT_PAGE + item, item, 0, price, np.float64(quantity))
            life.carted = True
            mark(changes, life, life.time, v.DECISION)
            count += quantity
            worth += price * quantity
            last = item
            sized = sized and knows
            later(life, slot + 13, 15.0)
    return count, worth, last, sized


@nb.njit(cache=True)
def check_out(out, changes, life, person, m, on, totals, worth):  # type: ignore[no-untyped-def]
    """From the cart to the payment. Returns whether the payment went through and what was taken off by a coupon."""
    root, visit, persona = life.root, life.visit, person.persona
    put(out, life, life.time, v.CART, CART_PAGE, 0, 0, worth, 0.0)
    life.carted = True
    later(life, 30, 20.0)
    if chance(root, visit, 31) < 0.12:
        put(out, life, life.time, v.PAGE, DELIVERY_PAGE, 0, 0, np.nan, 0.0)
        later(life, 32, 20.0)
    if not says_yes(chance(root, visit, 33), m.checkout[persona] + (0.5 if life.orders > 0 else 0.0)):
        return False, 0.0
    put(out, life, life.time, v.CHECKOUT, CHECKOUT_PAGE, 0, 0, worth, 0.0 if worth >= FREE_DELIVERY else DELIVERY)
    totals[v.CHECKOUTS] += 1
    later(life, 34, 30.0)
    off = 0.0
    if life.member and life.orders == 0 and chance(root, visit, 35) < 0.6:
        off = 0.1 * worth
        put(out, life, life.time, v.COUPON, CHECKOUT_PAGE, 0, 0, off, 0.0)
        later(life, 36, 10.0)
    logit = m.pay[persona] + (0.25 if off > 0 else 0.0)
    if on[LATE_DELIVERY_PRICE] and worth < FREE_DELIVERY:
        life.met |= np.uint32(1 << LATE_DELIVERY_PRICE)
        logit += m.shifts[LATE_DELIVERY_PRICE]
    if not says_yes(chance(root, visit, 37), logit):
        return False, 0.0
    fragile = is_fragile(life, person, on, PAYMENT_FAILS)
    for attempt in range(3):
        put(out, life, life.time, v.PAYINFO, CHECKOUT_PAGE, 0, 0, worth, np.float64(attempt))
        later(life, 38 + attempt, 30.0)
        failure = payment_failure(life, fragile, PAYMENT_FAILS)
        if chance(root, visit, 42 + attempt) >= failure:
            return True, off
        put(out, life, life.time, v.PAYFAILED, CHECKOUT_PAGE, 0, 0, worth, 1.0 if fragile else 0.0)
        later(life, 46 + attempt, 20.0)
        if not says_yes(chance(root, visit, 50 + attempt), 0.2 + (m.shifts[PAYMENT_FAILS] if fragile else 0.0)):
            return False, 0.0
    return False, 0.0


@nb.njit(cache=True)
def order(out, changes, life, person, m, totals, item, count, worth, off, sized, counter):  # type: ignore[no-untyped-def]
    """The order and what follows from it by itself: survey, return, review, sharing, recommending, asking for help."""
    root, visit, persona, now = life.root, life.visit, person.persona, life.time
    paid = worth - off
    if now < life.until:
        totals[v.ORDERS] += 1
        totals[v.REVENUE] += paid
        if life.orders == 0:
            totals[v.CONVERTED] += 1
    life.orders += 1
    number = life.orders
    shipping = 0.0 if counter or worth >= FREE_DELIVERY else DELIVERY
    put(out, life, now, v.ORDER, CHECKOUT_PAGE, item, number * 16 + count, paid, shipping)
    loyal = number > 1 and now - life.last_order <= LOYAL_WITHIN
    mark(changes, life, now, v.LOYALTY if loyal else v.RETENTION)
    life.last_order = now
    if life.ids == v.BY_NOBODY:
        return
    device, source, ids = life.device, life.source, life.ids
    life.visit = 0  # what follows belongs to no visit
    pleased = 1.0 if sized else 0.0
    if chance(root, visit, 60) < 1.0 / (1.0 + np.exp(-m.answers[persona])):
        score = np.floor(4.0 + pleased + 6.5 * chance(root, visit, 61) ** 0.6)
        score = min(max(score, 0.0), 10.0)
        life.source, life.ids = v.SURVEYS, v.BY_ACCOUNT
        put(
            out,
            life,
            now + np.int64((4 + gap(root, visit, 62, 2.0)) * DAY * MICROS),
            v.SURVEY,
            0,
            0,
            number,
            np.nan,
            score,
        )
    life.source, life.ids = v.WEB, v.BY_ACCOUNT
    if says_yes(chance(root, visit, 63), m.returns[persona] + (0.0 if sized else 1.2) + (0.9 if not counter else 0.0)):
        back = now + np.int64((6 + gap(root, visit, 64, 5.0)) * DAY * MICROS)
        put(out, life, back - 2 * HOUR, v.PAGE, RETURNS, 0, 0, np.nan, 0.0)
        life.source = v.COUNTER if counter else v.BACKEND
        put(out, life, back + DAY * MICROS * 3, v.REFUND, 0, item, number * 16 + count, paid, 0.0)
        if back + DAY * MICROS * 3 < life.until:
            totals[v.REFUNDED] += paid
    else:
        life.source = v.WEB
        told = now + np.int64((8 + gap(root, visit, 66, 6.0)) * DAY * MICROS)
        if says_yes(chance(root, visit, 67), m.reviews[persona] + (0.8 if number > 1 else 0.3)):
            put(
                out,
                life,
                told,
                v.REVIEW,
                PRODUCT_PAGE + item,
                item,
                0,
                np.nan,
                3.0 + np.floor(2.99 * chance(root, visit, 68) ** 0.7),
            )
            mark(changes, life, told, v.ADVOCACY)
        life.source = v.SOCIAL
        if says_yes(chance(root, visit, 69), m.shares[persona]):
            shared = now + np.int64((3 + gap(root, visit, 70, 5.0)) * DAY * MICROS)
            put(out, life, shared, v.SHARE, PRODUCT_PAGE + item, item, 0, np.nan, 0.0)
            mark(changes, life, shared, v.ADVOCACY)
        life.source = v.WEB
        if says_yes(chance(root, visit, 71), m.recommends[persona] + (0.6 if number > 1 else 0.0)):
            put(out, life, told + DAY * MICROS, v.RECOMMEND, CLUB, 0, 0, np.nan, 0.0)
            mark(changes, life, told + DAY * MICROS, v.ADVOCACY)
    if chance(root, visit, 73) < 0.05:
        life.source, life.ids = v.PHONE, v.BY_ACCOUNT
        put(
            out,
            life,
            now + np.int64(gap(root, visit, 74, 3.0) * DAY * MICROS) + HOUR,
            v.SUPPORT,
            0,
            0,
            number,
            np.nan,
            0.0,
        )
    life.device, life.source, life.ids, life.visit = device, source, ids, visit


@nb.njit(cache=True)
def web_visit(out, changes, life, person, m, on, totals, remind):  # type: ignore[no-untyped-def]
    """One visit to the web shop. Returns 0 (nothing bought), 1 (a cart waits) or 2 (bought)."""
    root, visit = life.root, life.visit
    life.ids = choose_device(life, person, m)
    life.source = v.WEB
    phase = 0 if life.visit == 1 else (1 if life.orders == 0 else 2)
    category, landing = arrive(out, changes, life, person, m, phase, remind)
    if not stays(out, life, person, m, on, landing):
        return 1 if life.kept > 0 else 0
    if life.kept > 0 and (landing == CART_PAGE or chance(root, visit, 110) < BACK_TO_CART):
        count, worth, item, sized = life.kept, life.kept_worth, life.kept_item, life.kept_sized
    else:
        if visit == 1 and chance(root, visit, 111) < LOOKS_IN:
            look_in(out, life, landing)
            subscribe(out, changes, life, person, m)
            return 0
        look_around(out, changes, life, person, category)
        subscribe(out, changes, life, person, m)
        count, worth, item, sized = view_products(out, changes, life, person, m, on, category)
        if count == 0:
            return 1 if life.kept > 0 else 0
        totals[v.CARTS] += 1
        life.kept, life.kept_worth, life.kept_item, life.kept_sized = count, worth, item, sized
        if chance(root, visit, 112) < SLEEPS_ON_IT:
            put(out, life, life.time, v.CART, CART_PAGE, 0, 0, worth, 0.0)
            return 1
    bought, off = check_out(out, changes, life, person, m, on, totals, worth)
    if not bought:
        return 1
    first_here = life.known[life.device] == 0
    known_here(life)
    if first_here:
        put(out, life, life.time - 400_000, v.IDENTIFY, CHECKOUT_PAGE, 0, 0, np.nan, 1.0 if life.member else 0.0)
    order(out, changes, life, person, m, totals, item, count, worth, off, sized, False)
    return 2


@nb.njit(cache=True)
def counter_visit(out, changes, life, person, m, totals):  # type: ignore[no-untyped-def]
    """A visit to the shop on the street: known only by the loyalty card; a sale without one has no customer."""
    root, visit, persona = life.root, life.visit, person.persona
    carded = life.has_email and chance(root, visit, 80) < 0.7
    life.source, life.origin, life.device = v.COUNTER, v.DIRECT, MOBILE
    life.ids = v.BY_ACCOUNT if carded else v.BY_NOBODY
    put(out, life, life.time, v.STORE, 0, 0, 0, np.nan, 0.0)
    mark(changes, life, life.time, v.CONSIDERATION)
    later(life, 81, 500.0)
    if chance(root, visit, 82) < 0.3:
        kind = pick(m.categories[persona], chance(root, visit, 83))
        item = kind * PER_CATEGORY + np.int64(chance(root, visit, 84) * PER_CATEGORY)
        if not carded and chance(root, visit, 85) < 0.35:
            life.ids = v.BY_ACCOUNT
            life.has_email = True
            put(out, life, life.time - 60 * MICROS, v.IDENTIFY, 0, 0, 0, np.nan, 0.0)
        order(out, changes, life, person, m, totals, item, 1, m.prices[item], 0.0, True, True)
        return 2
    return 0


@nb.njit(cache=True)
def call(out, changes, life, person, m):  # type: ignore[no-untyped-def]
    """A phone call before buying; the service knows the customer only by the account."""
    root, visit = life.root, life.visit
    if life.has_email and chance(root, visit, 90) < m.calls[person.persona] * 4.0:
        life.source, life.ids, life.origin = v.PHONE, v.BY_ACCOUNT, v.DIRECT
        put(out, life, life.time + HOUR, v.CALL, 0, 0, 0, np.nan, 60.0 + gap(root, visit, 91, 240.0))
        life.time += 2 * HOUR


@nb.njit(cache=True)
def comes_back(life, m, persona, result):  # type: ignore[no-untyped-def]
    """Share of those who come again for the same need: of those with products in mind more, with a full cart most."""
    return m.comes_back[persona] + (0.1 if life.looked > 0 else 0.0) + (0.2 if result == 1 else 0.0)


@nb.njit(cache=True)
def is_reminded(life, person, result, back, at):  # type: ignore[no-untyped-def]
    """Whether a letter about the cart that waits brings the person (back).

    A rule writes to those who ordered the newsletter, about a cart that was seen on this visit, REMINDS_AFTER it at the
    earliest. So whoever would be ``back`` before it (``at``) lives on as without it, and nothing that a rule looks at
    before it writes hangs on whether it will.
    """
    if result != 1 or not life.has_email:
        return False
    luck = chance(life.root, life.visit, 102)
    if person.reminded == USUAL:
        return back and luck < 0.5
    if not (life.carted and life.member) or life.time < person.reminded:
        return False
    if back and at < life.time + REMINDS_AFTER:
        return False
    return luck < (0.5 if back else REMINDED)


@nb.njit(cache=True)
def tell(out, changes, life, person, cal, m, on, totals):  # type: ignore[no-untyped-def]
    """The whole life of one person, to the horizon ``life.until``."""
    root, persona = life.root, person.persona
    remind = 0
    while life.time < life.until:
        result = 0
        life.looked = 0
        life.kept = 0
        for _ in range(9):
            if life.time >= life.until:
                break
            life.visit += 1
            life.carted = False
            visit = life.visit
            totals[v.VISITS] += 1
            if visit > 1 and chance(root, visit, 100) < m.store[persona]:
                result = counter_visit(out, changes, life, person, m, totals)
            else:
                result = web_visit(out, changes, life, person, m, on, totals, remind)
            remind = 0
            if result == 2 or life.time >= life.until:
                break
            if result == 0:
                call(out, changes, life, person, m)
            back = chance(root, visit, 101) < comes_back(life, m, persona, result)
            at = life.time + np.int64(gap(root, visit, 104, 2.5) * DAY * MICROS)
            if at > life.time + DAY * MICROS // 2:
                at = max(moment(cal, day_of(cal, at), root, visit, 105), life.time + HOUR)
            if is_reminded(life, person, result, back, at):
                remind = v.CART_REMINDER
                life.time += REMINDS_AFTER + np.int64(gap(root, visit, 103, 10.0) * HOUR)
            elif back:
                life.time = at
            else:
                break
        remind = 0
        visit = life.visit
        gone = m.stops[persona] * (0.7 if life.orders > 0 else 1.9)
        if chance(root, visit, 107) < gone:
            if life.orders == 0 and not life.has_email:
                mark(changes, life, life.time + 30 * DAY * MICROS, v.LAPSED)
                return
            mark(changes, life, life.time + 60 * DAY * MICROS, v.LAPSED)
            if not life.has_email or chance(root, visit, 108) >= 0.14:
                return
            at = life.time + np.int64((150 + gap(root, visit, 109, 40.0)) * DAY * MICROS)
            life.time = max(moment(cal, day_of(cal, at), root, visit, 110), life.time + HOUR)
            remind = v.WINBACK
            mark(changes, life, life.time, v.BACK)
        else:
            life.time = wait(cal, life.time + DAY * MICROS, m.need_days[persona], root, visit, WAIT_SLOT)


@nb.njit(cache=True)
def shop(out, changes, lives, people, start, seed, horizon, cal, m, on, totals):  # type: ignore[no-untyped-def]
    """Tell ``people`` from ``start`` on, into ``out`` and ``changes``, until they are told or a buffer is full.

    out: ROW[capacity], changes: CHANGE[capacity], lives: LIFE[1] (work space; its ``n`` and ``changes`` say how much is
    filled), people: PERSON[n] (``met`` is written), horizon: microseconds UTC, on: bool[obstacles], totals:
    float64[TOTALS], added to. Returns the number of the person to go on from; that one left nothing behind.
    """
    life = lives[0]
    before = np.empty(len(totals))
    for i in range(start, len(people)):
        person = people[i]
        n, noted = life.n, life.changes
        before[:] = totals
        begin(life, person, seed, horizon)
        tell(out, changes, life, person, cal, m, on, totals)
        if not end(out, changes, life, person, totals, n, noted, before):
            return i
    return len(people)
