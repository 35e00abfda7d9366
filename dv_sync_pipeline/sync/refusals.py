"""Why the secondary refuses a write, as a data steward understands it.

Belongs here: Dataverse's codes as reasons to park a row, when a refusal is about our role and not
about rows, and how often an unknown outcome is tried again. Does not belong here: parking.
"""

from collections.abc import Collection, Mapping

from dv_sync_pipeline.errors import RequestRefusedError
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.webapi.write import Outcome

__all__ = ["ATTEMPTS_MAX", "TOO_LARGE", "reason_of", "stop_without_privilege"]

ATTEMPTS_MAX = 3
"""How often a write is sent whose outcome stays unknown."""

TOO_LARGE = "0x80044a02"
"""For a file that is larger than its column takes; we do not even send such a one."""

_REASONS: Mapping[str, ParkedReason] = {
    "0x80060892": ParkedReason.DUPLICATE_KEY,
    "0x80040237": ParkedReason.DUPLICATE_KEY,
    "0x80044331": ParkedReason.VALUE_TOO_LONG,
    "0x8004431a": ParkedReason.CHOICE_UNKNOWN,
    "0x8004432f": ParkedReason.VALUE_OUT_OF_RANGE,
    "0x80044330": ParkedReason.VALUE_OUT_OF_RANGE,
    "0x80040239": ParkedReason.VALUE_OUT_OF_RANGE,
    "0x80040217": ParkedReason.MISSING_PARENT,
    "0x80060891": ParkedReason.MISSING_PARENT,
    "0x80048408": ParkedReason.STATUS_REFUSED,
    "0x8004f00e": ParkedReason.STATUS_REFUSED,
    "0x80040220": ParkedReason.NO_PRIVILEGE,
    "0x80048306": ParkedReason.NO_PRIVILEGE,
    "0x80040231": ParkedReason.NO_PRIVILEGE,
    "0x80040265": ParkedReason.REFUSED_BY_LOGIC,
    TOO_LARGE: ParkedReason.FILE_TOO_LARGE,
    "0x80048d21": ParkedReason.HAS_CHILDREN,
    "0x80040227": ParkedReason.HAS_CHILDREN,
}
"""Dataverse's error code → why the row waits (DATAVERSE 4.4, 4.7)."""


def reason_of(outcome: Outcome) -> ParkedReason:
    """Why the row was refused; codes that say nothing to a data steward are `REFUSED`."""
    return _REASONS.get(outcome.code, ParkedReason.REFUSED)


def stop_without_privilege(
    refused: Collection[Outcome], *, sent: int, table: str, where: str
) -> None:
    """Raise `RequestRefusedError` when every row of a chunk lacks a privilege.

    Then the role is wrong, and not the rows.
    """
    reasons = {reason_of(outcome) for outcome in refused}
    if len(refused) < max(sent, 2) or reasons != {ParkedReason.NO_PRIVILEGE}:
        return
    first = next(iter(refused))
    raise RequestRefusedError(
        f"the application user may not write {table}",
        status=first.status,
        code=first.code,
        where=where,
        why=first.message,
        mend="Give it a role with this privilege, in its own business unit",
    )
