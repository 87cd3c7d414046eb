"""The doors: where events of live sources come in. Bare ASGI, in front of the pages; see docs/collection.md."""
