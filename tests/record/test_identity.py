"""Who is who: the rule and its order-independence, shared devices, junk, undo, previews, profiles, the table."""

from __future__ import annotations

import json
import random
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import RecordError
from polku.kernels.hashing import hash_strings
from polku.record.hashes import JUNK, HashSet, LeastTimes, id_hash
from polku.record.identity import Identities
from polku.record.project import Project, create_project, open_project

from .deeds import numbers
from .events import at, event, stored

U, A = "user", "anonymous"


def groups(project: Project) -> set[frozenset[str]]:
    """All ids grouped by customer, as ``u:anna`` and ``a:cookie``."""
    found: dict[int, set[str]] = {}
    for row in project.sql("select customer, kind, id from identities").to_pylist():
        found.setdefault(row["customer"], set()).add(f"{row['kind'][0]}:{row['id']}")
    return {frozenset(g) for g in found.values()}


def see(project: Project, *rows: tuple[str | None, str | None, float]) -> None:
    user, anonymous, times = zip(*rows, strict=True)
    project.identities.observe(
        pa.array(user, pa.string()),
        pa.array(anonymous, pa.string()),
        times=pa.array([at(t) for t in times], pa.timestamp("us", tz="UTC")),
    )


CASES = {
    "a visitor becomes known": ([(None, "c", 0), ("anna", "c", 1)], ["u:anna a:c"]),
    "two devices": ([("anna", "c1", 0), ("anna", "c2", 1)], ["u:anna a:c1 a:c2"]),
    "a shared device is the first user's": ([("anna", "c", 0), ("bert", "c", 1)], ["u:anna a:c", "u:bert"]),
    "first by the events' times, not by arrival": ([("bert", "c", 5), ("anna", "c", 1)], ["u:anna a:c", "u:bert"]),
    "nobody": ([(None, None, 0)], []),
    "the same word as user and as anonymous id": ([("x", None, 0), (None, "x", 0)], ["u:x", "a:x"]),
    "a chain of shared devices merges nobody": (
        [("anna", "c1", 0), ("bert", "c1", 1), ("bert", "c2", 2), ("cara", "c2", 3)],
        ["u:anna a:c1", "u:bert a:c2", "u:cara"],
    ),
    "junk joins nothing": (
        [("anna", "undefined", 0), ("bert", "undefined", 1), ("null", "c", 2), ("", "c", 3), ("NaN", "d", 4)],
        ["u:anna", "u:bert", "a:c", "a:d"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_who(project, case):
    rows, expected = CASES[case]
    see(project, *rows)
    assert groups(project) == {frozenset(e.split()) for e in expected}
    see(project, *rows)
    assert groups(project) == {frozenset(e.split()) for e in expected}, "seeing it again changes nothing"


@pytest.mark.parametrize("case", CASES)
def test_one_by_one_and_backwards_gives_the_same(project, case):
    rows, expected = CASES[case]
    for row in reversed(rows):
        see(project, row)
    assert groups(project) == {frozenset(e.split()) for e in expected}


rows_of = st.lists(
    st.tuples(st.sampled_from([None, "u1", "u2", "u3", "null"]), st.sampled_from([None, "a1", "a2", "a3", "0"]),
              st.integers(0, 9)),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(deadline=None, max_examples=15)
@given(rows=rows_of, seed=st.integers(0, 9))
def test_the_order_and_the_batches_do_not_matter(tmp_path_factory, rows, seed):
    shuffled = rows.copy()
    random.Random(seed).shuffle(shuffled)
    cuts = sorted(random.Random(seed + 1).sample(range(len(rows) + 1), min(3, len(rows) + 1)))
    seen = []
    for order, at_once in ((rows, True), (shuffled, False)):
        with create_project(tmp_path_factory.mktemp("p") / "p") as project:
            position = project.position()
            moved: dict[int, int] = {}
            if at_once:
                see(project, *order)
            else:
                for start, end in pairwise([0, *cuts, len(order)]):
                    if start < end:
                        before = customers(project)
                        see(project, *order[start:end])
                        changes = project.changes(position, ["seq"])
                        position, moved = changes.position, changes.moved
                        check_told(before, customers(project), moved, changes.dirty)
            table = project.identities.table()
            assert np.array_equal(table.hashes, np.sort(table.hashes))
            assert table.resolve(table.hashes).tolist() == [customers(project)[i] for i in table.ids.tolist()]
            for ids in by_customer(project).values():
                assert min(ids) == project.identities.ids_of(min(ids))[0].number
            seen.append(groups(project))
    assert seen[0] == seen[1]


def customers(project: Project) -> dict[int, int]:
    with project.state.read() as connection:
        rows = connection.exec_driver_sql("select id, customer from identities").fetchall()
    return {int(i): int(c) for i, c in rows}


def by_customer(project: Project) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, customer in customers(project).items():
        found.setdefault(customer, []).append(number)
    return found


def check_told(before: dict[int, int], after: dict[int, int], moved: dict[int, int], dirty: set[int]) -> None:
    """Whoever follows moves and makes dirty customers again knows where every id that existed is."""
    for number, customer in before.items():
        told = moved.get(customer, customer)
        assert after[number] == told or {customer, after[number]} <= dirty


def test_merges_are_told_with_the_surviving_key(project):
    see(project, (None, "c1", 0), (None, "c2", 0), ("anna", None, 0))
    position = project.position()
    see(project, ("anna", "c1", 1))
    see(project, ("anna", "c2", 2))
    anna = project.identities.customer_of("user", "anna")
    others = {1, 2, 3} - {anna}
    changes = project.changes(position, ["seq"])
    assert anna == 1
    assert changes.moved == dict.fromkeys(others, 1)
    assert changes.dirty == set()


def test_a_join_and_its_row_of_the_audit_log_stand_or_fall_together(project):
    stored(project, event("a", 0, user="anna"), event("b", 1, user="bert"))
    ends = [project.identities.find(name)[0][0].number for name in ("anna", "bert")]

    def broken(connection: object) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        project.identities.join(*ends, "said so", "mikko", broken)
    assert project.identities.customer_of("user", "anna") != project.identities.customer_of("user", "bert")
    project.identities.join(*ends, "said so", "mikko", project.audit.noting("mikko", "customer.merged", "anna"))
    assert project.identities.customer_of("user", "anna") == project.identities.customer_of("user", "bert")
    assert [entry.action for entry in project.audit.entries(2)] == ["customer.merged"]


def test_a_join_is_previewed_made_and_undone(project):
    see(project, ("anna", "c", 0), ("bert", None, 0))
    pair = numbers(project, "c", "bert")
    preview = project.identities.preview(*pair)
    assert {frozenset(i.value for i in g) for g in preview.before.values()} == {
        frozenset({"anna", "c"}), frozenset({"bert"}),
    }  # fmt: skip
    assert {frozenset(i.value for i in g) for g in preview.after.values()} == {
        frozenset({"anna"}), frozenset({"bert", "c"}),
    }  # fmt: skip
    position = project.position()
    project.identities.join(*pair, "Bert called", "mikko")
    assert groups(project) == {frozenset({"u:anna"}), frozenset({"u:bert", "a:c"})}
    assert {min(i.number for i in g) for g in preview.after.values()} == set(by_customer(project))
    see(project, ("anna", "c", -5))
    assert frozenset({"u:bert", "a:c"}) in groups(project), "what a person said stands"
    bert = project.identities.customer_of("user", "bert")
    by_hand = next(j for j in project.identities.joins_of(bert) if j.said_by == "mikko")
    assert (by_hand.evidence, by_hand.counts) == ("Bert called", True)
    project.identities.undo(by_hand.number, "mikko")
    assert groups(project) == {frozenset({"u:anna", "a:c"}), frozenset({"u:bert"})}
    with pytest.raises(RecordError, match="undone before"):
        project.identities.undo(by_hand.number)
    changes = project.changes(position, ["seq"])
    check_told({1: 1, 2: 2}, customers(project), changes.moved, changes.dirty)
    of_events = project.identities.joins_of(project.identities.customer_of("user", "anna"))[0]
    project.identities.undo(of_events.number)
    see(project, ("anna", "c", 9))
    assert groups(project) == {frozenset({"u:anna"}), frozenset({"u:bert"}), frozenset({"a:c"})}
    for wrong in ((99, 1), (1, 99)):
        with pytest.raises(RecordError, match="no id number 99"):
            project.identities.preview(*wrong)
    with pytest.raises(RecordError, match="is one id"):
        project.identities.join(1, 1, "")
    with pytest.raises(RecordError, match="no join number"):
        project.identities.undo(99)


def test_shared_devices_are_reported(project):
    see(project, ("anna", "c", 0), ("bert", "c", 1), ("cara", "d", 1))
    (shared,) = project.identities.shared()
    assert (shared.weaker.value, shared.stronger.value, shared.time, shared.counts) == ("c", "bert", at(1), False)


def test_accounts_stand_apart(project):
    stored(project, event("a", 0, user="anna", account="acme"), event("b", 0, user="bert", account="acme"))
    assert groups(project) == {frozenset({"u:anna"}), frozenset({"u:bert"}), frozenset({"a:acme"})}
    assert project.identities.customer_of("account", "acme") not in (
        project.identities.customer_of("user", "anna"), None,
    )  # fmt: skip


def test_asking_for_ids(project):
    see(project, ("anna", "anna", 0))
    assert [(i.kind, i.value, c) for i, c in project.identities.find("anna")] == [(U, "anna", 1), (A, "anna", 1)]
    assert project.identities.customer_of("user", "bert") is None
    assert project.identities.customer_of("user", "null") is None
    assert project.identities.ids_of(77) == ()
    assert project.identities.count() == 2


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_of_another_process_and_its_copy_on_disk(project):
    see(project, *((f"u{i}", f"a{i}", 0) for i in range(1500)))
    first = project.identities.table()
    copy = project.data / "cache" / "ids.npy"
    assert copy.exists()
    with open_project(project.folder) as other:
        assert np.array_equal(other.identities.table().customers, first.customers)
        see(project, ("u1", "a9999", 0), ("u2", None, 0), ("u3", "a1", -9))
        ours, theirs = project.identities.table(), other.identities.table()
        assert np.array_equal(ours.hashes, theirs.hashes)
        assert np.array_equal(ours.customers, theirs.customers)
        assert np.array_equal(ours.ids, theirs.ids)
        moved = project.identities.customer_of("anonymous", "a1")
        assert moved == project.identities.customer_of("user", "u3")
        assert theirs.resolve(id_hash("anonymous", pa.array(["a1"]))).tolist() == [moved]
    for damage in (b"", b"nonsense", copy.read_bytes()[:5000]):
        copy.write_bytes(damage)
        with open_project(project.folder) as again:
            assert np.array_equal(again.identities.table().customers, ours.customers)


def test_unknown_and_nobody_resolve_to_minus_one(project):
    table = project.identities.table()
    assert table.resolve(np.array([0, 5], np.uint64)).tolist() == [-1, -1]
    see(project, ("anna", None, 0))
    table = project.identities.table()
    assert table.resolve(id_hash("user", pa.array(["anna", None, "bert"]))).tolist() == [1, -1, -1]
    assert table.find(id_hash("user", pa.array(["anna"]))).tolist() == [1]


# -- hashes ---------------------------------------------------------------------------------------------------------


def test_hashes_are_part_of_the_format():
    values = pa.array(["anna", "asiakas-7", "ääkkönen"])
    assert id_hash("user", values).tolist() == hash_strings(values, 0x75736572).tolist()
    assert id_hash("user", pa.array([7])).tolist() == id_hash("user", pa.array(["7"])).tolist()
    assert id_hash("user", values.dictionary_encode()).tolist() == id_hash("user", values).tolist()
    assert {kind: int(id_hash(kind, pa.array(["anna"]))[0]) for kind in FIXED} == FIXED


FIXED = {"user": 2904558593519195498, "anonymous": 6705950193028011083, "account": 8238814688319492103}


@pytest.mark.parametrize("kind", ["user", "anonymous", "account"])
def test_junk_is_nobody(kind):
    words = pa.array([*JUNK, *(w.upper() for w in JUNK), None])
    assert not id_hash(kind, words).any()
    assert id_hash(kind, pa.array(["nullbert", "0047", "Guest House Oy", " anna"])).all()


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=8))
def test_sets_of_hashes_grow(batches):
    ours, seen = HashSet(), set()
    for batch in batches:
        hashes = np.array(batch, np.uint64)
        fresh = ours.add(hashes)
        new = []
        for i, h in enumerate(batch):
            if h and h not in seen:
                seen.add(h)
                new.append(i)
        assert fresh.tolist() == new
    assert ours.count == len(seen)


def test_a_set_of_many_hashes():
    ours = HashSet()
    hashes = np.random.default_rng(1).integers(1, 2**63, 50_000).astype(np.uint64)
    for part in np.array_split(hashes, 7):
        ours.add(part)
    assert ours.count == len(np.unique(hashes))
    assert len(ours.add(hashes)) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(-50, 50), st.integers(0, 3)), min_size=1, max_size=60))
