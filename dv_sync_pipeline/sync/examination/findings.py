"""What an examination comes to: findings that a person can act on.

Belongs here: the values. Does not belong here: what is examined (`checks.py`), how it is shown
(`cli/`).
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "Remark", "ok", "problem", "unknown", "warning"]


class Level(StrEnum):
    """How much a finding matters; a later one more than an earlier one."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Remark:
    """What a check has to say, before it is known where it stands.

    Attributes:
        level: how much it matters.
        what: one clause, without a full stop.
        why: the reason, or why it matters.
        mend: what a person can do about it, as an imperative sentence.

    """

    level: Level
    what: str
    why: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark in its place.

    Attributes:
        check: which check it comes from.
        environment: primary or secondary; "" for what concerns the pipeline itself.
        table: by its name in the primary; "" for what concerns all tables.
        level: how much it matters.
        what: one clause, without a full stop.
        why: the reason, or why it matters.
        mend: what a person can do about it, as an imperative sentence.

    """

    check: str
    environment: str
    table: str
    level: Level
    what: str
    why: str = ""
    mend: str = ""


def ok(what: str) -> Remark:
    """All is well."""
    return Remark(Level.OK, what)


def unknown(what: str, *, why: str, mend: str = "") -> Remark:
    """It could not be found out; so it is not well either."""
    return Remark(Level.UNKNOWN, what, why, mend)


def warning(what: str, *, why: str, mend: str) -> Remark:
    """A synchronization works, but not as well or as safely as it should."""
    return Remark(Level.WARNING, what, why, mend)


def problem(what: str, *, why: str, mend: str) -> Remark:
    """A synchronization does not work, or not for this table."""
    return Remark(Level.PROBLEM, what, why, mend)
