"""Every rule on state and status reasons of two schemas, and on the column that holds them.

Pure. Does not belong here: columns, lookups and keys (`drift_rules.py`).
"""

from collections.abc import Iterator

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.drift import DriftKind, SchemaDifference
from dv_sync_pipeline.sync.drift_words import (
    PRIMARY,
    SECONDARY,
    STATUS_COLUMNS,
    Schemas,
    describe,
    numbers,
)
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, TableSchema

__all__ = ["status_column_differs", "status_differs"]

_KINDS_OF_STATUS = frozenset({ColumnKind.INTEGER, ColumnKind.BIG_INTEGER, ColumnKind.CHOICE})


def status_differs(
    configuration: TableConfiguration, schemas: Schemas
) -> Iterator[SchemaDifference]:
    """State on one side only, or status reasons that the secondary lacks."""
    if configuration.status == "none":
        return
    both = (schemas.primary, schemas.secondary)
    here, there = (set(STATUS_COLUMNS) <= schema.columns.keys() for schema in both)
    if here != there:
        yield _no_state(*both, is_here=here)
    elif here:
        yield from _missing_status(configuration, schemas)


def _no_state(primary: TableSchema, secondary: TableSchema, *, is_here: bool) -> SchemaDifference:
    environment, schema = (SECONDARY, secondary) if is_here else (PRIMARY, primary)
    return SchemaDifference(
        DriftKind.STATE_MISSING,
        environment,
        f"{schema.name}.statecode",
        f"{schema.name} has no state, in the other environment it has",
        "state and status reason",
        "none",
        "Set status: none for this table in sync.yaml",
    )


def _missing_status(
    configuration: TableConfiguration, schemas: Schemas
) -> Iterator[SchemaDifference]:
    wanted = _wanted_status(configuration, schemas)
    known = {each.value for each in schemas.secondary.status_options}
    if wanted - known and known:
        yield SchemaDifference(
            DriftKind.STATUS_MISSING,
            SECONDARY,
            f"{schemas.secondary.name}.statuscode",
            f"{schemas.secondary.name} lacks the status reasons {numbers(wanted - known)}",
            f"{numbers(wanted)} as in the primary",
            numbers(known),
            "Add them, or map them under status_values; until then, rows with them are parked",
        )


def _wanted_status(configuration: TableConfiguration, schemas: Schemas) -> set[int]:
    options = schemas.primary.status_options
    return {configuration.status_values.get(each.value, each.value) for each in options}


def status_column_differs(
    configuration: TableConfiguration, schemas: Schemas
) -> Iterator[SchemaDifference]:
    """The column of `status: {column: ...}` must be able to hold every status reason."""
    schema = schemas.secondary
    for column in (schema.columns.get(name) for name in configuration.status_columns):
        if column is None:
            continue
        if column.kind not in _KINDS_OF_STATUS:
            yield _unfit_type(schema, column)
        if column.default is not None:
            yield _default(schema, column, column.default)
        missing = _wanted_status(configuration, schemas) - column.options
        if column.options and missing:
            yield _missing_choices(schema, column, missing)


def _unfit_type(schema: TableSchema, column: Column) -> SchemaDifference:
    name = f"{schema.name}.{column.name}"
    return SchemaDifference(
        DriftKind.TYPES_DIFFER,
        SECONDARY,
        name,
        f"{name} cannot hold a status reason",
        "a whole number or a choice",
        describe(column),
        "Name another column under status in sync.yaml",
    )


def _default(schema: TableSchema, column: Column, default: int) -> SchemaDifference:
    name = f"{schema.name}.{column.name}"
    return SchemaDifference(
        DriftKind.HAS_DEFAULT,
        SECONDARY,
        name,
        f"{name} has a default, so it proves nothing",
        "no default",
        str(default),
        "Remove the default from the column",
    )


def _missing_choices(schema: TableSchema, column: Column, missing: set[int]) -> SchemaDifference:
    name = f"{schema.name}.{column.name}"
    return SchemaDifference(
        DriftKind.CHOICES_MISSING,
        SECONDARY,
        name,
        f"{name} lacks {numbers(missing)}",
        f"{numbers(missing | column.options)} for every status reason",
        numbers(column.options),
        "Add the choices; until then, rows with them are parked",
    )
