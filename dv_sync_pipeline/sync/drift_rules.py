"""Every rule on columns, keys and status reasons of two schemas.

Belongs here: what must hold between both sides, and what has changed since the last run. Pure:
schemas in, differences out. Does not belong here: what a difference does to the table (`drift.py`),
or the mapping that follows once nothing stops it (`mapping.py`).
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.sync.drift import DriftKind, Effect, SchemaDifference
from dv_sync_pipeline.sync.values import VALUE_TYPES
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, Key, TableSchema

__all__ = ["STATUS_COLUMNS", "Schemas", "compare_columns", "find_differences"]

STATUS_COLUMNS = ("statecode", "statuscode")
_PRIMARY, _SECONDARY = "primary", "secondary"
_LEAVE_OUT = "Leave it out of sync.yaml"
_KINDS_OF_STATUS = frozenset({ColumnKind.INTEGER, ColumnKind.BIG_INTEGER, ColumnKind.CHOICE})


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
    here = _Side(_PRIMARY, schemas.primary, schemas.primary_seen)
    there = _Side(_SECONDARY, schemas.secondary, schemas.secondary_seen)
    own = [*configuration.constants, *configuration.status_columns]
    found = [
        *_gone(here, names),
        *_gone(there, [*names.values(), *own]),
        *_pairs_differ(configuration, schemas, names),
        *_constants_differ(configuration, schemas),
        *_lookups_differ(configuration, schemas, targets),
        *_key_differs(configuration, there),
        *_status_differs(configuration, schemas),
        *_status_column_differs(configuration, schemas),
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
    closest = difflib.get_close_matches(name, schema.columns, n=1)
    if closest:
        return f"Did you mean {closest[0]}?"
    return "Bring it back, or take it out of sync.yaml" if was_there else "Correct it in sync.yaml"


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
        environment=_SECONDARY,
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
            f"lacks the choices {_numbers(missing)}",
            f"{_numbers(wanted)} as in the primary",
            _numbers(pair.target.options),
            mend="Add them, or map them under values; until then, rows with them are parked",
        )


_Rule = Callable[[_Pair], Iterator[SchemaDifference]]
_STOPPING_RULES: Sequence[_Rule] = (_access, _synchronized_types, _one_family, _digits)
_FITTING_RULES: Sequence[_Rule] = (_length, _size, _choices)


def _in_primary(
    pair: _Pair, kind: DriftKind, what: str, expected: str, actual: str
) -> SchemaDifference:
    name = f"{pair.primary.name}.{pair.source.name}"
    return SchemaDifference(kind, _PRIMARY, name, f"{name} {what}", expected, actual, _LEAVE_OUT)


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
    return SchemaDifference(kind, _SECONDARY, name, f"{name} {what}", expected, actual, mend)


# ---- lookups, keys, status ----------------------------------------------------------------------


def _lookups_differ(
    configuration: TableConfiguration, schemas: Schemas, targets: Mapping[str, str]
) -> Iterator[SchemaDifference]:
    for name, lookup in configuration.lookups.items():
        column = schemas.primary.columns.get(name)
        other = schemas.secondary.columns.get(configuration.target_columns[name])
        for parent in lookup.tables:
            there = parent.table if parent.by else targets[parent.table]
            if column is not None and parent.table not in column.targets:
                yield _no_target(_PRIMARY, schemas.primary, column, parent.table)
            if other is not None and there not in other.targets:
                yield _no_target(_SECONDARY, schemas.secondary, other, there)


def _no_target(
    environment: str, schema: TableSchema, column: Column, parent: str
) -> SchemaDifference:
    return SchemaDifference(
        DriftKind.TARGET_MISSING,
        environment,
        f"{schema.name}.{column.name}",
        f"the lookup {schema.name}.{column.name} does not point to {parent}",
        parent,
        _listed(column.targets) or "no table",
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
    known = "; ".join(_listed(key.columns) for key in schema.keys)
    was = [key.name for key in (there.seen.keys if there.seen else ()) if {*key.columns} == wanted]
    return SchemaDifference(
        DriftKind.KEY_MISSING,
        _SECONDARY,
        f"{schema.name}, key {_listed(wanted)}",
        f"the table {schema.name} has no alternate key on {_listed(wanted)}",
        f"the key {was[0]}, as at the last run" if was else "a key on exactly these columns",
        f"its keys: {known or 'none'}",
        "Create the key, correct key in sync.yaml, or match by GUID with key: id",
    )


def _sleeping_key(schema: TableSchema, key: Key) -> SchemaDifference:
    return SchemaDifference(
        DriftKind.KEY_NOT_ACTIVE,
        _SECONDARY,
        f"{schema.name}, key {key.name}",
        f"the key {key.name} of {schema.name} is not active",
        "Active",
        key.index_status or "no index",
        "Wait until Dataverse has built it; if it failed, remove the duplicates first",
    )


def _status_differs(
    configuration: TableConfiguration, schemas: Schemas
) -> Iterator[SchemaDifference]:
    if configuration.status == "none":
        return
    both = (schemas.primary, schemas.secondary)
    here, there = (set(STATUS_COLUMNS) <= schema.columns.keys() for schema in both)
    if here != there:
        yield _no_state(*both, is_here=here)
    elif here:
        yield from _missing_status(configuration, schemas)


def _no_state(primary: TableSchema, secondary: TableSchema, *, is_here: bool) -> SchemaDifference:
    environment, schema = (_SECONDARY, secondary) if is_here else (_PRIMARY, primary)
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
            _SECONDARY,
            f"{schemas.secondary.name}.statuscode",
            f"{schemas.secondary.name} lacks the status reasons {_numbers(wanted - known)}",
            f"{_numbers(wanted)} as in the primary",
            _numbers(known),
            "Add them, or map them under status_values; until then, rows with them are parked",
        )


def _wanted_status(configuration: TableConfiguration, schemas: Schemas) -> set[int]:
    options = schemas.primary.status_options
    return {configuration.status_values.get(each.value, each.value) for each in options}


def _status_column_differs(
    configuration: TableConfiguration, schemas: Schemas
) -> Iterator[SchemaDifference]:
    """The column of `status: {column: ...}` must be able to hold a status reason."""
    schema = schemas.secondary
    for column in (schema.columns.get(name) for name in configuration.status_columns):
        if column is None:
            continue
        name = f"{schema.name}.{column.name}"
        if column.kind not in _KINDS_OF_STATUS:
            what, expected = f"{name} cannot hold a status reason", "a whole number or a choice"
            kind, mend = DriftKind.TYPES_DIFFER, "Name another column under status in sync.yaml"
            yield SchemaDifference(kind, _SECONDARY, name, what, expected, describe(column), mend)
        if column.default is not None:
            what, kind = f"{name} has a default, so it proves nothing", DriftKind.HAS_DEFAULT
            mend, actual = "Remove the default from the column", str(column.default)
            yield SchemaDifference(kind, _SECONDARY, name, what, "no default", actual, mend)
        missing = _wanted_status(configuration, schemas) - column.options
        if column.options and missing:
            what, kind = f"{name} lacks {_numbers(missing)}", DriftKind.CHOICES_MISSING
            expected = f"{_numbers(missing | column.options)} for every status reason"
            mend = "Add the choices; until then, rows with them are parked"
            actual = _numbers(column.options)
            yield SchemaDifference(kind, _SECONDARY, name, what, expected, actual, mend)


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
            _listed(new),
            "Map them in sync.yaml if they are to be synchronized",
        )


# ---- in words -----------------------------------------------------------------------------------


def describe(column: Column) -> str:
    """What a column is, in words, as far as it matters for its values."""
    value_type = VALUE_TYPES.get(column.kind)
    parts = [
        value_type.family if value_type else column.kind.value,
        f"up to {column.max_length} characters" if column.max_length is not None else "",
        f"up to {column.max_kilobytes:,} kB" if column.max_kilobytes is not None else "",
        f"{column.precision} digits after the point" if column.precision is not None else "",
        f"behaving as {column.date_time_behavior}" if column.date_time_behavior else "",
        f"one of {_numbers(column.options)}" if column.options else "",
        f"to {_listed(column.targets)}" if column.targets else "",
        "required" if column.required else "",
        "" if column.valid_for_read else "not readable",
        "" if column.valid_for_create and column.valid_for_update else "read-only",
    ]
    return ", ".join(part for part in parts if part)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
