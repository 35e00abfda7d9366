"""What a pass over one table tells its caller: the same record in the CLI, Dagster and the tests.

Belongs here: the values only. How they are shown is for `defs/` and `cli/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain, islice
from typing import TypeAlias

from dv_sync_pipeline.sync.drift import SchemaDifference
from dv_sync_pipeline.sync.guards import HeldLists, Removal

__all__ = [
    "AT_NEXT_RECONCILE",
    "FOREIGN_ROWS_LISTED_MAX",
    "HELD_ROWS_SHOWN_MAX",
    "KEY_REASONS",
    "PARKED_ROWS_SHOWN_MAX",
    "DifferenceKind",
    "ForeignRow",
    "ParkedReason",
    "ParkedRow",
    "ParkedWork",
    "Progress",
    "ProgressListener",
    "RowDifference",
    "SynchronizedColumn",
    "TableReport",
    "TableVerdict",
]


PARKED_ROWS_SHOWN_MAX = 100
"""How many parked rows a report lists; the ledger knows them all."""

AT_NEXT_RECONCILE = "at the next reconcile"
"""When a parked row is tried again that waits for no other one."""

FOREIGN_ROWS_LISTED_MAX = 1000
"""How many rows of the secondary's own a verdict lists; it counts them all."""

HELD_ROWS_SHOWN_MAX = 100
"""Likewise of the rows and pairs that are held."""


class DifferenceKind(StrEnum):
    """How one row differs between the two environments."""

    CREATE = "create"
    UPDATE = "update"
    STATUS = "status"
    REMOVE = "remove"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One row that is not equal on both sides, as `plan` and `verify` show it.

    Attributes:
        kind: what a run would do; `remove` and `gone` mean that the primary row of a linked
            secondary row does not exist any more: it would be removed, or is kept as configured.
        key: the row's key as a person reads it: "H-0042", or "H-0042, 101" when composite.
        primary_id: GUID in the primary; "" when gone.
        secondary_id: GUID in the secondary; "" when it is still to be created.
        changes: secondary column name → (value there now, value it must show).

    """

    kind: DifferenceKind
    key: str
    primary_id: str
    secondary_id: str
    changes: Mapping[str, tuple[object, object]] = field(default_factory=dict)


class ParkedReason(StrEnum):
    """Why a row waits, in words that a data steward understands."""

    MISSING_KEY = "missing key"
    DUPLICATE_KEY = "duplicate key"
    KEYS_EXCHANGED = "keys exchanged"
    MISSING_PARENT = "missing parent"
    VALUE_TOO_LONG = "value too long"
    FILE_TOO_LARGE = "file too large"
    CHOICE_UNKNOWN = "choice unknown"
    VALUE_OUT_OF_RANGE = "value out of range"
    STATUS_REFUSED = "status refused"
    NO_PRIVILEGE = "no privilege"
    HAS_CHILDREN = "other rows need it"
    REFUSED_BY_LOGIC = "refused by business logic"
    REFUSED = "refused by the secondary"


KEY_REASONS = frozenset(
    {ParkedReason.MISSING_KEY, ParkedReason.DUPLICATE_KEY, ParkedReason.KEYS_EXCHANGED}
)
"""The row's key is at fault, and not what else it holds."""


