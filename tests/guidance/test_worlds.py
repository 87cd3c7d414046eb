"""The promise of a rule's proof, in simulated shops whose truth is known; ``make soak-worlds`` keeps it 200 times."""

from __future__ import annotations

from guidance.worlds import coverage, tried


def test_the_proof_holds_the_truth_at_every_look() -> None:
    found = tried(7, people=4000, looks=4)
    assert found.entered > 30
    assert 0 < found.held_out < found.entered
    assert found.added[0] > 0  # the letters do something, else there is nothing to be found
    assert found.held("share")
    assert found.held("money")
    last = found.looks["share"][-1]
    assert last.value is not None
    told = coverage([found, found])
    assert told.always == {"share": 1.0, "money": 1.0}
