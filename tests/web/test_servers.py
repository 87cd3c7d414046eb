"""The page about background work."""

from __future__ import annotations

from polku.jobs import Job, Runner, jobs


def test_jobs_are_told_with_what_came_of_them(site):
    def fail(_: object) -> None:
        raise OSError("no <space> left")

    project = site.project
    runner = Runner(project, ())
    vacuum = next(job for job in jobs(project) if job.name == "vacuum")
    assert runner.run(vacuum, True)
    page = site.get("/settings/jobs").text
    assert "Deletes history&#39;s files" in page
    assert page.count('scope="row"') == len(jobs(project))
    assert str(project.history.place.root) in page
    assert not runner.run(Job("vacuum", vacuum.title, fail, 1.0), True)
    page = site.get("/settings/jobs", "fi").text
    assert "epäonnistui 1 kertaa: OSError: no &lt;space&gt; left" in page
    assert runner.run(vacuum, True)
    assert "no &lt;space&gt; left" not in site.get("/settings/jobs").text
    assert site.get("/settings/jobs?x=1").status_code == 400
