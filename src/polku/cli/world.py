"""Commands that run something: simulate, demo, serve."""

import datetime as dt
import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import looked
from polku.cli.terminal import Terminal
from polku.errors import UsageError
from polku.language import N_

Host = Annotated[
    str | None,
    typer.Option("--host", help=N_("The address to listen on; by default the one in polku.toml, this machine only.")),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535, help=N_("The port; when it is taken, the next free one is used and told.")
    ),
]


StateUrl = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="URL",
        help=N_("The state's database, such as postgresql://polku@db/polku; by default POLKU_STATE, else polku.toml."),
    ),
]
HistoryUrl = Annotated[
    str | None,
    typer.Option(
        "--history",
        metavar="URL",
        help=N_("Where history is, such as s3://bucket/shop; by default POLKU_HISTORY, else polku.toml."),
    ),
]


def register(app: Any) -> None:
    app.command("serve", help=N_("Serve the living map as a page."))(serve)
    app.command("demo", help=N_("Make a shop with 18 months of events and serve its living map."))(demo)
    app.command("simulate", help=N_("Make a world of customers whose truth is known, as Parquet files."))(simulate)


def serve(
    folder: Folder,
    host: Host = None,
    port: Port = None,
    state: StateUrl = None,
    history: HistoryUrl = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal, shop = looked(folder, language, as_json, state=state, history=history)
    with shop.project:
        _serve(terminal, shop.project, host, port)


def _serve(
    terminal: Terminal,
    project: Any,
    host: str | None,
    port: int | None,
    live: bool = False,
    sign_in: str | None = None,
) -> None:
    from polku.jobs import Runner, jobs
    from polku.measures.warm import warm
    from polku.shop import Shop
    from polku.web.serve import serve as serve_pages

    with terminal.progress() as progress:
        warm(progress)
        Shop(project, lambda what, done, total: progress(done, total, what)).living()

    settings = project.settings.server
    wanted = settings.port if port is None else port

    def ready(url: str, moved: bool) -> None:
        if terminal.as_json:
            terminal.data({"url": url, "port_taken": wanted if moved else None})
            return
        if moved:
            terminal.say("Port {port} is taken by another program; using another one.", port=wanted)
        terminal.say("The living map is at {url}  (stop with Ctrl-C)", url=url)

    def first(url: str) -> None:
        terminal.note(
            N_("Nobody can sign in yet. The first owner comes in by this link, once, within 24 hours: {url}"), url=url
        )

    # uvicorn ends in order at SIGTERM and then raises it again, for which we stay: work that is under way is ended too
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # What was loaded stays until the end; events come and go by thousands and refer to nothing in circles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    runner = Runner(project, jobs(project))
    runner.start()
    try:
        chosen = settings.host if host is None else host
        serve_pages(project, chosen, wanted, ready, live=live, stop=stop, sign_in=sign_in, on_first=first)
    finally:
        runner.stop()


def demo(
    folder: Annotated[Path, typer.Option("--folder", help=N_("Where the demo project is made, or is already."))] = Path(
        "polku-demo"
    ),
    kind: Annotated[
        str, typer.Option("--kind", help=N_("shop (fashion) or studio (yoga, with a free trial)."))
    ] = "shop",
    customers: Annotated[int, typer.Option("--customers", min=100, help=N_("How many people the world has."))] = 10_000,
    live: Annotated[bool, typer.Option("--live", help=N_("Keep events coming, so that the page moves."))] = False,
    rate: Annotated[float, typer.Option("--rate", min=0.01, help=N_("With --live: events a second, about."))] = 1.0,
    pages: Annotated[
        bool, typer.Option("--serve/--no-serve", help=N_("Serve the map when the world is ready."))
    ] = True,
    host: Host = None,
    port: Port = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.record.project import open_project
    from polku.record.settings import project_language
    from polku.simulate import demo as demos

    terminal = Terminal(as_json=as_json, language=language, project_language=project_language(folder))
    _known_kind(kind)
    terminal.say("Making the demo in {folder} ...", folder=folder)
    with terminal.progress() as progress:
        made = demos.prepare(folder, customers, terminal.reader.language, progress, kind=kind)
    if made.report is not None:
        reader = terminal.reader
        terminal.say(
            "{n} events of {people} people.",
            n=reader.number(made.report.stored),
            people=reader.number(made.world.customers),
        )
    if not pages:
        if as_json:
            terminal.data({"folder": str(folder), "made": made.made})
        return
    with open_project(folder, terminal.reader.language) as project, _going_on(project, rate, live):
        _serve(terminal, project, host, port, live=live, sign_in="never")


@contextmanager
def _going_on(project: Any, rate: float, live: bool) -> Iterator[None]:
    """The demo's world goes on in a thread of its own while the pages are served."""
    if not live:
        yield
        return
    from polku.simulate.live import live as play

    stop = threading.Event()
    player = threading.Thread(target=play, args=(project, rate, stop), name="polku-demo", daemon=True)
    player.start()
    try:
        yield
    finally:
        stop.set()
        player.join(timeout=10)


def _known_kind(kind: str) -> None:
    if kind not in ("shop", "studio"):
        raise UsageError("There is no world {kind!r}; there are shop and studio.", kind=kind)


def simulate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help=N_("Where the files are written: events-*.parquet and truth/."))
    ],
    kind: Annotated[
        str, typer.Option("--kind", help=N_("shop (fashion) or studio (yoga, with a free trial)."))
    ] = "shop",
    customers: Annotated[int, typer.Option("--customers", min=1, help=N_("How many people the world has."))] = 10_000,
    months: Annotated[float, typer.Option("--months", min=1, help=N_("How long a time."))] = 18,
    seed: Annotated[int, typer.Option("--seed", help=N_("The same seed makes the same world."))] = 1,
    end: Annotated[
        str | None, typer.Option("--end", help=N_("The last moment, such as 2026-06-30; by default now."))
    ] = None,
    obstacles: Annotated[
        str | None,
        typer.Option(
            "--obstacles", help=N_("Which obstacles stand in the way, with commas between; none for a world without.")
        ),
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.simulate import world

    terminal = Terminal(as_json=as_json, language=language)
    _known_kind(kind)
    moment = None
    if end is not None:
        try:
            moment = dt.datetime.fromisoformat(end)
        except ValueError:
            raise UsageError("--end takes a date such as 2026-06-30, not {end!r}.", end=end) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    chosen = (
        None if obstacles is None else () if obstacles == "none" else tuple(o.strip() for o in obstacles.split(","))
    )
    with terminal.progress() as progress:
        made = world(
            folder,
            kind,
            customers=customers,
            months=months,
            seed=seed,
            end=moment,
            obstacles=chosen,
            progress=lambda done, total, events: progress(done, total, N_("making the world")),
        )
    if as_json:
        terminal.data(
            {
                "folder": str(folder),
                "events": made.events,
                "files": [str(f) for f in made.files],
                "effects": made.effects,
                "bots": made.bots,
            }
        )
        return
    reader = terminal.reader
    terminal.say(
        "{n} events in {files} files in {folder}; the truth is in {truth}.",
        n=reader.number(made.events),
        files=len(made.files),
        folder=folder,
        truth=folder / "truth",
    )
    terminal.say("Import them with: polku import SHOP {folder}/events-*.parquet", folder=folder)
    terminal.say("And what the ads cost: polku import-costs SHOP {folder}/costs.csv", folder=folder)
