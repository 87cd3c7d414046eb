"""``polku.toml``: every setting with its default, its meaning and its check, in one place.

>>> read_settings("[server]\\nport = 8080").server.port
8080
>>> Settings().language
'fi'
"""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, Literal

from polku.errors import ProjectError, nearest
from polku.language import LANGUAGES, N_, translate
from polku.record.channelsettings import ChannelHook, read_channels
from polku.record.hooksettings import Hook, read_hooks
from polku.zones import is_zone

FILE = "polku.toml"

#: A setting's full name, what is wrong with it, the facts.
Fault = tuple[str, str, dict[str, Any]]


def setting(
    default: Any,
    doc: str,
    *,
    least: float | None = None,
    most: float | None = None,
    one_of: tuple[str, ...] = (),
    zone: bool = False,
) -> Any:
    """A dataclass field that carries its documentation (an English text, the key of its Finnish) and its bounds."""
    metadata = {"doc": doc, "least": least, "most": most, "one_of": one_of, "zone": zone}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """Where the pages are served."""

    host: str = setting("127.0.0.1", N_("The address that the pages are served at. 0.0.0.0 lets the whole network in."))
    port: int = setting(
        8000, N_("The port; when it is taken, the next free one is used and told."), least=0, most=65535
    )
    refresh: int = setting(5, N_("How often an open page asks for new numbers, in seconds; 0 never."), least=0)
    sign_in: str = setting(
        "auto",
        N_(
            "Whether people sign in: auto (as soon as somebody can, and always when others than this machine reach the "
            "server), always, never (for this machine alone)."
        ),
        one_of=("auto", "always", "never"),
    )
    idle: int = setting(12, N_("Hours without a request after which a session ends."), least=1)
    session: int = setting(14, N_("Days after which a session ends in any case."), least=1)
    names: str = setting(
        "",
        N_(
            "Names under which the server may be asked, with commas between, such as polku.example.com. Empty: any; on "
            "this machine alone its own names."
        ),
    )
    proxies: str = setting(
        "",
        N_(
            "Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas "
            "between. Empty: none."
        ),
    )
    edits: str = setting(
        "all",
        N_("Where people whose role allows it may save from: all, local (this machine only), none (nowhere)."),
        one_of=("local", "all", "none"),
    )
    log: str = setting(
        "text",
        N_("How the server writes its log to stderr: text, or json (an object a line)."),
        one_of=("text", "json"),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How much one key or address may ask."""

    sign_in: int = setting(
        10,
        N_(
            "Tries to sign in within 15 minutes for one name from one address; five times as many for one address, ten "
            "times for one name. 0: no limit."
        ),
        least=0,
    )
    api: int = setting(600, N_("Answers of the API a minute for one key, person or address. 0: no limit."), least=0)
    address: int = setting(
        120_000,
        N_(
            "Requests with events a minute from one address (a shop's own server sends all of its events from one); "
            "one without a key that fits counts as 20. This machine's own are not counted. 0: no limit."
        ),
        least=0,
    )
    events: int = setting(
        0, N_("Events a second of one key, of which it may send ten seconds' worth at once. 0: no limit."), least=0
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Oidc:
    """Signing in by an identity provider; its secret comes from POLKU_OIDC_SECRET or POLKU_OIDC_SECRET_FILE."""

    issuer: str = setting("", N_("The provider's address, such as https://accounts.google.com. Empty: none."))
    client: str = setting("", N_("The client id that the provider gave when Polku was registered there."))
    name: str = setting("", N_("What the button on the sign-in page calls the provider."))
    roles: str = setting(
        "",
        N_(
            "Who gets in without an invitation: domains or addresses with roles, such as shop.example = viewer, "
            "anna@shop.example = owner."
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """Where what must not be lost is kept."""

    state: str = setting(
        "",
        N_(
            "The state's database, such as postgresql://polku@db/polku; its password comes from POLKU_STATE, "
            "PGPASSWORD or ~/.pgpass. Empty: the file .polku/state.db (SQLite)."
        ),
    )
    history: str = setting(
        "",
        N_("The folder or URL (such as s3://bucket/shop) of the history, a Delta table. Empty: .polku/history."),
    )
    endpoint: str = setting(
        "",
        N_("Where an S3-compatible store answers, such as https://s3.example.com. Empty: AWS_ENDPOINT_URL."),
    )
    region: str = setting("", N_("The store's region, such as eu-north-1. Empty: AWS_REGION."))
    lease: int = setting(
        30,
        N_("Seconds after which another machine takes over what a server was doing that no longer answers."),
        least=2,
    )
    memory: int = setting(
        1024, N_("Megabytes that an import may keep in memory; what is over goes to a temporary file."), least=64
    )
    threads: int = setting(0, N_("Threads that read and write history; 0: as many as there are processors."), least=0)
    keep_log: int = setting(
        30, N_("Days that the history's log is kept: how far back a change can be followed without a rebuild."), least=1
    )
    keep_files: int = setting(
        24, N_("Hours that replaced files of the history are kept for readers that still use them."), least=0
    )
    busy: int = setting(60, N_("Seconds to wait for another process that is writing."), least=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Collect:
    """How the doors take events in."""

    parameters: str = setting(
        "",
        N_(
            "Query parameters that stay in the addresses of pages, besides utm_*, with commas between. "
            "All others are dropped, since they may hold what tells who somebody is."
        ),
    )
    bots: str = setting(
        "refuse",
        N_("Robots, by what their user agent says, and mail scanners: refuse or keep."),
        one_of=("refuse", "keep"),
    )
    queue_events: int = setting(
        50_000,
        N_("This many events may wait to be written; a request that comes on top is told to come again (503)..."),
        least=1,
    )
    queue_megabytes: int = setting(
        64, N_("...and so is one when those that wait hold this many megabytes together."), least=1
    )
    retry_after: int = setting(
        5, N_("After how many seconds a client is told to come again (Retry-After)."), least=1, most=300
    )
    body_seconds: int = setting(
        20, N_("A request whose body has not arrived in this time, in seconds, is given up."), least=1
    )
    busy: int = setting(
        5, N_("Seconds that the doors wait for another writer of the state before clients are told to come again."),
        least=1,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Inbox:
    """How arriving events move from the inbox to history."""

    seconds: int = setting(60, N_("Events move from the inbox to history at least this often, in seconds..."), least=1)
    events: int = setting(50_000, N_("...or when this many events wait in the inbox."), least=1)
    files: int = setting(24, N_("A day with this many files in history is compacted into one."), least=2)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """How many ids may be one person's. An id that goes over is put into quarantine: it joins nothing."""

    users: int = setting(
        5,
        N_(
            "How many user ids (or e-mail addresses, phone numbers, customer numbers) one such id may be joined with. "
            "One more, and it joins nothing: a shop's own e-mail address must not make one customer of thousands."
        ),
        least=1,
    )
    users_per_device: int = setting(
        20,
        N_("How many users may be seen with one anonymous id. One more, and it is nobody's: a kiosk, a shared tablet."),
        least=1,
    )
    devices: int = setting(
        20_000,
        N_("How many anonymous ids may be seen with one user. One more, and the user id joins nothing."),
        least=1,
    )
    nobody: str = setting(
        "",
        N_("E-mail addresses of your own that name nobody, with commas between; @till.shop.fi is a whole domain."),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Sql:
    """What ``polku sql`` may use."""

    memory: int = setting(2048, N_("Megabytes of memory that one query may use."), least=64)
    seconds: int = setting(300, N_("A query is stopped after this many seconds; 0 never."), least=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Trails:
    """The derived columns that the measures read."""

    buckets: int = setting(
        0, N_("Buckets of customers, a power of two; 0: chosen by the number of events when trails are built."), least=0
    )
    fold: float = setting(
        0.3, N_("When this share of the customers has changed since the base was built, it is built anew."),
        least=0.01, most=1.0,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Privacy:
    """What is told of the data's keeping: in the record of processing and the privacy notice."""

    country: str = setting("FI", N_("The country of phone numbers that are written without one, such as FI or SE."))
    controller: str = setting("", N_("Who decides on the data (the controller): the company's name and business id."))
    contact: str = setting("", N_("Where a customer asks about their data: an e-mail address, a phone number, a page."))
    officer: str = setting("", N_("The data protection officer and how to reach them. Empty: there is none."))
    processors: str = setting(
        "", N_("Who else handles the data for the controller (hosting, e-mail...), separated by commas.")
    )
    outside_eu: str = setting(
        "", N_("To which countries outside the EU and the EEA data goes, and on what ground. Empty: to none.")
    )
    security: str = setting("", N_("What else protects the data than what Polku does, for the record of processing."))


@dataclasses.dataclass(frozen=True, slots=True)
class Mail:
    """How e-mail goes out. The password comes from POLKU_MAIL_PASSWORD or POLKU_MAIL_PASSWORD_FILE."""

    host: str = setting("", N_("The SMTP server, such as smtp.example.com. Empty: no e-mail is sent."))
    port: int = setting(587, N_("Its port: 587 with STARTTLS, 465 with TLS."), least=1, most=65535)
    security: str = setting(
        "starttls",
        N_("How the connection is kept secret: starttls, tls, or none (for a server on this machine)."),
        one_of=("starttls", "tls", "none"),
    )
    user: str = setting("", N_("The name to sign in to the SMTP server with. Empty: it asks for none."))
    sender: str = setting("", N_("Who e-mail comes from, such as Shop <hello@shop.example>."))
    reply_to: str = setting("", N_("Where answers go. Empty: to the sender."))
    bounces: str = setting(
        "",
        N_(
            "Where undeliverable mail comes back to (the envelope's sender), such as bounces@shop.example, or "
            "bounces+{message}@shop.example, which names the letter. Empty: the sender."
        ),
    )
    service: str = setting(
        "",
        N_(
            "The service whose SMTP server sends the mail, where it tells by web hook what came back: postmark, ses, "
            "mailgun, sendgrid, generic. Empty: none does."
        ),
        one_of=("", "postmark", "ses", "mailgun", "sendgrid", "generic"),
    )
    postal_address: str = setting("", N_("The sender's name and postal address, at the foot of every letter."))
    links: str = setting(
        "",
        N_(
            "The address at which customers reach this server, such as https://polku.shop.example: unsubscribing and "
            "counted links lead there."
        ),
    )
    track: str = setting(
        "clicks",
        N_(
            "What is counted of those who allow analytics: clicks, opens (and clicks; a picture that is fetched), none."
        ),
        one_of=("clicks", "opens", "none"),
    )
    dkim_selector: str = setting(
        "",
        N_(
            "The selector of the DKIM key, whose private half stands in POLKU_DKIM_KEY or POLKU_DKIM_KEY_FILE. Empty: "
            "letters are not signed here."
        ),
    )
    connections: int = setting(4, N_("How many connections to the SMTP server at once."), least=1, most=50)
    seconds: int = setting(30, N_("Seconds to wait for an answer of a server that receives."), least=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Mailbox:
    """The mailbox into which undeliverable mail and complaints come, read by IMAP. The password comes from
    POLKU_MAILBOX_PASSWORD or POLKU_MAILBOX_PASSWORD_FILE."""

    host: str = setting("", N_("The IMAP server, such as imap.example.com. Empty: no mailbox is read."))
    port: int = setting(993, N_("Its port: 993 with TLS, 143 with STARTTLS."), least=1, most=65535)
    security: str = setting(
        "tls",
        N_("How the connection is kept secret: tls, starttls, or none (for a server on this machine)."),
        one_of=("tls", "starttls", "none"),
    )
    user: str = setting("", N_("The name to sign in to the IMAP server with."))
    folder: str = setting("INBOX", N_("The folder into which reports come."))
    after: str = setting(
        "keep",
        N_("What becomes of reports that were read: keep (marked as read), or delete."),
        one_of=("keep", "delete"),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Sending:
    """What may be sent, and how long it is tried."""

    consent: str = setting(
        "granted",
        N_(
            "Who gets letters that they did not ask for: granted (those who gave consent to the channel's purpose), or "
            "not_denied (all who have not said no; for business customers, where the law lets you)."
        ),
        one_of=("granted", "not_denied"),
    )
    late: int = setting(
        24, N_("A message that could not be sent for this many hours is dropped; what is owed is sent late."), least=1
    )
    hours: int = setting(72, N_("For this many hours a receiver that refuses for now is tried again."), least=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Onsite:
    """Messages on the shop's own site."""

    purpose: str = setting(
        "",
        N_(
            "The consent that a message of a rule takes on the site, such as personalization; empty: none besides the "
            "one to analytics, by which the visitor is known. Who has denied personalization gets none in either case."
        ),
    )
    verify: str = setting(
        "",
        N_(
            "The variable that holds the secret by which a signed-in visitor is proven (data-proof); empty: nobody "
            "is asked. With it, a browser gets what was written for a user only where the shop has proven the user."
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Consent:
    """What customers are asked for, and what happens to events without it."""

    purposes: str = setting(
        "analytics, email, personalization, ads", N_("The purposes that consent is asked for, separated by commas.")
    )
    denied: str = setting(
        "refuse",
        N_("An event of a customer who denied analytics: refuse, anonymous (kept without ids and addresses), keep."),
        one_of=("refuse", "anonymous", "keep"),
    )
    unknown: str = setting(
        "keep",
        N_("An event of a customer who was never asked for analytics: keep, anonymous, refuse. See docs/consent.md."),
        one_of=("keep", "anonymous", "refuse"),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of data is kept, in days; 0: for ever. Applied once a day."""

    events: int = setting(0, N_("Days that events are kept."), least=0)
    anonymous: int = setting(
        0, N_("Days that events without a known customer (only an anonymous id, or none) are kept."), least=0
    )
    refused: int = setting(30, N_("Days that refused events and refused rows of files are kept."), least=0)
    contacts: int = setting(
        0, N_("Days that an address is kept after it was last seen, or its customer last did anything."), least=0
    )
    messages: int = setting(
        0,
        N_("Days that the texts of messages, tasks that are done and visitors' turning to the shop's people are kept."),
        least=0,
    )
    backups: int = setting(90, N_("Days that backups of the state in .polku/backups are kept."), least=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Reviews:
    """Which reviews of products the public sees."""

    publish: str = setting(
        "verified",
        N_(
            "Which reviews are shown: verified (of customers whose order of that product is recorded), all (the others "
            "too, without the mark)."
        ),
        one_of=("verified", "all"),
    )
    orders: str = setting(
        "",
        N_(
            "Sources, with commas between them, whose orders make a review verified; empty: every source. Anybody can "
            "send an order with the key of a web page: name the source of the shop's own server."
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """All of ``polku.toml``; a value that is not in the file has its default."""

    language: Literal["fi", "en"] = setting(
        "fi", N_("The language of the terminal and of pages whose reader states no wish: fi or en."), one_of=LANGUAGES
    )
    timezone: str = setting(
        "",
        N_("The time zone of the times shown to a reader who tells none, such as Europe/Helsinki. Empty: the map's."),
        zone=True,
    )
    server: Server = dataclasses.field(default_factory=Server)
    record: Record = dataclasses.field(default_factory=Record)
    collect: Collect = dataclasses.field(default_factory=Collect)
    oidc: Oidc = dataclasses.field(default_factory=Oidc)
    limits: Limits = dataclasses.field(default_factory=Limits)
    inbox: Inbox = dataclasses.field(default_factory=Inbox)
    identity: Identity = dataclasses.field(default_factory=Identity)
    sql: Sql = dataclasses.field(default_factory=Sql)
    trails: Trails = dataclasses.field(default_factory=Trails)
    privacy: Privacy = dataclasses.field(default_factory=Privacy)
    consent: Consent = dataclasses.field(default_factory=Consent)
    retention: Retention = dataclasses.field(default_factory=Retention)
    mail: Mail = dataclasses.field(default_factory=Mail)
    mailbox: Mailbox = dataclasses.field(default_factory=Mailbox)
    sending: Sending = dataclasses.field(default_factory=Sending)
    onsite: Onsite = dataclasses.field(default_factory=Onsite)
    reviews: Reviews = dataclasses.field(default_factory=Reviews)
    #: ``[[hooks]]``, in the order of the file; described in ``hooksettings``.
    hooks: tuple[Hook, ...] = ()
    #: ``[[channels]]``: web hooks by which messages leave, described in ``channelsettings``.
    channels: tuple[ChannelHook, ...] = ()


class SettingsError(ProjectError):
    """``polku.toml`` has faults: each (name, message, facts), told line by line in the reader's language."""

    code = "project.settings"

    def __init__(self, file: str, faults: list[Fault]) -> None:
        super().__init__(N_("{file} has settings that do not fit:"), file=file)
        self.faults = tuple(faults)

    def text(self, language: str = "en") -> str:
        lines = [f"  {name}: {translate(language, message, **facts)}" for name, message, facts in self.faults]
        return "\n".join([super().text(language), *lines])


def read_settings(text: str, name: str = FILE) -> Settings:
    """Settings from the text of a ``polku.toml``; every fault is told at once (ProjectError)."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ProjectError(N_("{file} is not readable as TOML: {fault}."), file=name, fault=str(fault)) from fault
    faults: list[Fault] = []
    hooks, unfit = read_hooks(data.pop("hooks", []))
    faults += unfit
    channels, unfit = read_channels(data.pop("channels", []))
    faults += unfit
    settings = _fill(Settings, data, "", faults)
    if faults:
        raise SettingsError(name, faults)
    assert isinstance(settings, Settings)
    return dataclasses.replace(settings, hooks=hooks, channels=channels)


def load_settings(folder: Path) -> Settings:
    """Settings of the project in ``folder``; the defaults when it has no ``polku.toml``."""
    file = folder / FILE
    if not file.exists():
        return Settings()
    try:
        return read_settings(file.read_text(encoding="utf-8-sig"), str(file))
    except UnicodeDecodeError as fault:
        raise ProjectError(N_("{file} is not UTF-8 text."), file=str(file)) from fault


def project_language(folder: Path) -> str | None:
    """The language that the project in ``folder`` states, for what is said before it is open; None when it does not.

    Faults of ``polku.toml`` are not told here but when the project is opened.
    """
    try:
        stated = tomllib.loads((folder / FILE).read_text(encoding="utf-8-sig")).get("language")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return stated if stated in LANGUAGES else None


def _fill(kind: type, data: dict[str, Any], prefix: str, faults: list[Fault]) -> Any:
    fields = {f.name: f for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if key not in fields:
            close = nearest(key, fields) or _elsewhere(key)
            if close:
                faults.append((name, N_("there is no such setting; did you mean {close}?"), {"close": close}))
            else:
                faults.append((name, N_("there is no such setting; there are {names}"), {"names": ", ".join(fields)}))
            continue
        field = fields[key]
        if dataclasses.is_dataclass(field.default_factory):
            if isinstance(value, dict):
                values[key] = _fill(field.default_factory, value, f"{name}.", faults)
            else:
                faults.append((name, N_("this is a section; write [{key}] on a line of its own"), {"key": key}))
        elif fault := _misfit(field, value):
            faults.append((name, *fault))
        else:
            values[key] = float(value) if isinstance(field.default, float) else value
    return kind(**values)


def _elsewhere(key: str) -> str | None:
    """The full name of a setting that stands in another section."""
    return next((name for name in setting_names() if name.split(".")[-1] == key), None)


_WANTED = {
    str: N_("{value} does not fit: write a text in quotes"),
    int: N_("{value} does not fit: write a whole number"),
    float: N_("{value} does not fit: write a number"),
}


def _misfit(field: dataclasses.Field[Any], value: Any) -> tuple[str, dict[str, Any]] | None:
    wanted = type(field.default)
    facts = {"value": repr(value)}
    fits = isinstance(value, (int, float)) if wanted is float else isinstance(value, wanted)
    if not fits or (isinstance(value, bool) and wanted is not bool):
        return _WANTED[wanted], facts
    allowed, least, most = (field.metadata[k] for k in ("one_of", "least", "most"))
    if allowed and value not in allowed:
        return N_("{value} does not fit: choose one of {allowed}"), {**facts, "allowed": ", ".join(allowed)}
    if field.metadata["zone"] and value and not is_zone(value):
        return N_("{value} is no time zone: write for example Europe/Helsinki, or leave it empty"), facts
    if least is not None and value < least:
        return N_("{value} is too small: at least {least}"), {**facts, "least": least}
    if most is not None and value > most:
        return N_("{value} is too large: at most {most}"), {**facts, "most": most}
    return None


def setting_names() -> tuple[str, ...]:
    """Every setting's full name, ``section.name``, in the order of the file."""
    names: list[str] = []
    for field in dataclasses.fields(Settings):
        if dataclasses.is_dataclass(field.default_factory):
            names += [f"{field.name}.{inner.name}" for inner in dataclasses.fields(field.default_factory)]
        elif field.metadata:
            names.append(field.name)
    return tuple(names)


def settings_text(language: str, **given: Any) -> str:
    """A whole ``polku.toml`` with each setting documented in place, in ``language`` ("fi" or "en").

    Settings stand at their defaults; ``given`` (full names with ``__`` for the dot) are written as set.

    >>> "port = 8000" in settings_text("fi")
    True
    """
    lines = [f"# {translate(language, N_('Settings of this Polku project. What you delete here has its default.'))}"]
    given = {"language": language, **given}

    def write(field: dataclasses.Field[Any], prefix: str) -> None:
        value = given.get(f"{prefix}{field.name}", field.default)
        lines.extend(["", f"# {translate(language, field.metadata['doc'])}", f"{field.name} = {_toml(value)}"])

    for field in dataclasses.fields(Settings):
        if not dataclasses.is_dataclass(field.default_factory) and field.metadata:
            write(field, "")
    for field in dataclasses.fields(Settings):
        if dataclasses.is_dataclass(field.default_factory):
            lines.extend(["", f"[{field.name}]"])
            for inner in dataclasses.fields(field.default_factory):
                write(inner, f"{field.name}__")
    said = N_("Web hooks of other systems: polku hook example prints one to begin with; each is a section [[hooks]].")
    lines.extend(["", f"# {translate(language, said)}"])
    said = N_("Channels of your own (SMS, a CRM): each is a section [[channels]] with name, url and address.")
    lines.extend(["", f"# {translate(language, said)}"])
    return "\n".join(lines) + "\n"


def _toml(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value}"
