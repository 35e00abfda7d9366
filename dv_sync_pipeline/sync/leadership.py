"""Leading the live path: wait for the lead, give signs of life, hand over without a gap.

Belongs here: when to take the lead, keep it, give it up. What a leader does with it is for
`live.py`; who asks for a successor is for the sensor that keeps the live run alive. A leader that
stood still and was replaced does no harm: writes are guarded by leases and versions, not by the
lead.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import uuid4

from dv_sync_pipeline.errors import LedgerError
from dv_sync_pipeline.sync.comparison import Clock
from dv_sync_pipeline.sync.ledger import Leader, Ledger

__all__ = ["SILENCE", "Lead", "leadership"]

SILENCE = timedelta(seconds=6)
"""Whoever gave no sign of life for so long is dead. `defs/live_watch.py` adds up what follows."""

HEARTBEAT_SECONDS = 1.0
STANDSTILL_SECONDS_MAX = 60.0
"""An event loop that does nothing for so long hangs: no more signs of life on its behalf."""

NOTICE_SECONDS = 0.05
WAIT = timedelta(minutes=2)
"""Whoever waits longer for the lead is not needed."""

GRACE = timedelta(minutes=1)
"""So long a leader goes on after its deadline when nobody comes to take over."""

_logger = logging.getLogger(__name__)


class Lead:
    """The lead of the live path, as one run sees it."""

    def __init__(self, ledger: Ledger, *, run_id: str, lasts: timedelta, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lasts = lasts
        self._leads = False
        self._is_over = False
        self._lock = threading.Lock()
        now = clock()
        # Unique among runs; its value decides nothing, so it needs no seed.
        self._self = Leader(uuid4().hex, run_id, heartbeat=now, deadline=now + lasts)

    def try_to_take(self) -> bool:
        """Whether the lead is ours now; the deadline counts from here."""
        with self._lock:
            now = self._clock()
            wanted = Leader(self._self.holder, self._self.run_id, now, now + self._lasts)
            self._leads = self._ledger.take_leadership(wanted, silence=SILENCE)
            self._self = wanted
            return self._leads

    def beat(self) -> None:
        """Give a sign of life; learn that another one leads."""
        with self._lock:
            if self._is_over:
                return
            alive = self._self.heard_at(self._clock())
            if not self._leads:
                self._ledger.wait_for_leadership(alive)
            elif not self._ledger.take_leadership(alive, silence=SILENCE):
                self._is_over = True
            self._self = alive

    def release(self) -> None:
        """Let another one lead, or wait."""
        with self._lock:
            self._is_over = True
            self._ledger.release_leadership(self._self.heard_at(self._clock()))

    def goes_on(self) -> bool:
        """Whether to go on leading; asked between batches."""
        now = self._clock()
        if self._is_over or not self._self.is_alive(now, silence=SILENCE):
            return False
        return now < self._self.deadline or not self._may_end(now)

    def _may_end(self, now: datetime) -> bool:
        """There is no gap: another one stands ready, or nobody comes at all."""
        following = self._ledger.next_leader()
        is_awaited = following is not None and following.is_alive(now, silence=SILENCE)
        return is_awaited or now >= self._self.deadline + GRACE


@asynccontextmanager
async def leadership(
    ledger: Ledger,
    *,
    run_id: str,
    lasts: timedelta,
    clock: Clock,
) -> AsyncIterator[Lead]:
    """Give signs of life for the duration of the block, and let go of the lead at its end.

    They come from a thread, so that a long computation does not look dead.
    """
    lead = Lead(ledger, run_id=run_id, lasts=lasts, clock=clock)
    lead.beat()
    heart = _Heart(lead.beat, asyncio.get_running_loop())
    heart.start()
    try:
        yield lead
    finally:
        heart.stop()
        lead.release()


async def wait_for_lead(
    lead: Lead, *, clock: Clock, sleep: Callable[[float], Awaitable[None]]
) -> bool:
    """True once the lead is ours; False when another one leads and goes on."""
    until = clock() + WAIT
    while not lead.try_to_take():
        if clock() >= until:
            return False
        await sleep(NOTICE_SECONDS)
    return True


class _Heart:
    """Beats in a thread for as long as the event loop answers."""

    def __init__(self, beat: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._beat = beat
        self._loop = loop
        self._answered = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            self._loop.call_soon_threadsafe(self._answer)
            if time.monotonic() - self._answered < STANDSTILL_SECONDS_MAX:
                self._beat_once()

    def _answer(self) -> None:
        self._answered = time.monotonic()

    def _beat_once(self) -> None:
        try:
            self._beat()
        except LedgerError as error:
            _logger.warning("no sign of life could be given: %s", error)
