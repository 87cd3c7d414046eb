"""Backups of a whole project while it runs, and projects made from them.

>>> from polku.backups import restore, take                                       # doctest: +SKIP
>>> take(project, "s3://bucket/backups")
>>> restore("s3://bucket/backups", "shop-again/")
"""

from polku.backups.manifest import Manifest, Part, manifests
from polku.backups.restoring import Restored, restore, verify
from polku.backups.taking import note_erasures, take

__all__ = ["Manifest", "Part", "Restored", "manifests", "note_erasures", "restore", "take", "verify"]
