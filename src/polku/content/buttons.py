"""Links that answer a survey with a number, drawn as buttons: eleven digits in a row are hard to hit with a thumb.

>>> as_buttons('<p><a href="https://x.example/s/nps/t?score=9">9</a></p>').count("inline-block")
1
>>> as_buttons('<a href="https://x.example/?score=9">the score</a>')
'<a href="https://x.example/?score=9">the score</a>'
"""

from __future__ import annotations

import re
from typing import Final

_SCORE: Final = re.compile(r'<a href="([^"]*[?;&]score=\d{1,2})">(\d{1,2})</a>')
#: Beside the link itself, for mail programs read no other styles surely.
_STYLE: Final = (
    "display:inline-block;min-width:26px;padding:10px 6px;margin:0 1px 6px 0;border:1px solid #7d8c84;"
    "border-radius:6px;text-align:center;text-decoration:none;font-weight:bold"
)


def as_buttons(html: str) -> str:
    """``html`` with its links of one number (``?score=9``) as buttons."""
    return _SCORE.sub(rf'<a href="\1" style="{_STYLE}">\2</a>', html)
