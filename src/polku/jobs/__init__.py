"""Background work: named jobs, each done by one server at a time, taken over when that one dies.

>>> from polku.jobs import Runner, jobs                                           # doctest: +SKIP
>>> runner = Runner(project, jobs(project))
>>> runner.start()
"""

from polku.jobs.catalogue import jobs
from polku.jobs.job import Job
from polku.jobs.ledger import Ledger, Status
from polku.jobs.runner import Runner

__all__ = ["Job", "Ledger", "Runner", "Status", "jobs"]
