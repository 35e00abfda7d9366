"""What all rules on schemas speak of: both schemas, now and then, and columns in words.

Does not belong here: any rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dv_sync_pipeline.sync.values import VALUE_TYPES
from dv_sync_pipeline.webapi.metadata import Column, TableSchema
from dv_sync_pipeline.wording import counted

__all__ = [
    "PRIMARY",
    "SECONDARY",
    "STATUS_COLUMNS",
    "Schemas",
    "describe",
    "listed",
    "numbers",
]

STATUS_COLUMNS = ("statecode", "statuscode")
PRIMARY, SECONDARY = "primary", "secondary"


@dataclass(frozen=True, slots=True)
class Schemas:
    """A table as both environments describe it, and as they did at the last run.

    Attributes:
        primary, secondary: now.
        primary_seen, secondary_seen: at the last completed run; None if there was none.

    """

    primary: TableSchema
    secondary: TableSchema
    primary_seen: TableSchema | None = None
    secondary_seen: TableSchema | None = None


def describe(column: Column) -> str:
    """What a column is, in words, as far as it matters for its values."""
    value_type = VALUE_TYPES.get(column.kind)
    parts = [
        value_type.family if value_type else column.kind.value,
        f"up to {column.max_length} characters" if column.max_length is not None else "",
        f"up to {column.max_kilobytes:,} kB" if column.max_kilobytes is not None else "",
        counted(column.precision, "digit[s] after the point")
        if column.precision is not None
        else "",
        f"behaving as {column.date_time_behavior}" if column.date_time_behavior else "",
        f"one of {numbers(column.options)}" if column.options else "",
        f"to {listed(column.targets)}" if column.targets else "",
        "required" if column.required else "",
        "" if column.valid_for_read else "not readable",
        "" if column.valid_for_create and column.valid_for_update else "read-only",
    ]
    return ", ".join(part for part in parts if part)


def listed(names: Iterable[str]) -> str:
    """By name."""
    return ", ".join(sorted(names))


def numbers(values: Iterable[int]) -> str:
    """Smallest first."""
    return ", ".join(map(str, sorted(values)))
