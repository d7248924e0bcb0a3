"""What operators watch, in the format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from service.schemas import Took

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a client can send any word
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """One registry an application, so that two of them in one process (as in tests) stay apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "teran_http_requests_total", "HTTP requests", ["route", "method", "status"], registry=self.registry
        )
        self._duration = Histogram(
            "teran_http_request_seconds", "Time of HTTP requests", ["route"], buckets=SECONDS, registry=self.registry
        )
        self._stage = Histogram(
            "teran_search_stage_seconds",
            "Time of a search by stage",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._cache = Counter(
            "teran_query_cache_total", "Look-ups in the query cache", ["result"], registry=self.registry
        )
        self._images = Gauge("teran_live_images", "Images that can be found", ["collection"], registry=self.registry)
        self._items = Gauge("teran_unfinished_items", "Items of jobs that wait or run", registry=self.registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._duration.labels(route).observe(seconds)

    def searched(self, took: Took) -> None:
        for stage, ms in (("encode", took.encode), ("shortlist", took.shortlist), ("rerank", took.rerank)):
            self._stage.labels(stage).observe(ms / 1000)

    def cache_lookup(self, *, hit: bool) -> None:
        self._cache.labels("hit" if hit else "miss").inc()

    def render(self, *, live_images: dict[str, int], unfinished_items: int) -> bytes:
        for collection, images in live_images.items():
            self._images.labels(collection).set(images)
        self._items.set(unfinished_items)
        return generate_latest(self.registry)
