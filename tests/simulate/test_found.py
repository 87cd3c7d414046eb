"""End to end: a world is imported as any file is, and what Polku finds is compared with what is so."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.simulate.conftest import END

from polku.measures.customers import customers_behind
from polku.measures.living import living_map
from polku.record.hashes import id_hash
from polku.record.project import Project, open_project
from polku.simulate import demo

STAGES = {"consideration": "consideration", "purchase": "decision", "customer": "retention", "loyalty": "loyalty"}
ORDER = ["awareness", "consideration", "decision", "retention", "loyalty"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = demo.prepare(tmp_path_factory.mktemp("found") / "shop", 3000, "en", seed=11, end=END)
    with open_project(made.folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def people(project: Project) -> pd.DataFrame:
    table = pq.read_table(project.folder / "world" / "truth" / "people.parquet")
    return table.to_pandas().replace({np.nan: None})


def keys(project: Project, kind: str, values: list[str]) -> list[int]:
    found = project.identities.table().resolve(id_hash(kind, pa.array(values, pa.string())))  # type: ignore[arg-type]
    return [int(k) for k in found]


@pytest.fixture(scope="module")
def customer_of(project: Project, people: pd.DataFrame) -> dict[str, int]:
    """Each id's customer, as Polku found it."""
    users = [u for u in people["user_id"] if u is not None]
    cookies = sorted({c for mine in people["anonymous_ids"] for c in mine})
    return {**dict(zip(users, keys(project, "user", users), strict=True)),
            **dict(zip(cookies, keys(project, "anonymous", cookies), strict=True))}  # fmt: skip


def test_every_id_has_a_customer(customer_of: dict[str, int]) -> None:
    assert min(customer_of.values()) >= 0


def test_identities_are_joined_rightly(project: Project, people: pd.DataFrame, customer_of: dict[str, int]) -> None:
    """Pairs of ids that Polku joined, against those that truly are one person's and were ever seen together."""
    seen = project.sql(
        "select distinct anonymous_id, user_id from events where anonymous_id is not null and user_id is not null"
    )
    together = set(zip(seen["anonymous_id"].to_pylist(), seen["user_id"].to_pylist(), strict=True))
    linkable = {name for pair in together for name in pair}
    truly: dict[str, set[int]] = defaultdict(set)
    for person in people.itertuples():
        for name in [*person.anonymous_ids, *([person.user_id] if person.user_id else [])]:
            truly[name].add(person.customer)
    joined: dict[int, list[str]] = defaultdict(list)
    for name, customer in customer_of.items():
        joined[customer].append(name)
    pairs = [pair for names in joined.values() for pair in itertools.combinations(names, 2)]
    right = [bool(truly[a] & truly[b]) for a, b in pairs]
    assert len(pairs) > 400
    assert np.mean(right) > 0.995
    mine: dict[int, list[str]] = defaultdict(list)
    for name in linkable:
        for person in truly[name]:
            mine[person].append(name)
    wanted = [pair for names in mine.values() for pair in itertools.combinations(names, 2)]
    found = [customer_of[a] == customer_of[b] for a, b in wanted]
    assert np.mean(found) > 0.98


def test_duplicates_are_counted_and_kept_out(project: Project) -> None:
    noise = pq.read_table(project.folder / "world" / "truth" / "noise.parquet")
    world = pq.read_table(project.folder / "world" / "events-0001.parquet", columns=["event_id"])
    kept = project.sql("select count(*) as n from events")["n"][0].as_py()
    assert kept == world.num_rows - sum(noise["duplicate"].to_pylist())


def reached(project: Project, stage: str) -> set[int]:
    page = customers_behind(project, selector=f"stage:{stage}:reached", limit=100_000)
    assert page.total == len(page.lines)
    return {line.customer for line in page.lines}


@pytest.fixture(scope="module")
def truth(project: Project) -> pd.DataFrame:
    return pq.read_table(project.folder / "world" / "truth" / "stages.parquet").to_pandas()


