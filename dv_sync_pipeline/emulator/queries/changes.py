"""Change tracking (DATAVERSE 7): everything once, then what changed since a token.

Belongs here: tokens, their pages and their expiry. Does not belong here: versions and tombstones,
which every write leaves (`store.py`).

A token is the organisation's row version and the time when the first page of an answer was served;
all pages of that answer keep to that bound, so whatever is written meanwhile comes with the next
token. Tombstones are kept for ever: a token too old to be told of one is refused by its date.
"""

import base64
import binascii
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from dv_sync_pipeline.emulator.queries.projection import Projection, project, selected_names
from dv_sync_pipeline.emulator.queries.query import PAGE_ROWS_MAX
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.security import Action
from dv_sync_pipeline.emulator.service.requests import Call
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["count_changes", "is_tracking", "read_changes"]

_TIME_FORMAT = "%m/%d/%Y %H:%M:%S"
_ALLOWED = ("$select", "$count", "$deltatoken", "$skiptoken")
_COOKIE = re.compile(r'<cookie pagenumber="\d+" pagingcookie="([\w=-]*)" istracking="True" />')


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a page begins.

    Attributes:
        since: the token's version; -1 for the first, full read.
        bound: version of the organisation when the first page was served.
        time: when that was, as tokens show it.
        last_id: of a full read, the last row shown.
        last_version: of changes, the last row's version shown.
        last_delete: the last tombstone's version shown.
        page: number of the page, from 1.

    """

    since: int
    bound: int
    time: str
    last_id: str = ""
    last_version: int = 0
    last_delete: int = 0
    page: int = 1

    @property
    def is_full(self) -> bool:
        """Whether everything is read, and not what changed."""
        return self.since < 0

    def skip_token(self) -> str:
        """The `$skiptoken` that leads here."""
        inner = base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()
        cookie = f'<cookie pagenumber="{self.page}" pagingcookie="{inner}" istracking="True" />'
        return quote(cookie, safe="=/")

    def delta_token(self) -> str:
        """The `$deltatoken` of the next answer: `919042%2108%2f22%2f2017%2008%3a10%3a44`."""
        text = quote(f"{self.bound}!{self.time}", safe="")
        return re.sub("%..", lambda code: code[0].lower(), text)


def is_tracking(call: Call) -> bool:
    """Whether a list is asked for with change tracking."""
    return (
        call.preferences.tracks_changes
        or "$deltatoken" in call.options
        or 'istracking="True"' in call.options.get("$skiptoken", "")
    )


def read_changes(call: Call) -> Reply | None:
    """A page of the first read or of changes; None if the table ignores tracking (a switch)."""
    table = call.table
    if not table.definition.change_tracking_enabled:
        if call.environment.switches.tracking_of_untracked_ignored:
            return None
        raise _not_enabled(table)
    _refuse_options(call)
    _require_whole_table(call, table)
    position = _position(call)
    projection = _projection(call, table)
    rows_max = call.preferences.page_rows or PAGE_ROWS_MAX
    if position.is_full:
        rows, following = _full_page(call, table, projection, position, rows_max)
    else:
        rows, following = _changed_page(call, table, projection, position, rows_max)
    return _reply(call, table, position, rows, following)


def count_changes(call: Call) -> Reply:
    """`/$count?$deltatoken=`: the number of rows and deletes, as a plain number (7.2)."""
    table = call.table
    _require_whole_table(call, table)
    position = _position(call)
    changed = f"SELECT count(*) FROM {quoted(table.name)} {_CHANGED}"
    number = sum(
        call.store.database.value(sql, parameters)
        for sql, parameters in (
            (changed, (position.since, position.bound)),
            (f"SELECT count(*) {_DELETED}", (table.name, position.since, position.bound)),
        )
    )
    return Reply(200, {"Content-Type": "text/plain"}, str(number).encode())


# ---- what is asked for --------------------------------------------------------------------------


def _not_enabled(table: Table) -> replies.DataverseError:
    if table.definition.is_intersect:
        text = f"Both sides of the relationship of {table.name} must be enabled for tracking."
        return replies.DataverseError(400, "0x80072492", text)
    return replies.DataverseError(
        400, "0x80072491", f"Entity {table.name} isn't enabled for change tracking."
    )


def _refuse_options(call: Call) -> None:
    for name in call.options:
        if (name.startswith("$") and name not in _ALLOWED) or name == "fetchXml":
            text = f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
            raise replies.bad_query(text)


def _require_whole_table(call: Call, table: Table) -> None:
    """Tracking needs Read at organisation depth, else it would hide rows (DATAVERSE 7.1)."""
    call.user.require(Action.READ, table)
    if call.user.reach(Action.READ, table, alias="t"):
        raise replies.access_denied(
            call.user.id,
            privilege=f"prvRead{table.definition.schema_name}",
            table=table.name,
            object_type_code=table.definition.object_type_code,
        )


def _position(call: Call) -> _Position:
    if "$skiptoken" in call.options:
        return _parse_skip_token(call.options["$skiptoken"])
    now = call.store.clock().astimezone(UTC).strftime(_TIME_FORMAT)
    here = _Position(since=-1, bound=call.store.version, time=now)
    if "$deltatoken" not in call.options:
        return here
    since = _parse_delta_token(call)
    return replace(here, since=since, last_version=since, last_delete=since)


def _parse_skip_token(text: str) -> _Position:
    malformed = replies.bad_query("The paging cookie is malformed.")
    match = _COOKIE.match(text)
    if match is None:
        raise malformed
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(match[1]), type=_Position)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise malformed from None


def _parse_delta_token(call: Call) -> int:
    """The version in a `$deltatoken`; raises the errors of a foreign and of an expired one."""
    number, _, time = call.options["$deltatoken"].partition("!")
    try:
        version, issued = int(number), datetime.strptime(time, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise replies.bad_query("The delta token is malformed.") from None
    if issued + _retention(call) < call.store.clock() or version > call.store.version:
        status = call.environment.switches.expired_token_status
        text = "Version stamp associated with the client has expired. Please perform a full sync."
        raise replies.DataverseError(status, "0x80044352", text)
    return version


def _retention(call: Call) -> timedelta:
    days = call.store.database.value('SELECT "expirechangetrackingindays" FROM "organization"')
    return timedelta(days=days or 0)


def _projection(call: Call, table: Table) -> Projection:
    return project(
        table,
        selected_names(call.options.get("$select")),
        catalog=call.catalog,
        alias="t",
        annotations=call.preferences.annotations,
        error_code=call.environment.switches.query_error_code,
        hidden=call.user.hidden_columns(table),
    )


# ---- pages --------------------------------------------------------------------------------------

_CHANGED = 'WHERE "versionnumber" > ? AND "versionnumber" <= ?'
_DELETED = "FROM _dv_tombstone WHERE table_name = ? AND version > ? AND version <= ?"


def _full_page(
    call: Call, table: Table, projection: Projection, position: _Position, rows_max: int
) -> tuple[list[dict[str, Any]], _Position | None]:
    """Rows in the order of their ids; deletes are not shown."""
    primary_id = f"t.{quoted(table.primary_id)}"
    sql = (
        f"SELECT {projection.sql}, {primary_id} FROM {quoted(table.name)} AS t "
        f"WHERE {primary_id} > ? ORDER BY {primary_id} LIMIT {rows_max + 1}"
    )
    records = call.store.database.execute(sql, (position.last_id,)).fetchall()
    rows = projection.rows(records[:rows_max])
    if len(records) <= rows_max:
        return rows, None
    last_id = records[rows_max - 1][projection.width]
    return rows, replace(position, last_id=last_id, page=position.page + 1)


def _changed_page(
    call: Call, table: Table, projection: Projection, position: _Position, rows_max: int
) -> tuple[list[dict[str, Any]], _Position | None]:
    """Rows by rising version, then deletes; a page counts both (DATAVERSE 7.2)."""
    entries: list[dict[str, Any]] = []
    sources = (_changed_rows, _deleted_rows)
    for read in reversed(sources) if call.environment.switches.deletes_listed_first else sources:
        room = rows_max - len(entries)
        found, position, is_complete = read(call, table, projection, position, room)
        entries += found
        if not is_complete:
            return entries, replace(position, page=position.page + 1)
    return entries, None


def _changed_rows(
    call: Call, table: Table, projection: Projection, position: _Position, rows_max: int
) -> tuple[list[dict[str, Any]], _Position, bool]:
    """Up to so many rows, the position behind them, and whether there are no more."""
    sql = (
        f'SELECT {projection.sql}, "versionnumber" FROM {quoted(table.name)} AS t {_CHANGED} '
        f'ORDER BY "versionnumber" LIMIT {rows_max + 1}'
    )
    parameters = (position.last_version, position.bound)
    records = call.store.database.execute(sql, parameters).fetchall()
    shown = records[:rows_max]
    if shown:
        position = replace(position, last_version=shown[-1][projection.width])
    return projection.rows(shown), position, len(records) == len(shown)


def _deleted_rows(
    call: Call, table: Table, _projection: Projection, position: _Position, rows_max: int
) -> tuple[list[dict[str, Any]], _Position, bool]:
    """As `_changed_rows`, for deletes: each id once, with its newest tombstone."""
    alive = ""
    if not call.environment.switches.recreated_rows_listed_as_deleted:
        alive = (
            f" AND NOT EXISTS (SELECT 1 FROM {quoted(table.name)} "
            f"WHERE {quoted(table.primary_id)} = row_id)"
        )
    sql = (
        f"SELECT row_id, max(version) AS newest {_DELETED}{alive} "
        f"GROUP BY row_id ORDER BY newest LIMIT {rows_max + 1}"
    )
    parameters = (table.name, position.last_delete, position.bound)
    records = call.store.database.execute(sql, parameters).fetchall()
    shown = records[:rows_max]
    if shown:
        position = replace(position, last_delete=shown[-1][1])
    entries = [_deleted_entry(call, table, row_id) for row_id, _ in shown]
    return entries, position, len(records) == len(shown)


def _deleted_entry(call: Call, table: Table, row_id: str) -> dict[str, str]:
    context = f"{call.api_url}/$metadata#{table.entity_set}/$deletedEntity"
    return {"@odata.context": context, "id": row_id, "reason": "deleted"}


# ---- the answer ---------------------------------------------------------------------------------


def _reply(
    call: Call,
    table: Table,
    position: _Position,
    rows: list[dict[str, Any]],
    following: _Position | None,
) -> Reply:
    selected = ",".join(selected_names(call.options.get("$select")) or ())
    shown = f"({selected})" if selected else ""
    kind = "" if position.is_full else "/$delta"
    body: dict[str, Any] = {
        "@odata.context": f"{call.api_url}/$metadata#{table.entity_set}{shown}{kind}"
    }
    if call.options.get("$count") == "true":
        body["@odata.count"] = len(rows)
    query = f"$select={selected}&" if selected else ""
    link = f"{call.api_url}/{table.entity_set}?{query}"
    if following is None:
        body["@odata.deltaLink"] = f"{link}$deltatoken={position.delta_token()}"
    else:
        body["@odata.nextLink"] = f"{link}$skiptoken={following.skip_token()}"
    body["value"] = rows
    applied = call.preferences.applied()
    return Reply.json(body, headers={"Preference-Applied": applied} if applied else {})
