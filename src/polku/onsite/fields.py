"""What the front matter of a piece for the site may say: what it is, when it shows, and the parts of each kind.

A piece of content with ``channel: site`` says these besides what every piece says (``polku.content.piece``). Its
``subject`` is the heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from polku.errors import ContentError, nearest
from polku.journey.parts import Day, Id, Name, Names, Part, Seconds, empty
from polku.journey.shape import TELLERS, inner_parts, keys_of
from polku.journey.values import Frozen, UnreadableError, duration, one_or_many, shown
from polku.language import N_, Reader
from polku.onsite.formula import LONGEST, names, parse
from polku.onsite.hours import Hours

Shows = Literal["banner", "popup", "inline", "survey", "quiz", "calculator", "chat"]
SHOWS: Final[tuple[Shows, ...]] = get_args(Shows)
#: What an answer to a form is called; with the consent to e-mail it is a subscription.
SUBSCRIBED: Final = "Newsletter Subscribed"
SUBMITTED: Final = "Form Submitted"
#: What sending a form with double opt-in is, until the link in the letter has been followed.
REQUESTED: Final = "Newsletter Requested"
#: Fields of a form that Polku knows: their traits have a label, a type and what browsers fill in.
KNOWN_FIELDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "email": (N_("E-mail"), "email", "email"),
    "phone": (N_("Phone"), "tel", "tel"),
    "first_name": (N_("First name"), "text", "given-name"),
    "last_name": (N_("Last name"), "text", "family-name"),
    "birthday": (N_("Birthday"), "date", "bday"),
    "company": (N_("Company"), "text", "organization"),
    "message": (N_("Message"), "textarea", "off"),
}
_PERCENT: Final = re.compile(r"^scroll\s+(\d{1,3})\s*%$")
_AFTER: Final = re.compile(r"^after\s+(.+)$")
_CLICK: Final = re.compile(r"^click\s+(\S.*)$")
#: What an address may begin with.
_ADDRESS: Final = re.compile(r"^(https?://|mailto:|tel:|/(?!/)|\?|#|\{[{%])", re.IGNORECASE)


class Moment(Part):
    """When a piece is shown, once its page is open."""

    kind: Literal["now", "exit", "scroll", "after", "click"] = "now"
    value: float | str = 0.0

    @classmethod
    def read(cls, text: Any) -> Any:
        """``now``, ``exit``, ``scroll 50 %``, ``after 10s``, ``click #size-guide``."""
        if isinstance(text, (Moment, dict)):
            return text
        said = str(text).strip()
        if said in ("now", "exit"):
            return {"kind": said}
        if (found := _PERCENT.match(said)) and 0 < int(found[1]) <= 100:
            return {"kind": "scroll", "value": float(found[1])}
        if found := _AFTER.match(said):
            return {"kind": "after", "value": float(duration(found[1]))}
        if found := _CLICK.match(said):
            return {"kind": "click", "value": found[1]}
        raise UnreadableError(
            N_("{found!r} is no moment; write now, exit, scroll 50 %, after 10s or click and a selector"),
            found=shown(text),
        )


def _often(value: Any) -> Any:
    return value if value in ("once", "session", "always") else duration(value)


def _address(value: Any) -> Any:
    if not isinstance(value, str) or not _ADDRESS.match(value.strip()):
        message = N_("{found!r} is no address; write https://..., a path such as /cart, mailto:... or tel:...")
        raise UnreadableError(message, found=shown(value))
    return value.strip()


def _yes(value: Any) -> Any:
    return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


Address = Annotated[str, BeforeValidator(_address)]
Yes = Annotated[bool, BeforeValidator(_yes)]
Line = Annotated[str, Field(max_length=500)]


class Button(Part):
    """A link that looks like a button."""

    text: Line = Field(description="What stands on it.")
    to: Address = Field(description="Where it leads.", examples=["/cart"])


class Image(Part):
    """A picture, with the room that it takes before it has loaded."""

    src: Address = Field(description="Its address.")
    alt: Line = Field(default="", description="What it shows, for those who do not see it; empty for an ornament.")
    width: Annotated[int, Field(ge=1, le=10_000)] = Field(description="In pixels.")
    height: Annotated[int, Field(ge=1, le=10_000)] = Field(description="In pixels.")


