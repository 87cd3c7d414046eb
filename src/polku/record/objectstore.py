"""Object storage: how Arrow and Delta are told where it is and who asks.

Credentials come from where the stores' own tools take them (``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``,
``AWS_PROFILE``, the role of the machine; Google's and Azure's alike), never from ``polku.toml``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from polku.errors import RecordError
from polku.language import N_


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """Where an S3-compatible store answers; empty: what ``AWS_ENDPOINT_URL`` and ``AWS_REGION`` say, else Amazon's."""

    endpoint: str = ""
    region: str = ""

    def at(self, environment: Mapping[str, str]) -> Store:
        """The endpoint and the region after a look at the environment."""
        endpoint = self.endpoint or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
        region = self.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
        return Store(endpoint, region)


def connect(url: str, store: Store) -> tuple[pafs.FileSystem, str, dict[str, str]]:
    """Arrow's file system, the path of ``url`` in it, and Delta's storage options.

    Raises RecordError when no such store is known, or the URL names no bucket.
    """
    parts = urlsplit(url)
    if parts.scheme in ("s3", "s3a"):
        if not parts.netloc:
            raise RecordError(N_("{url} names no bucket: write s3://bucket/folder."), url=url)
        found = store.at(os.environ)
        return _s3(found), f"{parts.netloc}{parts.path}".rstrip("/"), _options(found)
    from deltalake.fs import DeltaStorageHandler

    try:
        return pafs.PyFileSystem(DeltaStorageHandler(url)), "", {}
    except (OSError, ValueError) as fault:
        raise RecordError(
            N_("The history cannot be kept at {url}: {fault}. Known are folders, s3://, gs:// and az://."),
            url=url,
            fault=str(fault),
        ) from fault


def _s3(store: Store) -> pafs.FileSystem:
    given: dict[str, Any] = {"region": store.region} if store.region else {}
    if store.endpoint:
        given["endpoint_override"] = store.endpoint
        given["scheme"] = urlsplit(store.endpoint).scheme or "https"
        given.setdefault("region", "us-east-1")  # a store of one's own takes any; without one Arrow asks Amazon
    return pafs.S3FileSystem(request_timeout=60, connect_timeout=10, **given)


def _options(store: Store) -> dict[str, str]:
    """A commit is a conditional put (If-None-Match), so two writers cannot make one version."""
    options = {"AWS_CONDITIONAL_PUT": "etag"}
    if store.region or store.endpoint:
        options["AWS_REGION"] = store.region or "us-east-1"
    if store.endpoint:
        options["AWS_ENDPOINT_URL"] = store.endpoint
        if store.endpoint.startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    return options
