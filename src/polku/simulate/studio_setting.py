"""The yoga studio as a setting: words for the kernel's numbers."""

from __future__ import annotations

from polku.simulate import studio_model
from polku.simulate.calendar import STUDIO
from polku.simulate.setting import Setting
from polku.simulate.studio import studio

SETTING = Setting(
    kind="studio",
    host="https://www.lempeajooga.example",
    seasons=STUDIO,
    personas=tuple((p.id, p.share, p.segment, p.old_phone) for p in studio_model.PERSONAS),
    obstacles=studio_model.OBSTACLES,
    kernel=studio,
    model=studio_model.model,
    pages=studio_model.PAGES,
    items=studio_model.items(),
    searches=("jooga niskalle",),
    survey={"survey": "lesson", "question": "satisfied", "kind": "csat"},
    form="newsletter",
    coupon="TERVETULOA",
)
