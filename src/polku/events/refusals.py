"""Why a row was refused: one typed reason each, counted and shown, so that no row vanishes.

A reason's number stands in arrays (``uint8``, 0 = not refused); its name stands in JSON and in the files of refused
rows.
"""

from __future__ import annotations

from enum import IntEnum

from polku.language import N_, translate


class Refusal(IntEnum):
    """A reason; ``name`` is stable, ``text`` is for people."""

    TRUNCATED = 1
    TOO_FEW_COLUMNS = 2
    TOO_MANY_COLUMNS = 3
    OPEN_QUOTE = 4
    BAD_ENCODING = 5
    NUL_BYTES = 6
    NOT_JSON = 7
    NOT_AN_OBJECT = 8
    NO_TIME = 10
    UNREADABLE_TIME = 11
    DAY_MONTH_ORDER = 12
    TIME_TOO_EARLY = 13
    TIME_TOO_LATE = 14
    UNPROVEN_TIME = 15
    NO_EVENT = 20
    NO_SOURCE = 21
    OTHER_SITE = 22
    UNREADABLE_VALUE = 30
    VALUE_NOT_FINITE = 31
    DECIMAL_MARK = 32
    UNKNOWN_CURRENCY = 33
    BAD_PROPERTIES = 40
    BAD_CONTEXT = 41
    BAD_MESSAGE = 42
    UNKNOWN_CALL = 43
    BAD_ID = 44
    NO_PREVIOUS_ID = 45
    NO_GROUP = 46
    TOO_LARGE = 50
    TOO_LONG = 51
    TOO_MANY = 52
    UNREADABLE_REQUEST = 53
    WRONG_KEY = 54
    TOO_DEEP = 55
    NO_CONSENT = 60
    ERASED = 61
    BOT = 70
    MAIL_SCANNER = 71
    UNMAPPED = 80
    LEFT_OUT = 81

    def text(self, language: str = "en") -> str:
        """The reason as a person reads it.

        >>> Refusal.NO_EVENT.text("fi")
        'tapahtuman nimi puuttuu'
        """
        return translate(language, TEXTS[self])


#: Reasons of which only the count is kept: there is no right to keep the rest, or the project did not ask for it.
UNKEPT = frozenset({Refusal.NO_CONSENT, Refusal.ERASED, Refusal.LEFT_OUT})

TEXTS: dict[Refusal, str] = {
    Refusal.TRUNCATED: N_("the file ends in the middle of the line"),
    Refusal.TOO_FEW_COLUMNS: N_("the line has fewer columns than the header"),
    Refusal.TOO_MANY_COLUMNS: N_("the line has more columns than the header"),
    Refusal.OPEN_QUOTE: N_("a quotation mark is opened and never closed"),
    Refusal.BAD_ENCODING: N_("bytes that are not text in the file's encoding"),
    Refusal.NUL_BYTES: N_("the line holds NUL bytes"),
    Refusal.NOT_JSON: N_("the line is not JSON"),
    Refusal.NOT_AN_OBJECT: N_("the line is not a JSON object"),
    Refusal.NO_TIME: N_("the time is missing"),
    Refusal.UNREADABLE_TIME: N_("the time cannot be read"),
    Refusal.DAY_MONTH_ORDER: N_("day and month stand in another order than in the rest of the column"),
    Refusal.TIME_TOO_EARLY: N_("the time is before the year 1970"),
    Refusal.TIME_TOO_LATE: N_("the time is in the future"),
    Refusal.UNPROVEN_TIME: N_("a time of more than a day ago is taken only with a key (token_auth)"),
    Refusal.NO_EVENT: N_("the name of the event is missing"),
    Refusal.NO_SOURCE: N_("the source is missing"),
    Refusal.OTHER_SITE: N_("the event names another site than the rest of its request"),
    Refusal.UNREADABLE_VALUE: N_("the value is not a number"),
    Refusal.VALUE_NOT_FINITE: N_("the value is infinite or not a number (NaN)"),
    Refusal.DECIMAL_MARK: N_("the value can be read in two ways, such as 1,299; say which with --decimal"),
    Refusal.UNKNOWN_CURRENCY: N_("the currency is no code of ISO 4217, such as EUR"),
    Refusal.BAD_PROPERTIES: N_("the properties are not a JSON object"),
    Refusal.BAD_CONTEXT: N_("the context is not a JSON object"),
    Refusal.BAD_MESSAGE: N_("a field has a value of another kind than the protocol says"),
    Refusal.UNKNOWN_CALL: N_("the protocol has no such call"),
    Refusal.BAD_ID: N_("an id is neither a text nor a number"),
    Refusal.NO_PREVIOUS_ID: N_("an alias needs both ids, the former and the present one"),
    Refusal.NO_GROUP: N_("the id of the group is missing"),
    Refusal.TOO_LARGE: N_("the event is larger than the protocol allows"),
    Refusal.TOO_LONG: N_("an id or a name is too long"),
    Refusal.TOO_MANY: N_("the request holds more events than the protocol allows"),
    Refusal.UNREADABLE_REQUEST: N_("the request as a whole cannot be read"),
    Refusal.WRONG_KEY: N_("the write key is missing or not known"),
    Refusal.TOO_DEEP: N_("objects and lists are nested too deeply"),
    Refusal.NO_CONSENT: N_("the customer has not consented to analytics"),
    Refusal.ERASED: N_("the customer has been erased"),
    Refusal.BOT: N_("a robot, not a person, by its name"),
    Refusal.MAIL_SCANNER: N_("a program that scans mail, not a person, by its speed"),
    Refusal.UNMAPPED: N_("the mapping of the web hook does not fit this message; try it with polku hook try"),
    Refusal.LEFT_OUT: N_("the mapping of the web hook leaves this message out"),
}
