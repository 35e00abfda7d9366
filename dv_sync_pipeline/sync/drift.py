"""What of two schemas keeps a table from being synchronized, or has changed since the last run.

Belongs here: the one table that says which difference stops a table and which is only told, and
how a difference reads. Pure. Does not belong here: finding differences (`drift_rules.py`), or
remembering what was seen (`ledger/schemas.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from dv_sync_pipeline.errors import SchemaMismatchError

__all__ = ["EFFECTS", "DriftKind", "Effect", "SchemaDifference", "raise_if_stopped"]


class Effect(Enum):
    """What a difference does to the table."""

    STOPS = "nothing of the table is written"
    WARNS = "rows that do not fit are parked, the others go"
    TELLS = "nothing is lost"


class DriftKind(StrEnum):
    """How a schema is not as it should be."""

    COLUMN_GONE = "column gone"
    COLUMN_RENAMED = "column renamed"
    COLUMN_ADDED = "column added"
    COLUMN_CHANGED = "column changed"
    NOT_SYNCHRONIZED = "type not synchronized"
    TYPES_DIFFER = "types differ"
    NOT_READABLE = "not readable"
    NOT_WRITABLE = "not writable"
    DIGITS_LOST = "digits lost"
    TEXT_SHORTER = "text shorter"
    FILE_SMALLER = "file smaller"
    CHOICES_MISSING = "choices missing"
    TARGET_MISSING = "lookup points elsewhere"
    KEY_MISSING = "key missing"
    KEY_NOT_ACTIVE = "key not active"
    STATE_MISSING = "state missing"
    STATUS_MISSING = "status reasons missing"
    HAS_DEFAULT = "default"


EFFECTS: Mapping[DriftKind, Effect] = {
    DriftKind.COLUMN_GONE: Effect.STOPS,
    DriftKind.COLUMN_RENAMED: Effect.STOPS,
    DriftKind.COLUMN_ADDED: Effect.TELLS,
    DriftKind.COLUMN_CHANGED: Effect.TELLS,
    DriftKind.NOT_SYNCHRONIZED: Effect.STOPS,
    DriftKind.TYPES_DIFFER: Effect.STOPS,
    # What cannot be read comes as null, and null would be taken for cleared (DATAVERSE 3.2).
    DriftKind.NOT_READABLE: Effect.STOPS,
    # What is sent for such a column is dropped without a word (DATAVERSE 3.2).
    DriftKind.NOT_WRITABLE: Effect.STOPS,
    # It would be rounded, found different, and written again in every run.
    DriftKind.DIGITS_LOST: Effect.STOPS,
    DriftKind.TEXT_SHORTER: Effect.WARNS,
    DriftKind.FILE_SMALLER: Effect.WARNS,
    DriftKind.CHOICES_MISSING: Effect.WARNS,
    DriftKind.TARGET_MISSING: Effect.STOPS,
    DriftKind.KEY_MISSING: Effect.STOPS,
    # Dataverse neither enforces it nor answers by it until it is built (DATAVERSE 3.5).
    DriftKind.KEY_NOT_ACTIVE: Effect.STOPS,
    DriftKind.STATE_MISSING: Effect.STOPS,
    DriftKind.STATUS_MISSING: Effect.WARNS,
    # Rows that are not ours would get it as well, and count as ours.
    DriftKind.HAS_DEFAULT: Effect.STOPS,
}
"""What each kind of difference does; nothing else decides it."""


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One way in which a schema is not as it should be.

    Attributes:
        kind: which.
        environment: where, "primary" or "secondary".
        part: the column or key, with its table: "contoso_hotel.contoso_name".
        what: one clause, without a full stop.
        expected: what it was at the last run, or what the other side has.
        actual: what it is.
        mend: what a person can do about it.

    """

    kind: DriftKind
    environment: str
    part: str
    what: str
    expected: str
    actual: str
    mend: str

    @property
    def effect(self) -> Effect:
        """What it does to the table."""
        return EFFECTS[self.kind]

    @property
    def why(self) -> str:
        """What it should be, and what it is."""
        return f"expected {self.expected}, found {self.actual}"

    def __str__(self) -> str:
        """In reading order, for logs and terminals."""
        return f"{self.environment}: {self.what} ({self.why}). {self.mend}"


def raise_if_stopped(differences: Sequence[SchemaDifference], *, table: str) -> None:
    """Raise `SchemaMismatchError` that tells all that stops the table, if anything does."""
    stops = [difference for difference in differences if difference.effect is Effect.STOPS]
    if not stops:
        return
    expected = {f"{each.environment} {each.part}": each.expected for each in stops}
    actual = {f"{each.environment} {each.part}": each.actual for each in stops}
    if len(stops) == 1:
        (only,) = stops
        raise SchemaMismatchError(
            only.what,
            where=only.environment,
            why=only.why,
            mend=only.mend,
            expected=expected,
            actual=actual,
        )
    lines = "".join(f"\n  {difference}" for difference in stops)
    raise SchemaMismatchError(
        f"{len(stops)} differences keep {table} from being synchronized:{lines}",
        expected=expected,
        actual=actual,
    )
