"""The error of an address that names something that does not exist."""

from __future__ import annotations

from polku.errors import UsageError


class NotFoundError(UsageError):
    """Shown as 404: a customer, a measure or a definition of the address that is not there."""

    code = "usage.page"