class ParkedWork(StrEnum):
    """What could not be done to a parked row."""

    WRITE = "write"
    LOOKUPS = "lookups"
    REMOVAL = "removal"


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A row that the secondary refused or that waits for a parent.

    Attributes:
        table: logical name in the primary.
        primary_id: GUID in the primary.
        key: the row's key as a person reads it.
        reason: why.
        message: the server's own words, or ours.
        code: Dataverse's error code, or "".
        since: when it was first parked (UTC).
        attempts: how often it was tried; every reconcile tries once more.
        work: what was tried.

    """

    table: str
    primary_id: str
    key: str
    reason: ParkedReason
    message: str
    code: str
    since: datetime
    attempts: int
    work: ParkedWork = ParkedWork.WRITE

    @property
    def next_attempt(self) -> str:
        """When it is tried again without anybody asking, besides when the row itself changes."""
        if self.reason is ParkedReason.MISSING_PARENT:
            return "when its parent arrives"
        return AT_NEXT_RECONCILE


@dataclass(frozen=True, slots=True)
class SynchronizedColumn:
    """A column that the pass kept equal.

    Attributes:
        source: its name in the primary.
        target: its name in the secondary.
        type: what it is in the secondary, in words: "text, up to 100 characters".

    """

    source: str
    target: str
    type: str


@dataclass(frozen=True, slots=True)
class TableReport:
    """What one pass over one table did, or with `dry_run` would do.

    Attributes:
        table: logical name in the primary.
        mode: the pass: "reconcile", "changes", "rows", "deferred lookups" or "removals".
        dry_run: nothing was written.
        read: primary rows read; of removals, the rows that were to go.
        created, updated, equal: rows; a row whose data and status both changed counts once.
        adopted: rows of the secondary that were found by key and linked in this pass.
        gone: linked rows whose primary row is gone and that are still there: kept as configured,
            or to be removed after all tables were reconciled, or held, or parked.
        waiting: rows written with an optional lookup left empty, because its parent is missing; and
            pairs that are not made yet, because one of their rows is parked.
        waiting_pairs: how many of them are pairs.
        foreign: rows of the secondary with no link: never touched.
        unmatched: when the ledger is new, rows of the secondary that no row of the primary matches:
            they may be ours or foreign. Never removed, unless a sync-status column proves them
            ours; then they count as `gone` too.
        parked: rows of the whole table that wait for a person or a parent.
        requests, retries, throttled_seconds: traffic with both environments.
        seconds: duration.
        verified_through: the moment up to which both sides are proven equal, apart from the parked
            rows; None when that was not proven.
        parked_rows: the first of them that this pass has looked at, at most
            `PARKED_ROWS_SHOWN_MAX`.
        differences: with `dry_run`, every row that would change.
        pairs: of many-to-many relationships, made or undone.
        mapping_changed: sync.yaml maps the table otherwise than at the last reconcile.
        removed: rows that were deleted or deactivated, because their primary row is gone.
        heirs: of removals, primary ids of rows that were parked because a row that is removed now
            had their key, and that are written now.
        held: rows that were to be removed, and pairs that were to be undone, and that wait for the
            approval of a person.
        held_pairs: how many of them are pairs.
        held_because: why they wait.
        drift: how the schemas of both sides differ, or have changed since the last run, where that
            did not stop the table.
        lag_seconds: the longest that a written change took from its `modifiedon` in the primary to
            the commit in the secondary; None if no change was written.
        reconcile_owed: why only a reconcile can tell whether both sides agree; "" when none is
            owed.
        columns: the columns that were kept equal.
        key_conflicts: how many of the parked rows wait because of their key.
        held_rows: the first of the rows and pairs that are held, at most `HELD_ROWS_SHOWN_MAX`.
        reconcile_only: the primary does not track changes of the table: only reconciles cover it.

    """

    table: str
    mode: str
    dry_run: bool
    read: int
    created: int
    updated: int
    equal: int
    adopted: int
    gone: int
    waiting: int
    foreign: int
    parked: int
    requests: int
    retries: int
    throttled_seconds: float
    seconds: float
    verified_through: datetime | None
    parked_rows: tuple[ParkedRow, ...] = ()
    differences: tuple[RowDifference, ...] = ()
    pairs: int = 0
    mapping_changed: bool = False
    removed: int = 0
    heirs: frozenset[str] = frozenset()
    held: int = 0
    held_pairs: int = 0
    waiting_pairs: int = 0
    held_because: str = ""
    drift: tuple[SchemaDifference, ...] = ()
    lag_seconds: float | None = None
    reconcile_owed: str = ""
    reconcile_only: bool = False
    unmatched: int = 0
    columns: tuple[SynchronizedColumn, ...] = ()
    key_conflicts: int = 0
    held_rows: tuple[Removal, ...] = ()

    @property
    def title(self) -> str:
        """The table, and which pass if it is not the usual one."""
        return self.table if self.mode == "reconcile" else f"{self.table}, {self.mode}"

    @property
    def rows_per_second(self) -> float:
        """Primary rows handled each second."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

    def with_pairs(self, pairs: int, *, waiting: int, held: HeldLists) -> "TableReport":
        """This report, with what became of pairs: made or undone, waiting for a row, held."""
        together = replace(self, pairs=pairs, waiting=self.waiting + waiting, waiting_pairs=waiting)
        return together.holding(held)

    def holding(self, found: HeldLists) -> "TableReport":
        """This report, with these lists besides that wait for a person."""
        listed = chain.from_iterable(each.removals for each in found.lists)
        return replace(
            self,
            held=self.held + found.count,
            held_rows=(*self.held_rows, *islice(listed, HELD_ROWS_SHOWN_MAX)),
            held_pairs=self.held_pairs + found.pairs,
            held_because=_both(self.held_because, found.because),
        )

    def with_heirs(self, heirs: "TableReport", *, written: frozenset[str]) -> "TableReport":
        """These removals, and what was written once they had made keys free."""
        return replace(self, created=heirs.created, updated=heirs.updated, heirs=written)

    def followed_by(self, removals: "TableReport") -> "TableReport":
        """This reconcile and the removals that came after it, told as one."""
        parked = [row for row in self.parked_rows if row.primary_id not in removals.heirs]
        return replace(
            self,
            created=self.created + removals.created,
            updated=self.updated + removals.updated,
            removed=removals.removed,
            held=self.held + removals.held,
            held_because=_both(self.held_because, removals.held_because),
            held_rows=(*self.held_rows, *removals.held_rows),
            gone=removals.gone,
            parked=self.parked - len(removals.heirs) + removals.parked,
            parked_rows=(*parked, *removals.parked_rows)[:PARKED_ROWS_SHOWN_MAX],
            requests=self.requests + removals.requests,
            retries=self.retries + removals.retries,
            throttled_seconds=self.throttled_seconds + removals.throttled_seconds,
            seconds=self.seconds + removals.seconds,
        )


