"""A campaign from its launch to its last message: who gets it, who does not and why, each once, whatever dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from campaigns.shop import DAY, HOUR, SPRING
from polku.campaigns import launching, running
from polku.errors import CampaignError
from polku.record import steps
from polku.record.project import open_project


class Died(Exception):
    pass


def test_everybody_on_the_list_has_a_fate(shop):
    made = shop(
        SPRING.replace("    holdout: 0 %\n", "    holdout: 0 %\n    only_if: {where: \"traits.style != 'plain'\"}\n")
    )
    made.people("anna", "bert", "carla", "dora", style="party")
    made.people("emil", style="plain")
    made.people("fanni", mail=False, style="party")
    made.people("greta", consent={"analytics": True}, style="party")
    made.event("hugo", "Product Viewed")  # never ordered: not on the list
    made.consent("bert", "email", False)
    made.cap("carla", 2)
    launching.launch(made.project, "spring", "mikko", at=made.now)
    assert running.due(made.project, made.now)
    done = made.run()
    assert (done.listed, done.decided, done.messages) == (7, 7, 2)
    assert {n: made.fates()[made.customer(n)] for n in ("anna", "bert", "carla", "dora", "emil", "fanni", "greta")} == {
        "anna": "sent", "bert": "no_consent", "carla": "capped", "dora": "sent", "emil": "not_met",
        "fanni": "no_address", "greta": "no_consent",
    }  # fmt: skip
    mine = [m for m in made.outbox() if m["rule"] == "campaign:spring"]
    assert {(m["key"], m["state"]) for m in mine} == {
        (f"campaign:spring:{made.customer('anna')}", "waiting"),
        (f"campaign:spring:{made.customer('dora')}", "waiting"),
        (f"campaign:spring:{made.customer('carla')}", "capped"),
    }
    assert made.notes("anna") == ["listed", "treated", "message", "done"]
    assert made.notes("bert") == ["no_consent"]
    assert made.state() == "done"
    assert not running.due(made.project, made.now)
    with pytest.raises(CampaignError, match="launched before"):
        launching.launch(made.project, "spring", "mikko")


def test_it_waits_for_its_moment_by_each_ones_clock_and_outside_quiet_hours(shop):
    made = shop(
        SPRING.replace("    to: earlier", "    to: earlier\n    at: 2026-12-01 10:00\n    clock: customer"),
        quiet="21:00-08:00",
    )
    made.people("anna")  # Helsinki: 08:00 UTC
    made.people("kenji", timezone="Asia/Tokyo")  # 01:00 UTC
    made.people("lena", timezone="America/New_York")  # 15:00 UTC
    made.now = launched = _at("2026-11-30T12:00:00")
    launching.launch(made.project, "spring", "mikko", at=launched)
    made.run()
    assert made.fates() == {}
    made.now = _at("2026-12-01T01:00:00")
    made.run()
    assert made.fates() == {made.customer("anna"): None, made.customer("kenji"): "sent", made.customer("lena"): None}
    made.now = _at("2026-12-01T08:00:00")
    made.run()
    assert made.fates()[made.customer("anna")] == "sent"
    made.run(7 * HOUR)
    assert made.fates()[made.customer("lena")] == "sent"
    assert made.state() == "done"


def test_in_quiet_hours_it_waits_for_the_morning(shop):
    made = shop(SPRING, quiet="21:00-08:00")
    made.people("anna")
    made.now = _at("2026-12-01T20:00:00")  # 22:00 in Helsinki
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    assert made.fates() == {made.customer("anna"): None}
    made.now = _at("2026-12-02T06:00:00")
    made.run()
    assert made.fates() == {made.customer("anna"): "sent"}


def test_in_slices_paused_resumed_and_stopped(shop):
    made = shop(SPRING + "    pace: {customers: 2, every: 1h}\n")
    made.people("anna", "bert", "carla", "dora", "emil", "fanni")
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    assert list(made.fates().values()).count("sent") == 2
    made.run(HOUR)
    assert list(made.fates().values()).count("sent") == 4
    launching.pause(made.project, "spring", "mikko")
    assert {m["next_at"] for m in made.outbox()} == {launching.FAR}
    made.run(3 * DAY)
    assert list(made.fates().values()).count("sent") == 4
    with pytest.raises(CampaignError):
        launching.pause(made.project, "spring", "mikko")
    launching.resume(made.project, "spring", "mikko", at=made.now)
    assert {m["next_at"] for m in made.outbox()} == {made.now}
    made.run()  # nobody is late: a person paused it
    assert list(made.fates().values()).count("sent") == 6
    other = shop(SPRING + "    pace: {customers: 1, every: 1h}\n")
    other.people("anna", "bert")
    launching.launch(other.project, "spring", "mikko", at=other.now)
    other.run()
    launching.stop(other.project, "spring", "mikko")
    other.run(DAY)
    assert sorted(filter(None, other.fates().values())) == ["sent", "stopped"]
    assert [m["state"] for m in other.outbox()] == ["dropped"]
    assert other.state() == "stopped"


def test_what_has_not_left_is_held_and_stopped_when_everybody_was_decided_on(shop):
    made = shop()
    made.people("anna", "bert")
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    assert made.state() == "done"
    launching.pause(made.project, "spring", "mikko")
    assert (made.state(), {m["next_at"] for m in made.outbox()}) == ("paused", {launching.FAR})
    launching.resume(made.project, "spring", "mikko", at=made.now)
    made.run()
    assert (made.state(), {m["next_at"] for m in made.outbox()}) == ("done", {made.now})
    launching.stop(made.project, "spring", "mikko")
    assert (made.state(), {m["state"] for m in made.outbox()}) == ("stopped", {"dropped"})
    other = shop()
    launching.launch(other.project, "spring", "mikko", at=other.now)
    other.run()
    with pytest.raises(CampaignError, match="sent to everybody"):
        launching.stop(other.project, "spring", "mikko")


def test_two_servers_send_each_slice_once_on_a_shared_database(shop, postgres):
    """Both run the job at once, on PostgreSQL; a pause holds what has not left, and goes on."""
    made = shop(SPRING + "    pace: {customers: 8, every: 1h}\n", state=postgres.database())
    made.people(*(f"c{n}" for n in range(16)))
    launching.launch(made.project, "spring", "mikko", at=made.now)
    with open_project(made.folder) as other, ThreadPoolExecutor(2) as pool:
        for wait in (0, HOUR):
            made.now += wait
            list(pool.map(lambda one: running.run(one, at=made.now), (made.project, other)))
            if not wait:
                assert list(made.fates().values()).count("sent") == 8
                launching.pause(other, "spring", "mikko")
                assert {m["next_at"] for m in made.outbox()} == {launching.FAR}
                launching.resume(made.project, "spring", "mikko", at=made.now)
    assert set(made.fates().values()) == {"sent"}
    assert len({m["key"] for m in made.outbox()}) == len(made.outbox()) == 16
    assert made.notes("c0") == ["listed", "treated", "message", "done"]
    assert made.state() == "done"


def test_held_out_are_dealt_among_those_it_would_reach_and_the_proof_counts_them(shop):
    from polku.campaigns.definition import campaign_of, compiled
    from polku.guidance.proof import proof

    made = shop(SPRING.replace("holdout: 0 %", "holdout: 50 %"))
    made.people(*(f"c{n}" for n in range(40)))
    made.people("x", mail=False)
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    fates = list(made.fates().values())
    assert fates.count("no_address") == 1
    assert fates.count("sent") + fates.count("held_out") == 40
    assert 8 < fates.count("held_out") < 32
    journey = made.project.journey()
    found = proof(made.project, compiled("spring", campaign_of(journey, "spring"), journey))
    assert found.treated.entered == fates.count("sent")
    assert found.held_out.entered == fates.count("held_out")


def test_a_bandit_learns_between_the_slices(shop):
    from polku.guidance.contests import learn_all
    from polku.guidance.shares import shares_of

    variants = "variants: {{a: {{content: {0}}}, b: {{content: {0}}}}}, choose: bandit, floor: 10 %"
    made = shop(
        SPRING.replace("content: content/spring.en.md", variants.format("content/spring.en.md"))
        + "    pace: {customers: 40, every: 1h}\n"
    )
    made.people(*(f"c{n}" for n in range(80)))
    made.now -= DAY  # what they buy has happened by the machine's clock
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    given = {m["customer"]: m["variant"] for m in made.outbox()}
    assert len(given) == 40
    names = {made.customer(f"c{n}"): f"c{n}" for n in range(80)}
    made.now += HOUR // 2
    for customer, variant in given.items():
        if variant == "b":
            made.event(names[customer], "Order Completed", order_id=f"again-{customer}", value=20.0)
    assert learn_all(made.project) == 1
    with made.project.state.read() as connection:
        shares = shares_of(connection, "campaign:spring", 1)
    assert shares is not None
    assert shares["a"] + shares["b"] == pytest.approx(1)
    assert 0.1 <= shares["a"] < 0.2
    made.run(HOUR // 2)
    later = [m["variant"] for m in made.outbox() if m["customer"] not in given]
    assert len(later) == 40
    assert later.count("b") > 28


def test_who_was_joined_gets_it_once_and_who_left_the_segment_not_at_all(shop):
    made = shop(SPRING.replace("to: earlier", "to: recent") + "    pace: {customers: 1, every: 1d}\n")
    made.people("anna", "bert")
    made.event("anna", "Order Completed")
    made.event("bert", "Order Completed")
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    first = next(c for c, what in made.fates().items() if what == "sent")
    names = {made.customer(n): n for n in ("anna", "bert")}
    other = next(c for c in names if c != first)
    made.project.identities.join(first, other, "the same person", "mikko")
    made.run(DAY)
    assert made.fates() == {first: "sent", other: "twice"}
    assert len(made.outbox()) == 1
    late = shop(SPRING.replace("to: earlier", "to: recent") + "    pace: {customers: 1, every: 12d}\n")
    late.people("anna", "bert")
    late.event("anna", "Order Completed")
    late.event("bert", "Order Completed")
    launching.launch(late.project, "spring", "mikko", at=late.now)
    late.run()
    late.run(12 * DAY)
    assert sorted(filter(None, late.fates().values())) == ["left", "sent"]


def test_a_map_that_changes_changes_nothing_of_what_was_launched(shop):
    made = shop(SPRING + "    pace: {customers: 1, every: 1h}\n")
    made.people("anna", "bert")
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    made.write("  other: {to: everyone, send: {channel: email, content: content/other.en.md}}")
    made.run(HOUR)
    assert {m["content"] for m in made.outbox()} == {"content/spring.en.md"}
    assert list(made.fates().values()) == ["sent", "sent"]


def test_dying_anywhere_each_customer_has_it_once(shop, monkeypatch):
    """The job dies at each of its writes in turn, and goes on every time."""
    made = shop()
    made.people("anna", "bert", "carla")
    launching.launch(made.project, "spring", "mikko", at=made.now)
    for step in ("campaign list written", "campaign gathered", "campaign slice written", "campaign slice committed"):

        def listen(moment, step=step):
            if moment == step:
                raise Died

        monkeypatch.setattr(steps, "listener", listen)
        with pytest.raises(Died):
            made.run()
        monkeypatch.setattr(steps, "listener", None)
    made.run()
    assert set(made.fates().values()) == {"sent"}
    assert len(made.outbox()) == 3
    assert made.notes("anna") == ["listed", "treated", "message", "done"]


def test_a_restored_project_goes_on_with_nothing(shop):
    made = shop(SPRING + "    pace: {customers: 1, every: 1h}\n")
    made.people("anna", "bert")
    launching.launch(made.project, "spring", "mikko", at=made.now)
    made.run()
    with made.project.state.write() as connection:
        made.project.state.set_meta(connection, "restored_at", str(made.now + 1))
    made.run(HOUR)
    assert made.state() == "stopped"
    assert sorted(filter(None, made.fates().values())) == ["sent", "stopped"]


def test_what_is_missing_is_told_before_the_launch(shop):
    made = shop(SPRING.replace("spring.en.md", "sprung.en.md"))
    with pytest.raises(CampaignError, match=r"no content/sprung.en.md. Did you mean content/spring.en.md"):
        launching.launch(made.project, "spring", "mikko")
    made.write(SPRING.replace("    to: earlier", "    to: earlier\n    at: 2020-01-01 10:00"))
    with pytest.raises(CampaignError, match="has passed"):
        launching.launch(made.project, "spring", "mikko")
    made.write(SPRING.replace("channel: email", "channel: pigeon"))
    with pytest.raises(CampaignError, match="no channel pigeon"):
        launching.launch(made.project, "spring", "mikko")


def _at(text: str) -> int:
    from campaigns.shop import at

    return at(text)
