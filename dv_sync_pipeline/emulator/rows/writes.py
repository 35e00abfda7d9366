"""Creating, changing and deleting rows: the rules between columns, and the SQL.

Every write of a client goes through `Writer`, alone or in bulk. Belongs here: defaults, state and
status reason (DATAVERSE 12), owner (13), versions, cascades (3.5). Does not belong here: reading
bodies (`payloads.py`) and HTTP (`rows_write.py`, `bulk.py`). A caller wraps it in a transaction.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dv_sync_pipeline.emulator.rows import cascades, money, null_keys, pictures, references, replies
from dv_sync_pipeline.emulator.rows.business_rules import check_business_rules
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.navigation import Collection
from dv_sync_pipeline.emulator.rows.new_rows import NewRows
from dv_sync_pipeline.emulator.rows.payloads import Nested, PayloadReader
from dv_sync_pipeline.emulator.rows.security import Action, User
from dv_sync_pipeline.emulator.rows.states import (
    check_new_state,
    check_state_change,
    require_active,
)
from dv_sync_pipeline.emulator.rows.watching import watch_creates, watch_pair, watched_update
from dv_sync_pipeline.emulator.service.addresses import Segment
from dv_sync_pipeline.emulator.tables.catalog import Table, target_column
from dv_sync_pipeline.emulator.webhooks.webhook_payload import Pair

__all__ = ["Writer"]

_STATE_COLUMNS = frozenset({"statecode", "statuscode"})
_COLUMNS_WITH_RULES = frozenset({"statuscode", "overriddencreatedon", "ownerid"})
_ANY_VERSION = "*"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Writer:
    """Writes rows on behalf of one user."""

    def __init__(self, environment: EmulatedEnvironment, user: User) -> None:
        self._environment = environment
        self._store = environment.store
        self._user = user
        self._reader = PayloadReader(environment.store, environment.switches, user)

    # ---- create ---------------------------------------------------------------------------------

    def create(self, table: Table, payload: Any, *, preset: Mapping[str, Any] = _NOTHING) -> str:
        """Create a row and return its id; `preset` are values that the URL gave."""
        return self.create_many(table, [payload], preset=preset)[0]

    def create_many(
        self, table: Table, payloads: Sequence[Any], *, preset: Mapping[str, Any] = _NOTHING
    ) -> list[str]:
        """Create rows, all or none, and return their ids in order."""
        if not table.definition.can_create:
            raise replies.unsupported_message()
        self._user.require(Action.CREATE, table)
        rows, nested = self._reader.read_new(table, payloads)
        for row, inside in nested.items():
            rows.update(row, self._create_parents(inside))
        for name in preset.keys() - rows.columns.keys():
            rows.columns[name] = [preset[name]] * rows.count
        rows.shared = {**self._store.defaults(table), **self._authorship(table)}
        self._apply_rules(table, rows)
        self._insert(table, rows)
        ids = rows.columns[table.primary_id]
        for row, inside in nested.items():
            self._create_children(ids[row], inside)
        return ids

    def _apply_rules(self, table: Table, rows: NewRows) -> None:
        """The rules between columns, row by row; of most rows no column takes part in one."""
        if table.has_rules or not _COLUMNS_WITH_RULES.isdisjoint(rows.columns):
            for row in range(rows.count):
                rows.update(row, self._complete(table, rows.said(row), rows.shared))

    def _complete(
        self, table: Table, given: dict[str, Any], defaults: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The values of a new row, of which a client has given some."""
        check_business_rules(table, given)
        if table.has_state and "statuscode" in given:
            check_new_state(table, given)
        values = {**defaults, **given}
        if given.get("overriddencreatedon"):
            # The given date is shown as createdon, the real one beside it (DATAVERSE 11).
            values["createdon"] = given["overriddencreatedon"]
            values["overriddencreatedon"] = defaults["createdon"]
        if "ownerid" in given:
            values["owningbusinessunit"] = self._unit_of(values)
        if table.amounts:
            money.complete(self._store, table, values)
        if table.images:
            pictures.complete(self._store, table, values)
        return values

    def _authorship(self, table: Table) -> dict[str, Any]:
        values = {"createdby": self._user.id, "modifiedby": self._user.id}
        if self._user.behind:
            values |= dict.fromkeys(("createdonbehalfby", "modifiedonbehalfby"), self._user.behind)
        if "ownerid" in table.columns:
            values |= {
                "ownerid": self._user.id,
                target_column("ownerid"): "systemuser",
                "owningbusinessunit": self._user.business_unit,
            }
        return values

    def _unit_of(self, values: Mapping[str, Any]) -> Any:
        """The business unit of the row's owner (DATAVERSE 13)."""
        owners = self._store.catalog.table(values[target_column("ownerid")])
        return self._store.database.value(
            f'SELECT "businessunitid" FROM {quoted(owners.name)} '
            f"WHERE {quoted(owners.primary_id)} = ?",
            (values["ownerid"],),
        )

    def _insert(self, table: Table, rows: NewRows) -> None:
        try:
            self._store.insert(table, rows)
        except sqlite3.IntegrityError as error:
            raise self._duplicate(table, error) from None
        for row_id in rows.columns[table.primary_id] if self._checks_null_keys else ():
            null_keys.check(self._store, table, row_id)
        watch_creates(self._store, table, rows)

    @property
    def _checks_null_keys(self) -> bool:
        return self._environment.switches.null_keys_collide

    def _duplicate(self, table: Table, error: sqlite3.IntegrityError) -> replies.DataverseError:
        """Which of the unique indexes was violated, from SQLite's message."""
        for key in table.definition.keys:
            if f"'{table.name}.{key.name}'" in str(error):
                return replies.duplicate_key(key.display_name or key.schema_name, key.columns)
        return replies.duplicate_id(self._environment.switches.duplicate_id_code)

    def _create_parents(self, nested: Nested) -> dict[str, Any]:
        """Create the rows that a new row points to; the values of its lookups."""
        values: dict[str, Any] = {}
        for parent in nested.parents:
            values[parent.column.name] = self.create(parent.table, parent.payload)
            if parent.column.is_polymorphic:
                values[target_column(parent.column.name)] = parent.table.name
        return values

    def _create_children(self, row_id: str, nested: Nested) -> None:
        for children in nested.children:
            for payload in children.payloads:
                self.create_in(children.collection, row_id, payload)
        for collection, child_id in nested.bound:
            self.link(collection, row_id, child_id)

    def create_in(self, collection: Collection, row_id: str, payload: Any) -> str:
        """Create a row in the collection of another; its id."""
        if collection.child is None:
            other_id = self.create(collection.target, payload)
            self.link(collection, row_id, other_id)
            return other_id
        column = collection.child.column
        pointer = {column.name: row_id}
        if column.is_polymorphic:
            pointer[target_column(column.name)] = collection.source.name
        return self.create(collection.target, payload, preset=pointer)

    # ---- update ---------------------------------------------------------------------------------

    def update(
        self,
        table: Table,
        row_id: str,
        payload: Any,
        *,
        if_match: str = "",
        fixed: Iterable[str] = (),
    ) -> None:
        """Change a row that exists; `fixed` are columns whose values in the body do not count.

        Raises the 404 if there is no such row and the 412 if its version is another.
        """
        self._user.require(Action.WRITE, table)
        values = self._reader.read_changes(table, payload)
        for name in fixed:
            values.pop(name, None)
        self.check_version(table, row_id, if_match)
        self.change(table, row_id, values)

    def change(self, table: Table, row_id: str, values: dict[str, Any]) -> None:
        """Store kept values in a row, if the user may; raises the 403 and the 404."""
        self._user.require(Action.WRITE, table)
        self._require_reach(Action.WRITE, table, row_id)
        if not self._environment.switches.inactive_rows_updatable:
            require_active(self._store, table, row_id, values)
        self.set_values(table, row_id, values)

    def set_values(self, table: Table, row_id: str, values: dict[str, Any]) -> None:
        """Store kept values in a row, with the rules between columns; raises the 404."""
        check_business_rules(table, values)
        with watched_update(self._store, table, row_id, values):
            self._set_values(table, row_id, values)

    def _set_values(self, table: Table, row_id: str, values: dict[str, Any]) -> None:
        if not _STATE_COLUMNS.isdisjoint(values):
            check_state_change(self._store, table, row_id, values)
        if "ownerid" in values:
            values["owningbusinessunit"] = self._unit_of(values)
        if table.amounts:
            money.recalculate(self._store, table, row_id, values)
        if table.images:
            pictures.complete(self._store, table, values)
        self._stamp(table, values)
        assignments = ", ".join(f"{quoted(name)} = ?" for name in values)
        sql = f"UPDATE {quoted(table.name)} SET {assignments} WHERE {quoted(table.primary_id)} = ?"
        try:
            cursor = self._store.database.execute(sql, (*values.values(), row_id))
        except sqlite3.IntegrityError as error:
            raise self._duplicate(table, error) from None
        if cursor.rowcount == 0:
            raise replies.row_not_found(table.name, row_id)
        if self._checks_null_keys:
            null_keys.check(self._store, table, row_id)

    def _stamp(self, table: Table, values: dict[str, Any]) -> None:
        """Who changed it, when, and as which version.

        State or owner together with other columns runs twice, so two versions pass (DATAVERSE
        10.5).
        """
        special = _STATE_COLUMNS | {"ownerid", target_column("ownerid"), "owningbusinessunit"}
        if not special.isdisjoint(values) and not special.issuperset(values):
            self._store.next_version()
        values["versionnumber"] = self._store.next_version()
        if "modifiedon" in table.columns:
            values |= {
                "modifiedon": self._store.now(),
                "modifiedby": self._user.id,
                "modifiedonbehalfby": self._user.behind or None,
            }

    def check_version(self, table: Table, row_id: str, if_match: str) -> None:
        """Raise the 412 unless the row has the version that `If-Match` names (DATAVERSE 4.5)."""
        if if_match in ("", _ANY_VERSION):
            return
        if not table.definition.optimistic_concurrency_enabled:
            raise replies.concurrency_not_enabled(table.name)
        version = self._store.database.value(
            f'SELECT "versionnumber" FROM {quoted(table.name)} '
            f"WHERE {quoted(table.primary_id)} = ?",
            (row_id,),
        )
        if version is None:
            raise replies.row_not_found(table.name, row_id)
        if if_match.strip().removeprefix("W/").strip('"') != str(version):
            raise replies.version_mismatch()

    def _require_reach(self, action: Action, table: Table, row_id: str) -> None:
        """Raise the 403 if the privilege does not cover this row."""
        for condition in self._user.reach(action, table, alias="t"):
            sql = (
                f"SELECT 1 FROM {quoted(table.name)} AS t "
                f"WHERE t.{quoted(table.primary_id)} = ? AND NOT {condition.sql}"
            )
            if self._store.database.value(sql, (row_id, *condition.parameters)):
                raise replies.row_access_denied(
                    self._user.id, right=action, table=table.name, row_id=row_id
                )

    # ---- upsert ---------------------------------------------------------------------------------

    def upsert(self, table: Table, segment: Segment, payload: Any) -> tuple[str, bool]:
        """Update the addressed row, or create it; its id, and whether it was created.

        DATAVERSE 4.3: an update cannot alter the columns of its own key; a create takes the
        values of the URL only for columns that the body leaves out.
        """
        row_id = references.find_row(self._store, table, segment, undefined=replies.key_not_defined)
        key = self.key_of(table, segment)
        if row_id is None:
            return self.create(table, payload, preset=key), True
        self.update(table, row_id, payload, fixed=key)
        return row_id, False

    def key_of(self, table: Table, segment: Segment) -> dict[str, Any]:
        """Column → kept value, of what the URL addresses the row by."""
        if segment.row_id:
            return {table.primary_id: segment.row_id}
        if set(segment.key) == {table.primary_id}:
            return {table.primary_id: str(segment.key[table.primary_id]).lower()}
        return references.key_values(table, segment.key)

    # ---- delete and link ------------------------------------------------------------------------

    def delete(self, table: Table, row_id: str, *, if_match: str = "") -> None:
        """Delete a row that exists, and do to its children what their relationships say."""
        self._user.require(Action.DELETE, table)
        self.check_version(table, row_id, if_match)
        self._require_reach(Action.DELETE, table, row_id)
        cascades.delete_row(self, self._store, table, row_id)

    @property
    def restricted_delete_status(self) -> int:
        """The status for a row that its children keep (a switch)."""
        return self._environment.switches.restricted_delete_status

    def link(self, collection: Collection, row_id: str, other_id: str) -> None:
        """Put the other row into the collection of the row."""
        if collection.child is not None:
            self._point(collection, other_id, row_id)
            return
        assert collection.pairs is not None  # noqa: S101 - the one or the other
        self._user.require(Action.APPEND, collection.source)
        self._user.require(Action.APPEND, collection.target)
        table = self._store.catalog.table(collection.pairs.intersect)
        values = {
            collection.own_column: row_id,
            collection.other_column: other_id,
        }
        try:
            self._store.insert(table, NewRows.one(values))
        except sqlite3.IntegrityError:
            raise replies.duplicate_id("0x80040237") from None
        self._watch_pair("Associate", collection, row_id, other_id)

    def unlink(self, collection: Collection, row_id: str, other_id: str) -> None:
        """Take the other row out of the collection of the row, if it is in it."""
        if collection.child is not None:
            self._point(collection, other_id, None)
            return
        cascades.remove_pairs(
            self._store,
            collection,
            {collection.own_column: row_id, collection.other_column: other_id},
        )
        self._watch_pair("Disassociate", collection, row_id, other_id)

    def _watch_pair(self, message: str, collection: Collection, row_id: str, other_id: str) -> None:
        assert collection.pairs is not None  # noqa: S101 - asked for pairs only
        pair = Pair(collection.pairs.schema_name, ((collection.target.name, other_id),))
        watch_pair(self._store, collection.source, row_id, message=message, pair=pair)

    def _point(self, collection: Collection, child_id: str, parent_id: str | None) -> None:
        """Set the lookup of a child row."""
        assert collection.child is not None  # noqa: S101 - asked for one-to-many only
        self._user.require(Action.WRITE, collection.target)
        column = collection.child.column
        values: dict[str, Any] = {column.name: parent_id}
        if column.is_polymorphic:
            values[target_column(column.name)] = parent_id and collection.source.name
        self.set_values(collection.target, child_id, values)