@pytest.mark.parametrize("stage", STAGES)
def test_stages_are_found(
    project: Project, people: pd.DataFrame, truth: pd.DataFrame, customer_of: dict[str, int], stage: str
) -> None:
    """Of the people whom the shop knows by name, Polku says of nearly all what is so, stage by stage."""
    further = ORDER[ORDER.index(STAGES[stage]) :]
    so = set(truth.loc[truth["stage"].isin(further), "customer"])
    rank = [s for s in STAGES if ORDER.index(STAGES[s]) >= ORDER.index(STAGES[stage])]
    found = set().union(*(reached(project, s) for s in rank))
    known = people[people["user_id"].notna() & ~people["shares_computer"]]
    says = Counter((row.customer in so, customer_of[row.user_id] in found) for row in known.itertuples())
    right = says[True, True] + says[False, False]
    assert right / len(known) > 0.95, says
    assert says[True, True] > 0
    # What it says, is so: nobody is called a buyer who is not one.
    assert says[False, True] <= 0.01 * len(known), says


def test_buyers_are_counted_but_for_those_without_a_name(project: Project, truth: pd.DataFrame) -> None:
    buyers = truth.loc[truth["stage"].isin(["retention", "loyalty"]), "customer"].nunique()
    found = living_map(project)
    stage = next(s for s in found.stages if s.id == "customer")
    loyal = next(s for s in found.stages if s.id == "loyalty")
    seen = len(reached(project, "customer") | reached(project, "loyalty"))
    assert stage.figures.reached.n <= seen
    assert loyal.figures.reached.n > 0
    assert 0.75 * buyers < seen <= buyers


def test_those_called_lapsed_are_mostly_gone(
    project: Project, people: pd.DataFrame, truth: pd.DataFrame, customer_of: dict[str, int]
) -> None:
    page = customers_behind(project, selector="stage:customer:lapsed", limit=100_000)
    said = {line.customer for line in page.lines}
    last = truth.groupby("customer")["stage"].last()
    bought = set(truth.loc[truth["stage"] == "retention", "customer"])
    known = [row for row in people.itertuples() if row.user_id and row.customer in bought]
    gone = {
        said_so: [last[r.customer] == "lapsed" for r in known if (customer_of[r.user_id] in said) is said_so]
        for said_so in (True, False)
    }
    assert len(gone[True]) > 20
    assert np.mean(gone[True]) > 0.7
    assert np.mean(gone[True]) > np.mean(gone[False]) + 0.25


def test_the_map_lives_everywhere_but_where_it_should_not(project: Project) -> None:
    found = living_map(project)
    silent = {t.id for t in found.touchpoints if not t.events}
    assert silent == {"delivery"}
    assert found.without_customer > 0
    assert "/lahjakortti" in {d.page for d in found.ad_hoc}
    failed = {t.id for t in found.touchpoints for d in t.deviations if d.kind == "failed"}
    assert {"home", "size_guide", "payment"} <= failed
    survey = next(t for t in found.touchpoints if t.id == "order")
    assert survey.felt is not None
    assert -2 <= survey.felt <= 2


def test_an_obstacle_can_be_seen_in_the_events(project: Project) -> None:
    """Payments begun in the browser that fails end in an order more seldom, as the truth says."""
    shares = project.sql("""
        with tries as (
          select session_id, bool_or(context like '%Samsung Internet%') as samsung,
                 bool_or(event = 'Order Completed') as bought
          from events where session_id is not null group by session_id having bool_or(event = 'Payment Info Entered'))
        select samsung, avg(bought::int) as share, count(*) as n from tries group by samsung order by samsung
    """).to_pylist()
    assert [row["samsung"] for row in shares] == [False, True]
    assert shares[0]["share"] > 0.93
    assert shares[1]["share"] < 0.75
    assert shares[1]["n"] >= 8
