"""What a run says in its log, so that it reads like a report: what it will do, what came of it.

Belongs here: sentences for people, the last of which is the next step. Does not belong here: the
numbers, which are metadata (`record.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.defs.modes import Mode, RunConfig
from dv_sync_pipeline.sync.report import DifferenceKind, TableReport
from dv_sync_pipeline.wording import counted

__all__ = [
    "describe_beginning",
    "describe_beginning_of_lookups",
    "describe_beginning_of_removals",
    "describe_removals",
    "describe_report",
]

_ROWS_FOR_A_RATE = 1000

_PASSES: Mapping[Mode, Callable[[RunConfig], str]] = {
    Mode.auto: lambda _: "follows the changes, or compares every row if that is owed",
    Mode.changes: lambda _: "follows the changes since last time",
    Mode.reconcile: lambda _: "compares every row of both environments",
    Mode.rows: lambda config: (
        f"looks at {len(config.row_ids):,} rows"
        if config.row_ids
        else "looks at the rows that webhooks told of"
    ),
}


def describe_beginning(table: TableConfiguration, config: RunConfig) -> str:
    """The first line of a table: what will be done, and whether anything is written."""
    matched = "GUID" if table.matches_by_id else " and ".join(table.key)
    writes = _WRITES_NOTHING if config.dry_run else "repairs the secondary"
    return (
        f"{table.table}: {_PASSES[config.mode](config)}, by {matched}, and {writes} "
        f"({table.target})."
    )


_WRITES_NOTHING = "writes nothing, because this run is a dry run"


def describe_beginning_of_lookups(table: TableConfiguration, names: str, *, dry_run: bool) -> str:
    """Likewise of the lookups that close a circle of tables."""
    if dry_run:
        return f"{table.table}: looks where {names} would be set, and {_WRITES_NOTHING}."
    return f"{table.table}: sets {names}, now that all rows are there."


def describe_beginning_of_removals(table: TableConfiguration, *, dry_run: bool) -> str:
    """Likewise of the removals of a table."""
    look = f"{table.table}: looks for rows of {table.target} that are gone in the primary"
    return f"{look}, and {_WRITES_NOTHING}." if dry_run else f"{look}."


def describe_removals(report: TableReport) -> str:
    """What became of the rows that are gone in the primary."""
    sentences = (
        _removed(report),
        _if_any(report.dry_run, f"The dry run of {report.table} may name more."),
        _if_any(len(report.heirs), f"Written, now that their key is free: {len(report.heirs):,}."),
        _held(report),
        _if_any(report.parked, f"Removals parked: {report.parked:,}."),
        _if_any(report.retries, f"Requests repeated: {report.retries:,}."),
        _next_step(report),
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _removed(report: TableReport) -> str:
    if not report.read:
        return f"{report.table}: no row is known to be gone in the primary."
    removed = "would be removed" if report.dry_run else "removed"
    return (
        f"{report.table}: {report.removed:,} of {counted(report.read, 'row[s]')} {removed} that "
        f"are gone in the primary, in {report.seconds:,.1f} s."
    )


def _held(report: TableReport) -> str:
    because = f"because {report.held_because}"
    return _if_any(report.held, f"Held until a person approves: {report.held:,}, {because}.")


def describe_report(report: TableReport) -> str:
    """The report as a few sentences, those that say nothing left out."""
    return " ".join(sentence for sentence in _sentences(report) if sentence)


def _sentences(report: TableReport) -> Sequence[str]:
    would = "would be " if report.dry_run else ""
    without_parent = report.waiting - report.waiting_pairs
    return (
        _counts(report, would),
        _if_any(report.pairs, f"Associations {would}made or undone: {report.pairs:,}."),
        _held(report),
        _if_any(report.adopted, f"Rows found by key and linked from now on: {report.adopted:,}."),
        _if_any(report.foreign, f"Rows of the secondary's own, not touched: {report.foreign:,}."),
        _if_any(
            report.unmatched,
            "Rows without a match, kept, since a new ledger cannot tell whose they are: "
            f"{report.unmatched:,}.",
        ),
        _gone(report),
        _if_any(
            without_parent,
            f"Rows written with a lookup left empty, its row is missing: {without_parent:,}.",
        ),
        _if_any(
            report.waiting_pairs,
            f"Associations that wait for a parked row: {report.waiting_pairs:,}.",
        ),
        _if_any(report.parked, f"Rows parked: {report.parked:,}."),
        _if_any(
            report.mapping_changed,
            "The mapping changed since the last reconcile: every row was compared by the new one.",
        ),
        _if_any(report.retries, f"Requests repeated: {report.retries:,}."),
        _verification(report.verified_through),
        _next_step(report),
    )


def _counts(report: TableReport, would: str) -> str:
    if report.mode == "changes" and not (report.read or report.reconcile_owed):
        return f"{report.title}: nothing has changed in the primary since last time."
    return (
        f"{report.title}: read {counted(report.read, 'row[s]')} in {report.seconds:,.1f} s"
        f"{_rate(report)}; {report.created:,} {would}created, {report.updated:,} {would}updated, "
        f"{report.equal:,} already equal."
    )


def _gone(report: TableReport) -> str:
    would_go = sum(each.kind is DifferenceKind.REMOVE for each in report.differences)
    if would_go:
        return f"Rows gone in the primary, which the removals would remove: {would_go:,}."
    return _if_any(report.gone, f"Rows gone in the primary and still here: {report.gone:,}.")


def _rate(report: TableReport) -> str:
    """Of few rows it says nothing."""
    return f" ({report.rows_per_second:,.0f} rows/s)" if report.read >= _ROWS_FOR_A_RATE else ""


def _if_any(count: int, sentence: str) -> str:
    return sentence if count else ""


def _verification(moment: datetime | None) -> str:
    return f"Verified through {moment:%Y-%m-%d %H:%M:%S %Z}." if moment else ""


def _next_step(report: TableReport) -> str:
    """What a person does now; "" when nothing waits for one."""
    steps = (
        (report.held, f"dv-sync removals list, then dv-sync removals approve {report.table}"),
        (report.parked, f"dv-sync parked list {report.table}"),
        (report.reconcile_owed, f"dv-sync sync {report.table}, because a reconcile is owed"),
        (report.dry_run and report.differences, "the same without dry_run, if that is wanted"),
    )
    due = [step for is_due, step in steps if is_due]
    return f"Next: {'; '.join(due)}." if due else ""
