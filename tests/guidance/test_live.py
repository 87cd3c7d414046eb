"""Live guidance over a real project: events in the inbox, time by the test's clock, what is noted and to be sent."""

from __future__ import annotations

from guidance.shop import DAY, HOUR

CART = """
  - id: cart_reminder
    when: {reached: cart, without: order, for: 4h}
    only_if: {consent: email}
    send: {channel: email, content: content/cart.en.md}
    limit: {times: 1, every: 14d}
    holdout: 0 %
    state: on
"""


def test_who_leaves_a_cart_gets_one_message_after_the_wait(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added", cart_id="c1")
    made.wait(4 * HOUR - 1)
    assert made.outbox() == []
    assert made.timers() == 1
    made.wait(1)
    (message,) = made.outbox()
    assert (message["rule"], message["channel"], message["state"]) == ("cart_reminder", "email", "waiting")
    assert message["customer"] == made.customer("anna")
    assert made.notes("anna") == ["entered", "waits", "treated", "message", "done"]
    made.wait(DAY)
    assert len(made.outbox()) == 1
    assert made.timers() == 0
