"""Answers that a long-lived engine keeps for some minutes, so that a small pass asks little.

Belongs here: keeping and forgetting them. Does not belong here: which answers are worth keeping.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dv_sync_pipeline.sync.turns import Clock

__all__ = ["KEPT", "Remembered"]

KEPT = timedelta(minutes=5)
"""How old an answer may be that is kept or, by way of the ledger, taken over from others."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Remembered:
    """Question → answer, and when it was given.

    Attributes:
        clock: the time.

    """

    clock: Clock
    _answers: dict[Hashable, tuple[datetime, Any]] = field(default_factory=dict)

    async def recall(self, question: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer given some minutes ago at most, else a new one."""
        now = self.clock()
        known = self._answers.get(question)
        if known is None or now - known[0] > KEPT:
            known = self._answers[question] = (now, await ask())
        answer: _Answer = known[1]
        return answer

    def forget(self) -> None:
        """Ask everything anew next time."""
        self._answers.clear()
