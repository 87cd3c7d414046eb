"""Real data from the file to the map and the measures, through the import, history and trails: the READMEs' figures."""

from __future__ import annotations

from pathlib import Path

import pytest

import polku
from polku.record.project import create_project
from polku.sources.importing import import_files
from polku.sources.mapping import Mapping

DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.realdata


def shop_of(folder: Path, file: Path, touchpoints: dict[str, str], mapping: Mapping) -> polku.Shop:
    """A new project with a touchpoint an event, the file imported."""
    if not file.exists():
        pytest.skip(f"{file} is not there")
    lines = ["polku: 1", "title: Real", "timezone: UTC", "stages:"]
    for n, (id, event) in enumerate(touchpoints.items()):
        lines += [f"  - id: stage_{n}", f"    touchpoints: [{{id: {id}, match: {{event: {event}}}}}]"]
    (folder / "journey.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with create_project(folder) as project:
        import_files(project, file, mapping)
    return polku.open(folder)


def reached(shop: polku.Shop, steps: str, within: str, by: str = "customer") -> list[int]:
    told = shop.measure("funnel", steps=steps, within=within, by=by).to_dict()
    return [step["reached"]["n"] for step in told["steps"]]


def test_ecom(tmp_path: Path) -> None:
    names = {"catalog": "catalog", "product": "Product Viewed", "cart": "Product Added", "purchase": "Order Completed"}
    with shop_of(tmp_path, DATA / "ecom" / "ecom.csv.gz", names, Mapping()) as shop:
        steps = "catalog,product,cart,purchase"
        assert reached(shop, steps, "365d") == [600, 596, 502, 274]
        assert reached(shop, steps, "7d") == [600, 591, 410, 160]
        assert reached(shop, steps, "365d", "session") == [2837, 2108, 602, 135]
        living = shop.living(period="all")
        assert living.events == 31_106
        assert living.customers.n == 600
        assert sum(s.now.n + s.lapsed.n for s in living.stages) == 600


def test_rees46(tmp_path: Path) -> None:
    names = {"view": "Product Viewed", "cart": "Product Added", "purchase": "Order Completed"}
    with shop_of(tmp_path, DATA / "rees46_sample" / "2019-Oct-head.csv", names, Mapping()) as shop:
        assert reached(shop, "view,cart,purchase", "10min") == [4504, 111, 61]
        assert reached(shop, "view,cart,purchase", "1d") == [4504, 111, 62]
        assert reached(shop, "view,purchase", "1d") == [4504, 192]
        living = shop.living(period="all")
        assert (living.events, living.customers.n) == (17_434, 4504)


def test_online_retail(tmp_path: Path) -> None:
    mapping = Mapping(event_name="Order Completed", value="Quantity*UnitPrice")
    file = DATA / "online_retail" / "online_retail.csv.gz"
    with shop_of(tmp_path, file, {"order": "Order Completed"}, mapping) as shop:
        living = shop.living(period="all")
        assert living.customers.n == 4372
        assert living.without_customer == 135_080
        money = shop.sql("select round(sum(value), 2) as total, count(*) as n from events").to_pylist()
        assert money == [{"total": 9_747_747.93, "n": 541_909}]
        real = shop.sql(
            "select count(distinct customer) as customers, round(sum(value), 2) as total, count(*) as n, "
            "count(distinct properties->>'InvoiceNo') as invoices from events where customer is not null and "
            "value > 0 and properties->>'InvoiceNo' not like 'C%'"
        ).to_pylist()
        assert real == [{"customers": 4338, "total": 8_911_407.90, "n": 397_884, "invoices": 18_532}]