def test_least_times(pairs):
    ours, least = LeastTimes(), {}
    for start in range(0, len(pairs), 7):
        part = pairs[start : start + 7]
        keys = np.array([k for k, _, _ in part], np.uint64)
        ours.add(keys, np.array([t for _, t, _ in part], np.int64), np.array([w for *_, w in part], np.uint64))
        for key, time, what in part:
            least[key] = min((time, what), least.get(key, (time, what)))
    keys = np.array(sorted(least), np.uint64)
    assert list(zip(*(c.tolist() for c in ours.least(keys)), strict=True)) == [least[int(k)] for k in keys]


# -- profiles -------------------------------------------------------------------------------------------------------


def test_the_latest_trait_of_all_ids_counts(project):
    stored(
        project,
        event("1", 0, anonymous="c", traits={"size": "S", "city": "Oulu"}),
        event("2", 5, user="anna", anonymous="c", traits={"size": "M", "vip": True}),
        event("3", 5, user="bert", traits={}),
        event("4", 6, traits={"lost": 1}),
    )
    assert project.identities.profiles().to_pylist() == [
        {"customer": 1, "traits": '{"city": "Oulu", "size": "M", "vip": true}'}
    ]
    stored(project, event("5", 3, user="anna", traits={"size": "L", "vip": None, "shoe": 38.5}))
    (row,) = project.identities.profiles().to_pylist()
    assert row["traits"] == '{"city": "Oulu", "shoe": 38.5, "size": "M", "vip": true}', "a late event does not undo"
    stored(project, event("6", 5, user="anna", traits={"size": "XL"}))
    assert '"size": "XL"' in project.identities.profiles()["traits"][0].as_py(), "equal times: the later arrival"


