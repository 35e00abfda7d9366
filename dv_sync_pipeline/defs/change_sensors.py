"""Sensors that turn changes of the primary into runs of the tables that they concern.

Belongs here: looking for wake-ups, for news in the change feeds, and for reconciles that are owed.
While a live run leads, it does the first two. Where the feeds go on stands in the ledger; the
cursor only remembers with which table to begin. Does not belong here: which run follows from a find
(`launching.py`).
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from pydantic import BaseModel, ValidationError

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.launching import Find, request
from dv_sync_pipeline.defs.looks import LOOK_SECONDS, minimum_interval
from dv_sync_pipeline.defs.modes import Mode
from dv_sync_pipeline.defs.names import APPLY_CHANGES, RECONCILE_ALL, names_of
from dv_sync_pipeline.defs.resources import Engine, EngineOpener
from dv_sync_pipeline.errors import TableError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.leadership import SILENCE
from dv_sync_pipeline.sync.ledger import Ledger

__all__ = ["FeedCursor", "build_change_sensors"]

_OWED_SECONDS = 30
_BUDGET_SECONDS = 40.0
"""A tick that takes longer than 60 seconds is given up, yet goes on (DAGSTER A3)."""

_WAKE_UPS_SEEN_MAX = 10_000
_RUNNING = dg.DefaultSensorStatus.RUNNING


class FeedCursor(BaseModel, frozen=True, extra="forbid"):
    """Where the sensor of feeds goes on.

    Attributes:
        next_table: with which table the next tick begins; "" for the first.

    """

    next_table: str = ""

    @classmethod
    def read(cls, text: str | None) -> "FeedCursor":
        """What was remembered; the beginning when that cannot be read: it is a hint, no more."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()


def build_change_sensors(
    configuration: Configuration, *, open_engine: EngineOpener
) -> list[dg.SensorDefinition]:
    """All of them, running; none where neither path is switched on."""
    if not configuration.follows_changes:
        return []
    owed = _build_reconcile_what_is_owed(configuration)
    if not configuration.changes.enabled:
        return [owed]
    return [
        _build_follow_wake_ups(configuration),
        _build_follow_feeds(configuration, open_engine),
        owed,
    ]


