"""Whether both environments agree on a table: the same reading and comparing, and no write.

Belongs here: the verdict. What is compared and how is the same as in a reconcile, on purpose: a
second opinion comes from the tests, which read both environments on their own.
"""

from collections.abc import Iterator

from dv_sync_pipeline.sync.associations import compare_pairs, pair_differences
from dv_sync_pipeline.sync.comparison import Comparison, TablePass, compare_sides
from dv_sync_pipeline.sync.difference import row_differences
from dv_sync_pipeline.sync.mapping import KEY, SECONDARY_ID
from dv_sync_pipeline.sync.report import DifferenceKind, ForeignRow, RowDifference, TableVerdict

__all__ = ["verify"]


async def verify(task: TablePass) -> tuple[TableVerdict, Comparison]:
    """Compare one table; writes nothing anywhere."""
    comparison = await compare_sides(task)
    pairs = await compare_pairs(task, comparison.expected_links, primary_ids=comparison.primary_ids)
    differences = [
        *row_differences(comparison.difference, deletes=task.settings.deletes),
        *_uncompared(comparison, linked=_linked_ids(task)),
        *pair_differences(pairs),
    ]
    known = {row.primary_id for row in task.ledger.parked(task.table)}
    known |= {row.primary_id for row in comparison.parked}
    verdict = TableVerdict(
        table=task.table,
        compared=comparison.primary_rows,
        equal=comparison.difference.equal,
        parked=sum(difference.primary_id in known for difference in differences),
        foreign=comparison.difference.foreign,
        differences=tuple(differences),
        verified_through=comparison.began,
        seconds=(task.clock() - comparison.began).total_seconds(),
        foreign_rows=_foreign_rows(comparison),
    )
    return verdict, comparison


def _foreign_rows(comparison: Comparison) -> tuple[ForeignRow, ...]:
    rows = comparison.difference.foreign_rows.select(KEY, SECONDARY_ID).sort(KEY, SECONDARY_ID)
    return tuple(ForeignRow(*row) for row in rows.iter_rows())


def _linked_ids(task: TablePass) -> dict[str, str]:
    links = task.ledger.links(task.table)
    return dict(links.select("@primary_id", "@secondary_id").iter_rows())


def _uncompared(comparison: Comparison, *, linked: dict[str, str]) -> Iterator[RowDifference]:
    """Rows that cannot be compared do not agree either."""
    for row in comparison.parked:
        secondary_id = linked.get(row.primary_id, "")
        kind = DifferenceKind.UPDATE if secondary_id else DifferenceKind.CREATE
        yield RowDifference(kind, row.key, row.primary_id, secondary_id)