class FormField(Part):
    """A field of a form; its name alone may stand in its place."""

    name: Id = Field(description="The trait that it fills: email, phone, first_name, or one of your own.")
    label: Line | None = Field(default=None, description="What stands above it; the usual word where left out.")
    needed: Yes = Field(default=False, description="Whether the form cannot be sent without it; email always is.")

    @classmethod
    def read(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Form(Part):
    """What a visitor may fill in, and what they agree to by it."""

    fields: Annotated[
        tuple[Annotated[FormField, BeforeValidator(FormField.read)], ...], BeforeValidator(one_or_many)
    ] = Field(default=(FormField(name="email", needed=True),), description="The fields, in order.")
    button: Line = Field(description="What stands on the button.")
    thanks: Annotated[str, Field(max_length=2000)] = Field(description="What is said when it has been sent; Markdown.")
    consent: Names = Field(default=(), description="The purposes that are agreed to by sending it, such as email.")
    consent_text: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="The words that are agreed to; kept with the consent, by version."
    )
    checkbox: Yes = Field(
        default=False, description="Whether a box must be ticked for the consent, apart from sending."
    )
    confirm: Yes = Field(
        default=False,
        description="Double opt-in: the consent holds when a link in a letter has been followed. Sending the form is "
        "then the event Newsletter Requested, for a rule that sends the letter.",
    )
    event: Line | None = Field(
        default=None,
        description=f"What sending it is called; {SUBSCRIBED} with the consent to e-mail, else {SUBMITTED}.",
    )

    @property
    def name(self) -> str:
        """The event that sending it is."""
        return self.event or (SUBSCRIBED if "email" in self.consent else SUBMITTED)


class QuizChoice(Part):
    """One of the answers of a quiz's question."""

    text: Line = Field(description="What people read.")
    to: Annotated[
        dict[str, float], BeforeValidator(lambda v: {v: 1} if isinstance(v, str) else v), AfterValidator(Frozen)
    ] = Field(default_factory=Frozen, description="Points to results: one's name, or {boho: 2, classic: 1}.")


class QuizQuestion(Part):
    """One question of a quiz."""

    id: Id = Field(description="Its name in the event.")
    text: Line = Field(description="The question.")
    choices: Annotated[tuple[QuizChoice, ...], Field(min_length=2)] = Field(description="What to choose from.")
    several: Yes = Field(default=False, description="Whether several may be chosen.")


class QuizResult(Part):
    """What a quiz comes to: the result with the most points, the first of equals."""

    title: Line = Field(description="The result in a line.")
    text: Annotated[str, Field(max_length=5000)] = Field(default="", description="More of it; Markdown.")
    button: Button | None = Field(default=None, description="Where to go from it.")
    image: Image | None = Field(default=None, description="A picture of it.")


class InputChoice(Part):
    """One of the values to choose from."""

    text: Line = Field(description="What people read.")
    value: float = Field(description="The number that it stands for.")


class Input(Part):
    """What a calculator asks for: a number, or one of its choices."""

    id: Id = Field(description="Its name in the formulas.")
    label: Line = Field(description="What people read.")
    min: float | None = Field(default=None, description="The least.")
    max: float | None = Field(default=None, description="The most.")
    step: Annotated[float, Field(gt=0)] = Field(default=1, description="The step from one value to the next.")
    value: float | None = Field(default=None, description="What stands there at first.")
    unit: Line = Field(default="", description="The unit behind the number.")
    choices: tuple[InputChoice, ...] = Field(default=(), description="What to choose from, in place of a number.")


class Output(Part):
    """What a calculator tells."""

    id: Id = Field(description="Its name in the event and in the formulas below it.")
    label: Line = Field(description="What people read.")
    formula: Annotated[str, Field(max_length=LONGEST)] = Field(
        description="How it is reckoned from the inputs and from the outputs above it.", examples=["ceil(people * 0.6)"]
    )
    format: Literal["number", "money", "percent"] = Field(default="number", description="How it is written.")
    decimals: Annotated[int, Field(ge=0, le=6)] | None = Field(default=None, description="Digits after the point.")
    unit: Line = Field(default="", description="The unit behind the number.")


