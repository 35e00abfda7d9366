"""Tables and columns that the data endpoint does not know yet (DATAVERSE 3.1).

A fresh change of the schema takes a while to reach the rows; until then requests that use it are
refused as if it were not there. Off by default; the switch `metadata_delay_seconds` turns it on.
Belongs here: what is fresh, and the refusals. Does not belong here: changing the schema
(`metadata_writes.py`).
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import unquote

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.rows.values import timestamp
from dv_sync_pipeline.emulator.service.requests import Call, Request
from dv_sync_pipeline.emulator.tables.catalog import Table
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition

__all__ = ["note_fresh", "require_known"]

_PREFIX = "fresh "


def note_fresh(call: Call, table: str, column: str = "") -> None:
    """Remember a new table, or a new column of it, until the delay is over."""
    delay_seconds = call.environment.switches.metadata_delay_seconds
    if delay_seconds:
        known_from = call.store.clock() + timedelta(seconds=delay_seconds)
        call.store.set_setting(f"{_PREFIX}{table} {column}", timestamp(known_from))


def require_known(call: Call) -> None:
    """Refuse a request for rows that uses what is still fresh."""
    if not (call.environment.switches.metadata_delay_seconds and call.segments):
        return
    entity_set = call.segments[0].name
    table = call.catalog.find_set(entity_set)
    if table is None:
        return
    for column in _fresh_parts(call.store, table):
        if column is None:
            raise replies.segment_not_found(entity_set)
        _refuse_mention(table, column, call.request, call.environment.switches)


def _fresh_parts(store: Store, table: Table) -> Iterator[ColumnDefinition | None]:
    """The columns of the table that are fresh; None if the table itself is."""
    found = store.database.execute(
        "SELECT name FROM _dv_setting WHERE name LIKE ? AND value > ?",
        (f"{_PREFIX}{table.name} %", store.now()),
    ).fetchall()
    for (name,) in found:
        yield table.columns.get(name.rpartition(" ")[2])


def _refuse_mention(
    table: Table, column: ColumnDefinition, request: Request, switches: Switches
) -> None:
    names = {column.name, column.property_name}
    names |= {lookup.navigation_property for lookup in column.lookups}
    word = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
    in_query = word.search(unquote(f"{request.path}?{request.query}"))
    if in_query:
        code = switches.query_error_code
        raise replies.unknown_query_property(table.name, in_query[0], code=code)
    in_body = word.search(request.body.decode("utf-8", errors="replace"))
    if in_body:
        code = switches.body_error_code
        raise replies.unknown_body_property(table.name, in_body[0], code=code)
