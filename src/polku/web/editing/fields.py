"""The fields of an editor's form: what each shows of the source, what may be chosen, and how its new value is written.

A field knows its ``path`` in the edited part. Its values come from the source's data, and a changed value becomes an
edit at that path, so that everything else of the source stays as it was written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from polku.journey import edit
from polku.journey.fault import Path
from polku.journey.tree import Tree

#: ``text``, ``number``: one line. ``choice``: one of what exists. ``names``: any number of what exists. ``texts``: any
#: number of lines. ``tick``: yes or nothing. ``said``: one line in each language of the map.
Kind = Literal["text", "number", "choice", "names", "texts", "tick", "said"]
Values = tuple[str, ...]
#: What a form's names begin with, and what stands between a path and the number of a value.
PREFIX = "f:"
NTH = "!"
LANGUAGES = ("fi", "en")


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One of what exists: as the map writes it, as people read it, and under which heading. ``word``: the page has it
    in the reader's language; names of the map stand as they are.
    """

    value: str
    label: str
    group: str = ""
    word: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field. ``by_hand``: the source holds something here that the form cannot show, so only the source has it.
    ``command``: no key of the map but a choice that rewrites several (its path ends in a name with !).
    """

    path: Path
    kind: Kind
    label: str
    values: Values = ()
    choices: tuple[Choice, ...] = ()
    hint: str = ""
    suggestions: str = ""  # the id of a list of words that the field offers
    suffix: str = ""  # a name of the map's own behind the label
    by_hand: bool = False
    required: bool = False

    @property
    def name(self) -> str:
        """How the form calls it.

        >>> Field(("when", "reached"), "names", "Place").name
        'f:when.reached'
        """
        return PREFIX + ".".join(map(str, self.path))

    @property
    def command(self) -> bool:
        return isinstance(self.path[-1], str) and self.path[-1].startswith(NTH)

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""

    def rows(self) -> tuple[tuple[str, str], ...]:
        """The inputs of a field with several values: their names and values, one empty at the end to add another."""
        if self.kind == "said":
            return tuple((f"{self.name}{NTH}{language}", self.values[n]) for n, language in enumerate(LANGUAGES))
        return tuple((f"{self.name}{NTH}{n}", value) for n, value in enumerate((*self.values, "")))

    def read(self, sent: Mapping[str, str]) -> Values | None:
        """What a form that was sent says of this field; None where it was not on it."""
        if self.by_hand:
            return None
        if self.kind == "said":
            found = tuple(sent.get(name, "").strip() for name, _ in self.rows())
            return found if self.rows()[0][0] in sent else None
        if self.kind in ("names", "texts"):
            mark = f"{self.name}{NTH}"
            given = [
                (int(k[len(mark) :]), v.strip())
                for k, v in sent.items()
                if re.fullmatch(re.escape(mark) + r"\d{1,3}", k)
            ]
            return tuple(v for _, v in sorted(given) if v) if given else None
        if self.kind == "tick":  # an empty box is not sent, so a hidden field says that it was there
            return (("yes",) if sent.get(self.name) == "yes" else ()) if f"{self.name}{NTH}" in sent else None
        return ((sent[self.name].strip(),) if sent[self.name].strip() else ()) if self.name in sent else None


def at(data: Any, path: Sequence[str | int]) -> Any:
    """What stands at ``path``, None where nothing does."""
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def shown(value: Any) -> str:
    """A value of the source as a field shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def one(data: Any, path: Path, kind: Kind, label: str, **more: Any) -> Field:
    """A field with one value."""
    value = at(data, path)
    by_hand = isinstance(value, (dict, list))
    values: Values = () if value is None or by_hand else (shown(value),)
    if kind == "tick":
        values = ("yes",) if value is True else ()
    if kind == "choice":
        more["choices"] = with_present(more.get("choices", ()), values)
    return Field(path, kind, label, values, by_hand=by_hand, **more)


def many(data: Any, path: Path, kind: Kind, label: str, **more: Any) -> Field:
    """A field with any number of values: one as it is, several as a list."""
    value = at(data, path)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    by_hand = any(isinstance(each, (dict, list)) for each in listed)
    values = () if by_hand else tuple(shown(each) for each in listed)
    if kind == "names":
        more["choices"] = with_present(more.get("choices", ()), values)
    return Field(path, kind, label, values, by_hand=by_hand, **more)


def said(data: Any, path: Path, label: str, **more: Any) -> Field:
    """A text of the map: one line where it is one string, else one in each language."""
    value = at(data, path)
    if isinstance(value, dict):
        return Field(path, "said", label, tuple(shown(value.get(language)) for language in LANGUAGES), **more)
    return one(data, path, "text", label, **more)


def with_present(choices: Iterable[Choice], values: Iterable[str]) -> tuple[Choice, ...]:
    """The choices, and what the source has now where it is none of them: it must not vanish from the form."""
    found = tuple(choices)
    known = {choice.value for choice in found}
    return (*found, *(Choice(value, value) for value in values if value not in known))


def written(field: Field, values: Values) -> Any:
    """The new values of a field as the map writes them; None: the key goes."""
    if not any(values):
        return None
    if field.kind == "said":
        given = dict(zip(LANGUAGES, values, strict=True))
        return {language: text for language, text in given.items() if text}
    if field.kind == "tick":
        return True
    plain = [_plain(field, value) for value in values]
    return plain if field.kind in ("names", "texts") and len(plain) > 1 else plain[0]


def _plain(field: Field, value: str) -> Any:
    """One value: a number where the field is one (or a day of the month among words), else the text."""
    if field.kind == "number" or (field.kind == "choice" and value.isdigit()):
        for read in (int, float):
            try:
                return read(value.replace(",", "."))
            except ValueError:
                continue
    if field.kind == "choice" and value in ("yes", "no") and {"yes", "no"} <= {c.value for c in field.choices}:
        return value == "yes"
    return value


def changed(fields: Iterable[Field], sent: Mapping[str, str]) -> Iterator[tuple[Field, Values]]:
    """The fields whose values are others in a form that was sent than in the source that it was drawn of."""
    for field in fields:
        values = field.read(sent)
        if values is not None and values != field.values and (any(values) or any(field.values)):
            yield field, values


def put(tree: Tree, path: Path, value: Any) -> Tree:
    """``value`` at ``path``, with the mappings around it where there are none; None: away with it, and with what is
    left empty around it. Raises MapError where the source is written so that it cannot be.
    """
    if value is None:
        return _without(tree, path)
    for length in range(1, len(path)):
        if not isinstance(at(tree.data, path[:length]), (dict, list)):
            for key in reversed(path[length:]):
                value = {key: value}
            return edit.set_value(tree, path[:length], value)
    return edit.set_value(tree, path, value)


def _without(tree: Tree, path: Path) -> Tree:
    around = at(tree.data, path[:-1])
    if around is None or (at(tree.data, path) is None and path[-1] not in around):
        return tree
    if len(path) > 1 and isinstance(around, dict) and len(around) == 1 and path[:-1] != ("when",):
        return _without(tree, path[:-1])
    return edit.remove(tree, path)