def _both(first: str, second: str) -> str:
    return "; ".join(filter(None, (first, second)))


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """A row of the secondary that belongs to nobody here.

    Attributes:
        key: what it shows in the columns of the key; "" if they are empty. Parents by their ids.
        secondary_id: GUID in the secondary.

    """

    key: str
    secondary_id: str


@dataclass(frozen=True, slots=True)
class TableVerdict:
    """Whether both environments agree on one table.

    Attributes:
        table: logical name in the primary.
        compared: primary rows compared.
        equal: of these, rows that the secondary shows exactly.
        parked: differences that are explained by parked rows.
        foreign: rows of the secondary with no link.
        foreign_rows: the first of them, at most `FOREIGN_ROWS_LISTED_MAX`.
        differences: every row that differs, parked rows included.
        verified_through: when the comparison began reading (UTC).
        seconds: duration.

    """

    table: str
    compared: int
    equal: int
    parked: int
    foreign: int
    differences: tuple[RowDifference, ...]
    verified_through: datetime
    seconds: float
    foreign_rows: tuple[ForeignRow, ...] = ()

    @property
    def agrees(self) -> bool:
        """No difference at all."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass has come.

    Attributes:
        table: logical name in the primary.
        stage: "read primary", "read secondary", "create", "update", "chain" (lookups within the
            table), "status", "remove".
        done: rows so far.
        total: rows in all, or None while unknown.

    """

    table: str
    stage: str
    done: int
    total: int | None


ProgressListener: TypeAlias = Callable[[Progress], None]
"""Is told now and then how far a pass has come; must not raise."""
