"""Maps to start from: seven kinds of journey, each a complete ``journey.yaml`` in Finnish and in English.

A template is the file itself, ``NAME.LANGUAGE.yaml`` beside this module, so that what a project starts with can be read
and mended by anyone. Both languages of a template have the same ids, matchers and numbers; a test holds them to it.

>>> names()
('shop-5', 'funnel-5', 'digital-4', 'search-4', 'buying-path', 'subscription', 'b2b')
>>> title("shop-5", "fi")
'Verkkokaupan asiakaspolku'
"""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path

from polku.errors import UsageError, nearest
from polku.journey.templates.start import begin, content_named_in
from polku.language import LANGUAGES, N_

__all__ = ["content", "names", "text", "title", "write"]

#: In the order in which they are offered.
_NAMES = ("shop-5", "funnel-5", "digital-4", "search-4", "buying-path", "subscription", "b2b")


def names() -> tuple[str, ...]:
    """The templates' names, as ``polku init --template`` takes them."""
    return _NAMES


def _known(name: str, language: str) -> None:
    if name not in _NAMES:
        raise UsageError(
            N_("There is no template {name!r}. Templates: {names}. Did you mean {near}?"),
            name=name,
            names=", ".join(_NAMES),
            near=nearest(name, _NAMES) or _NAMES[0],
        )
    if language not in LANGUAGES:
        raise UsageError(
            N_("The templates are written in {names}, not in {language!r}."),
            language=language,
            names=", ".join(LANGUAGES),
        )


def text(name: str, language: str) -> str:
    """The whole ``journey.yaml`` of a template in ``language`` ("fi" or "en"), with its comments.

    Raises UsageError for a name or a language that is not there.
    """
    _known(name, language)
    return (resources.files(__package__) / f"{name}.{language}.yaml").read_text("utf-8")


@functools.cache
def title(name: str, language: str) -> str:
    """The template's own title in ``language``."""
    from ruamel.yaml import YAML  # here: opening a project must not wait for it

    return str(YAML(typ="safe", pure=True).load(text(name, language))["title"])


def content(name: str, language: str) -> dict[str, str]:
    """The starter pieces that the template's guidance sends: path in the project (``content/...``) to text."""
    return content_named_in(text(name, language))


def write(folder: str | Path, name: str, language: str) -> tuple[Path, ...]:
    """Start a project in ``folder`` (made when missing): ``journey.yaml``, ``content/``, ``polku.toml``.

    Gives the files' paths. Nothing that exists is overwritten: ProjectError names what is in the way, and then
    nothing has been written.
    """
    return begin(Path(folder), text(name, language), language)