class OwnChat(Part):
    """How the shop's own chat is opened: a function of the page, or a thing to click."""

    call: Annotated[str, Field(pattern=r"^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*$", max_length=200)] | None = Field(
        default=None, description="A function of the page.", examples=["Tawk_API.maximize"]
    )
    arguments: tuple[str | float | bool, ...] = Field(default=(), description="What it is called with.")
    click: Line | None = Field(default=None, description="The selector of what is clicked.", examples=["#chat"])


class SiteFields(Part):
    """The front matter of a piece for the site."""

    shows: Shows = Field(default="popup", description="What it is: " + ", ".join(SHOWS) + ".")
    on: Annotated[Moment, BeforeValidator(Moment.read)] = Field(
        default=Moment(), description="When: now, exit, scroll 50 %, after 10s, click and a selector."
    )
    pages: Names = Field(
        default=(), description="On which pages, by path with * and ?; not on those after !. All where left out."
    )
    place: Name | None = Field(
        default=None, description="Where an inline piece stands: a selector, or the name of a data-polku-place."
    )
    position: Literal["center", "top", "bottom", "bottom-right", "bottom-left"] | None = Field(
        default=None, description="Where a banner (top, bottom) or a pop-up stands."
    )
    frequency: Annotated[Literal["once", "session", "always"] | int, BeforeValidator(_often)] | None = Field(
        default=None,
        description="How often, until it is closed or answered: once, session (once a session), always (every page), "
        "or a duration such as 7d. Pop-ups: session; all others: always.",
    )
    expires: Seconds = Field(default=7 * 86400, description="A message that nobody came for is dropped after so long.")
    close: Yes | None = Field(
        default=None, description="Whether it can be closed. Pop-ups and banners can, what stands in a place cannot."
    )
    button: Button | None = Field(default=None, description="Where it leads.")
    image: Image | None = Field(default=None, description="A picture.")
    height: Annotated[int, Field(ge=1, le=5000)] | None = Field(
        default=None, description="Of an inline piece: pixels that are kept free for it before it is there."
    )
    form: Form | None = Field(default=None, description="What visitors may fill in.")
    survey: Name | None = Field(default=None, description="The survey of the map that is asked.")
    questions: tuple[QuizQuestion, ...] = Field(default=(), description="Of a quiz: its questions.")
    results: Annotated[
        dict[Id, QuizResult], BeforeValidator(empty), AfterValidator(Frozen)
    ] = Field(default_factory=Frozen, description="Of a quiz: what it can come to, by name.")  # fmt: skip
    trait: Id | None = Field(default=None, description="Of a quiz: the trait that keeps its result.")
    inputs: tuple[Input, ...] = Field(default=(), description="Of a calculator: what it asks for.")
    outputs: tuple[Output, ...] = Field(default=(), description="Of a calculator: what it tells.")
    hours: Annotated[Hours, BeforeValidator(Hours.read)] | None = Field(
        default=None, description="Of a chat: when somebody is there, such as {mon-fri: 9-17, sat: 10-14}."
    )
    closed: tuple[Day, ...] = Field(default=(), description="Of a chat: days when nobody is there.")
    chat: OwnChat | None = Field(default=None, description="Of a chat: how the shop's own chat is opened.")
    phone: Line | None = Field(default=None, description="Of a chat: the number to call.")
    mail: Line | None = Field(default=None, description="Of a chat: the address to write to.")
    away: Line | None = Field(default=None, description="Of a chat: what is said when nobody is there.")

    @property
    def often(self) -> Literal["once", "session", "always"] | int:
        """How often it is shown; a duration in seconds."""
        if self.frequency is not None:
            return self.frequency
        return "session" if self.shows == "popup" else "always"

    @property
    def closes(self) -> bool:
        """Whether it can be closed."""
        return self.place is None if self.close is None else self.close

    @property
    def interrupts(self) -> bool:
        """Whether it comes by itself in a visitor's way: then it must be remembered that it was closed."""
        return self.place is None and self.shows not in ("banner", "chat") and self.on.kind != "click"


#: The keys, with what each means.
SITE_FIELDS: Final[Mapping[str, str]] = {
    name: field.description or "" for name, field in SiteFields.model_fields.items()
}


