"""The servers that a record can live on, real ones, for the tests: PostgreSQL and an S3-compatible store."""
