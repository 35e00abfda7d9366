"""Bodies of writes: from JSON objects to the kept values of rows.

Belongs here: which properties count, which are silently ignored and which are refused (DATAVERSE
3.2, 4.1, 5), and resolving references. Does not belong here: rules between columns and SQL
(`writes.py`), and single values (`values.py`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from dv_sync_pipeline.emulator.rows import references, replies
from dv_sync_pipeline.emulator.rows.navigation import Collection, find_collection
from dv_sync_pipeline.emulator.rows.new_rows import NewRows, property_names
from dv_sync_pipeline.emulator.rows.security import Action, ColumnRight, User, find_user
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.tables.catalog import Table, target_column
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind, LookupDefinition

__all__ = ["Nested", "NewChildren", "NewParent", "PayloadReader"]

_BIND = "@odata.bind"


@dataclass(frozen=True, slots=True)
class NewParent:
    """A row to create first, to which a lookup then points (deep insert, DATAVERSE 4.1)."""

    column: ColumnDefinition
    table: Table
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewChildren:
    """Rows to create afterwards, in a collection of the new row."""

    collection: Collection
    payloads: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Nested:
    """The rows inside a body, and the rows that a collection is bound to."""

    parents: list[NewParent] = field(default_factory=list)
    children: list[NewChildren] = field(default_factory=list)
    bound: list[tuple[Collection, str]] = field(default_factory=list)


class PayloadReader:
    """Reads the bodies of one request; references that occur again are looked up once."""

    def __init__(self, store: Store, switches: Switches, user: User) -> None:
        self._store = store
        self._switches = switches
        self._user = user
        self._bound: dict[tuple[str, str, str], dict[str, str]] = {}

    def read_new(
        self, table: Table, payloads: Sequence[Any]
    ) -> tuple[NewRows, Mapping[int, Nested]]:
        """The values that creates set, and by its place in the list what is nested in a row.

        Raises the error of the first row that has one.
        """
        try:
            return self._read_new(table, payloads)
        except replies.DataverseError:
            # Found column by column; what a client is told goes by rows.
            for payload in payloads if len(payloads) > 1 else ():
                self._read_new(table, [payload])
            raise

    def _read_new(
        self, table: Table, payloads: Sequence[Any]
    ) -> tuple[NewRows, Mapping[int, Nested]]:
        for payload in payloads:
            _require_object(payload)
        rows, nested = NewRows(len(payloads)), defaultdict[int, Nested](Nested)
        for name in property_names(payloads):
            given = [payload.get(name, UNSET) for payload in payloads]
            decode = table.creatable.get(name)
            if decode is not None:
                if name in table.required and None in given:
                    raise replies.required_column(table.name, name)
                rows.decode(name, given, decode)
            elif name[:1] != "@":  # what is said about the object itself is not about a column
                self._read_special_column(table, name, given, rows, nested)
        self._require_columns(table, rows.columns, ColumnRight.CREATE)
        return rows, nested

    def _read_special_column(
        self,
        table: Table,
        name: str,
        given: Sequence[Any],
        rows: NewRows,
        nested: defaultdict[int, Nested],
    ) -> None:
        """A property that is no plain writable column, of each row that has it."""
        known: dict[str, dict[str, Any]] = {}  # a text means the same in every row
        for row, value in enumerate(given):
            if value is UNSET:
                continue
            values = known.get(value) if value.__class__ is str else None
            if values is None:
                values = {}
                self._read_special(table, name, value, values, nested[row])
                if value.__class__ is str:
                    known[value] = values
            rows.update(row, values)

    def read_changes(self, table: Table, payload: Any) -> dict[str, Any]:
        """The values that an update sets."""
        _require_object(payload)
        values: dict[str, Any] = {}
        for name, value in payload.items():
            decode = table.updatable.get(name)
            if decode is None:
                if name[:1] != "@":
                    self._read_special(table, name, value, values, None)
            elif value is None:
                _clear(table, name, values)
            else:
                values[name] = decode(value)
        self._require_columns(table, values, ColumnRight.UPDATE)
        return values

    def _require_columns(self, table: Table, values: Mapping[str, Any], right: ColumnRight) -> None:
        for name in table.secured & values.keys() if table.secured else ():
            if not self._user.may(right, table, name):
                raise replies.secured_column(self._user.id, column=name, right=right.name)

    def _read_special(
        self, table: Table, name: str, value: Any, values: dict[str, Any], nested: Nested | None
    ) -> None:
        """A property that is no plain writable column."""
        if name.endswith(_BIND):
            self._bind(table, name.removesuffix(_BIND), value, values, nested)
        elif "@" in name:
            _check_annotation(table, name)
        elif name in table.navigation:
            self._nest_parent(table, name, value, values, nested)
        elif name in table.properties:
            _check_read_only(table, name)
        else:
            self._nest_children(table, name, value, nested)

    # ---- references -----------------------------------------------------------------------------

    def _bind(
        self, table: Table, name: str, value: Any, values: dict[str, Any], nested: Nested | None
    ) -> None:
        known = self._bound.get((table.name, name, value)) if isinstance(value, str) else None
        if known is not None:
            values.update(known)
            return
        if name not in table.navigation:
            self._bind_collection(table, name, value, nested)
            return
        column, lookups = table.navigation[name]
        if not _is_writable(column):
            return
        if value is None:
            _clear(table, column.name, values)
            return
        target, row_id = self._resolve(table, name, value, lookups)
        pointer = {column.name: row_id}
        if column.is_polymorphic:
            pointer[target_column(column.name)] = target.name
        self._bound[table.name, name, value] = pointer
        values.update(pointer)

    def _bind_collection(self, table: Table, name: str, value: Any, nested: Nested | None) -> None:
        collection = find_collection(self._store.catalog, table, name)
        if collection is None or nested is None or not isinstance(value, list):
            raise replies.undeclared_property(table.entity_set, name)
        for reference in value:
            _, row_id = self.resolve_reference(reference)
            nested.bound.append((collection, row_id))

    def _resolve(
        self, table: Table, name: str, value: Any, lookups: tuple[LookupDefinition, ...]
    ) -> tuple[Table, str]:
        if not isinstance(value, str):
            raise replies.bad_payload(table.entity_set, f"'{name}' must be bound to a text.")
        target, row_id = self.resolve_reference(value)
        if target.name not in {lookup.target for lookup in lookups}:
            raise replies.wrong_target(table.entity_set, property_name=name, found=target.name)
        self._require_link(table, target, name, row_id)
        return target, row_id

    def _require_link(self, table: Table, target: Table, name: str, row_id: str) -> None:
        """A link needs Append here and AppendTo there; an owner needs Assign (DATAVERSE 13)."""
        if name == "ownerid":
            self._require_owner(table, target, row_id)
            return
        self._user.require(Action.APPEND, table)
        self._user.require(Action.APPEND_TO, target)

    def _require_owner(self, table: Table, owners: Table, owner_id: str) -> None:
        """Giving a row away needs Assign, and an owner who may read it."""
        if owner_id == self._user.id:
            return
        self._user.require(Action.ASSIGN, table)
        if owners.name != "systemuser":
            return
        if find_user(self._store, owner_id).depth(Action.READ, table.name) is None:
            raise replies.owner_without_privilege(owner_id, table=table.name)

    def resolve_reference(self, text: Any) -> tuple[Table, str]:
        """The table and the GUID that a reference names; raises the error of DATAVERSE 5."""
        segment = references.reference_segment(text)
        table = self._store.catalog.by_entity_set(segment.name)
        row_id = references.find_row(self._store, table, segment)
        if row_id is None:
            error = references.missing_row(table, segment)
            raise replies.with_status(error, status=self._switches.missing_bind_target_status)
        return table, row_id

    # ---- nested rows ----------------------------------------------------------------------------

    def _nest_parent(
        self, table: Table, name: str, value: Any, values: dict[str, Any], nested: Nested | None
    ) -> None:
        column, lookups = table.navigation[name]
        if not _is_writable(column):
            return
        if value is None:
            _clear(table, column.name, values)
            return
        if nested is None or not isinstance(value, dict) or len(lookups) > 1:
            raise replies.not_implemented(f"a nested object for '{name}' in an update")
        target = self._store.catalog.table(lookups[0].target)
        nested.parents.append(NewParent(column, target, value))

    def _nest_children(self, table: Table, name: str, value: Any, nested: Nested | None) -> None:
        collection = find_collection(self._store.catalog, table, name)
        if collection is None:
            raise replies.unknown_body_property(
                table.name, name, code=self._switches.body_error_code
            )
        if nested is None or not isinstance(value, list):
            raise replies.not_implemented(f"the collection '{name}' in an update")
        nested.children.append(NewChildren(collection, tuple(value)))


def _is_writable(column: ColumnDefinition) -> bool:
    return column.valid_for_create or column.valid_for_update


def _require_object(payload: Any) -> None:
    if not isinstance(payload, dict):
        raise replies.malformed_json("The body must be a JSON object.")


def _clear(table: Table, name: str, values: dict[str, Any]) -> None:
    if name in table.required:
        raise replies.required_column(table.name, name)
    values[name] = None
    if table.columns[name].is_polymorphic:
        values[target_column(name)] = None


def _check_annotation(table: Table, name: str) -> None:
    """Annotations are ignored if they are about the object or about a property it may have."""
    about = name.partition("@")[0]
    if about and about not in table.properties and about not in table.navigation:
        raise replies.undeclared_property(table.entity_set, about)


def _check_read_only(table: Table, name: str) -> None:
    """A column that may not be written is ignored; a lookup has another way (DATAVERSE 3.2, 5)."""
    column = table.properties[name]
    if column.kind.is_lookup and _is_writable(column) and column.kind is not ColumnKind.OWNER:
        raise replies.direct_lookup(name)
