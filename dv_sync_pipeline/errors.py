"""Every error this package raises on purpose, sorted by what the caller does next.

    DvSyncError
    ├── UsageError                   stop the command; a person mends what they gave us (exit 2)
    │   ├── ConfigurationError         sync.yaml or a variable is wrong
    │   ├── AccessError                Entra or Dataverse refuses the application user altogether
    │   └── UnreachableError           no answer from the environment, or TLS not trusted
    ├── TableError                   stop this table, go on with unrelated ones (exit 3)
    │   ├── SchemaMismatchError        a table, column or key is not what sync.yaml says
    │   ├── IncompleteReadError        a read did not prove itself complete; nothing follows from it
    │   ├── DeltaTokenLostError        what changed since can only be found by a reconcile
    │   ├── ChangeTrackingOffError     changes cannot be followed; only reconciles cover the table
    │   ├── RequestRefusedError        Dataverse answered and will not do it
    │   └── RequestFailedError         retries are used up; whether it was done may be unknown
    └── SafetyError                  stop everything; going on could do harm (exit 3)
        ├── ForeignOriginError         a link points away from the environment; no token was sent
        ├── WrongEnvironmentError      not the organisation that the configuration names
        └── LedgerError                the state database cannot be trusted or written

A row that Dataverse refuses is not an error: it is parked (`sync/writer.py`). Errors of the
emulator's own protocol stand in `emulator/rows/replies.py`. No other module defines errors.
"""

from collections.abc import Mapping

__all__ = [
    "AccessError",
    "ChangeTrackingOffError",
    "ConfigurationError",
    "DeltaTokenLostError",
    "DvSyncError",
    "ForeignOriginError",
    "IncompleteReadError",
    "LedgerError",
    "RequestFailedError",
    "RequestRefusedError",
    "SafetyError",
    "SchemaMismatchError",
    "TableError",
    "UnreachableError",
    "UsageError",
    "WrongEnvironmentError",
]


class DvSyncError(Exception):
    """What went wrong, where, why, and how to mend it.

    Attributes:
        what: one clause, without a full stop: "the table contoso_hotel does not exist".
        where: the environment, file and line, or request it concerns; empty if plain from `what`.
        why: the reason that the other side gave, or ours.
        mend: what a person can do about it, as an imperative sentence.

    """

    def __init__(self, what: str, *, where: str = "", why: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.why = why
        self.mend = mend
        super().__init__(what, where, why, mend)

    def __str__(self) -> str:
        """All four parts in reading order, for logs and terminals."""
        place = f"{self.where}: " if self.where else ""
        reason = f" ({self.why})" if self.why else ""
        remedy = f". {self.mend}" if self.mend else ""
        return f"{place}{self.what}{reason}{remedy}"


class UsageError(DvSyncError):
    """Stop the command; a person mends what they gave us."""


class ConfigurationError(UsageError):
    """`sync.yaml` or a variable is wrong."""


class AccessError(UsageError):
    """Entra or Dataverse refuses the application user altogether."""


class UnreachableError(UsageError):
    """No answer from the environment, or its certificate is not trusted."""


class TableError(DvSyncError):
    """Stop this table, go on with unrelated ones."""


class SchemaMismatchError(TableError):
    """A table, column or key is not what `sync.yaml` says, or not what it was at the last run.

    Attributes:
        expected, actual: column or key → what it should be, and what it is, in words.

    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        mend: str = "",
        expected: Mapping[str, str] | None = None,
        actual: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, where=where, why=why, mend=mend)
        self.expected = expected or {}
        self.actual = actual or {}


class IncompleteReadError(TableError):
    """A read did not prove itself complete; nothing may be concluded from it."""


class DeltaTokenLostError(TableError):
    """What changed since the token can only be found by a reconcile (DATAVERSE 7.3)."""


class ChangeTrackingOffError(TableError):
    """Changes of the table cannot be followed; only reconciles cover it."""


class RequestRefusedError(TableError):
    """Dataverse answered and will not do it: the same request would be refused again.

    Attributes:
        status: the HTTP status.
        code: Dataverse's error code such as `0x80040217`, or "" (DATAVERSE 4.7: both occur).

    """

    def __init__(
        self,
        what: str,
        *,
        status: int,
        code: str = "",
        where: str = "",
        why: str = "",
        mend: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, mend=mend)
        self.status = status
        self.code = code


class RequestFailedError(TableError):
    """Retries are used up.

    Attributes:
        outcome_unknown: whether the request may have been carried out all the same (the answer was
            lost after it was sent), so that it must be read back before it is repeated.

    """

    def __init__(
        self,
        what: str,
        *,
        outcome_unknown: bool,
        where: str = "",
        why: str = "",
        mend: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, mend=mend)
        self.outcome_unknown = outcome_unknown


class SafetyError(DvSyncError):
    """Stop everything; going on could do harm."""


class ForeignOriginError(SafetyError):
    """A link points away from the environment; no token was sent there."""


class WrongEnvironmentError(SafetyError):
    """Not the organisation that the configuration or the ledger names."""


class LedgerError(SafetyError):
    """The state database cannot be trusted or written."""
