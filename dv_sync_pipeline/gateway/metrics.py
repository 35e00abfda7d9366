"""What the gateway counts, and what the ledger knows, in Prometheus' format.

Belongs here: names and meanings of the figures (docs/gateway.md lists them). No label says more
than the name of a table or a reason.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dv_sync_pipeline.gateway.payload import IgnoredReason
from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.wakeups import WakeUp

__all__ = ["Metrics"]

_STORE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The figures of one gateway.

    Args:
        ledger: asked whenever the figures are read.
        tables: that are synchronized; each has figures, even if they are zero.
        clock: tells the time.

    """

    def __init__(
        self, ledger: Ledger, *, tables: Sequence[str], clock: Callable[[], datetime]
    ) -> None:
        self._registry = CollectorRegistry()
        self._received = self._counter("requests_received", "Deliveries received.")
        self._refused = self._counter("requests_refused", "Deliveries refused.", "reason")
        self._stored = self._counter("wake_ups_stored", "Wake-ups stored durably.", "table")
        self._ignored = self._counter("wake_ups_ignored", "Rows that wake nobody.", "reason")
        self._store_seconds = Histogram(
            "dv_sync_gateway_store_seconds",
            "From the receipt of a delivery to the commit of its wake-ups.",
            buckets=_STORE_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_LedgerFigures(ledger, tables=tables, clock=clock))
        _begin(self._refused, [refusal.reason for refusal in Refusal])
        _begin(self._ignored, [reason.value for reason in IgnoredReason])
        _begin(self._stored, tables)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"dv_sync_gateway_{name}", text, labels, registry=self._registry)

    def received(self) -> None:
        """One delivery came in, whatever becomes of it."""
        self._received.inc()

    def refused(self, refusal: Refusal) -> None:
        """A delivery was turned away."""
        self._refused.labels(refusal.reason).inc()

    def ignored(self, reasons: Iterable[IgnoredReason]) -> None:
        """Parts of a delivery wake nobody."""
        for reason in reasons:
            self._ignored.labels(reason.value).inc()

    def stored(self, wake_ups: Iterable[WakeUp], *, seconds: float) -> None:
        """The wake-ups of a delivery were stored, so long after it was received."""
        for wake_up in wake_ups:
            self._stored.labels(wake_up.table).inc()
        self._store_seconds.observe(seconds)

    def text(self) -> bytes:
        """All figures; reads the ledger, so call it in a thread. Raises `LedgerError`."""
        return generate_latest(self._registry)


def _begin(counter: Counter, labels: Iterable[str]) -> None:
    """A figure is there from the start, or its first rise could not be seen."""
    for label in labels:
        counter.labels(label)


class _LedgerFigures(Collector):
    """What waits, and how each table is, as the ledger has it at this moment."""

    def __init__(
        self, ledger: Ledger, *, tables: Sequence[str], clock: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._tables = tables
        self._clock = clock

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that the ledger is not asked before anybody wants to know."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures."""
        waiting = self._ledger.waiting_wake_ups()
        yield GaugeMetricFamily(
            "dv_sync_wake_ups_waiting", "Rows that wait to be looked at.", waiting.count
        )
        yield GaugeMetricFamily(
            "dv_sync_wake_ups_oldest_age_seconds",
            "How long the oldest of them has been waiting.",
            waiting.oldest_age_seconds(now=self._clock()),
        )
        for name, text, figure in (
            ("links", "Rows linked to one of the secondary.", self._ledger.count_links),
            ("parked_rows", "Rows that wait for a person.", self._ledger.count_parked),
            ("reconcile_owed", "1 while a complete comparison is owed.", self._owes_reconcile),
        ):
            yield self._by_table(f"dv_sync_{name}", text, figure)

    def _owes_reconcile(self, table: str) -> bool:
        """Also when there never was one."""
        is_new = self._ledger.verified_through(table) is None
        return is_new or self._ledger.is_reconcile_owed(table)

    def _by_table(self, name: str, text: str, figure: Callable[[str], float]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=["table"])
        for table in self._tables:
            family.add_metric([table], figure(table))
        return family
