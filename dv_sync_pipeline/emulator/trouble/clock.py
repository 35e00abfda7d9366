"""The time of an environment, which a test may set, stop and advance.

Belongs here: the clock. Does not belong here: how a test reaches it (`control.py`), and
stopwatches, which measure and are never set.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

__all__ = ["AdjustableClock"]


class AdjustableClock:
    """Runs like the real clock until told otherwise.

    Args:
        real: the present, in UTC.

    """

    def __init__(self, real: Callable[[], datetime]) -> None:
        self._real = real
        self._offset = timedelta()
        self._stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        """The present of the environment, in UTC."""
        return self._stopped_at or self._real() + self._offset

    def seconds(self) -> float:
        """The same as seconds since 1970, for windows of time."""
        return self().timestamp()

    @property
    def is_stopped(self) -> bool:
        """Whether it stands still."""
        return self._stopped_at is not None

    def set(self, moment: datetime) -> None:
        """Make it that moment; a clock that runs runs on."""
        self._offset = moment - self._real()
        self._stopped_at = moment if self.is_stopped else None

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once; negative seconds go back."""
        self.set(self() + timedelta(seconds=seconds))

    def stop(self) -> None:
        """Let no time pass from now on."""
        self._stopped_at = self()

    def run(self) -> None:
        """Go on from the moment at which it was stopped."""
        moment = self()
        self._stopped_at = None
        self.set(moment)

    def reset(self) -> None:
        """Show the real time again."""
        self._offset, self._stopped_at = timedelta(), None
