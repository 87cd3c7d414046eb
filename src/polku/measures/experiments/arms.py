"""Who is in which arm: by an event that tells of the exposure, by a trait, or by two lists of customers."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import experiments as kernel
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.selectors import Selector
from polku.measures.steps import codes_of
from polku.measures.view import View, known
from polku.trails.properties import Property

U32 = npt.NDArray[np.uint32]
#: Names under which trackers tell an arm and an experiment: Segment's *Experiment Viewed*, PostHog's
#: *$feature_flag_called*, GA4's *experience_impression* and what people call it themselves; the first that was seen.
ARM = (
    "properties.variation_name", "properties.variation_id", "properties.variation", "properties.variant",
    "properties.exp_variant_string", 'properties."$feature_flag_response"', "properties.arm", "properties.group",
)  # fmt: skip
EXPERIMENT = (
    "properties.experiment_id", "properties.experiment_name", "properties.experiment", "properties.experimentId",
    'properties."$feature_flag"',
)  # fmt: skip
#: Words for the arm that the others are held against.
BASE = re.compile(r"^(control|controls|base|baseline|original|default|off|false|a|0|holdout|verrokki|vertailu)$", re.I)
MOST_ARMS = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Arms:
    """The arms of one experiment: their names (the base first), and of each bucket who was exposed to which.

    ``number`` in ``exposed`` is the place in ``names``, from 1. ``dealt``: whether people were dealt to them, so that
    the sizes of the arms and the effects may be read as an experiment's; two lists of customers were not.
    """

    names: tuple[str, ...]
    exposed: tuple[kernel.Exposed, ...]
    experiment: str | None
    dealt: bool


def arms_by_property(
    view: View, arm: str | None, experiment: str | None, named_by: str | None, event: str | None, base: str | None
) -> Arms:
    """Arms by the exposing events' property ``arm``, of the experiment that the property ``named_by`` calls so.

    Names not given are looked for among those that trackers use. Raises MeasureError with what there is.
    """
    told = [p.name for p in view.property_names()]
    found = view.property(
        arm or _first(ARM, told, N_("The events tell no arm; name the property with `arm`: {known}."))
    )
    codes = list(found.codes)
    if event is not None:
        wanted = codes_of(view, event)
        codes = [np.where(wanted[c.code], k, 0).astype(np.uint32) for c, k in zip(view.columns, codes, strict=True)]
    name = named_by or next((n for n in EXPERIMENT if n in told), None)
    if name is not None:
        of = view.property(name)
        experiment = experiment or _only(of, codes)
        number = known(
            experiment, of.words, N_("There is no experiment {name!r} in these events.{meant} There are: {known}.")
        )
        codes = [np.where(e == number, k, 0).astype(np.uint32) for e, k in zip(of.codes, codes, strict=True)]
    elif experiment is not None:
        raise MeasureError(
            N_("The events do not say of which experiment they tell; name the property with `named_by`.")
        )
    numbers, names = _ordered(found, codes, base)
    work = functools.partial(_exposed, view.start, view.end, view.as_of)
    return Arms(names, tuple(view.map_with(work, [numbers[k] for k in codes])), experiment, True)


def _exposed(start: int, end: int, as_of: int, bucket: Columns, arm: U32) -> kernel.Exposed:
    return kernel.Exposed(*kernel.exposed(bucket, arm, start, end, as_of))


def arms_by_trait(view: View, trait: str, base: str | None) -> Arms:
    """Arms by a trait of the customers (``traits.x``), exposed from their first event in the period on."""
    found = view.trait(trait.removeprefix("traits."))
    numbers, names = _ordered(found, list(found.codes), base)
    work = functools.partial(_first_seen, view.start, view.end)
    return Arms(names, tuple(view.map_with(work, [numbers[k] for k in found.codes])), trait, True)


def arms_by_lists(view: View, group: str, against: str) -> Arms:
    """Two lists of customers (selectors) as arms, ``against`` as the base; who stands on both counts in the group.

    Nobody dealt them, so they may differ in more than what is asked about.
    """
    from polku.measures.customers import masks

    listed, others = (masks(view, Selector.parse(text)) for text in (group, against))
    work = functools.partial(_first_seen, view.start, view.end)
    arm = [np.where(m, 2, np.where(o, 1, 0)).astype(np.uint32) for m, o in zip(listed, others, strict=True)]
    return Arms((against, group), tuple(view.map_with(work, arm)), None, False)


def _first_seen(start: int, end: int, bucket: Columns, arm: U32) -> kernel.Exposed:
    return kernel.Exposed(*kernel.first_seen(bucket, arm, start, end))


def _first(names: Sequence[str], told: Sequence[str], message: str) -> str:
    for name in names:
        if name in told:
            return name
    raise MeasureError(message, known=", ".join(told[:40]))


def _only(of: Property, arm: Sequence[U32]) -> str:
    """The experiment that the exposures tell of, where there is but one."""
    seen = np.zeros(len(of.words), np.bool_)
    for codes, arms in zip(of.codes, arm, strict=True):
        seen |= np.bincount(codes[arms > 0], minlength=len(seen)) > 0
    seen[0] = False
    names = [of.words[int(i)] for i in np.flatnonzero(seen)]
    if len(names) == 1:
        return names[0]
    raise MeasureError(
        N_("Name the experiment with `experiment`; these events tell of: {known}."), known=", ".join(names[:40])
    )


def _ordered(found: Property, codes: Sequence[U32], base: str | None) -> tuple[U32, tuple[str, ...]]:
    """uint32[words]: each word's arm from 1, 0 for none; and the arms' names, the base first, then by name."""
    total = np.zeros(len(found.words), np.int64)
    for part in codes:
        total += np.bincount(part, minlength=len(total))
    total[0] = 0
    seen = np.flatnonzero(total)
    if len(seen) < 2 or len(seen) > MOST_ARMS:
        raise MeasureError(
            N_("{property} has {n} values here ({known}); an experiment has from 2 to {most} arms."),
            property=found.name, n=len(seen), known=", ".join(found.words[int(i)] for i in seen[:10]), most=MOST_ARMS,
        )  # fmt: skip
    names = {found.words[int(i)]: int(i) for i in seen}
    if base is not None:
        known(base, names, N_("There is no arm {name!r}.{meant} There are: {known}."))
    first = base or next((n for n in sorted(names) if BASE.match(n)), None) or max(names, key=lambda n: total[names[n]])
    order = [first, *sorted(n for n in names if n != first)]
    numbers = np.zeros(len(total), np.uint32)
    for k, name in enumerate(order, 1):
        numbers[names[name]] = k
    return numbers, tuple(order)
