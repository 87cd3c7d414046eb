"""Do the declared personas still fit: whom they catch, who is in none, and whether they behave as they are told."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import numpy.typing as npt

from polku.journey.model import Persona, Text, titled
from polku.kernels import features as kernel
from polku.language import N_, Reader, said
from polku.measures.answer import Answer, Table, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.personas.telling import Lists, Seen, Touch, seen_in, telling
from polku.measures.result import ENOUGH, Count, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View, persona_masks

NO_PERSONAS = N_("the map has no personas")
NO_TRAITS = N_("nothing is known of the customers' traits, so personas cannot be told apart")
#: A persona that catches more than this tells nobody apart; one under FEW is hardly anybody.
NEARLY_ALL, HARDLY = 0.9, 0.01
#: A declared place is met when at least this share of the persona comes from it.
MET = 0.05
#: Names of the personas' selectors that mean everyone.
ALL = "*"
NO_WHERE = N_("no `where` tells who they are")
CATCHES_NOBODY = N_("catches nobody")
CATCHES_ALL = N_("catches nearly everyone, so it tells nobody apart")
CATCHES_FEW = N_("catches hardly anybody")
TOO_FEW = N_("too few to say")
LIKE_OTHERS = N_("behaves like everyone else")
FITS = N_("stands out")
ELSEWHERE = N_("stands out, but hardly anybody comes from where the map says")


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A place that the map names (``platforms`` or ``first_met``), and how many of the persona came from it; ``rate``
    None where the name is no source, channel or touchpoint that has been seen.
    """

    field: str
    name: Text
    rate: Rate | None


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """One persona: whom it catches of everyone in the period, what tells them apart, and the verdict in words."""

    id: str
    title: Text
    evidence: bool
    caught: Rate
    verdict: str
    places: tuple[Place, ...]
    touches: tuple[Touch, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Overlap:
    one: str
    other: str
    both: Rate  # of the smaller of the two


@dataclasses.dataclass(frozen=True, kw_only=True)
class PersonaFit(Answer):
    name = "persona_fit"
    says = (
        N_("A persona catches, of everyone with an event in the period, those whose traits meet its `where` today."),
        N_(
            "Uncaught = those whom no persona catches, also those of whom no traits are known. Overlap = those "
            "caught by both / those of the smaller one."
        ),
        N_(
            "Lift of a touchpoint = the share of the persona that met it / the share of the others (interval of Katz, "
            "95 %); told are those that differ beyond chance (p adjusted by Benjamini and Hochberg, below 0.05)."
        ),
        N_(
            "Places: of those caught, how many came first (first_met) or ever (platforms) from the source, channel or "
            "touchpoint of the name that the map gives; under 5 % it is hardly anybody."
        ),
    )

    everyone: Count
    uncaught: Rate
    personas: tuple[Fit, ...]
    overlaps: tuple[Overlap, ...]
    reason: str | None  # why nobody can be told apart

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        title = reader("Persona check")
        if self.reason is not None:
            title = reader("{title}: {reason}", title=title, reason=reader(self.reason))
        names = {f.id: reader.said(f.title) for f in self.personas}
        rows = [
            (
                words(names[f.id], f.id), rate_cell(f.caught, reader), words(reader(f.verdict), f.verdict),
                words(reader("yes") if f.evidence else reader("a hypothesis"), f.evidence),
            )
            for f in self.personas
        ]  # fmt: skip
        rows.append(
            (words(reader("none of them"), "uncaught"), rate_cell(self.uncaught, reader), words("", ""), words("", ""))
        )
        first = (N_("persona"), N_("share of customers"), N_("verdict"), N_("evidence"))
        heads: tuple[str, ...] = tuple(reader(h) for h in first)
        found = [Table(title, heads, tuple(rows))]
        if self.overlaps:
            heads = (reader("persona"), reader("and"), reader("both, of the smaller"))
            found.append(
                Table(
                    reader("Overlaps"), heads,
                    tuple((words(names[o.one], o.one), words(names[o.other], o.other), rate_cell(o.both, reader))
                          for o in self.overlaps),
                )
            )  # fmt: skip
        touches = [(f, t) for f in self.personas for t in f.touches]
        if touches:
            heads = (reader("persona"), *(reader(h) for h in TOUCH_HEADS))
            found.append(
                Table(
                    reader("What tells them apart"), heads,
                    tuple((words(names[f.id], f.id), *t.cells(reader)) for f, t in touches),
                )
            )  # fmt: skip
        places = [(f, p) for f in self.personas for p in f.places]
        if places:
            heads = (reader("persona"), reader("the map says"), reader("name"), reader("came from there"))
            field = {"first_met": reader("first met"), "platforms": reader("platforms")}
            found.append(
                Table(
                    reader("Where the map says that they come from"), heads,
                    tuple(
                        (
                            words(names[f.id], f.id), words(field[p.field], p.field),
                            words(reader.said(p.name), reader.said(p.name)),
                            words(reader(NOT_SEEN), None) if p.rate is None else rate_cell(p.rate, reader),
                        )
                        for f, p in places
                    ),
                )
            )  # fmt: skip
        return tuple(found)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        told = [f for f in self.personas if f.caught.value is not None]
        if not told:
            return ()
        labels = (*(reader.said(f.title) for f in told), reader("none of them"))
        rates = (*(f.caught for f in told), self.uncaught)
        series = Series(
            reader("share of customers"), tuple(r.value for r in rates), behind=tuple(r.behind for r in rates)
        )  # fmt: skip
        return (Bars(reader("Customers by persona"), labels, (series,), "share", across=True),)


NOT_SEEN = N_("not seen in the data")
TOUCH_HEADS = (N_("touchpoint"), N_("of them"), N_("of the others"), N_("lift"), N_("p"))


def caught(view: View) -> dict[str, list[Mask]] | None:
    """bool[C] a bucket of each persona with a ``where``; None where nothing is known of traits."""
    told = [id for id, p in view.journey.personas.items() if p.where is not None]
    if told and view.profiles is None and view.project is None:
        return None
    return {id: persona_masks(view, id) for id in told}


def persona_fit(view: View) -> PersonaFit:
    """The map's personas held against the view's customers with an event in its period."""
    seen = seen_in(view)
    masks = caught(view)
    reason = NO_PERSONAS if not view.journey.personas else NO_TRAITS if masks is None else None
    mine = {id: seen.among(m) for id, m in (masks or {}).items()}
    of = len(seen.rows.customer)
    everyone = Count(of, view.select("personas", ALL, "everyone"))
    nobodys = np.ones(of, np.bool_)
    for chosen in mine.values():
        nobodys &= ~chosen
    ids = list(mine)

    def lists(place: int, touchpoint: str) -> Lists:
        both = functools.partial(view.select, "personas", chain_text((ids[place], touchpoint)))
        alone = functools.partial(view.select, "personas", ids[place])
        return Lists(
            both("met"), both("not_met"), alone("caught"), both("others_met"), both("others_not_met"),
            alone("not_caught"),
        )  # fmt: skip

    touches = dict(zip(mine, telling(view, seen, list(mine.values()), lists), strict=True))
    fits = []
    for id, persona in view.journey.personas.items():
        if view.persona is not None and id != view.persona:
            continue
        fits.append(_fit(view, seen, id, persona, mine.get(id), touches.get(id, ()), reason))
    overlaps = []
    for one, other in itertools.combinations(mine, 2):
        both = int((mine[one] & mine[other]).sum())
        smaller = min((one, other), key=lambda id: int(mine[id].sum()))
        if both:
            select = view.select("personas", chain_text((one, other)), "both")
            overlaps.append(
                Overlap(one, other, Rate(both, int(mine[smaller].sum()), behind=select,
                                         behind_all=view.select("personas", smaller, "caught")))
            )  # fmt: skip
    n = int(nobodys.sum())
    uncaught = Rate(
        n if mine else 0, of if mine else 0, behind=view.select("personas", ALL, "not_caught"),
        behind_all=everyone.behind, why=None if mine else (reason or NO_WHERE),
    )  # fmt: skip
    return PersonaFit(
        period=view.period, persona=view.persona, segment=view.segment,
        everyone=everyone, uncaught=uncaught, personas=tuple(fits),
        overlaps=tuple(sorted(overlaps, key=lambda o: -(o.both.value or 0.0))), reason=reason,
    )  # fmt: skip


def _fit(
    view: View, seen: Seen, id: str, persona: Persona, mine: npt.NDArray[np.bool_] | None, touches: tuple[Touch, ...],
    reason: str | None,
) -> Fit:  # fmt: skip
    title: Text = persona.title
    if mine is None:
        why = NO_WHERE if persona.where is None else reason
        return Fit(id, title, persona.evidence is not None, Rate(0, 0, why=why), why or NO_WHERE, (), ())
    n, of = int(mine.sum()), len(mine)
    select = view.select("personas", id, "caught")
    rate = Rate(
        n, of, behind=select, behind_not=view.select("personas", id, "not_caught"),
        behind_all=view.select("personas", ALL, "everyone"),
    )  # fmt: skip
    places = tuple(_places(view, seen, persona, mine))
    known = [p.rate for p in places if p.rate is not None]
    away = bool(known) and all((r.value or 0.0) < MET for r in known)
    verdict = (
        CATCHES_NOBODY
        if n == 0
        else CATCHES_ALL
        if n > NEARLY_ALL * of
        else TOO_FEW
        if n < ENOUGH or of - n < ENOUGH
        else CATCHES_FEW
        if n < HARDLY * of
        else LIKE_OTHERS
        if not touches
        else ELSEWHERE
        if away
        else FITS
    )
    return Fit(id, title, persona.evidence is not None, rate, verdict, places, touches)


def _places(view: View, seen: Seen, persona: Persona, mine: npt.NDArray[np.bool_]) -> list[Place]:
    """The declared places with the share of the persona that came from each."""
    found = []
    origins = view.trails.tables.origins
    count = len(seen.groups.names)
    features = seen.rows.features[mine]
    for field, names in (("first_met", persona.first_met), ("platforms", persona.platforms)):
        for name in names:
            wanted = {said(name, language).casefold() for language in ("en", "fi")}
            of_origin = np.array([_named(wanted, origin) for origin in origins], np.bool_)
            groups = [
                k for k, g in enumerate(seen.groups.names)
                if _group_names(view, g) & wanted
            ]  # fmt: skip
            if not of_origin.any() and not groups:
                found.append(Place(field, name, None))
                continue
            which = kernel.FIXED + count
            there = of_origin[features[:, which].astype(np.int64)]
            if field == "platforms":
                there |= of_origin[features[:, which + 1].astype(np.int64)]
            for k in groups:
                there |= features[:, kernel.FIXED + k] > 0
            found.append(Place(field, name, Rate(int(there.sum()), len(there))))
    return found


def _named(wanted: set[str], origin: tuple[str | None, str | None, str | None]) -> bool:
    """Whether an origin's source (or medium) is the one named: ``Instagram`` is instagram, and m.instagram.com."""
    for part in origin[:2]:
        text = (part or "").casefold()
        if text and (text in wanted or any(w in text.split(".") for w in wanted)):
            return True
    return False


def _group_names(view: View, group: str) -> set[str]:
    """What a touchpoint (or channel) may be called in the map, in small letters."""
    kind, _, what = group.partition(":")
    if kind != "touchpoint":
        return {what.casefold()}
    touchpoint = next(t for _, _, t in view.journey.touchpoints() if t.id == what)
    return {what.casefold(), *(said(titled(touchpoint), language).casefold() for language in ("en", "fi"))}


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who in the period is caught by a persona, by both of two, or by none."""
    seen = seen_in(view)
    masks = caught(view) or {}
    mine = {id: seen.among(m) for id, m in masks.items()}
    chosen = np.ones(len(seen.rows.customer), np.bool_)
    names = chain_of(selector.name)
    if selector.what.endswith("met"):
        by = mine[_known(view, names[0], mine)]
        chosen = ~by if selector.what.startswith("others") else by
        for name in names[1:]:
            chosen = chosen & (seen.met_by(name) != selector.what.endswith("not_met"))
    elif selector.what == "not_caught" and selector.name == ALL:
        for caught_by in mine.values():
            chosen &= ~caught_by
    elif selector.what != "everyone":
        for name in names:
            by = mine[_known(view, name, mine)]
            chosen &= ~by if selector.what == "not_caught" else by
    return seen.masks(view, chosen)


def _known(view: View, name: str, mine: dict[str, npt.NDArray[np.bool_]]) -> str:
    """Raises MeasureError for a persona that the map lacks, or that nothing tells."""
    if name not in mine:
        persona_masks(view, name)
    return name
