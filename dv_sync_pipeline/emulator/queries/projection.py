"""Which properties of a row are shown, and as what JSON.

Belongs here: `$select`, etags and annotations (DATAVERSE 3.3, 4.2, 5), as SQL to read and as dicts
to answer. Does not belong here: which rows (`query.py`) and rows of other tables (`expand.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.values import encoder, formatter
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table, target_column
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind

__all__ = ["Item", "Projection", "project", "selected_names"]

_FORMATTED = "OData.Community.Display.V1.FormattedValue"
_LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
_NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"


@dataclass(frozen=True, slots=True)
class Item:
    """One property of the answer.

    Attributes:
        name: its name in the JSON.
        sql: what is read for it.
        convert: makes JSON of a value that is not null; None if it is JSON already.
        is_annotation: left out where it is null.

    """

    name: str
    sql: str
    convert: Callable[[Any], Any] | None = None
    is_annotation: bool = False

    def as_json(self, values: Sequence[Any]) -> Sequence[Any]:
        """Values that were read for it, as JSON."""
        convert, absent = self.convert, UNSET if self.is_annotation else None
        if convert is not None:
            return [absent if value is None else convert(value) for value in values]
        if self.is_annotation:
            return [absent if value is None else value for value in values]
        return values


class Projection:
    """The items of a row, in the order of the answer."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self.sql = ", ".join(item.sql for item in self.items)
        self._names = tuple(item.name for item in self.items)
        self._has_annotations = any(item.is_annotation for item in self.items)

    @property
    def width(self) -> int:
        """The number of SQL columns it reads; further ones of a row are ignored."""
        return len(self.items)

    def rows(self, records: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """The JSON objects of records that were read with `sql`."""
        names = self._names
        # Without `strict` it takes half the time.
        rows = [dict(zip(names, values)) for values in zip(*self._columns(records))]  # noqa: B905
        if self._has_annotations:
            return [{n: value for n, value in row.items() if value is not UNSET} for row in rows]
        return rows

    def objects(self, records: Sequence[Sequence[Any]]) -> list[msgspec.Struct]:
        """As `rows`, for answers to which nothing is added: made in a tenth of the time."""
        return list(map(_object_type(self._names), *self._columns(records)))

    def _columns(self, records: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """The values of each item, as JSON; `UNSET` for an annotation that is left out."""
        columns: list[Sequence[Any]] = list(islice(zip(*records, strict=True), self.width))
        for place, item in enumerate(self.items) if records else ():
            columns[place] = item.as_json(columns[place])
        return columns or [()]


@lru_cache(maxsize=256)
def _object_type(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """A type with these properties."""
    fields = [f"property{place}" for place in range(len(names))]
    return msgspec.defstruct(
        "Row",
        [(field, Any) for field in fields],
        rename=dict(zip(fields, names, strict=True)),
        gc=False,
    )


def selected_names(text: str | None) -> tuple[str, ...] | None:
    """The names of a `$select`; None for all of them."""
    if text is None or text.strip() in ("", "*"):
        return None
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def project(
    table: Table,
    select: tuple[str, ...] | None,
    *,
    catalog: Catalog,
    alias: str,
    annotations: str = "",
    error_code: str = "0x80060888",
    hidden: frozenset[str] = frozenset(),
) -> Projection:
    """The projection of a `$select`; raises the 400 for an unknown name.

    `annotations` is the pattern of `odata.include-annotations`; `hidden` columns read as null.
    """
    columns = _columns(table, select, error_code=error_code)
    items = [_etag(alias)]
    for column in columns:
        is_hidden = column.name in hidden or not column.valid_for_read
        source = "NULL" if is_hidden else f"{alias}.{quoted(column.name)}"
        if annotations:
            items += _annotations(table, column, source, catalog, alias, annotations)
        items.append(Item(column.property_name, source, encoder(column.kind)))
    return Projection(items)


def _etag(alias: str) -> Item:
    return Item("@odata.etag", f"'W/\"' || {alias}.\"versionnumber\" || '\"'")


def _columns(
    table: Table, select: tuple[str, ...] | None, *, error_code: str
) -> list[ColumnDefinition]:
    if select is None:
        return list(table.readable)
    columns: dict[str, ColumnDefinition] = {}
    for name in select:
        column = table.properties.get(name)
        if column is None:
            raise replies.unknown_query_property(table.name, name, code=error_code)
        columns[name] = column
    if any(column.kind is ColumnKind.MONEY for column in columns.values()):
        currency = table.columns["transactioncurrencyid"]
        columns[currency.property_name] = currency
    primary = table.columns[table.primary_id]
    columns[primary.property_name] = primary
    return list(columns.values())


def _annotations(
    table: Table,
    column: ColumnDefinition,
    source: str,
    catalog: Catalog,
    alias: str,
    pattern: str,
) -> Iterator[Item]:
    makers = {
        _NAVIGATION: _navigation_item,
        _LOOKUP_TABLE: _lookup_table_item,
        _FORMATTED: _formatted_item,
    }
    for annotation, make in makers.items():
        if _is_wanted(annotation, pattern):
            item = make(table, column, source, catalog, alias)
            if item is not None:
                yield Item(
                    f"{column.property_name}@{annotation}",
                    item.sql,
                    item.convert,
                    is_annotation=True,
                )


def _is_wanted(annotation: str, pattern: str) -> bool:
    return any(fnmatchcase(annotation, part.strip()) for part in pattern.split(","))


def _target_sql(column: ColumnDefinition, source: str, alias: str) -> str:
    """The logical name of the table that a lookup points to; null with a null lookup."""
    if column.is_polymorphic:
        return f"{alias}.{quoted(target_column(column.name))}"
    return f"CASE WHEN {source} IS NOT NULL THEN '{column.targets[0]}' END"


def _navigation_item(
    _table: Table, column: ColumnDefinition, source: str, _catalog: Catalog, alias: str
) -> Item | None:
    if not column.lookups:
        return None
    properties = {lookup.target: lookup.navigation_property for lookup in column.lookups}
    return Item("", _target_sql(column, source, alias), properties.get)


def _lookup_table_item(
    _table: Table, column: ColumnDefinition, source: str, _catalog: Catalog, alias: str
) -> Item | None:
    return Item("", _target_sql(column, source, alias)) if column.lookups else None


def _formatted_item(
    _table: Table, column: ColumnDefinition, source: str, catalog: Catalog, alias: str
) -> Item | None:
    if column.lookups:
        return Item("", label_sql(column, source, catalog, alias))
    convert = formatter(column)
    return Item("", source, convert) if convert else None


def label_sql(column: ColumnDefinition, source: str, catalog: Catalog, alias: str) -> str:
    """SQL for the primary name of the row that a lookup points to."""
    names = {
        target: _name_sql(catalog.tables[target], source)
        for target in column.targets
        if target in catalog.tables and catalog.tables[target].primary_name
    }
    if not names:
        return "NULL"
    if not column.is_polymorphic:
        return next(iter(names.values()))
    target = f"{alias}.{quoted(target_column(column.name))}"
    cases = " ".join(f"WHEN '{name}' THEN {sql}" for name, sql in names.items())
    return f"CASE {target} {cases} END"


def _name_sql(target: Table, source: str) -> str:
    return (
        f"(SELECT {quoted(target.primary_name)} FROM {quoted(target.name)} "
        f"WHERE {quoted(target.primary_id)} = {source})"
    )
