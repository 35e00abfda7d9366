"""What a person must be told, and in which words.

Belongs here: from the health of the tables to problems, each with a name that stays the same for as
long as it lasts, so that it is told once. Pure. Does not belong here: telling it (`channels.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dv_sync_pipeline.wording import counted

if TYPE_CHECKING:  # the ledger keeps problems: at run time it imports this module
    from dv_sync_pipeline.sync.health import Health, TableHealth

__all__ = ["Expiry", "Problem", "Thresholds", "problems_of", "problems_of_credentials"]

_DRIFTING_RECONCILES = 2
_LIVE_SILENCE = timedelta(seconds=60)
"""A live run that died is replaced much sooner; this long, nobody replaces it."""
_LAG_REMEMBERED = timedelta(minutes=15)
"""A slow change is over when no other one was slow for so long."""
_TOKEN_AGE_MAX = timedelta(days=5)
"""Dataverse forgets deletions after 7 days, as documented (DATAVERSE 7.3)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person is told once, and once more when it is over.

    Attributes:
        name: the same for as long as the problem lasts: "parked rows: contoso_room".
        title: one line: what happened.
        meaning: what follows from it.
        mend: what to do, as an imperative sentence.
        link: where to look; "" if nowhere.
        table: logical name in the primary of the table that it is about; "" if about none.

    """

    name: str
    title: str
    meaning: str
    mend: str
    link: str = ""
    table: str = ""

    @property
    def text(self) -> str:
        """What it means, what to do, where to look; a paragraph each."""
        return "\n\n".join(part for part in (self.meaning, self.mend, self.link) if part)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a person is told.

    Attributes:
        parked_rows_max: more parked rows of a table than this.
        lag_seconds_max: a change that takes longer than this to arrive, or to be looked at.
        follows_changes: changes arrive in near real time, so a reconcile should find nothing.
        is_live: a live run should be there at any time.

    """

    parked_rows_max: int
    lag_seconds_max: float
    follows_changes: bool
    is_live: bool


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a credential ends.

    Attributes:
        name: the credential, for people.
        expires: the moment (UTC).
        link: where a new one is made; "" if that is not known.

    """

    name: str
    expires: datetime
    link: str = ""


def problems_of(health: "Health", thresholds: Thresholds) -> list[Problem]:
    """Every problem of every table, and of what follows changes."""
    problems = [
        problem
        for table in health.tables
        for problem in _problems(table, thresholds, now=health.now)
    ]
    return [*problems, *_problems_of_following(health, thresholds)]


def _problems(table: "TableHealth", thresholds: Thresholds, *, now: datetime) -> Iterator[Problem]:
    if table.parked > thresholds.parked_rows_max:
        yield _parked_rows(table)
    if table.held:
        yield _held_removals(table)
    if not thresholds.follows_changes:
        return
    if _drifts(table):
        yield _drift(table)
    if table.lag is not None and now - table.lag.last_at < _LAG_REMEMBERED:
        seconds = table.lag.last_seconds
        if seconds > thresholds.lag_seconds_max:
            yield _slow_changes(table, seconds)
    if table.token_taken is not None and now - table.token_taken > _TOKEN_AGE_MAX:
        yield _old_token(table, table.token_taken)


def _problems_of_following(health: "Health", thresholds: Thresholds) -> Iterator[Problem]:
    if not thresholds.follows_changes:
        return
    age_seconds = health.waiting.oldest_age_seconds(now=health.now)
    if health.waiting.count and age_seconds > thresholds.lag_seconds_max:
        yield _waiting_changes(health.waiting.count)
    leader = health.leader
    if thresholds.is_live and (leader is None or health.now - leader.heartbeat > _LIVE_SILENCE):
        yield _silent_live_run()


def _slow_changes(table: "TableHealth", seconds: float) -> Problem:
    return Problem(
        f"lag: {table.table}",
        f"{table.table}: a change took {seconds:,.0f} s to arrive",
        "It has arrived; others may be late as well. Throttling, a long reconcile of the same "
        "table, or webhooks that do not come are the usual causes.",
        "Look at dv-sync status and the gateway's /metrics",
        table=table.table,
    )


def _old_token(table: "TableHealth", taken: datetime) -> Problem:
    return Problem(
        f"delta token: {table.table}",
        f"{table.table}: its change feed was followed last on {taken:%Y-%m-%d}",
        "After about seven days Dataverse forgets what was deleted; then a reconcile is owed and "
        "run, which takes longer.",
        "See in Dagster, under Automation, why its sensors do not run",
        table=table.table,
    )


def _waiting_changes(count: int) -> Problem:
    return Problem(
        "waiting changes",
        f"{counted(count, 'row[s]')} changed in the primary and nobody looks at them",
        "They are stored and not lost. Neither a live run nor the sensor of wake-ups takes them.",
        "See in Dagster, under Automation, whether the daemon runs and its sensors are on",
    )


def _silent_live_run() -> Problem:
    return Problem(
        "live run",
        "No live run has given a sign of life for a minute",
        "Changes do not arrive until one does; none is lost.",
        "See in Dagster whether the sensor keep_live is on, and why the last live run ended",
    )


def _parked_rows(table: "TableHealth") -> Problem:
    return Problem(
        f"parked rows: {table.table}",
        f"{table.table}: {counted(table.parked, 'row[s]')} parked",
        "The secondary refuses these rows, or they wait for a parent. All others are synchronized.",
        f"See who must do what: dv-sync parked list {table.table}",
        table=table.table,
    )


def _held_removals(table: "TableHealth") -> Problem:
    return Problem(
        f"held removals: {table.table}",
        f"{table.table}: {counted(table.held, 'row[s]')} would be removed and wait for your "
        "approval",
        f"Nothing was removed: {table.held_because}. Should the primary have lost rows by mistake, "
        "restore them there first.",
        f"Look at the list, then approve it: dv-sync removals list {table.table}, "
        f"dv-sync removals approve {table.table}",
        table=table.table,
    )


def _drift(table: "TableHealth") -> Problem:
    return Problem(
        f"drift: {table.table}",
        f"{table.table}: reconciliation found differences twice in a row",
        "Changes should have arrived before. Webhooks or the change feed miss some, or somebody "
        "changes mapped columns in the secondary. The differences were repaired.",
        "Check with dv-sync doctor; look in the secondary's audit who else writes these columns",
        table=table.table,
    )


def _drifts(table: "TableHealth") -> bool:
    """The first reconcile of all loads the table; what it writes is no drift."""
    completed = [done for done in table.passes if done.mode == "reconcile" and not done.failure]
    last = completed[1:][-_DRIFTING_RECONCILES:]
    return len(last) == _DRIFTING_RECONCILES and all(done.differences for done in last)


def problems_of_credentials(
    expiries: Sequence[Expiry], *, now: datetime, days_min: int
) -> list[Problem]:
    """Of those that end within so many days, or have ended."""
    limit = timedelta(days=days_min)
    return [_expiring(each, now) for each in expiries if each.expires - now < limit]


def _expiring(expiry: Expiry, now: datetime) -> Problem:
    verb = "expired" if expiry.expires <= now else "expires"
    return Problem(
        f"credential: {expiry.name}",
        f"{expiry.name} {verb} on {expiry.expires:%Y-%m-%d}",
        "From then on nothing is synchronized.",
        "Create a new one in Entra, put it beside the old one in sync.yaml, then remove the old "
        "one",
        link=expiry.link,
    )
