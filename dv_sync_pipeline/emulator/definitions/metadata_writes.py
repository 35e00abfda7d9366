"""Changing the schema of an environment: what must hold, and what else changes with it.

Belongs here: rules between tables, columns, keys, relationships and option sets (DATAVERSE 3).
Does not belong here: the JSON of clients (`metadata_payloads.py`), addresses and replies
(`metadata_routes.py`), SQL (`store.py`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.values import timestamp
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table
from dv_sync_pipeline.emulator.tables.metadata_ids import (
    column_id,
    key_id,
    option_set_id,
    relationship_id,
    table_id,
)
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    KeyDefinition,
    KeyStatus,
    LookupDefinition,
    ManyToManyDefinition,
    OptionSetDefinition,
    TableDefinition,
)
from dv_sync_pipeline.emulator.tables.system import intersect_table

__all__ = [
    "add_column",
    "build_due_keys",
    "create_key",
    "create_many_to_many",
    "create_option_set",
    "create_table",
    "delete_column",
    "delete_key",
    "delete_option_set",
    "delete_relationship",
    "delete_table",
    "find_column",
    "find_key",
    "find_option_set",
    "find_relationship",
    "find_table",
    "put_column",
    "put_options",
    "reactivate_key",
    "schedule_key",
    "schema_transaction",
]

KEYS_MAX = 10
Relationship = tuple[Table, ColumnDefinition, LookupDefinition] | ManyToManyDefinition
"""A one-to-many relationship with the lookup that it belongs to, or a many-to-many one."""


@contextmanager
def schema_transaction(store: Store) -> Iterator[None]:
    """A transaction that takes the definitions in memory back with it when it fails."""
    catalog = store.catalog
    tables, pairs, choices = (
        dict(catalog.tables),
        dict(catalog.many_to_many),
        dict(catalog.option_sets),
    )
    try:
        with store.transaction():
            yield
    except BaseException:
        catalog.many_to_many, catalog.option_sets = pairs, choices
        if catalog.tables != tables:
            for name in list(catalog.tables):
                catalog.remove(name)
            for table in tables.values():
                catalog.put(table.definition)
        raise


# ---- finding ------------------------------------------------------------------------------------

_Found = TypeVar("_Found")


def _required(found: _Found | None, kind: str, name: str) -> _Found:
    if found is None:
        raise replies.metadata_not_found(kind, name)
    return found


def find_table(catalog: Catalog, name: str) -> Table:
    """A table by its logical name or its id; raises the 404."""
    by_id = (table for table in catalog.tables.values() if table_id(table.name) == name)
    found = catalog.tables.get(name.lower()) or next(by_id, None)
    return _required(found, "entity", name)


def find_column(table: Table, name: str) -> ColumnDefinition:
    """A column by its logical name or its id; raises the 404."""
    by_id = (
        column for column in table.columns.values() if column_id(table.name, column.name) == name
    )
    found = table.columns.get(name.lower()) or next(by_id, None)
    return _required(found, "attribute", name)


def find_key(table: Table, name: str) -> KeyDefinition:
    """An alternate key by its logical name or its id; raises the 404."""
    keys = table.definition.keys
    names = (name, name.lower())
    found = (key for key in keys if key.name in names or key_id(table.name, key.name) == name)
    return _required(next(found, None), "key", name)


def find_option_set(catalog: Catalog, name: str) -> OptionSetDefinition:
    """A global choice by its name or its id; raises the 404."""
    by_id = (each for each in catalog.option_sets.values() if option_set_id(each.name) == name)
    found = catalog.option_sets.get(name.lower()) or next(by_id, None)
    return _required(found, "option set", name)


def find_relationship(catalog: Catalog, name: str) -> Relationship:
    """A relationship of either kind by its schema name or its id; raises the 404."""
    for relationship in _relationships(catalog):
        schema_name = _name_of(relationship)
        if name in (schema_name, relationship_id(schema_name)):
            return relationship
    raise replies.metadata_not_found("relationship", name)


def _relationships(catalog: Catalog) -> Iterator[Relationship]:
    yield from catalog.many_to_many.values()
    for table in catalog.tables.values():
        for column in table.definition.columns:
            yield from ((table, column, lookup) for lookup in column.lookups)


def _name_of(relationship: Relationship) -> str:
    if isinstance(relationship, ManyToManyDefinition):
        return relationship.schema_name
    return relationship[2].schema_name


def _require_new_relationship(catalog: Catalog, schema_name: str) -> None:
    if any(_name_of(known).lower() == schema_name.lower() for known in _relationships(catalog)):
        raise replies.schema_name_taken("relationship", schema_name)


# ---- tables -------------------------------------------------------------------------------------


def create_table(store: Store, definition: TableDefinition) -> Table:
    """Make the table; raises when its name or its entity set is taken."""
    catalog = store.catalog
    if definition.name in catalog.tables:
        raise replies.schema_name_taken("entity", definition.schema_name)
    if catalog.find_set(definition.entity_set) is not None:
        raise replies.schema_name_taken("entity set", definition.entity_set)
    names = [column.name for column in definition.columns]
    for name in names:
        if names.count(name) > 1:
            raise replies.column_name_taken(definition.name, name)
    return store.create_table(definition)


def delete_table(store: Store, table: Table) -> None:
    """Drop the table with its rows, unless another table points to it."""
    if not table.definition.is_custom or table.definition.is_intersect:
        raise replies.not_customizable("entity", table.name)
    others = [child for child in store.catalog.children(table.name) if child.table is not table]
    if others:
        dependents = [f"{child.table.name}.{child.column.name}" for child in others]
        raise replies.component_in_use("Entity", table.name, dependents=dependents)
    with store.transaction():
        for pairs in list(store.catalog.many_to_many.values()):
            if table.name in (pairs.first, pairs.second):
                _drop_many_to_many(store, pairs)
        store.drop_table(table.name)


# ---- columns ------------------------------------------------------------------------------------


def add_column(store: Store, table: Table, column: ColumnDefinition) -> None:
    """Add the column, and what an amount brings along."""
    if column.name in table.columns:
        raise replies.column_name_taken(table.name, column.name)
    for lookup in column.lookups:
        find_table(store.catalog, lookup.target)
        _require_new_relationship(store.catalog, lookup.schema_name)
    with store.transaction():
        for companion in (column, *define.money_columns((column,))):
            if companion.name not in store.catalog.table(table.name).columns:
                named = define.with_relationship_names(companion, table=table.name)
                store.add_column(table.name, named)


def put_column(store: Store, table: Table, column: ColumnDefinition) -> None:
    """Replace the column of that name by a definition that needs no other SQL."""
    definition = store.catalog.table(table.name).definition
    columns = tuple(column if each.name == column.name else each for each in definition.columns)
    store.redefine_table(replace(definition, columns=columns))


def delete_column(store: Store, table: Table, column: ColumnDefinition) -> None:
    """Drop the column and its values, unless a key needs it."""
    if not column.is_custom or column.is_primary_name:
        raise replies.not_customizable("attribute", column.name)
    keys = [key.name for key in table.definition.keys if column.name in key.columns]
    if keys:
        raise replies.component_in_use("Attribute", column.name, dependents=keys)
    with store.transaction():
        store.drop_column(table.name, column.name)
        if column.kind is ColumnKind.MONEY:
            store.drop_column(table.name, define.base_of(column).name)


# ---- keys ---------------------------------------------------------------------------------------


def create_key(store: Store, table: Table, key: KeyDefinition) -> None:
    """Write the key down; `schedule_key` has its index built."""
    if any(known.name == key.name for known in table.definition.keys):
        raise replies.key_name_taken(key.schema_name)
    if len(table.definition.keys) >= KEYS_MAX:
        raise replies.invalid_argument(f"A table has at most {KEYS_MAX} keys.")
    store.create_key(table.name, key)


def schedule_key(store: Store, table: str, key: KeyDefinition, *, delay_seconds: float) -> None:
    """Have the index of a pending key built after the delay, or at once without one."""
    if not delay_seconds:
        _build_key(store, table, key)
        return
    due = timestamp(store.clock() + timedelta(seconds=delay_seconds))
    store.set_setting(f"{_DUE}{table} {key.name}", due)


_DUE = "key due "


def build_due_keys(store: Store) -> None:
    """Build every index whose time has come; costs one look-up where none waits."""
    due = store.database.execute(
        "SELECT name FROM _dv_setting WHERE name LIKE ? AND value <= ?", (f"{_DUE}%", store.now())
    ).fetchall()
    for (name,) in due:
        table_name, key_name = name.removeprefix(_DUE).split(" ")
        store.database.execute("DELETE FROM _dv_setting WHERE name = ?", (name,))
        table = store.catalog.tables.get(table_name)
        for key in table.definition.keys if table else ():
            if key.name == key_name and key.status is KeyStatus.PENDING:
                _build_key(store, table_name, key)


def _build_key(store: Store, table: str, key: KeyDefinition) -> None:
    """Make the key usable; over duplicates it ends in Failed and no row is harmed (3.5)."""
    try:
        store.create_key(table, replace(key, status=KeyStatus.ACTIVE))
    except sqlite3.IntegrityError:
        store.create_key(table, replace(key, status=KeyStatus.FAILED))


def reactivate_key(store: Store, table: Table, key: KeyDefinition) -> KeyDefinition:
    """The failed key, pending again."""
    if key.status is not KeyStatus.FAILED:
        raise replies.key_not_failed(key.name)
    pending = replace(key, status=KeyStatus.PENDING)
    store.create_key(table.name, pending)
    return pending


def delete_key(store: Store, table: Table, key: KeyDefinition) -> None:
    """Drop the key and its index."""
    store.drop_key(table.name, key.name)


# ---- relationships ------------------------------------------------------------------------------


def create_many_to_many(store: Store, pairs: ManyToManyDefinition) -> None:
    """Make the relationship and its intersect table."""
    catalog = store.catalog
    find_table(catalog, pairs.first)
    find_table(catalog, pairs.second)
    _require_new_relationship(catalog, pairs.schema_name)
    if pairs.intersect in catalog.tables:
        raise replies.schema_name_taken("entity", pairs.intersect)
    with store.transaction():
        store.create_many_to_many(pairs)
        store.create_table(intersect_table(pairs))


def delete_relationship(store: Store, relationship: Relationship) -> None:
    """Drop the relationship with its lookup column or its intersect table."""
    if isinstance(relationship, ManyToManyDefinition):
        if not store.catalog.table(relationship.first).definition.is_custom and not (
            store.catalog.table(relationship.second).definition.is_custom
        ):
            raise replies.not_customizable("relationship", relationship.schema_name)
        with store.transaction():
            _drop_many_to_many(store, relationship)
        return
    table, column, lookup = relationship
    if len(column.lookups) == 1:
        delete_column(store, table, column)
        return
    if column.kind is not ColumnKind.LOOKUP:
        raise replies.not_customizable("relationship", lookup.schema_name)
    raise replies.not_implemented("taking one target from a polymorphic lookup")


def _drop_many_to_many(store: Store, pairs: ManyToManyDefinition) -> None:
    store.drop_many_to_many(pairs.schema_name)
    store.drop_table(pairs.intersect)


# ---- option sets --------------------------------------------------------------------------------


def create_option_set(store: Store, option_set: OptionSetDefinition) -> None:
    """Make a global choice."""
    if option_set.name in store.catalog.option_sets:
        raise replies.schema_name_taken("option set", option_set.name)
    store.put_option_set(option_set)


def put_options(store: Store, option_set: OptionSetDefinition) -> None:
    """Replace a global choice, and the options of every column that shows it."""
    with store.transaction():
        store.put_option_set(option_set)
        for table, column in _columns_with(store.catalog, option_set):
            put_column(store, table, replace(column, options=option_set.options))


def delete_option_set(store: Store, option_set: OptionSetDefinition) -> None:
    """Drop a global choice that no column shows."""
    users = _columns_with(store.catalog, option_set)
    if users:
        dependents = [f"{table.name}.{column.name}" for table, column in users]
        raise replies.component_in_use("OptionSet", option_set.name, dependents=dependents)
    store.drop_option_set(option_set.name)


def _columns_with(
    catalog: Catalog, option_set: OptionSetDefinition
) -> list[tuple[Table, ColumnDefinition]]:
    return [
        (table, column)
        for table in catalog.tables.values()
        for column in table.definition.columns
        if column.option_set == option_set.name
    ]
