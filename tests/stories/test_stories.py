"""Each story told event by event: stages with their reasons, deviations and obstacles are read back."""

from __future__ import annotations

import datetime as dt

import pytest

from polku import stories
from polku.journey.load import load_journey
from polku.journey.model import Journey
from polku.language import LANGUAGES, said
from polku.measures.customers import customers_behind
from polku.measures.living import living_map
from polku.measures.timeline import Timeline, timeline
from polku.stories import Step, Story, Telling
from polku.trails.people import trails_of

TELLINGS = [(name, telling.id) for name in stories.names() for telling in stories.story(name).tellings]
told = pytest.mark.parametrize(("name", "telling"), TELLINGS, ids=[f"{n}/{t}" for n, t in TELLINGS])


def journey_of(story: Story, language: str, folder) -> Journey:
    path = folder / f"{story.name}.{language}.yaml"
    path.write_text(story.maps[language], "utf-8")
    return load_journey(path)


def find(name: str, telling: str) -> tuple[Story, Telling]:
    story = stories.story(name)
    return story, next(t for t in story.tellings if t.id == telling)


def read(journey: Journey, telling: Telling, steps: tuple[Step, ...], as_of: dt.datetime) -> Timeline:
    """The person's story as Polku sees it after these steps, as of a moment."""
    events = [(s.at, s.event, s.facts) for s in steps if s.event is not None]
    return timeline(trails_of(journey, {telling.person: events}, as_of=as_of), 1, journey)


@told
def test_every_step_is_read_back(name, telling, tmp_path):
    """On the Finnish map; the English one is the same map (tests/templates)."""
    story, telling = find(name, telling)
    journey = journey_of(story, "fi", tmp_path)
    changes = 0
    for n, step in enumerate(telling.steps, 1):
        seen = read(journey, telling, telling.steps[:n], step.at)
        assert (seen.stage, seen.lapsed) == (step.stage, step.change is not None and step.change.kind == "lapsed"), step
        if step.event is not None:
            assert (seen.events[-1].touchpoint, seen.events[-1].failed) == (step.touchpoint, step.fails), step
        new = seen.changes[changes:]
        changes = len(seen.changes)
        if step.change is None:
            assert not new, step
            continue
        change = new[-1]
        assert (change.kind, change.to_stage, change.time) == (step.change.kind, step.stage, step.at), step
        match step.change.by:
            case "enter":
                assert change.by == "condition"
                assert change.condition == journey.stage(step.stage).enter
                assert change.touchpoint == step.touchpoint
            case "silence":
                assert (change.by, change.silence) == ("silence", journey.stage(step.stage).lapses_after)
            case touchpoint:
                assert (change.by, change.touchpoint) == ("touchpoint", touchpoint)


@told
def test_silence_comes_at_exactly_its_moment(name, telling, tmp_path):
    story, telling = find(name, telling)
    journey = journey_of(story, "en", tmp_path)
    for n, step in enumerate(telling.steps, 1):
        if step.change is not None and step.change.kind == "lapsed":
            before = read(journey, telling, telling.steps[:n], step.at - dt.timedelta(seconds=1))
            assert not before.lapsed
            assert read(journey, telling, telling.steps[:n], step.at).lapsed


@told
def test_deviations_and_obstacles(name, telling, tmp_path):
    """Who stands behind each deviation of the map, with both people of the story on it."""
    story, telling = find(name, telling)
    journey = journey_of(story, "en", tmp_path)
    trails = trails_of(journey, story.people(), as_of=max(t.until for t in story.tellings))
    found = set()
    for touchpoint in living_map(trails, journey).touchpoints:
        for deviation in touchpoint.deviations:
            if deviation.count is not None:
                behind = customers_behind(trails, journey, deviation.count.behind)
                found |= {(touchpoint.id, deviation.kind) for line in behind.lines if line.name == telling.person}
    assert found == set(telling.deviations)
    # An obstacle stopped the person where a meeting failed: the map says what it was, in both languages.
    assert telling.obstacles == tuple(sorted({id for id, kind in found if kind == "failed"}))
    for language in LANGUAGES:
        for touchpoint in telling.obstacles:
            texts = journey_of(story, language, tmp_path).touchpoint(touchpoint).obstacles
            assert texts
            assert all(said(text, language) for text in texts)


@pytest.mark.parametrize("name", stories.names())
def test_what_the_other_telling_had_is_no_data_or_met(name, tmp_path):
    """Both people of a story on one map: the obstacle shows as failed for one of the two who tried."""
    story = stories.story(name)
    journey = journey_of(story, "fi", tmp_path)
    went, might = story.tellings
    living = living_map(trails_of(journey, story.people(), as_of=max(went.until, might.until)), journey)
    assert living.customers.n == 2
    assert sum(s.now.n + s.lapsed.n for s in living.stages) == 2
    for obstacle in might.obstacles:
        figures = next(t for t in living.touchpoints if t.id == obstacle)
        failed = next(d for d in figures.deviations if d.kind == "failed")
        assert failed.rate is not None
        assert (failed.rate.numerator, failed.rate.denominator) == (1, 2)
        assert figures.figures.reached.n == 1
    planned = [t.id for _, _, t in journey.touchpoints() if not t.match]
    assert {t.id for t in living.touchpoints if t.figures.reached.n == 0} == set(planned)


@told
def test_tellings_are_whole(name, telling):
    _, telling = find(name, telling)
    assert all(said(telling.title, language) for language in LANGUAGES)
    for step in telling.steps:
        assert isinstance(step.told, dict)
        assert set(step.told) == set(LANGUAGES)
        assert step.event is not None or step.change is not None
    assert [s.at for s in telling.steps] == sorted(s.at for s in telling.steps)
    assert telling.steps[-1].at < telling.until


@pytest.mark.parametrize("name", stories.names())
def test_a_person_is_anonymous_first_and_known_later(name):
    went = stories.story(name).tellings[0]
    known = [i for i, step in enumerate(went.events) if "user" in step.facts]
    assert known[0] > 0
    assert "anonymous" in went.events[0].facts
    joining = went.events[known[0]].facts
    assert "anonymous" in joining, "the event that makes them known joins both ids"
    assert all("user" in step.facts for step in went.events[known[0] :])


def test_names_and_titles():
    assert stories.names() == ("party-outfit", "yoga-studio", "running-shoes")
    assert stories.title("party-outfit", "fi") == "Juhla-asu kesäjuhliin"
    assert stories.story("party_outfit") == stories.story("party-outfit")
    with pytest.raises(Exception, match=r"no example 'partyoutfit'.*Did you mean party-outfit") as caught:
        stories.story("partyoutfit")
    assert "Esimerkkiä" in caught.value.text("fi")
