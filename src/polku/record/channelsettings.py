"""``[[channels]]`` of ``polku.toml``: web hooks by which messages leave for SMS, push, a CRM and anything else::

[[channels]]
name = "sms"                          # what rules call it: send: {channel: sms, ...}
url = "https://gateway.example/send"
address = "phone"                     # what the receiver needs: email, phone or none
purpose = "sms"                       # the consent that it takes; none: no consent is asked for
secret = "POLKU_CHANNEL_SMS"          # the variable of the environment that holds the secret
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from polku.language import N_

Fault = tuple[str, str, dict[str, Any]]
ADDRESSES: Final = ("email", "phone", "none")
#: Names that are channels already.
TAKEN: Final = ("email", "task", "site", "audience")
_NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_VARIABLE: Final = re.compile(r"^[A-Z][A-Z0-9_]{2,99}$")
_FIELDS: Final = ("name", "url", "address", "purpose", "secret")


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelHook:
    """One channel of the project's own. ``secret``: a variable of the environment, never the secret itself."""

    name: str
    url: str
    address: Literal["email", "phone", "none"] = "none"
    purpose: str = ""
    secret: str = ""


def read_channels(given: Any) -> tuple[tuple[ChannelHook, ...], list[Fault]]:
    """The channels, and what is wrong with them: (where, message, facts)."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        return (), [("channels", N_("channels are sections of their own; write [[channels]] above each"), {})]
    found: list[ChannelHook] = []
    faults: list[Fault] = []
    for number, one in enumerate(given, 1):
        where = f"channels[{number}]"
        before = len(faults)
        for key, value in one.items():
            if key not in _FIELDS:
                told = {"names": ", ".join(_FIELDS)}
                faults.append((f"{where}.{key}", N_("there is no such setting; there are {names}"), told))
            elif not isinstance(value, str):
                said = N_("{value} does not fit: write a text in quotes")
                faults.append((f"{where}.{key}", said, {"value": repr(value)}))
        if len(faults) == before:
            faults += _misfits(where, one, {c.name for c in found})
        if len(faults) == before:
            secret = one.get("secret") or "POLKU_CHANNEL_" + one["name"].upper()
            purpose = one.get("purpose", one["name"])
            found.append(
                ChannelHook(
                    one["name"], one["url"], one.get("address", "none"), "" if purpose == "none" else purpose, secret
                )
            )
    return tuple(found), faults


def _misfits(where: str, one: dict[str, str], names: set[str]) -> list[Fault]:
    faults: list[Fault] = []
    name, url = one.get("name", ""), one.get("url", "")
    if not _NAME.match(name):
        faults.append((f"{where}.name", N_("a channel needs a name of small letters, digits and _"), {}))
    elif name in TAKEN or name in names:
        faults.append((f"{where}.name", N_("there is a channel {name} already"), {"name": name}))
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        faults.append((f"{where}.url", N_("the url must be a whole address, such as https://gateway.example/send"), {}))
    elif parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        faults.append((f"{where}.url", N_("people's data goes by https only"), {}))
    if one.get("address", "none") not in ADDRESSES:
        facts = {"value": repr(one["address"]), "allowed": ", ".join(ADDRESSES)}
        faults.append((f"{where}.address", N_("{value} does not fit: choose one of {allowed}"), facts))
    if one.get("secret") and not _VARIABLE.match(one["secret"]):
        said = N_("this names a variable of the environment that holds the secret; never the secret itself")
        faults.append((f"{where}.secret", said, {}))
    return faults
