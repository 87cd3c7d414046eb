"""The server process: uvicorn on the wished port, or on the next free one."""

from __future__ import annotations

import errno
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from polku.access.entrance import LOCAL, Entrance, is_loopback, words
from polku.access.masking import mask_logs
from polku.collect.doors import Doors
from polku.errors import UsageError
from polku.language import N_
from polku.memory import KEEPER
from polku.onsite.doors import InUse, SiteDoors
from polku.web.app import create_app
from polku.web.http import BoundedHttp
from polku.web.logs import json_lines

#: Seconds after which a thread that computes gives way to those that wait. A request's every step in the loop waits so
#: long for a move or a measure that runs beside it; Python's own 5 ms add up to the slowest per cent of all answers.
GIVE_WAY = 0.001
#: How many ports after the wished one are tried.
TRIES = 50


def listen(host: str, port: int, tries: int = TRIES) -> socket.socket:
    """A socket that listens on ``host``: on ``port``, else on the first free one of the next ``tries``. 0: any.

    Raises UsageError when none is free, or the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + (tries if port else 1), 65536)):
        sock = socket.socket(family, socket.SOCK_STREAM)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            # Windows: SO_REUSEADDR there would let two servers share one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, candidate))
            sock.listen(2048)
        except OSError as error:
            sock.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise UsageError(
                N_("This machine has no address {host}: {problem}. Use 127.0.0.1, or 0.0.0.0 for every address."),
                host=host,
                problem=str(error.strerror or error),
            ) from error
        return sock
    raise UsageError(
        N_("The ports {first} to {last} are all taken. Choose another with --port."), first=port, last=port + tries - 1
    )


class Server(uvicorn.Server):
    """uvicorn that can be told to stop from another thread and says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._on_ready is not None:
            self._on_ready()


def address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    shown = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def serve(
    project: Any,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[str, bool], None] | None = None,
    *,
    live: bool = False,
    stop: threading.Event | None = None,
    sign_in: str | None = None,
    on_first: Callable[[str], None] | None = None,
) -> None:
    """Serve ``project`` until Ctrl-C (or until ``stop`` is set, from any thread).

    ``on_ready(url, moved)`` is called once the pages answer: ``moved`` says that ``port`` was taken and another one is
    used. ``live`` says that events keep coming: open pages look for news every 2 seconds.
    ``sign_in`` overrules the setting. ``on_first(url)`` is called where people sign in and nobody can yet: with the
    link by which the first owner comes in.
    Raises UsageError when no port is free, AccessError when others would get in without signing in.
    """
    mask_logs()
    sys.setswitchinterval(GIVE_WAY)
    KEEPER.few_heaps()
    as_json = project.settings.server.log == "json"
    if as_json:
        json_lines()
    settings = project.settings.server
    proxies, names = words(settings.proxies), words(settings.names)
    beyond = not is_loopback(host) or bool(proxies) or bool(names)
    entrance = Entrance(project, beyond=beyond, mode=sign_in)
    sock = listen(host, port)
    url = address(sock)
    moved = port != 0 and sock.getsockname()[1] != port
    # A page in the browser could reach this server under a name of its own (DNS rebinding); so names are checked
    # as long as the server is meant for this machine only, and where the settings name it.
    hosts = list(dict.fromkeys([*LOCAL, host, *names])) if names or not beyond else None
    app = create_app(project, live=live, hosts=hosts, entrance=entrance)
    doors = Doors(project, app, anyone=not beyond)
    doors.site = SiteDoors(doors)
    doors.shows = InUse(project)
    config = uvicorn.Config(
        doors,
        http=BoundedHttp,
        log_config=None if as_json else uvicorn.config.LOGGING_CONFIG,
        log_level="info" if as_json else "warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,  # seconds: a doors' request waits for the state for some
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
    )

    def ready() -> None:
        if on_ready is not None:
            on_ready(url, moved)
        if on_first is not None and (link := entrance.first_link()):
            on_first(f"{url}welcome/{link}")

    server = Server(config, ready)
    if stop is not None:
        watch = threading.Thread(target=_stop_when, args=(stop, server), daemon=True, name="polku-stop")
        watch.start()
    app.state.doors = doors  # the page Connect tells what they turned away
    doors.start()
    try:
        server.run(sockets=[sock])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order and raises the signal again; for the user that is a clean end
    finally:
        sock.close()
        doors.stop()
        if stop is not None:
            stop.set()


def _stop_when(stop: threading.Event, server: uvicorn.Server) -> None:
    stop.wait()
    server.should_exit = True
