"""A form's changes written into the source of a rule: each is an edit of its own, comments and order stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from polku.errors import MapError, UsageError
from polku.journey import edit
from polku.journey.fault import Path
from polku.journey.tree import Tree, read_text
from polku.language import N_
from polku.web.editing.fields import NTH, Field, Values, at, changed, put, written
from polku.web.editing.known import Known
from polku.web.editing.rule import form_of, trigger_of, wait_kind
from polku.web.saving import id_of

#: Keys of ``when`` that go with a trigger alone, and go when another one is chosen.
OF_TRIGGER: Mapping[str, tuple[str, ...]] = {
    "every": ("on", "at"), "date": ("before", "after", "yearly", "at"), "score": ("above", "below"),
}  # fmt: skip
#: Triggers after which nothing can be waited for.
ALONE = ("every", "date")
#: What a new trigger brings besides.
WITH: Mapping[str, dict[str, Any]] = {"every": {"on": 1, "at": "09:00"}, "score": {"above": 50}}
#: Keys that go with those that can.
OF_WAITING = ("without", "for", "where", "per", "meanwhile")


@dataclasses.dataclass(frozen=True, slots=True)
class Edited:
    """What came of it: the source, what could not be written (texts with their facts), and which button of the form
    has the focus next.
    """

    text: str
    refused: tuple[MapError | UsageError, ...] = ()
    focus: str = ""


def edited(text: str, base: str, sent: Mapping[str, str], known: Known, new: bool = False) -> Edited:
    """The source ``text`` with what the form changed against ``base``, the source that it was drawn of, and with what
    its button asks (``do``). A source that does not read stays as it is.
    """
    tree = read_text(text)
    was = read_text(base)
    if tree.faults or not isinstance(tree.data, dict):
        return Edited(text)
    refused: list[MapError | UsageError] = []
    focus = ""
    if not was.faults and isinstance(was.data, dict):
        form = form_of(was.data, known, new)
        for field, values in changed(form.fields(), sent):
            try:
                tree = _set(tree, field, values, known)
            except MapError as error:
                refused.append(error)
        if new:
            tree = _with_own_id(tree, was.data)
    verb, _, more = sent.get("do", "").partition(":")
    if verb in OPERATIONS:
        place, _, what = more.partition(":")
        try:
            tree, focus = OPERATIONS[verb](tree, _path(place), what, known)
        except (MapError, UsageError) as error:
            refused.append(error)
    return Edited(tree.text, tuple(refused), focus)


def _with_own_id(tree: Tree, was: Mapping[str, Any]) -> Tree:
    """A new rule is called after its title until somebody gives it an id."""
    if tree.data.get("id") == was.get("id") in (FIRST_ID, _id_of(was)) and (found := _id_of(tree.data)):
        return tree if found == tree.data["id"] else edit.set_value(tree, ("id",), found)
    return tree


#: What a rule is called before it has a title.
FIRST_ID = "new_rule"


def _id_of(data: Mapping[str, Any]) -> str:
    title = data.get("title")
    if isinstance(title, Mapping):
        title = title.get("en") or title.get("fi")
    return id_of(str(title)) if title else ""


def _set(tree: Tree, field: Field, values: Values, known: Known) -> Tree:
    if field.path == ("when", f"{NTH}kind"):
        return _trigger(tree, values[0] if values else "", known)
    if field.path[-1] == f"{NTH}wait":
        return _wait(tree, field.path[:-1], values[0] if values else "time", known)
    if at(tree.data, field.path[:-1]) is None and isinstance(field.path[-2] if len(field.path) > 1 else "", int):
        raise MapError(N_("The step {number} is no longer there."), number=int(field.path[-2]) + 1)
    tree = put(tree, field.path, written(field, values))
    if field.path == ("when", "every"):  # what day it is of is another question now
        tree = put(tree, ("when", "on"), {"week": "monday", "month": 1}.get(values[0] if values else ""))
    return tree


def _trigger(tree: Tree, kind: str, known: Known) -> Tree:
    """Another trigger, with something to begin with; what only the old one had goes with it."""
    was = trigger_of(tree.data)
    first = known.touchpoints[0].value if known.touchpoints else None
    stage = known.stages[-1].value if known.stages else None
    beginnings: dict[str, Any] = {
        "reached": first, "left": first, "entered": stage, "lapsed": stage, "won_back": stage,
        "failed": known.failing[0].value if known.failing else first,
        "segment": known.segments[0].value if known.segments else None,
        "event": known.events[0] if known.events else "Order Completed", "date": "traits.birthday", "every": "month",
        "score": "traits.score",
    }  # fmt: skip
    if kind not in beginnings:
        return tree
    gone = [was, *OF_TRIGGER.get(was, ())] + (list(OF_WAITING) if kind in ALONE else [])
    when = tree.data.get("when")
    if isinstance(when, dict) and was:  # in the place of the old one, so that the line stays in order
        kept = {
            kind if k == was else k: beginnings[kind] if k == was else v
            for k, v in when.items()
            if k == was or k not in gone
        }
    else:
        kept = {kind: beginnings[kind], **{k: v for k, v in (when or {}).items() if k not in gone}}
    kept |= WITH.get(kind, {})
    return edit.set_value(tree, ("when",), kept)


def _wait(tree: Tree, path: Path, kind: str, known: Known) -> Tree:
    if wait_kind(at(tree.data, path)) == kind:
        return tree
    place = known.places[-1].value if known.places else None
    made = {"until": {"until": place, "for": "3d"}, "hours": {"hours": "09:00-20:00"}, "at": {"at": "09:00"}}
    return edit.set_value(tree, path, made.get(kind, "1d"))


# -- steps and variants -----------------------------------------------------------------------------------------------


def _path(place: str) -> Path:
    """``do.0.then.1`` as a path."""
    return tuple(int(step) if step.isdigit() else step for step in place.split(".") if step)


def _add(tree: Tree, path: Path, kind: str, known: Known) -> tuple[Tree, str]:
    """A step at the end of the list ``path``."""
    content = {"content": known.content[0].value} if known.content else {}
    new: dict[str, dict[str, Any]] = {
        "send": {"send": {"channel": "email", **content}}, "wait": {"wait": "1d"}, "task": {"task": "…"},
        "if": {"if": {"consent": "email"}, "then": [{"send": {"channel": "email", **content}}]}, "stop": {"stop": True},
    }  # fmt: skip
    if kind == "if" and known.segments:
        new["if"]["if"] = {"segment": known.segments[0].value}
    if kind not in new:
        raise UsageError(N_("There is no kind of step {kind!r}; there are {known}."), kind=kind, known=", ".join(new))
    if path == ("do",) and kind == "send" and not tree.data.get("do") and not tree.data.get("send"):
        return edit.set_value(tree, ("send",), new["send"]["send"]), "step:send"
    listed = at(tree.data, path)
    if listed is not None and not isinstance(listed, list):
        tree, listed = edit.set_value(tree, path, [listed]), [listed]
    count = len(listed or ())
    return edit.insert(tree, (*path, count), new[kind]), f"step:{_said((*path, count))}"


def _remove(tree: Tree, path: Path, what: str, known: Known) -> tuple[Tree, str]:
    _there(tree, path)
    if path == ("send",):
        return edit.remove(tree, path), "add:do:send"
    listed = at(tree.data, path[:-1])
    if isinstance(listed, list) and len(listed) > 1:
        tree = edit.remove(tree, path)
        return tree, f"remove:{'.'.join(map(str, (*path[:-1], min(int(path[-1]), len(listed) - 2))))}"
    around = path[:-1]
    if around[-1] == "then":  # a branch keeps its first side, empty: there is nothing to branch to without it
        return edit.set_value(tree, around, []), f"add:{'.'.join(map(str, around))}:send"
    return edit.remove(tree, around), f"add:{'.'.join(map(str, around))}:send"


def _up(tree: Tree, path: Path, what: str, known: Known) -> tuple[Tree, str]:
    return _moved(tree, path, -1)


def _down(tree: Tree, path: Path, what: str, known: Known) -> tuple[Tree, str]:
    return _moved(tree, path, 1)


def _moved(tree: Tree, path: Path, by: int) -> tuple[Tree, str]:
    """A step one place up or down; out of its branch from the first and the last place in it."""
    _there(tree, path)
    verb = "up" if by < 0 else "down"
    do = tree.data.get("do") or []
    if path == ("send",) or (path == ("do", 0) and by < 0 and tree.data.get("send") is not None):
        if not do or (path == ("send",) and by < 0):
            return tree, f"{verb}:{_said(path)}"
        tree = edit.insert(tree, ("do", 1), {"send": tree.data["send"]})
        return edit.remove(tree, ("send",)), f"{verb}:{'do.1' if by > 0 else 'do.0'}"
    around, place = path[:-1], int(path[-1])
    count = len(at(tree.data, around))
    if 0 <= place + by < count:
        to = (*around, place + (2 if by > 0 else -1))
        return edit.move(tree, path, to), f"{verb}:{_said((*around, place + by))}"
    if len(path) < 4:  # the first and the last of the rule
        return tree, f"{verb}:{_said(path)}"
    branch = path[:-2]
    step, to = at(tree.data, path), (*branch[:-1], int(branch[-1]) + (1 if by > 0 else 0))
    if by > 0:
        tree = edit.insert(tree, to, step)
        tree, _ = _remove(tree, path, "", Known())
    else:
        tree, _ = _remove(tree, path, "", Known())
        tree = edit.insert(tree, to, step)
    return tree, f"{verb}:{_said(to)}"


def _variant(tree: Tree, path: Path, what: str, known: Known) -> tuple[Tree, str]:
    """Another content beside that of a message: from then on it has variants."""
    send = path if path == ("send",) else (*path, "send")
    told = at(tree.data, send)
    if not isinstance(told, dict):
        raise UsageError(N_("There is no step {place!r} in the rule."), place=_said(path))
    variants = told.get("variants")
    if isinstance(variants, dict):
        name = next(n for n in (*"abcdefghijklmnopqrstuvwxyz", f"v{len(variants)}") if n not in variants)
        last = list(variants.values())[-1]
        tree = edit.set_value(tree, (*send, "variants", name), last.get("content") if isinstance(last, dict) else last)
        return tree, f"f:{_said(send)}.variants.{name}"
    content = told.get("content") or ""
    kept = {k: v for k, v in told.items() if k != "content"}
    tree = edit.set_value(tree, send, {**kept, "variants": {"a": content, "b": content}})
    return tree, f"f:{_said(send)}.variants.b"


def _unvariant(tree: Tree, path: Path, name: str, known: Known) -> tuple[Tree, str]:
    """Without one of the variants; of two, the other becomes the content."""
    send = path if path == ("send",) else (*path, "send")
    told = at(tree.data, send)
    variants = told.get("variants") if isinstance(told, dict) else None
    if not isinstance(variants, dict) or name not in variants:
        raise UsageError(N_("There is no step {place!r} in the rule."), place=_said((*path, name)))
    if len(variants) > 2:
        return edit.remove(tree, (*send, "variants", name)), f"variant:{_said(path)}"
    left = next((v for k, v in variants.items() if k != name), "")
    content = left.get("content") if isinstance(left, dict) else left
    kept = {k: v for k, v in told.items() if k not in ("variants", "choose", "floor")}
    return edit.set_value(tree, send, {**kept, **({"content": content} if content else {})}), f"variant:{_said(path)}"


def _there(tree: Tree, path: Path) -> None:
    if at(tree.data, path) is None or path[0] not in ("send", "do"):
        raise UsageError(N_("There is no step {place!r} in the rule."), place=_said(path))


def _said(path: Path) -> str:
    return ".".join(map(str, path))


OPERATIONS: Mapping[str, Callable[[Tree, Path, str, Known], tuple[Tree, str]]] = {
    "add": _add, "remove": _remove, "up": _up, "down": _down, "variant": _variant, "unvariant": _unvariant,
}  # fmt: skip
