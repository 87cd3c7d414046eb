"""What every table of the state shares. Times are microseconds since 1970 UTC in 64-bit integers, on every database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()

#: SQLite gives row ids of its own only to INTEGER keys, which are 64 bits wide there.
Key = BigInteger().with_variant(Integer, "sqlite")
