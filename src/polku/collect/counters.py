"""What the doors count, for /metrics (Prometheus) and for people: since the process started, in memory."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class Counters:
    """The counters of one server; a registry of its own, so that two servers of one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "polku_requests", "Requests at the doors.", ["protocol", "answer"], registry=self.registry
        )
        self._stored = Counter("polku_events", "Events taken and on disk.", ["source"], registry=self.registry)
        self._refused = Counter(
            "polku_refused",
            "Events refused, and requests that none could be read of.",
            ["source", "reason"],
            registry=self.registry,
        )

    def answered(self, protocol: str, answer: str) -> None:
        """A request was answered: ``ok``, or the code of the error."""
        self._requests.labels(protocol, answer).inc()

    def stored(self, source: str, events: int) -> None:
        if events:
            self._stored.labels(source).inc(events)

    def refused(self, source: str, reason: str) -> None:
        self._refused.labels(source, reason).inc()

    def wrong_keys(self) -> int:
        """Requests that came without a key that opens the door."""
        samples = (sample for metric in self._refused.collect() for sample in metric.samples)
        return int(sum(s.value for s in samples if s.name.endswith("_total") and s.labels.get("reason") == "wrong_key"))
