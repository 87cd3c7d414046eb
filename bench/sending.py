"""How many letters a second leave: claimed, filled in, sent over SMTP to a sink on this machine, written down.

python bench/sending.py [--letters 2000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SINK = """
import asyncio, sys
from aiosmtpd.controller import Controller

class Sink:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"

controller = Controller(Sink(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
print("ready", flush=True)
sys.stdin.read()
"""


def main(letters: int = 2000, dkim: bool = False) -> dict[str, float | int]:
    """Letters a second, and processor seconds of the sender for each letter."""
    import socket

    from channels import shop
    from polku.guidance.sending import send
    from polku.guidance.switch import turn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = subprocess.Popen([sys.executable, "-c", SINK, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sink.stdout is not None
    sink.stdout.readline()
    more = ""
    if dkim:
        os.environ["POLKU_DKIM_KEY"] = subprocess.run(
            ["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True, text=True
        ).stdout
        more = 'dkim_selector = "s1"'
    try:
        with tempfile.TemporaryDirectory() as folder, shop.make(Path(folder) / "shop", port, more=more) as project:
            turn(project, True, "bench")
            people = shop.customers(project, *(f"k{n}" for n in range(letters)))
            shop.put(project, *(shop.message(one, n) for n, one in enumerate(people)))
            wall, cpu, sent = time.perf_counter(), time.process_time(), 0
            while (done := send(project)) is not None:
                sent += int(done.get("sent", 0))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        sink.terminate()
        sink.wait()
    return {"letters": sent, "a_second": round(sent / wall, 1), "cpu_ms_a_letter": round(cpu / sent * 1000, 2)}


def figures() -> None:
    """Lines for bench/run.py, plain and signed."""
    from shop import tell

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=0, help="asked for by bench/run.py; letters know no history")
    parser.add_argument("--letters", type=int, default=2000)
    options = parser.parse_args()
    for name, dkim in (("letters into a local SMTP sink", False), ("the same, signed with DKIM", True)):
        found = main(options.letters, dkim)
        note = f"{found['cpu_ms_a_letter']} ms of processor a letter"
        tell("Guidance: sending", name, "Polku", [found["letters"] / found["a_second"]], int(found["letters"]), note)


if __name__ == "__main__":
    figures()
