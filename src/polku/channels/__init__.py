"""Channels: the ways by which messages leave; see docs/channels.md."""
