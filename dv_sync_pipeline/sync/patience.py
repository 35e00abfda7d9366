"""Whom to leave alone for a while after a failure, and for how long.

Belongs here: waiting times that double with each failure in a row. Whether something failed is for
the caller to say.
"""

from dataclasses import dataclass, field
from random import Random

__all__ = ["Patience"]

FIRST_SECONDS = 1.0
SECONDS_MAX = 30.0


@dataclass(slots=True)
class Patience:
    """Keeps failures in a row, by name.

    Attributes:
        random: spreads the waiting times, so that many do not come back at the same moment.

    """

    random: Random
    _failures: dict[str, int] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def failed(self, name: str, *, now: float) -> float:
        """One more failure; the seconds to wait, half of them up to chance."""
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        seconds = min(FIRST_SECONDS * 2.0**failures, SECONDS_MAX) * self.random.uniform(0.5, 1.0)
        self._until[name] = now + seconds
        return seconds

    def succeeded(self, name: str) -> None:
        """Its failures are forgotten."""
        self._failures.pop(name, None)
        self._until.pop(name, None)

    def is_waiting(self, name: str, *, now: float) -> bool:
        """Whether it is to be left alone."""
        return now < self._until.get(name, now)
