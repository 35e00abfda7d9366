"""What the conversation with an environment costs, in all or for one piece of work.

Belongs here: counting. Does not belong here: what is sent (`transport.py`), and who is told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Traffic", "TrafficCount", "counted_apart"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the conversation with an environment has cost so far; subtract two to get a run's."""

    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(
            self.requests - earlier.requests,
            self.retries - earlier.retries,
            self.throttled_seconds - earlier.throttled_seconds,
        )

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.requests + other.requests,
            self.retries + other.retries,
            self.throttled_seconds + other.throttled_seconds,
        )


_apart: ContextVar[dict[int, Traffic] | None] = ContextVar("traffic_counted_apart", default=None)


@contextmanager
def counted_apart() -> Iterator[None]:
    """Inside, counts begin at nothing and see only what is sent from inside.

    So each of several passes that run side by side, over the same connections, tells its own cost.
    """
    token = _apart.set({})
    try:
        yield
    finally:
        _apart.reset(token)


class TrafficCount:
    """Counts for one environment, together and apart."""

    def __init__(self) -> None:
        self._total = Traffic()

    def add(self, traffic: Traffic) -> None:
        """So much more."""
        self._total += traffic
        apart = _apart.get()
        if apart is not None:
            apart[id(self)] = apart.get(id(self), Traffic()) + traffic

    def read(self) -> Traffic:
        """So far; what was sent from inside, where it is counted apart."""
        apart = _apart.get()
        return self._total if apart is None else apart.get(id(self), Traffic())
