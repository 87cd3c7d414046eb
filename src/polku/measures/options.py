"""Options that several measures share, in the same words."""

import dataclasses

from polku.language import N_
from polku.measures.definition import Option

BY_CUSTOMER = Option(
    "by", "choice", N_("by"), N_("count customers, or sessions each by itself"), "customer", ("customer", "session")
)
BY_VISIT = dataclasses.replace(BY_CUSTOMER, default="session")
TO = Option(
    "to", "goal", N_("to"), N_("the touchpoint or event that counts as converting; by default the map's own goal")
)
LIMIT = Option("limit", "number", N_("rows"), N_("how many rows to show"), 50)
WITHIN = Option("within", "duration", N_("within"), N_("the time they are given, for example 7d; by default no limit"))
