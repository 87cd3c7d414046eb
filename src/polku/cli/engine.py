"""``polku engine start``: a cluster on this machine; and the option by which commands name an engine."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from polku.cli.maps import AsJson, Language
from polku.cli.terminal import Terminal
from polku.errors import UsageError
from polku.language import N_

EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ADDRESS",
        help=N_("Where to compute: threads (this machine), or a cluster such as spark://127.0.0.1:7077."),
    ),
]
#: Seconds between looks at whether all workers are there.
LOOK = 1.0


def register(app: Any) -> None:
    group = typer.Typer(no_args_is_help=True, help=N_("A cluster of workers that measures can run on."))
    group.callback()(_group)
    group.command("start", help=N_("Start a Spark master and workers on this machine; Ctrl-C stops them."))(start)
    app.add_typer(group, name="engine")


def _group() -> None:
    """Keeps ``start`` a command of its own: a group of one command would be that command."""


def start(
    workers: Annotated[int, typer.Option("--workers", min=1, help=N_("How many workers."))] = 2,
    host: Annotated[
        str,
        typer.Option("--host", help=N_("The address to listen on; by default only this machine reaches it.")),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help=N_("The master's port; 0 takes a free one."))
    ] = 7077,
    cores: Annotated[
        int | None,
        typer.Option("--cores", min=1, help=N_("Cores of each worker; by default the machine's, shared out.")),
    ] = None,
    memory: Annotated[
        str, typer.Option("--memory", help=N_("Memory of each worker for Java, such as 512m or 2g."))
    ] = "2g",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.engines.cluster import start_cluster

    if not (memory[:-1].isdigit() and memory[-1:].lower() in ("m", "g")):
        raise UsageError("--memory takes a size such as 512m or 2g, not {memory!r}.", memory=memory)
    terminal = Terminal(as_json=as_json, language=language)
    signal.signal(signal.SIGTERM, _interrupt)  # stopped by a service manager as by Ctrl-C: the workers end as well
    terminal.say("Starting a master and {n} workers ...", n=workers)
    with (
        suppress(KeyboardInterrupt),
        start_cluster(workers, host=host, port=port, cores=cores, memory=memory) as cluster,
    ):
        if as_json:
            terminal.data({"url": cluster.url, "workers": workers, "cores": cluster.cores, "memory": memory})
        terminal.say("The engine is at {url}  (stop with Ctrl-C)", url=cluster.url)
        terminal.say("Use it with: polku measure FOLDER NAME --engine {url}", url=cluster.url)
        sys.stdout.flush()
        while True:
            time.sleep(LOOK)
            for part in cluster.ended():
                terminal.note("The {name} has ended; another one is started.", name=part.name)
                cluster.add_worker()
    terminal.say("The engine has stopped.")


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