def read_fields(given: Mapping[str, Any], path: str) -> SiteFields:
    """The front matter of the piece at ``path``. Raises ContentError, which tells every fault."""
    try:
        found = SiteFields.model_validate(given)
    except ValidationError as error:
        faults = [_told(one) for one in error.errors(include_url=False)]
        raise SiteFieldsError(path, faults) from error
    if faults := list(_missing(found, path)):
        raise SiteFieldsError(path, faults)
    return found


#: A fault: where it stands, what is wrong, and the facts of it.
FieldFault = tuple[str, str, Mapping[str, Any]]


class SiteFieldsError(ContentError):
    """The front matter has faults: each told in the reader's language."""

    code = "content.site"

    def __init__(self, file: str, faults: list[FieldFault]) -> None:
        super().__init__(N_("{file}: the front matter does not fit:"), file=file)
        self.faults = tuple(faults)

    def text(self, language: str = "en") -> str:
        reader = Reader(language)
        lines = [f"{where}: {reader(message, **facts)}" for where, message, facts in self.faults]
        return f"{super().text(language)} {'; '.join(lines)}"


def _told(error: Any) -> FieldFault:
    path = tuple(error["loc"])
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
    if error["type"] == "extra_forbidden":
        known = _known(path[:-1])
        near = nearest(str(path[-1]), known)
        facts = {"key": str(path[-1]), "nearest": near, "known": ", ".join(known)}
        message = (
            N_("there is no key {key!r} here; did you mean {nearest!r}?") if near
            else N_("there is no key {key!r} here; there are {known}")
        )  # fmt: skip
        return where, message, facts
    if error["type"] in ("less_than_equal", "greater_than_equal", "greater_than"):
        return where, N_("{found!r} is too small or too large"), {"found": shown(error["input"])}
    tell = TELLERS.get(error["type"])
    if tell is None:
        return where, N_("{found!r} cannot stand here"), {"found": shown(error["input"])}
    _, message, facts = tell(error, path, error["input"])
    return where, message, facts


def _known(path: tuple[Any, ...]) -> list[str]:
    """The keys of the part at ``path``."""
    part: type[BaseModel] | None = SiteFields
    for step in path:
        if part is not None and isinstance(step, str):
            part = dict(inner_parts(part)).get(step, part)
    return keys_of(part) if part is not None else []


def _missing(found: SiteFields, path: str) -> Iterator[FieldFault]:
    """What a piece of its kind cannot be without."""
    if found.shows == "survey" and not found.survey:
        yield "survey", N_("{key!r} is missing"), {"key": "survey"}
    if found.shows == "quiz":
        yield from (
            (key, N_("{key!r} is missing"), {"key": key}) for key in ("questions", "results") if not getattr(found, key)
        )
        for question in found.questions:
            for choice in question.choices:
                for result in choice.to:
                    if result not in found.results:
                        message = N_("there is no result {result!r}; there are {known}")
                        yield question.id, message, {"result": result, "known": ", ".join(found.results)}
    if found.shows == "calculator":
        yield from _reckoning(found, path)
    if found.shows == "chat" and not (found.chat or found.phone or found.mail):
        yield "chat", N_("a chat hands over to something: chat, phone or mail"), {}
    if found.form and found.form.consent and not found.form.consent_text:
        yield "form.consent_text", N_("who agrees must read to what: add consent_text"), {}
    if found.form and found.form.consent and not {"email", "phone"} & {field.name for field in found.form.fields}:
        yield "form.fields", N_("a consent needs an address: add the field email or phone"), {}


def _reckoning(found: SiteFields, path: str) -> Iterator[FieldFault]:
    for key in ("inputs", "outputs"):
        if not getattr(found, key):
            yield key, N_("{key!r} is missing"), {"key": key}
    known = {one.id for one in found.inputs}
    for output in found.outputs:
        try:
            asked = names(parse(output.formula, path))
        except ContentError as fault:
            yield output.id, fault.message, fault.facts
        else:
            for name in sorted(asked - known):
                message = N_("the formula asks for {name!r}, and there are {known}")
                yield output.id, message, {"name": name, "known": ", ".join(sorted(known))}
        known.add(output.id)
