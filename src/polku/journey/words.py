"""Words that a map may use besides its own: where people are met, and what they may have given their consent to."""

from __future__ import annotations

from typing import Final

#: Channels that Polku names in the reader's language. Any other word stays as it is written.
CHANNELS: Final = (
    "web", "email", "store", "phone", "social", "ads", "search", "chat", "app", "mail", "survey", "partner", "event",
    "sms", "push",
)  # fmt: skip
#: Besides them guidance acts by: a block on the site, a web hook, a list for ads, a task for a person.
WAYS: Final = ("site", "webhook", "audience", "task")
#: What a customer's consent can be for: a channel that letters go through, or a use of what is known of them.
CONSENTS: Final = ("email", "sms", "push", "phone", "mail", "chat", "ads", "analytics", "marketing", "personalization")
