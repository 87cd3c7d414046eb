"""A project's background jobs, at a test's pace."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from polku.jobs import Runner, jobs
from polku.record.project import Project
from polku.record.settings import Inbox


def working(project: Project, seconds: float, events: int, files: int) -> Runner:
    """The jobs of ``project``, started, with settings that ``polku.toml`` would not take."""
    project.settings = dataclasses.replace(project.settings, inbox=Inbox(seconds, events, files))
    runner = Runner(project, jobs(project))
    runner.start()
    return runner


def unsynced(project: Project) -> Project:
    """The project, whose state no longer waits for the disk: for tests that ask nothing about crashes."""
    if project.state.sqlite:
        sa.event.listen(project.state.engine, "connect", lambda raw, _: raw.execute("pragma synchronous=off"))
        project.state.engine.dispose()
    return project
