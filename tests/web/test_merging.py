"""Changes of two people brought together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.web.editing.merging import merged

BASE = "id: cart\nwhen: {reached: cart}\nsend: {channel: email}\nstate: draft\n"


@pytest.mark.parametrize(
    ("theirs", "mine", "expected"),
    [
        (BASE, BASE, BASE),
        (BASE.replace("draft", "on"), BASE, BASE.replace("draft", "on")),
        (BASE, BASE.replace("draft", "on"), BASE.replace("draft", "on")),
        # the same change is made once
        (BASE.replace("draft", "on"), BASE.replace("draft", "on"), BASE.replace("draft", "on")),
        # lines beside each other, each changed by one
        (
            BASE.replace("draft", "on"), BASE.replace("email", "sms"),
            BASE.replace("draft", "on").replace("email", "sms"),
        ),
        # one adds a line far from what the other changed
        (
            BASE.replace("when", "# ours\nwhen"), BASE.replace("draft", "off"),
            BASE.replace("when", "# ours\nwhen").replace("draft", "off"),
        ),
        # the same line
        (BASE.replace("draft", "on"), BASE.replace("draft", "off"), None),
        # both write at the same place
        (BASE + "holdout: 0 %\n", BASE + "owed: true\n", None),
        # one adds where the other changed
        (BASE + "holdout: 0 %\n", BASE.replace("draft", "on"), None),
        # one has taken away what the other changed
        (BASE.replace("send: {channel: email}\n", ""), BASE.replace("email", "sms"), None),
        ("", BASE.replace("draft", "on"), None),
        ("", BASE, ""),
    ],
)  # fmt: skip
def test_what_comes_of_two_changes(theirs: str, mine: str, expected: str | None) -> None:
    assert merged(BASE, theirs, mine) == expected
    assert merged(BASE, mine, theirs) == expected  # nobody's changes come before the other's


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), max_size=6).map("".join)


@settings(deadline=None)
@given(base=LINES, theirs=LINES, mine=LINES)
def test_nobodys_change_is_lost(base: str, theirs: str, mine: str) -> None:
    made = merged(base, theirs, mine)
    assert made == merged(base, mine, theirs)
    assert merged(base, theirs, base) == theirs  # who changed nothing gets the other's
    if made is not None:
        grown = [text.count("\n") - base.count("\n") for text in (theirs, mine)]
        together = made.count("\n") - base.count("\n")
        assert together == sum(grown) or theirs == mine == made or _alike(base, theirs, mine)


def _alike(base: str, theirs: str, mine: str) -> bool:
    """Whether both made some change alike, which then counts once."""
    from polku.web.editing.merging import _changes

    lines = base.splitlines(keepends=True)
    return bool(_changes(lines, theirs) & _changes(lines, mine))