def test_traits_that_are_no_object_or_no_json_are_left_alone(project):
    odd = [event(str(i), i, user=f"u{i}") for i in range(4)]
    contexts = '{"traits": 5}', '{"traits": ', '{"page": {"title": "\\"traits\\""}}', "[1]"
    for row, context in zip(odd, contexts, strict=True):
        row["context"] = context
    stored(project, *odd)
    assert project.identities.profiles().num_rows == 0


one_event = st.tuples(
    st.sampled_from("ab"), st.integers(0, 5), st.dictionaries(st.sampled_from("xy"), st.integers(0, 3))
)


@settings(deadline=None, max_examples=10)
@given(st.lists(one_event, max_size=10))
def test_profiles_as_a_fold_would_give_them(tmp_path_factory, told):
    with create_project(tmp_path_factory.mktemp("p") / "p") as project:
        expected: dict[str, dict[str, tuple[tuple[int, int], int]]] = {}
        for i, (user, when, traits) in enumerate(told):
            stored(project, event(str(i), when, user=user, traits=traits))
            for name, value in traits.items():
                known = expected.setdefault(user, {}).get(name)
                if known is None or (when, i) > known[0]:
                    expected[user][name] = ((when, i), value)
        found = {r["customer"]: r["traits"] for r in project.identities.profiles().to_pylist()}
        for user, traits_ in expected.items():
            customer = project.identities.customer_of("user", user)
            assert json.loads(found[customer]) == {n: v for n, (_, v) in traits_.items()}


