"""Cookie Cats' gates from the file to the measure: the README's figures, those of gbstats 0.8.0 among them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pytest

from polku.journey.model import Journey
from polku.measures.experiments.experiment import experiment
from polku.measures.view import view_of
from polku.trails.people import trails_of_table

FILE = Path(__file__).parents[4] / "shared" / "data" / "cookie_cats" / "cookie_cats.csv.gz"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FILE.is_file(), reason="the real data is not beside the repository"),
]
START, DAY = 1_700_000_000_000_000, 86_400_000_000
MAP = Journey.model_validate(
    {
        "title": "Cookie Cats",
        "timezone": "UTC",
        "stages": [
            {"id": "play", "touchpoints": [{"id": f"back_{d}", "match": {"event": f"back_{d}"}} for d in (1, 7)]},
        ],
    }
)


@pytest.fixture(scope="module")
def view():
    with gzip.open(FILE) as f:
        rows = csv.read_csv(f)
    gate = pc.binary_join_element_wise('{"experiment_id":"gate","variation_name":"', rows["test_version"], '"}', "")

    def events(kept, event, days, properties=None):
        n = kept.num_rows
        return pa.table(
            {
                "user_id": kept["userid"].cast(pa.string()),
                "event": pa.array([event]).take(pa.array([0] * n)),
                "time": pa.array([START + days * DAY] * n, pa.timestamp("us", "UTC")),
                "properties": properties if properties is not None else pa.nulls(n, pa.string()),
            }
        )

    told = [events(rows, "Experiment Viewed", 0, gate)]
    told += [events(rows.filter(rows[f"retention_{d}"]), f"back_{d}", d) for d in (1, 7)]
    table = pa.concat_tables(told).combine_chunks()
    table = table.append_column("seq", pa.array(range(table.num_rows), pa.int64()))
    return view_of(trails_of_table(MAP, table), MAP)


def test_the_second_week(view):
    answer = experiment(view, to="back_7", base="gate_30", metrics=("conversion",))
    base, arm = answer.arms
    assert (base.people.n, arm.people.n) == (44_700, 45_489)
    assert (base.reached.numerator, arm.reached.numerator) == (8502, 8279)
    assert (round(answer.ratio.chi2, 4), round(answer.ratio.p, 6)) == (6.9024, 0.008608)
    assert not answer.mismatch
    (found,) = answer.effects
    rounded = [round(x, 6) for x in (found.absolute.value, found.absolute.low, found.absolute.high)]
    assert rounded == [-0.008201, -0.013282, -0.003121]
    assert round(found.p, 6) == 0.001554
    rounded = [round(x, 6) for x in (found.relative.value, found.relative.low, found.relative.high)]
    assert rounded == [-0.043119, -0.069245, -0.016993]
    assert [round(x, 6) for x in (found.always.low, found.always.high)] == [-0.087406, 0.001168]
    assert round(found.always_p, 4) == 0.0665
    assert round(found.belief.chance, 6) == 0.000609
    assert f"{found.belief.loss_of_base:.4e}" == "2.1688e-06"
    assert round(found.belief.loss, 6) == 0.043121


def test_the_next_day(view):
    (found,) = experiment(view, to="back_1", base="gate_30", metrics=("conversion",)).effects
    assert [round(x, 6) for x in (found.absolute.low, found.absolute.high)] == [-0.012392, 0.000582]
    assert round(found.p, 5) == 0.07441
