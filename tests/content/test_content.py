"""Pieces: filled in so that no value becomes more than a value, and checked so that every fault is told."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import shop
from polku.content import render as rendering
from polku.content.check import check_content
from polku.content.piece import Piece, paths, read_piece
from polku.content.render import render, templates
from polku.errors import ContentError
from polku.language import Reader

SHIPPED = Path(str(resources.files("polku.journey.templates")))


@pytest.mark.parametrize("path", paths(SHIPPED))
def test_shipped_pieces_read_and_parse(path: str) -> None:
    piece = read_piece(SHIPPED, path)
    assert piece.subject
    assert set(templates(piece)) == {"subject", "preheader", "body"}


class Links(HTMLParser):
    """The elements and addresses of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "img", "script", "h1", "strong", "em", "code", "iframe"):
            self.seen.append(f"{tag} {dict(attrs).get('href', '')}")


NASTY = st.text(max_size=40) | st.sampled_from(
    ["[win](http://evil.example)", "<script>x</script>", "![](http://evil.example/x.png)", "# big", "**b**", "`c`",
     "{{ customer.secret }}", "\n\n# h", "<a href='http://evil.example'>", "&lt;script&gt;", "</mj-text><mj-raw>"]
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(name=NASTY, format=st.sampled_from(["md", "mjml"]))
def test_no_value_becomes_markup(name: str, format: Any) -> None:
    name = name.encode("utf-8", "replace").decode()
    body = "Hello {{ name }}, see [us](https://shop.example/?a={{ name }}x)"
    if format == "mjml":
        body = ("<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ name }}, see "
                '<a href="https://shop.example/">us</a></mj-text></mj-column></mj-section></mj-body>'
                "</mjml>")  # fmt: skip
    piece = Piece("content/hi.en." + format, "hi", "en", format, body, 1, subject="{{ name }}")
    made = render(Path(), piece, {"name": name})
    reading = Links()
    reading.feed(made.html)
    assert all(one.startswith("a https://shop.example/") for one in reading.seen), reading.seen
    assert not re.search(r"[\r\n]", made.subject)


FAULTS = [
    # the piece, what is told
    ("---\nsubject: Hi\n---\n{{ customer.frist_name }}", "trait"),
    ("---\nsubject: Hi\n---\n{{ shop.url }}", "variable"),
    ("---\nsubject: Hi\n---\n{{ coupon.code | default: 'x' }}", None),
    ("---\nsubject: Hi\n---\n{{ customer.first_name }", "syntax"),
    ("---\nsubject: Hi\n---\n{{ customer.first_name | nofilter }}", "syntax"),
    ("---\nsubject: Hi\n---\n{% for x in cart.products %}{{ x.name }}{% endfor %}", None),
    ("Hello", "subject"),
    ("---\nsubject: Hi\nlayout: none\n---\nHello", "unsubscribe"),
    ("---\nsubject: Hi\nlayout: none\nunsubscribe: no\n---\nHello", None),
    ("---\nsubject: Hi\nlayout: none\n---\n[Off]({{ unsubscribe_url }})", None),
    ("---\nsubjekt: Hi\n---\nHello", "unreadable"),
    ("---\nsubject: a: b\n---\nHello", "unreadable"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with shop.make(tmp_path_factory.mktemp("content") / "shop") as project:
        shop.customers(project, "anna")
        yield project


@pytest.mark.parametrize(("text", "code"), FAULTS)
def test_what_the_check_tells(folder: Any, text: str, code: str | None) -> None:
    file = folder.folder / "content" / "tried.fi.md"
    file.write_text(text, encoding="utf-8")
    found = [fault for fault in check_content(folder) if fault.file == "content/tried.fi.md"]
    assert [fault.code for fault in found] == ([code] if code else [])
    assert all(fault.text(Reader("fi")).startswith("content/tried.fi.md") for fault in found)
    file.unlink()


def test_a_missing_translation_is_told(folder: Any) -> None:
    file = folder.folder / "content" / "other.en.md"
    file.write_text("---\nsubject: Hi\n---\nHello", encoding="utf-8")
    told = {(f.file, f.facts.get("file")) for f in check_content(folder) if f.code == "translation"}
    assert told == {("content/cart.fi.md", "content/cart.en.md"), ("content/other.en.md", "content/other.fi.md")}
    file.unlink()


@pytest.mark.parametrize("path", ["../polku.toml", "content/../../etc/passwd", "content/x.md", "/etc/hosts.fi.md"])
def test_no_other_file_is_a_piece(folder: Any, path: str) -> None:
    with pytest.raises(ContentError):
        read_piece(folder.folder, path)


RICH = """# Hello {{ name }}

See [us & them](https://shop.example/?a=1&b={{ name }}), or

- one
- two **bold**

| a | b |
|---|---|
| {{ name }} | 2 |

![A dress](https://shop.example/d.png)
"""
FRAMES = [
    (None, True),  # Polku's own
    ("<mjml><mj-body><mj-section><mj-column><mj-text>{{ body }} {{ name }}</mj-text></mj-column></mj-section></mj-body>"
     "</mjml>", False),  # another fact of the customer's
    ("<mjml><mj-body><mj-section><mj-column><mj-text>{{ subject | upcase }}{{ body }}</mj-text></mj-column>"
     "</mj-section></mj-body></mjml>", False),  # what it does with a value depends on the value
    ("<mjml><mj-body><mj-section><mj-column><mj-text>{% if subject == 'x' %}y{% endif %}{{ body }}</mj-text>"
     "</mj-column></mj-section></mj-body></mjml>", False),
    ("<mjml><mj-body><mj-section><mj-column><mj-text>{%- if preheader -%}p{% endif %}{{- body -}}</mj-text>"
     "<mj-button href='{{ unsubscribe_url }}'>{{ unsubscribe_text }}</mj-button></mj-column></mj-section></mj-body>"
     "</mjml>", True),
]  # fmt: skip


@pytest.mark.parametrize(("source", "once"), FRAMES)
@pytest.mark.parametrize("link", [None, "https://polku.example/u/a?b=1&c=2"])
@pytest.mark.parametrize("name", ["Anna", "<b>& \"Co\" {{ x }}</b> 'slot'"])
def test_a_frame_drawn_once_makes_the_same_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, once: bool, link: str | None, name: str
) -> None:
    if source is not None:
        (tmp_path / "content").mkdir()
        (tmp_path / "content" / "frame.mjml").write_text(source, encoding="utf-8")
    piece = Piece("content/hi.en.md", "hi", "en", "md", RICH, 1, subject="{{ name }} & you", preheader="For {{ name }}")
    facts = {"name": name, "unsubscribe_url": link, "sender": "Shop & Co", "postal_address": "Street 1\nHelsinki"}
    frame = rendering.frame_of(tmp_path, piece)
    assert frame is not None
    assert rendering._has_slots(frame[1]) is once
    drawn = render(tmp_path, piece, facts)
    monkeypatch.setattr(rendering, "_has_slots", lambda _: False)
    whole = render(tmp_path, piece, facts)
    assert (drawn.subject, drawn.preheader, drawn.text) == (whole.subject, whole.preheader, whole.text)
    between = re.compile(r">\s+<")  # MJML leaves out the line breaks between elements
    assert between.sub("><", drawn.html) == between.sub("><", whole.html)
