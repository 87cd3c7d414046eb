"""Trails: every customer's ordered steps as columns, made from the record and the map, and kept in step with both."""

from polku.trails.layout import Bucket, Tables, Trails
from polku.trails.open import open_trails

__all__ = ["Bucket", "Tables", "Trails", "open_trails"]