# -- catching up ------------------------------------------------------------------------------------------------------


def test_identities_lost_after_the_commit_are_learnt_again(project: Project, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(Identities, "apply", lambda *_: (_ for _ in ()).throw(RuntimeError("power cut")))
        with pytest.raises(RuntimeError):
            stored(project, event("1", 0, user="anna", anonymous="c", traits={"x": 1}))
    assert project.identities.customer_of("user", "anna") is None
    with open_project(project.folder) as again:
        assert groups(again) == {frozenset({"u:anna", "a:c"})}
        assert again.identities.profiles().num_rows == 1
        stored(again, event("2", 0, user="bert"))
    project.identities.catch_up()
    assert groups(project) == {frozenset({"u:anna", "a:c"}), frozenset({"u:bert"})}


def test_a_lost_state_is_learnt_from_history_also_where_the_log_is_gone(project: Project):
    done = stored(project, event("1", 0, user="anna", anonymous="c"), event("2", 0, user="bert"))
    project.history.table().create_checkpoint()
    (Path(project.history.place.root) / f"_delta_log/{done.version - 1:020d}.json").unlink()
    project.close()
    for file in [*project.data.glob("state.db*"), project.data / "cache"]:
        shutil.rmtree(file, ignore_errors=True) if file.is_dir() else file.unlink(missing_ok=True)
    with open_project(project.folder) as again:
        assert groups(again) == {frozenset({"u:anna", "a:c"}), frozenset({"u:bert"})}
        assert stored(again, event("3", 0)).first_seq == 3, "numbers that history has are not given again"