def _build_follow_wake_ups(configuration: Configuration) -> dg.SensorDefinition:
    names = names_of(configuration)

    @dg.sensor(
        name=names.of("follow_wake_ups"),
        job_name=names.of(APPLY_CHANGES),
        minimum_interval_seconds=minimum_interval(LOOK_SECONDS),
        default_status=_RUNNING,
        description="Starts a run of the tables that webhooks told of, unless a live run leads.",
    )
    def follow_wake_ups(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with Ledger.open(configuration.ledger_url) as ledger:
            if _is_led(ledger):
                return dg.SkipReason("The live run applies them.")
            find = _woken(configuration, ledger)
        if find is None:
            return dg.SkipReason("No webhook told of a change.")
        return request(find, configuration=configuration, instance=context.instance)

    return follow_wake_ups


def _build_follow_feeds(
    configuration: Configuration, open_engine: EngineOpener
) -> dg.SensorDefinition:
    names = names_of(configuration)

    @dg.sensor(
        name=names.of("follow_feeds"),
        job_name=names.of(APPLY_CHANGES),
        minimum_interval_seconds=minimum_interval(configuration.changes.poll_seconds),
        default_status=_RUNNING,
        description="Asks the change feeds for news that no webhook told of, unless a live run "
        "leads, and starts a run of the tables that have some.",
    )
    def follow_feeds(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with Ledger.open(configuration.ledger_url) as ledger:
            if _is_led(ledger):
                return dg.SkipReason("The live run follows them.")
        look = _Look(context, FeedCursor.read(context.cursor))
        asyncio.run(look.ask(configuration, open_engine))
        context.update_cursor(look.cursor.model_dump_json())
        find = look.find()
        if find is None:
            return dg.SkipReason("No table has changed.")
        return request(find, configuration=configuration, instance=context.instance)

    return follow_feeds


class _Look:
    """One tick's look at the feeds, within its budget."""

    def __init__(self, context: dg.SensorEvaluationContext, cursor: FeedCursor) -> None:
        self._context = context
        self.cursor = cursor
        self.news: dict[str, str] = {}
        """Table → what tells its news from others."""

    async def ask(self, configuration: Configuration, open_engine: EngineOpener) -> None:
        """Every table once, or as many as the budget allows; the next tick begins with the next."""
        until = time.monotonic() + _BUDGET_SECONDS
        async with open_engine(configuration) as engine:
            for table in _beginning_with(self.cursor.next_table, engine.tables_in_order):
                self.cursor = FeedCursor(next_table=table)
                if not await self._ask_in_time(table, engine, seconds=until - time.monotonic()):
                    return
        self.cursor = FeedCursor()

    def find(self) -> Find | None:
        """What a run is to be started for."""
        if not self.news:
            return None
        return Find(
            job=APPLY_CHANGES,
            mode=Mode.changes,
            tables=self.news.keys(),
            facts=list(self.news.values()),
            because=f"Changes in {', '.join(sorted(self.news))}",
            started_by="change feeds",
        )

    async def _ask_in_time(self, table: str, engine: Engine, *, seconds: float) -> bool:
        if seconds <= 0:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._ask_for(table, engine)
        except TimeoutError:
            return False
        return True

    async def _ask_for(self, table: str, engine: Engine) -> None:
        """A table that cannot be asked is named in the log of the tick and left out."""
        try:
            news = await engine.news(table)
        except TableError as error:
            self._context.log.warning("%s: %s", table, redact(str(error)))
            return
        if news:
            self.news[table] = news


def _beginning_with(table: str, tables: Sequence[str]) -> list[str]:
    start = tables.index(table) if table in tables else 0
    return [*tables[start:], *tables[:start]]


def _build_reconcile_what_is_owed(configuration: Configuration) -> dg.SensorDefinition:
    names = names_of(configuration)

    @dg.sensor(
        name=names.of("reconcile_what_is_owed"),
        job_name=names.of(RECONCILE_ALL),
        minimum_interval_seconds=minimum_interval(_OWED_SECONDS),
        default_status=_RUNNING,
        description="Starts a reconcile of tables whose changes cannot be followed any more, as "
        "after a lost delta token. A first load is started by a person or by the schedule.",
    )
    def reconcile_what_is_owed(
        context: dg.SensorEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        with Ledger.open(configuration.ledger_url) as ledger:
            find = _owed(configuration, ledger)
        if find is None:
            return dg.SkipReason("No reconcile is owed.")
        return request(find, configuration=configuration, instance=context.instance)

    return reconcile_what_is_owed


def _woken(configuration: Configuration, ledger: Ledger) -> Find | None:
    """Tables that wake-ups speak of, and those with rows whose parents have arrived."""
    known = [table.table for table in configuration.tables]
    wake_ups = ledger.wake_ups(_WAKE_UPS_SEEN_MAX, tables=known)
    arrivals = ledger.tables_with_arrivals()
    tables = {wake_up.table for wake_up in wake_ups} | arrivals
    if not tables:
        return None
    facts = [str(wake_up.sequence) for wake_up in wake_ups]
    return Find(
        job=APPLY_CHANGES,
        mode=Mode.rows,
        tables=tables,
        facts=[*facts, *(f"arrivals in {table}" for table in arrivals)],
        because=f"{len(wake_ups):,} rows to look at in {', '.join(sorted(tables))}",
        started_by="wake-ups",
    )


def _owed(configuration: Configuration, ledger: Ledger) -> Find | None:
    reasons = {
        table.table: ledger.reconcile_owed(table.table)
        for table in configuration.tables
        if ledger.verified_through(table.table) is not None
    }
    owed = {table: reason for table, reason in reasons.items() if reason}
    if not owed:
        return None
    return Find(
        job=RECONCILE_ALL,
        mode=Mode.reconcile,
        tables=owed.keys(),
        facts=[f"{table} {ledger.verified_through(table)} {why}" for table, why in owed.items()],
        because="; ".join(f"{table}: {reason}" for table, reason in sorted(owed.items())),
        started_by="owed reconcile",
    )


def _is_led(ledger: Ledger) -> bool:
    leader = ledger.leader()
    return leader is not None and leader.is_alive(datetime.now(tz=UTC), silence=SILENCE)
