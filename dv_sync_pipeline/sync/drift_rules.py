"""Every rule on columns, lookups and keys of two schemas.

Belongs here: what must hold between both sides, and what has changed since the last run. Pure:
schemas in, differences out. Does not belong here: what a difference does to the table (`drift.py`),
the rules on status
reasons (`drift_status.py`), or the mapping that follows once nothing stops it (`mapping.py`).
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.drift import DriftKind, Effect, SchemaDifference
from dv_sync_pipeline.sync.drift_status import status_column_differs, status_differs
from dv_sync_pipeline.sync.drift_words import (
    PRIMARY,
    SECONDARY,
    STATUS_COLUMNS,
    Schemas,
    describe,
    listed,
    numbers,
)
from dv_sync_pipeline.sync.values import VALUE_TYPES
from dv_sync_pipeline.webapi.metadata import Column, Key, TableSchema

__all__ = ["STATUS_COLUMNS", "Schemas", "compare_columns", "describe", "find_differences"]

_LEAVE_OUT = "Leave it out of sync.yaml"


@dataclass(frozen=True, slots=True)
class _Side:
    """One environment's table, now and then."""

    environment: str
    schema: TableSchema
    seen: TableSchema | None

    def column_seen(self, name: str) -> Column | None:
        return self.seen.columns.get(name) if self.seen else None


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two columns that are to be kept equal."""

    primary: TableSchema
    secondary: TableSchema
    source: Column
    target: Column
    choices: Mapping[int, int] = field(default_factory=dict)


def find_differences(
    configuration: TableConfiguration,
    schemas: Schemas,
    *,
    names: Mapping[str, str],
    targets: Mapping[str, str],
) -> tuple[SchemaDifference, ...]:
    """Everything that is not as it should be, what stops the table first.

    Args:
        configuration: what sync.yaml says of the table.
        schemas: the table on both sides.
        names: mapped columns, lookups included: primary name → secondary name.
        targets: synchronized table → its name in the secondary.

    """
    here = _Side(PRIMARY, schemas.primary, schemas.primary_seen)
    there = _Side(SECONDARY, schemas.secondary, schemas.secondary_seen)
    own = [*configuration.constants, *configuration.status_columns]
    found = [
        *_gone(here, names),
        *_gone(there, [*names.values(), *own]),
        *_pairs_differ(configuration, schemas, names),
        *_constants_differ(configuration, schemas),
        *_lookups_differ(configuration, schemas, targets),
        *_key_differs(configuration, there),
        *status_differs(configuration, schemas),
        *status_column_differs(configuration, schemas),
        *_changed(here, names),
        *_changed(there, [*names.values(), *own]),
        *_added(here),
        *_added(there),
    ]
    order = list(Effect)
    return tuple(sorted(found, key=lambda difference: order.index(difference.effect)))


def compare_columns(schemas: Schemas, name: str) -> tuple[SchemaDifference, ...]:
    """What keeps the column of that name, which both sides have, from being mapped to itself."""
    source, target = schemas.primary.columns[name], schemas.secondary.columns[name]
    return tuple(_broken_rules(_Pair(schemas.primary, schemas.secondary, source, target)))


# ---- columns that are not there -----------------------------------------------------------------


def _gone(side: _Side, names: Iterable[str]) -> Iterator[SchemaDifference]:
    schema = side.schema
    for name in names:
        if name in schema.columns:
            continue
        before = side.column_seen(name)
        successor = _successor(side, before)
        yield SchemaDifference(
            kind=DriftKind.COLUMN_RENAMED if successor else DriftKind.COLUMN_GONE,
            environment=side.environment,
            part=f"{schema.name}.{name}",
            what=f"the table {schema.name} has no column {name}" + (" any more" if before else ""),
            expected=describe(before) if before else "the column that sync.yaml names",
            actual=f"{successor}, which is new and of the same type" if successor else "none",
            mend=_mend_of_missing(name, schema, successor=successor, was_there=before is not None),
        )


def _successor(side: _Side, before: Column | None) -> str:
    """The one new column of the same type, which probably is the old one renamed; "" if none."""
    if side.seen is None or before is None:
        return ""
    new = [
        column.name
        for column in side.schema.columns.values()
        if column.name not in side.seen.columns and column.kind is before.kind
    ]
    return new[0] if len(new) == 1 else ""


def _mend_of_missing(name: str, schema: TableSchema, *, successor: str, was_there: bool) -> str:
    if successor:
        return f"If it was renamed, write {successor} in sync.yaml"
    if was_there:
        return "Bring it back, or take it out of sync.yaml"
    closest = _closest(name, schema.columns)
    return f"Did you mean {closest}?" if closest else "Correct it in sync.yaml"


def _closest(name: str, names: Iterable[str]) -> str:
    """The name that is probably meant; "" if none is like it.

    The columns of a publisher all begin alike, which would make strangers look alike.
    """
    known = {_without_prefix(each): each for each in names}
    found = difflib.get_close_matches(_without_prefix(name), known, n=1)
    return known[found[0]] if found else ""


def _without_prefix(name: str) -> str:
    return name.partition("_")[2] or name


# ---- two columns that are to be equal -----------------------------------------------------------


def _pairs_differ(
    configuration: TableConfiguration, schemas: Schemas, names: Mapping[str, str]
) -> Iterator[SchemaDifference]:
    for source_name, target_name in names.items():
        source = schemas.primary.columns.get(source_name)
        target = schemas.secondary.columns.get(target_name)
        if source is None or target is None:
            continue
        choices = configuration.values.get(source_name, {})
        pair = _Pair(schemas.primary, schemas.secondary, source, target, choices)
        yield from _broken_rules(pair)


def _constants_differ(
    configuration: TableConfiguration, schemas: Schemas
) -> Iterator[SchemaDifference]:
    """Columns that the primary does not have: only what the secondary allows is of interest."""
    schema = schemas.secondary
    own = {*configuration.constants, *configuration.status_columns}
    for name in own & schema.columns.keys():
        target = schema.columns[name]
        yield from _access(_Pair(schema, schema, replace(target, valid_for_read=True), target))


def _broken_rules(pair: _Pair) -> Iterator[SchemaDifference]:
    """What access and types forbid; only then does it make sense to look closer."""
    stops = [difference for rule in _STOPPING_RULES for difference in rule(pair)]
    yield from stops
    if not stops:
        for rule in _FITTING_RULES:
            yield from rule(pair)


def _access(pair: _Pair) -> Iterator[SchemaDifference]:
    readable, writable = "a column that can be read", "a column that can be written"
    source, target = pair.source, pair.target
    if not source.valid_for_read:
        yield _in_primary(
            pair, DriftKind.NOT_READABLE, "cannot be read", readable, describe(source)
        )
    if not target.valid_for_read:
        yield _in_secondary(
            pair, DriftKind.NOT_READABLE, "cannot be read back", readable, describe(target)
        )
    # Content travels by requests of its own, whatever rows may carry (DATAVERSE 3.3).
    if not (target.is_content or (target.valid_for_create and target.valid_for_update)):
        yield _in_secondary(
            pair, DriftKind.NOT_WRITABLE, "cannot be written", writable, describe(target)
        )


def _synchronized_types(pair: _Pair) -> Iterator[SchemaDifference]:
    for column, difference in ((pair.source, _in_primary), (pair.target, _in_secondary)):
        if column.kind not in VALUE_TYPES:
            what = f"is of type {column.kind}, which is not synchronized"
            expected = "a type of docs/column-types.md"
            yield difference(pair, DriftKind.NOT_SYNCHRONIZED, what, expected, describe(column))


def _one_family(pair: _Pair) -> Iterator[SchemaDifference]:
    source, target = pair.source, pair.target
    if not {source.kind, target.kind} <= VALUE_TYPES.keys():
        return
    families = VALUE_TYPES[source.kind].family, VALUE_TYPES[target.kind].family
    behaviors = source.date_time_behavior, target.date_time_behavior
    if families[0] == families[1] and behaviors[0] == behaviors[1]:
        return
    yield SchemaDifference(
        kind=DriftKind.TYPES_DIFFER,
        environment=SECONDARY,
        part=f"{pair.secondary.name}.{target.name}",
        what=f"{pair.primary.name}.{source.name} cannot be kept equal in "
        f"{pair.secondary.name}.{target.name}",
        expected=f"{describe(source)} as in the primary",
        actual=describe(target),
        mend="Make the two columns alike, or leave this one out of sync.yaml",
    )


def _digits(pair: _Pair) -> Iterator[SchemaDifference]:
    source, target = pair.source.precision or 0, pair.target.precision
    if target is not None and source > target:
        what = f"cannot hold what {pair.primary.name}.{pair.source.name} holds"
        expected = f"{source} digits after the point"
        yield _in_secondary(pair, DriftKind.DIGITS_LOST, what, expected, f"{target}")


def _length(pair: _Pair) -> Iterator[SchemaDifference]:
    source, target = pair.source.max_length, pair.target.max_length
    if source is not None and target is not None and source > target:
        yield _in_secondary(
            pair,
            DriftKind.TEXT_SHORTER,
            f"is shorter than {pair.primary.name}.{pair.source.name}",
            f"{source} characters as in the primary",
            f"{target}",
            mend="Make it longer; until then, rows that do not fit are parked",
        )


def _size(pair: _Pair) -> Iterator[SchemaDifference]:
    source, target = pair.source.max_kilobytes, pair.target.max_kilobytes
    if source is not None and target is not None and source > target:
        yield _in_secondary(
            pair,
            DriftKind.FILE_SMALLER,
            f"takes smaller files than {pair.primary.name}.{pair.source.name}",
            f"{source:,} kB as in the primary",
            f"{target:,} kB",
            mend="Let it take larger ones; until then, rows with larger files are parked",
        )


def _choices(pair: _Pair) -> Iterator[SchemaDifference]:
    wanted = {pair.choices.get(option, option) for option in pair.source.options}
    missing = wanted - pair.target.options
    if missing and pair.target.options:
        yield _in_secondary(
            pair,
            DriftKind.CHOICES_MISSING,
            f"lacks the choices {numbers(missing)}",
            f"{numbers(wanted)} as in the primary",
            numbers(pair.target.options),
            mend="Add them, or map them under values; until then, rows with them are parked",
        )


_Rule = Callable[[_Pair], Iterator[SchemaDifference]]
_STOPPING_RULES: Sequence[_Rule] = (_access, _synchronized_types, _one_family, _digits)
_FITTING_RULES: Sequence[_Rule] = (_length, _size, _choices)


def _in_primary(
    pair: _Pair, kind: DriftKind, what: str, expected: str, actual: str
) -> SchemaDifference:
    name = f"{pair.primary.name}.{pair.source.name}"
    return SchemaDifference(kind, PRIMARY, name, f"{name} {what}", expected, actual, _LEAVE_OUT)


def _in_secondary(
    pair: _Pair,
    kind: DriftKind,
    what: str,
    expected: str,
    actual: str,
    *,
    mend: str = _LEAVE_OUT,
) -> SchemaDifference:
    name = f"{pair.secondary.name}.{pair.target.name}"
    return SchemaDifference(kind, SECONDARY, name, f"{name} {what}", expected, actual, mend)


# ---- lookups and keys ----------------------------------------------------------------------


def _lookups_differ(
    configuration: TableConfiguration, schemas: Schemas, targets: Mapping[str, str]
) -> Iterator[SchemaDifference]:
    for name, lookup in configuration.lookups.items():
        column = schemas.primary.columns.get(name)
        other = schemas.secondary.columns.get(configuration.target_columns[name])
        for parent in lookup.tables:
            there = parent.table if parent.by else targets[parent.table]
            if column is not None and parent.table not in column.targets:
                yield _no_target(PRIMARY, schemas.primary, column, parent.table)
            if other is not None and there not in other.targets:
                yield _no_target(SECONDARY, schemas.secondary, other, there)


def _no_target(
    environment: str, schema: TableSchema, column: Column, parent: str
) -> SchemaDifference:
    return SchemaDifference(
        DriftKind.TARGET_MISSING,
        environment,
        f"{schema.name}.{column.name}",
        f"the lookup {schema.name}.{column.name} does not point to {parent}",
        parent,
        listed(column.targets) or "no table",
        "Correct it under lookups in sync.yaml",
    )


def _key_differs(configuration: TableConfiguration, there: _Side) -> Iterator[SchemaDifference]:
    wanted = set(configuration.target_key)
    if configuration.matches_by_id or not wanted <= there.schema.columns.keys():
        return
    matching = [key for key in there.schema.keys if set(key.columns) == wanted]
    if not matching:
        yield _no_key(there, wanted)
    elif not any(key.is_active for key in matching):
        yield _sleeping_key(there.schema, matching[0])


def _no_key(there: _Side, wanted: Iterable[str]) -> SchemaDifference:
    schema = there.schema
    known = "; ".join(listed(key.columns) for key in schema.keys)
    was = [key.name for key in (there.seen.keys if there.seen else ()) if {*key.columns} == wanted]
    return SchemaDifference(
        DriftKind.KEY_MISSING,
        SECONDARY,
        f"{schema.name}, key {listed(wanted)}",
        f"the table {schema.name} has no alternate key on {listed(wanted)}",
        f"the key {was[0]}, as at the last run" if was else "a key on exactly these columns",
        f"its keys: {known or 'none'}",
        "Create the key, correct key in sync.yaml, or match by GUID with key: id",
    )


def _sleeping_key(schema: TableSchema, key: Key) -> SchemaDifference:
    return SchemaDifference(
        DriftKind.KEY_NOT_ACTIVE,
        SECONDARY,
        f"{schema.name}, key {key.name}",
        f"the key {key.name} of {schema.name} is not active",
        "Active",
        key.index_status or "no index",
        "Wait until Dataverse has built it; if it failed, remove the duplicates first",
    )


# ---- since the last run -------------------------------------------------------------------------


def _changed(side: _Side, names: Iterable[str]) -> Iterator[SchemaDifference]:
    """Mapped columns that are there, but not as they were."""
    for name in names:
        before, now = side.column_seen(name), side.schema.columns.get(name)
        if before is None or now is None or describe(before) == describe(now):
            continue
        part = f"{side.schema.name}.{name}"
        yield SchemaDifference(
            DriftKind.COLUMN_CHANGED,
            side.environment,
            part,
            f"{part} has changed since the last run",
            describe(before),
            describe(now),
            "Nothing to do, unless something else is told of it",
        )


def _added(side: _Side) -> Iterator[SchemaDifference]:
    new = side.schema.columns.keys() - (side.seen or side.schema).columns.keys()
    if new:
        yield SchemaDifference(
            DriftKind.COLUMN_ADDED,
            side.environment,
            side.schema.name,
            f"the table {side.schema.name} has new columns since the last run",
            "the columns of the last run",
            listed(new),
            "Map them in sync.yaml if they are to be synchronized",
        )
