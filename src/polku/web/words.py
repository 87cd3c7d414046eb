"""The words of the pages that are not in the templates: channels, deviations, states, and every figure's definition."""

from __future__ import annotations

import dataclasses

from polku.language import N_

CHANNELS: dict[str, str] = {
    "web": N_("Web"),
    "email": N_("E-mail"),
    "social": N_("Social media"),
    "search": N_("Search"),
    "ads": N_("Advertising"),
    "store": N_("Store"),
    "phone": N_("Phone"),
    "chat": N_("Chat"),
    "app": N_("App"),
    "mail": N_("Post"),
    "partner": N_("Partner"),
    "event": N_("Event"),
    "survey": N_("Survey"),
    "sms": N_("Text message"),
    "push": N_("Push notification"),
}


def channel_word(channel: str | None) -> str:
    """The English key of a channel's name; a channel of the map's own is its own name."""
    if channel is None:
        return N_("No channel")
    return CHANNELS.get(channel, channel)


#: A state's sign and the class that colours it; the word is always written beside them.
STATE_SIGNS: dict[str, tuple[str, str]] = {
    "on_target": ("✓", "good"),
    "behind": ("▼", "bad"),
    "too_few": ("…", "quiet"),
    "no_target": ("", "quiet"),
    "no_data": ("∅", "warn"),
}

#: What a number that does not count customers opens: said on its link.
UNITS: dict[str, str] = {
    "customers": "",
    "visits": N_("opens the customers of these visits"),
    "sessions": N_("opens the customers of these sessions"),
    "views": N_("opens the customers who viewed"),
    "events": N_("opens the customers of these events"),
    "answers": N_("opens the customers who answered"),
    "accounts": N_("opens the customers of these accounts"),
    "times": N_("opens the customers who did it"),
}

GUIDANCE_STATES: dict[str, str] = {"draft": N_("draft"), "on": N_("on"), "off": N_("off")}


@dataclasses.dataclass(frozen=True, slots=True)
class Definition:
    """A figure in words: what it counts, and its formula."""

    title: str
    text: str
    formula: str | None = None


DEFINITIONS: dict[str, Definition] = {
    "now": Definition(
        N_("Here now"),
        N_(
            "Customers whose current stage this is, at the moment the map is drawn for. Those who have lapsed "
            "are counted apart."
        ),
    ),
    "latest": Definition(
        N_("Here last"),
        N_("Customers whose latest touchpoint this is, at the moment the map is drawn for."),
    ),
    "reached": Definition(
        N_("Ever reached"), N_("Customers who have come here at least once, ever, up to the end of the period.")
    ),
    "entered": Definition(
        N_("Came in the period"),
        N_("Customers who entered the stage, or met the touchpoint for the first time, in the period."),
    ),
    "went_on": Definition(
        N_("Went on"),
        N_(
            "Of those who came in the period and have had their time, the share that entered a stage further "
            "right within that time. The time is expect.within of the stage or touchpoint, else the window of "
            "the map."
        ),
        N_("went on ÷ (went on + did not go on in time)"),
    ),
    "pending": Definition(
        N_("Still open"),
        N_(
            "Customers who came in the period and have not gone on, but whose time is not up yet. They are "
            "neither a success nor a drop-off, and stand in neither part of the rate."
        ),
    ),
    "drop_off": Definition(
        N_("Dropped off"),
        N_("Of those who came in the period and have had their time, the share that did not go on within it."),
        N_("did not go on in time ÷ (went on + did not go on in time)"),
    ),
    "to_next": Definition(
        N_("Time to the next stage"),
        N_(
            "The median time from coming here to entering a stage further right, of those who went on in time. "
            "The quartiles say between which times half of them went on."
        ),
    ),
    "value": Definition(
        N_("Value"),
        N_(
            "The money of the events here in the period, in the map's currency; only touchpoints that name a "
            "value have it."
        ),
    ),
    "target": Definition(
        N_("Target and actual"),
        N_(
            "The target is expect.share of the map. A rate over fewer than 30 customers is shown but not judged. "
            "The mark on the bar is the target, the bar is what happened."
        ),
    ),
    "lapsed": Definition(
        N_("Lapsed"),
        N_("Customers whose last activity is longer ago than the stage's lapses_after. Their stage is kept in mind."),
    ),
    "lapsed_in": Definition(N_("Lapsed in the period"), N_("Customers who became lapsed in this stage in the period.")),
    "won_back": Definition(
        N_("Won back"),
        N_("Lapsed customers of this stage who were active again in the period, and so came back to it."),
    ),
    "skipped": Definition(N_("Skipped"), N_("Customers who entered a later stage without ever entering this one.")),
    "missing": Definition(
        N_("Passed by"),
        N_("The touchpoint is in the plan, but customers went on from its stage without ever meeting it."),
        N_("went on without meeting it ÷ all who went on from the stage"),
    ),
    "out_of_sequence": Definition(
        N_("Out of sequence"),
        N_("Customers who met the touchpoint for the first time only after they had entered a later stage."),
    ),
    "failed": Definition(
        N_("Failed"), N_("Customers to whom an event of the touchpoint's fails list happened in the period.")
    ),
    "ad_hoc": Definition(
        N_("Outside the map"),
        N_("Events and pages that many customers meet but that no touchpoint of the map matches."),
    ),
    "no_data": Definition(N_("No data"), N_("The touchpoint is planned, but none of its events has ever been seen.")),
    "felt": Definition(
        N_("Feeling"),
        N_(
            "The hollow points are the map's hypothesis, from -2 (bad) to 2 (good). The solid ones are measured "
            "by the survey that the map names, its scale mapped to the same, with n answers."
        ),
    ),
    "customers": Definition(
        N_("Customers on the map"),
        N_(
            "Customers with at least one event of the map's touchpoints. Who has not told who they are is a customer "
            "of their own on each device, and becomes one with the rest when an id joins them."
        ),
    ),
    "outside": Definition(
        N_("Not on the map yet"), N_("Known customers without a single event that the map's touchpoints match.")
    ),
    "without_customer": Definition(
        N_("Events without a customer"),
        N_("Events kept in the history that name nobody: counted here, left out of every journey."),
    ),
}
