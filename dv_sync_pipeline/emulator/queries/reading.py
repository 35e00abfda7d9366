"""Rows as a user sees them, from query options to JSON objects.

Belongs here: putting projection, selection, expansion and privileges together. Does not belong
here: HTTP (`rows_read.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dv_sync_pipeline.emulator.queries.expand import attach, parse_expand
from dv_sync_pipeline.emulator.queries.filter_sql import FilterTranslator
from dv_sync_pipeline.emulator.queries.projection import Projection, project, selected_names
from dv_sync_pipeline.emulator.queries.query import (
    COUNT_MAX,
    PAGE_ROWS_MAX,
    Position,
    Selection,
    parse_top,
    select_rows,
)
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.conditions import Condition
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.security import Action, User
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["Reader", "RowPage"]


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows as JSON objects, ready to be encoded, and where the next ones begin."""

    rows: Sequence[Any]
    following: Position | None


class Reader:
    """Reads rows on behalf of one user.

    Args:
        environment: where.
        user: who reads.
        annotations: pattern of `odata.include-annotations`.

    """

    def __init__(
        self, environment: EmulatedEnvironment, user: User, *, annotations: str = ""
    ) -> None:
        self._environment = environment
        self._store = environment.store
        self._user = user
        self._annotations = annotations
        self._translator = FilterTranslator(
            environment.store.catalog,
            environment.switches,
            now=environment.store.now(),
            user_id=user.id,
        )

    def selection(
        self,
        table: Table,
        options: Mapping[str, str],
        *,
        condition: Callable[[str], Condition] | None = None,
    ) -> Selection:
        """The rows that the options describe and the user may see; raises the 403."""
        self._user.require(Action.READ, table)

        def visible(alias: str) -> list[Condition]:
            reach = self._user.reach(Action.READ, table, alias=alias)
            return [condition(alias), *reach] if condition else reach

        return select_rows(
            table,
            catalog=self._store.catalog,
            translator=self._translator,
            filter_text=options.get("$filter"),
            order_text=options.get("$orderby"),
            aliases={name: text for name, text in options.items() if name.startswith("@")},
            visible=visible,
        )

    def page(
        self,
        selection: Selection,
        options: Mapping[str, str],
        *,
        rows_max: int = PAGE_ROWS_MAX,
        behind: Position | None = None,
    ) -> RowPage:
        """Some of the selected rows, with what `$select` and `$expand` ask for."""
        projection = self.projection(selection.table, options, alias=selection.alias)
        page = selection.page(self._store, projection, rows_max=rows_max, behind=behind)
        if "$expand" not in options:
            return RowPage(projection.objects(page.records), page.following)
        rows = projection.rows(page.records)
        self._expand(rows, selection.table, options)
        return RowPage(rows, page.following)

    def rows(
        self, selection: Selection, options: Mapping[str, str], *, rows_max: int = PAGE_ROWS_MAX
    ) -> list[dict[str, Any]]:
        """As `page`, for those who look into the rows or add to them."""
        projection = self.projection(selection.table, options, alias=selection.alias)
        rows = projection.rows(selection.page(self._store, projection, rows_max=rows_max).records)
        self._expand(rows, selection.table, options)
        return rows

    def count(self, selection: Selection) -> tuple[int, bool]:
        """The number of selected rows, and whether it stopped at 5,000 (DATAVERSE 6.3)."""
        number = selection.count(self._store)
        return min(number, COUNT_MAX), number > COUNT_MAX

    def one(self, table: Table, row_id: str, options: Mapping[str, str]) -> dict[str, Any]:
        """One row; raises the 403, and the 404 if there is none."""
        self._user.require(Action.READ, table)
        projection = self.projection(table, options, alias="t")
        sql = (
            f"SELECT {projection.sql} FROM {quoted(table.name)} AS t "
            f"WHERE t.{quoted(table.primary_id)} = ?"
        )
        record = self._store.database.execute(sql, (row_id,)).fetchone()
        if record is None:
            raise replies.row_not_found(table.name, row_id)
        self._require_visible(table, row_id)
        rows = projection.rows([record])
        self._expand(rows, table, options)
        return rows[0]

    def projection(self, table: Table, options: Mapping[str, str], *, alias: str) -> Projection:
        """What `$select` shows of a row; raises the 400 for an unknown name."""
        return project(
            table,
            selected_names(options.get("$select")),
            catalog=self._store.catalog,
            alias=alias,
            annotations=self._annotations,
            error_code=self._environment.switches.query_error_code,
            hidden=self._user.hidden_columns(table),
        )

    def _expand(self, rows: list[dict[str, Any]], table: Table, options: Mapping[str, str]) -> None:
        if "$expand" in options:
            attach(
                rows,
                table,
                parse_expand(options["$expand"]),
                store=self._store,
                read=self._read_expanded,
                error_code=self._environment.switches.query_error_code,
            )

    def _read_expanded(
        self, table: Table, options: Mapping[str, str], condition: Callable[[str], Condition]
    ) -> list[dict[str, Any]]:
        selection = self.selection(table, options, condition=condition)
        top = parse_top(options.get("$top"))
        rows_max = PAGE_ROWS_MAX if top is None else top
        return self.rows(selection, options, rows_max=rows_max)

    def _require_visible(self, table: Table, row_id: str) -> None:
        for condition in self._user.reach(Action.READ, table, alias="t"):
            sql = (
                f"SELECT 1 FROM {quoted(table.name)} AS t "
                f"WHERE t.{quoted(table.primary_id)} = ? AND {condition.sql}"
            )
            if self._store.database.value(sql, (row_id, *condition.parameters)) is None:
                raise replies.row_access_denied(
                    self._user.id, right="Read", table=table.name, row_id=row_id
                )
