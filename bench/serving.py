"""What a person waits for: the living map warm, ``polku status`` in a new process, the page when nothing changed."""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys

from shop import settled, shop_with, tell, timed

GROUP = "What a person waits for"
STATUS = [sys.executable, "-m", "polku", "status"]


def main() -> None:
    from fastapi.testclient import TestClient

    from polku.measures.living import living_view
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.shop import Shop
    from polku.web.app import create_app

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    folder = shop_with(options.events)
    subprocess.run([*STATUS, str(folder), "--json"], check=True, stdout=subprocess.DEVNULL)  # folds what waits
    for words in ([], ["--json"]):
        status = functools.partial(
            subprocess.run, [*STATUS, str(folder), *words], check=True, stdout=subprocess.DEVNULL
        )
        run = timed(status, 5)
        tell(GROUP, f"`{' '.join(['polku status', *words])}` in a new process", "Polku", run)
    with open_project(folder) as project:
        shop = Shop(project)
        settled()

        def living(period: str) -> None:
            """Every count anew: a view of its own shares no pass with the one before."""
            living_view(view_of(shop.trails, shop.journey, period=shop.period(period), project=project))

        living("all")
        tell(GROUP, "the whole living map, all time, warm", "Polku", timed(lambda: living("all"), 7))
        tell(GROUP, "the whole living map, 30 days, warm", "Polku", timed(lambda: living("30d"), 7))
        client = TestClient(create_app(project))
        first = timed(lambda: client.get("/").raise_for_status(), 1)
        tell(GROUP, "the page /, first time", "Polku", first)
        tell(GROUP, "the page / when nothing changed", "Polku", timed(lambda: client.get("/").raise_for_status(), 15))


if __name__ == "__main__":
    main()
