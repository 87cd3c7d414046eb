from polku.journey.model import Journey
from polku.trails.matching import Matching
from polku.trails.open import open_store
from polku.trails.store import Store
from tests.trails.record import MemoryRecord, row
from tests.trails.told import told


def test_thin(tmp_path):
    shop = Journey.model_validate(
        {
            "title": "Shop",
            "stages": [
                {
                    "id": "decision",
                    "touchpoints": [
                        {"id": "cart", "match": {"event": "Product Added"}},
                        {"id": "guide", "match": {"path": "/koko*"}},
                    ],
                }
            ],
        }
    )
    r = MemoryRecord()
    r.add(
        [
            row(
                i,
                f"u{i % 5}",
                1e9 + i * 1000,
                "page" if i % 2 else "Product Added",
                context={"page": {"path": "/koko/" + str(i % 3)}},
            )
            for i in range(40)
        ]
    )
    s = Store(tmp_path / "trails")
    t = open_store(s, r, Matching.of(shop), threads=2)
    a = told(t)
    assert len(a) == 5
    r.add(
        [
            row(i, f"u{i % 2}", 1e9 + i * 900, "page", context={"page": {"path": "/koko/" + str(i % 5)}})
            for i in range(40, 43)
        ]
    )
    r.merge("u0", "u3")
    t2 = told(open_store(s, r, Matching.of(shop), threads=2))
    s2 = Store(tmp_path / "trails2")
    assert t2 == told(open_store(s2, r, Matching.of(shop), threads=2))
    assert r.wholes == 2
    r.erase("u1")
    t2 = told(open_store(s, r, Matching.of(shop), threads=2))
    s2 = Store(tmp_path / "trails3")
    assert t2 == told(open_store(s2, r, Matching.of(shop), threads=2))
