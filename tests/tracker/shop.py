"""A small static shop on a port of its own, so that its pages are of another origin than Polku."""

from __future__ import annotations

import io
import threading
import wave
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent / "site"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
}
#: Addresses that the app of one page draws itself.
APP = ("/cart", "/start")


def sound() -> bytes:
    """A fifth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(b"\x80" * 1600)
    return file.getvalue()


class Shop:
    """``tag`` stands in every page in place of ``<!-- polku -->``; ``headers`` are sent with every page."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.tag = ""
        self.headers: dict[str, str] = {}
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        if path == "/sound.wav":
            body, kind = sound(), KINDS[".wav"]
        else:
            file = self.folder / ("index.html" if path == "/" else "app.html" if path in APP else path.lstrip("/"))
            if not file.is_file() or file.parent != self.folder:
                request.send_error(404)
                return
            kind = KINDS[file.suffix]
            body = file.read_text(encoding="utf-8").replace("<!-- polku -->", self.tag).encode()
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def paste(self, polku: str, key: str, **options: str) -> None:
        """The line in every page, with ``options`` as its data attributes (``search_event`` is data-search-event)."""
        data = "".join(f' data-{name.replace("_", "-")}="{escape(value)}"' for name, value in options.items())
        self.tag = f'<script async src="{polku}/polku.js" data-key="{key}"{data}></script>'

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
