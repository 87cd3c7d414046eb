"""A rule's text taken out of a map and put back: what is inside is kept to the sign, nothing outside is touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import MapError
from polku.journey.document import Document

HEAD = "title: Shop   # ours\nguidance:\n"
#: Items as people write them, each with what its excerpt is.
ITEMS = (
    (
        "  - id: a   # first\n    # inner\n    when: {reached: cart}\n\n    send: {channel: email}  # z\n    # tail\n",
        "id: a   # first\n# inner\nwhen: {reached: cart}\n\nsend: {channel: email}  # z\n# tail\n",
    ),
    ("  - {id: b, when: {reached: cart}}   # in one line\n", "{id: b, when: {reached: cart}}   # in one line\n"),
    (
        "  # about c\n  - id: c\n    when:\n      reached: cart\n    do:\n    - wait: 3d\n    - task: |\n        Call\n"
        "\n        them\n",
        "id: c\nwhen:\n  reached: cart\ndo:\n- wait: 3d\n- task: |\n    Call\n\n    them\n",
    ),
    (
        "  -   id: d\n      when: {event: 'Ordered: paid', where: \"a = 'b'\"}\n",
        "id: d\nwhen: {event: 'Ordered: paid', where: \"a = 'b'\"}\n",
    ),
)
TAILS = ("", "plan: []\n", "\n# the end\nreview: every 3 months\n")


@settings(max_examples=40)
@given(st.lists(st.sampled_from(range(len(ITEMS))), min_size=1, max_size=5), st.sampled_from(TAILS), st.booleans())
def test_what_is_taken_out_and_put_back_is_the_same(which: list[int], tail: str, windows: bool) -> None:
    text = HEAD + "".join(ITEMS[n][0] for n in which) + tail
    text = text.replace("\n", "\r\n") if windows else text
    for place, n in enumerate(which):
        document = Document(text)
        found = document.excerpt(("guidance", place))
        assert found.text == ITEMS[n][1]
        assert text.splitlines()[found.line - 1].lstrip(" -").startswith(found.text.splitlines()[0])
        document.put(("guidance", place), found.text)
        assert document.text == text


@settings(max_examples=40)
@given(st.lists(st.sampled_from(range(len(ITEMS))), max_size=4), st.sampled_from(TAILS), st.data())
def test_another_text_changes_its_item_alone(which: list[int], tail: str, data: st.DataObject) -> None:
    text = (HEAD if which else "title: Shop   # ours\n") + "".join(ITEMS[n][0] for n in which) + tail
    place = data.draw(st.integers(0, len(which)))
    document = Document(text)
    others = [document.excerpt(("guidance", n)).text for n in range(len(which)) if n != place]
    new = "id: new # mine\nwhen: {reached: order}\n# last\n"
    document.put(("guidance", place), new.replace("\n", "\r\n"))
    assert document.excerpt(("guidance", place)).text == new
    count = max(len(which), place + 1)
    assert [document.excerpt(("guidance", n)).text for n in range(count) if n != place] == others
    assert document.text.startswith("title: Shop   # ours\n")
    assert document.text.endswith(tail) if which else tail in document.text


@pytest.mark.parametrize("text", ["- a\n- b\n", "id: [", "id: a\n---\nid: b\n", "just words\n"])
def test_what_is_no_rule_is_refused_and_nothing_changes(text: str) -> None:
    before = HEAD + ITEMS[0][0]
    document = Document(before)
    with pytest.raises(MapError):
        document.put(("guidance", 0), text)
    assert document.text == before


def test_a_list_in_one_line_gets_room_for_comments() -> None:
    document = Document("title: Shop\nguidance: [{id: a, when: {reached: cart}}]\nplan: []\n")
    document.put(("guidance", 1), "id: b  # two\nwhen: {reached: order}\n")
    assert document.excerpt(("guidance", 1)).text == "id: b  # two\nwhen: {reached: order}\n"
    assert [g["id"] for g in document.data["guidance"]] == ["a", "b"]
