"""Where a project's state and history are: what was asked for, else the environment, ``polku.toml``, what was before.

>>> found = find(Path("shop"), Record(), environment={"POLKU_STATE": "postgresql://polku:secret@db/polku"})
>>> found.state, found.history, found.told()["state"]
('postgresql://polku:secret@db/polku', '', 'postgresql://polku@db/polku')
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa

from polku.errors import ProjectError
from polku.language import N_
from polku.record.settings import FILE, Record

#: Where it is kept, so that a command without options finds the record that the server uses. Without passwords.
REMEMBERED = "whereabouts.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Whereabouts:
    """``state`` an SQLAlchemy URL, ``history`` a folder or URL; empty: in the project's folder."""

    state: str = ""
    history: str = ""

    def told(self) -> dict[str, str]:
        """Both without a password."""
        return {"state": without_password(self.state), "history": self.history}


def find(
    data: Path,
    settings: Record,
    state: str | None = None,
    history: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Whereabouts:
    """Where state and history are; ``state`` and ``history`` were asked for by an option and win.

    ``POLKU_STATE_FILE`` names a file that holds what ``POLKU_STATE`` would (a secret of a container). Raises
    ProjectError for a password in ``polku.toml``, a URL that cannot be read and a file that is not there.
    """
    if _url(settings.state, FILE) is not None and _url(settings.state, FILE).password:  # type: ignore[union-attr]
        raise ProjectError(
            N_(
                "{file} holds the database's password. Take it out of record.state and give it as PGPASSWORD, in "
                "~/.pgpass, or give the whole URL as POLKU_STATE."
            ),
            file=FILE,
        )
    before = _remembered(data)
    found = Whereabouts(
        state or _from_environment(environment) or settings.state or before.state,
        history or environment.get("POLKU_HISTORY", "") or settings.history or before.history,
    )
    _url(found.state, "--state")
    return found


def remember(data: Path, found: Whereabouts) -> None:
    """Keep where the record is, when it is not what was known already."""
    if _remembered(data).told() == found.told():
        return
    partial = data / f"{REMEMBERED}.{os.getpid()}"
    partial.write_text(json.dumps(found.told(), indent=2) + "\n", encoding="utf-8")
    partial.replace(data / REMEMBERED)


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    if not url:
        return ""
    made = sa.make_url(url)
    bare = sa.URL.create(made.drivername, made.username, None, made.host, made.port, made.database, made.query)
    return bare.render_as_string()


def _remembered(data: Path) -> Whereabouts:
    try:
        kept = json.loads((data / REMEMBERED).read_text(encoding="utf-8"))
        return Whereabouts(str(kept["state"]), str(kept["history"]))
    except FileNotFoundError:
        return Whereabouts()
    except (ValueError, KeyError, TypeError) as fault:
        raise ProjectError(
            N_("{file} is not readable ({fault}). Delete it, and say with --state and --history where the record is."),
            file=str(data / REMEMBERED),
            fault=str(fault),
        ) from fault


def _from_environment(environment: Mapping[str, str]) -> str:
    if file := environment.get("POLKU_STATE_FILE", ""):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as fault:
            raise ProjectError(
                N_("POLKU_STATE_FILE names {file}, which cannot be read: {fault}."),
                file=file,
                fault=str(fault.strerror or fault),
            ) from fault
    return environment.get("POLKU_STATE", "")


def _url(text: str, where: str) -> sa.URL | None:
    if not text:
        return None
    try:
        return sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as fault:
        # the text is not repeated: it may hold a password
        raise ProjectError(
            N_("The state's URL in {where} cannot be read; it looks like postgresql://user@host/database."), where=where
        ) from fault
