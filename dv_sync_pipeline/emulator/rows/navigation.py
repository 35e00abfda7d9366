"""Collection-valued navigation properties: from a row to the rows that point to it or are paired.

Belongs here: finding them and the SQL that joins them. Does not belong here: single-valued ones,
which are columns (`catalog.Table.navigation`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Child, Table
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition

__all__ = ["Collection", "find_collection"]


@dataclass(frozen=True, slots=True)
class Collection:
    """A navigation property with many rows.

    Attributes:
        source: the table it starts from.
        target: the table of its rows.
        child: the lookup of the target that points to the source; None for many-to-many.
        pairs: the many-to-many relationship; None for one-to-many.
        is_first: whether the source is the first of the pair's two sides.

    """

    source: Table
    target: Table
    child: Child | None = None
    pairs: ManyToManyDefinition | None = None
    is_first: bool = True

    @property
    def own_column(self) -> str:
        """Of a pair, the column with the source's id."""
        assert self.pairs is not None  # noqa: S101 - asked for pairs only
        return self.pairs.first_column if self.is_first else self.pairs.second_column

    @property
    def other_column(self) -> str:
        """Of a pair, the column with the target's id."""
        assert self.pairs is not None  # noqa: S101 - asked for pairs only
        return self.pairs.second_column if self.is_first else self.pairs.first_column

    def condition(self, source_id: str, target_alias: str) -> str:
        """SQL that holds for the target's rows that belong to the source row of that id.

        `source_id` is SQL: a column or a question mark.
        """
        if self.child is not None:
            return f"{target_alias}.{quoted(self.child.column.name)} = {source_id}"
        assert self.pairs is not None  # noqa: S101 - the one or the other
        return (
            f"{target_alias}.{quoted(self.target.primary_id)} IN "
            f"(SELECT {quoted(self.other_column)} FROM {quoted(self.pairs.intersect)} "
            f"WHERE {quoted(self.own_column)} = {source_id})"
        )


def find_collection(catalog: Catalog, table: Table, name: str) -> Collection | None:
    """The collection of that name on the table; None if there is none."""
    for child in catalog.children(table.name):
        if child.lookup.collection_property == name:
            return Collection(table, child.table, child=child)
    return next(_pair_collections(catalog, table, name), None)


def _pair_collections(catalog: Catalog, table: Table, name: str) -> Iterator[Collection]:
    for pairs in catalog.many_to_many.values():
        if (pairs.first, pairs.first_property) == (table.name, name):
            yield Collection(table, catalog.table(pairs.second), pairs=pairs)
        if (pairs.second, pairs.second_property) == (table.name, name):
            yield Collection(table, catalog.table(pairs.first), pairs=pairs, is_first=False)
