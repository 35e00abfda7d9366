"""What a person must be told, and in which words.

Belongs here: from the health of the tables to problems, each with a name that stays the same for as
long as it lasts, so that it is told once. Pure. Does not belong here: telling it (`channels.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the ledger keeps problems: at run time it imports this module
    from dv_sync_pipeline.sync.health import TableHealth

__all__ = ["Problem", "Thresholds", "problems_of_credentials", "problems_of_tables"]

_DRIFTING_RECONCILES = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person is told once, and once more when it is over.

    Attributes:
        name: the same for as long as the problem lasts: "parked rows: contoso_room".
        title: one line: what happened.
        meaning: what follows from it.
        mend: what to do, as an imperative sentence.
        link: where to look; "" if nowhere.

    """

    name: str
    title: str
    meaning: str
    mend: str
    link: str = ""

    @property
    def text(self) -> str:
        """What it means, what to do, where to look; a paragraph each."""
        return "\n\n".join(part for part in (self.meaning, self.mend, self.link) if part)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a person is told.

    Attributes:
        parked_rows_max: more parked rows of a table than this.
        follows_changes: changes arrive in near real time, so a reconcile should find nothing.
        credential_days_min: an expiry nearer than this.

    """

    parked_rows_max: int
    follows_changes: bool
    credential_days_min: int


def problems_of_tables(tables: Sequence["TableHealth"], thresholds: Thresholds) -> list[Problem]:
    """Every problem of every table."""
    return [problem for table in tables for problem in _problems(table, thresholds)]


def _problems(table: "TableHealth", thresholds: Thresholds) -> Iterator[Problem]:
    if table.parked > thresholds.parked_rows_max:
        yield _parked_rows(table)
    if table.held:
        yield _held_removals(table)
    if thresholds.follows_changes and _drifts(table):
        yield _drift(table)


def _parked_rows(table: "TableHealth") -> Problem:
    return Problem(
        f"parked rows: {table.table}",
        f"{table.table}: {_rows(table.parked)} parked",
        "The secondary refuses these rows, or they wait for a parent. All others are synchronized.",
        f"See who must do what: dv-sync parked list {table.table}",
    )


def _held_removals(table: "TableHealth") -> Problem:
    return Problem(
        f"held removals: {table.table}",
        f"{table.table}: {_rows(table.held)} would be removed and wait for your approval",
        f"Nothing was removed: {table.held_because}. Should the primary have lost rows by mistake, "
        "restore them there first.",
        f"Look at the list, then approve it: dv-sync removals list {table.table}, "
        f"dv-sync removals approve {table.table}",
    )


def _drift(table: "TableHealth") -> Problem:
    return Problem(
        f"drift: {table.table}",
        f"{table.table}: reconciliation found differences twice in a row",
        "Changes should have arrived before. Webhooks or the change feed miss some, or somebody "
        "changes mapped columns in the secondary. The differences were repaired.",
        "Check with dv-sync doctor; look in the secondary's audit who else writes these columns",
    )


def _drifts(table: "TableHealth") -> bool:
    """The first reconcile of all loads the table; what it writes is no drift."""
    completed = [done for done in table.passes if done.mode == "reconcile" and not done.failure]
    last = completed[1:][-_DRIFTING_RECONCILES:]
    return len(last) == _DRIFTING_RECONCILES and all(done.differences for done in last)


def problems_of_credentials(
    expiries: Sequence[tuple[str, datetime]], *, now: datetime, thresholds: Thresholds
) -> list[Problem]:
    """Of credentials, named for people, and when each expires (UTC)."""
    limit = timedelta(days=thresholds.credential_days_min)
    return [_expiring(name, expiry, now) for name, expiry in expiries if expiry - now < limit]


def _expiring(name: str, expiry: datetime, now: datetime) -> Problem:
    verb = "expired" if expiry <= now else "expires"
    return Problem(
        f"credential: {name}",
        f"{name} {verb} on {expiry:%Y-%m-%d}",
        "From then on nothing is synchronized.",
        "Create a new one in Entra, put it beside the old one in sync.yaml, then remove the old "
        "one",
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
