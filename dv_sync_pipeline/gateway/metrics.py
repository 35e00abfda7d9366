"""What the gateway counts, and what the ledger knows, in Prometheus' format.

Belongs here: names and meanings of the figures (docs/gateway.md lists them). No label says more
than the name of a table or a reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.gateway.payload import IgnoredReason
from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.sync.health import Health, TableHealth, health
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.feeds import Lag
from dv_sync_pipeline.sync.wakeups import WakeUp

__all__ = ["Metrics"]

_STORE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The figures of one gateway.

    Args:
        configuration: names the tables; each has figures, even if they are zero.
        ledger: asked whenever the figures are read.
        clock: tells the time.

    """

    def __init__(
        self, configuration: Configuration, ledger: Ledger, *, clock: Callable[[], datetime]
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
        self._registry.register(
            _LedgerFigures(ledger, lambda: health(configuration, ledger, now=clock()))
        )
        _begin(self._refused, [refusal.reason for refusal in Refusal])
        _begin(self._ignored, [reason.value for reason in IgnoredReason])
        _begin(self._stored, [table.table for table in configuration.tables])

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


def _moment(moment: datetime | None) -> float | None:
    """As Prometheus wants moments: seconds since 1970."""
    return moment.timestamp() if moment else None


_TABLE_FIGURES: Sequence[tuple[str, str, Callable[[TableHealth], float | None]]] = (
    ("links", "Rows linked to one of the secondary.", lambda table: table.links),
    ("parked_rows", "Rows that wait for a person or a parent.", lambda table: table.parked),
    ("held_removals", "Removals that wait for a person.", lambda table: table.held),
    ("reconcile_owed", "1 while it is owed.", lambda table: bool(table.reconcile_owed)),
    ("stopped", "1 when the last run of the table failed.", lambda table: bool(table.failure)),
    (
        "verified_through_timestamp_seconds",
        "When the last completed reconcile began.",
        lambda table: _moment(table.verified_through),
    ),
)
"""Name, meaning, and where it comes from; None where there is nothing to tell."""

_LAG_FIGURES: Sequence[tuple[str, str, Callable[[Lag], float | None]]] = (
    (
        "lag_seconds",
        "How long the last changes took.",
        lambda lag: lag.last_seconds,
    ),
    ("lag_timestamp_seconds", "When those were written.", lambda lag: _moment(lag.last_at)),
)


class _LedgerFigures(Collector):
    """What waits, and how each table is, as the ledger has it at this moment."""

    def __init__(self, ledger: Ledger, read_health: Callable[[], Health]) -> None:
        self._ledger = ledger
        self._read_health = read_health

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that the ledger is not asked before anybody wants to know."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures."""
        health = self._read_health()
        yield from _of_the_whole(health)
        tables = {table.table: table for table in health.tables}
        for name, text, figure in _TABLE_FIGURES:
            yield _by_table(name, text, figure, tables)
        lags = self._ledger.lags()
        for name, text, figure_of_lag in _LAG_FIGURES:
            yield _by_table(name, text, figure_of_lag, lags)


def _of_the_whole(health: Health) -> Iterator[GaugeMetricFamily]:
    waiting, leader = health.waiting, health.leader
    for name, text, figure in (
        ("wake_ups_waiting", "Rows that wait to be looked at.", waiting.count),
        (
            "wake_ups_oldest_age_seconds",
            "How long the oldest of them has been waiting.",
            waiting.oldest_age_seconds(now=health.now),
        ),
        ("open_problems", "Problems that people were told of.", len(health.problems)),
        (
            "live_heartbeat_timestamp_seconds",
            "The last sign of life of the live run; 0 when there is none.",
            leader.heartbeat.timestamp() if leader else 0,
        ),
    ):
        yield GaugeMetricFamily(f"dv_sync_{name}", text, figure)


_Source = TypeVar("_Source")


def _by_table(
    name: str,
    text: str,
    figure: Callable[[_Source], float | None],
    sources: Mapping[str, _Source],
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"dv_sync_{name}", text, labels=["table"])
    for table, source in sources.items():
        value = figure(source)
        if value is not None:
            family.add_metric([table], value)
    return family
