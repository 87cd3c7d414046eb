"""Whether messages leave at all: off until a person turns sending on for the project, and off again after a restore.

While it is off, what would leave by e-mail goes to the test address, where one is set; nothing else leaves.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from polku.errors import UsageError
from polku.language import N_
from polku.record.clock import now
from polku.record.contacts import normal_email

if TYPE_CHECKING:
    from polku.record.project import Project

#: What the switch is called among the words that the state keeps.
META: Final = "sending"
RESTORED: Final = "restored_at"


@dataclasses.dataclass(frozen=True, slots=True)
class Switch:
    """Whether sending is ``on``, since when (``at``, microseconds; 0: never touched), turned by whom. What was made
    before ``since`` does not leave."""

    on: bool = False
    by: str = ""
    at: int = 0
    test_address: str = ""
    restored_at: int = 0

    @property
    def since(self) -> int:
        return max(self.at, self.restored_at)


def switch_of(project: Project) -> Switch:
    """How it stands now, for every process of the project."""
    with project.state.read() as connection:
        text = project.state.meta(connection, META)
        restored = int(project.state.meta(connection, RESTORED) or 0)
    kept = Switch(**json.loads(text)) if text else Switch()
    return dataclasses.replace(kept, on=kept.on and kept.at > restored, restored_at=restored)


def turn(project: Project, on: bool, by: str, address: str = "") -> Switch:
    """Turn sending on or off. Messages of before are not sent: they were decided while nobody meant them to leave."""
    before = switch_of(project)
    if before.on == on:
        return before
    made = dataclasses.replace(before, on=on, by=by, at=now())
    return _keep(project, made, "sending.on" if on else "sending.off", by, address)


def set_test_address(project: Project, text: str, by: str, address: str = "") -> Switch:
    """Where e-mail goes while sending is off; "": nowhere. Raises UsageError for what is no e-mail address."""
    found = normal_email(text) if text.strip() else ""
    if found is None:
        raise UsageError(N_("{value!r} is no e-mail address."), value=text)
    made = dataclasses.replace(switch_of(project), test_address=found)
    return _keep(project, made, "sending.test-address", by, address)


def _keep(project: Project, made: Switch, action: str, by: str, address: str) -> Switch:
    kept = {name: value for name, value in dataclasses.asdict(made).items() if name != "restored_at"}
    with project.state.write() as connection:
        project.state.set_meta(connection, META, json.dumps(kept))
    project.audit.note(by, action, address=address)
    return made
