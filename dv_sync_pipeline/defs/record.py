"""What a materialization shows of a pass: metadata, and lines while it runs.

Belongs here: turning a `TableReport` or `Progress` into what people read in Dagster. The numbers
have the names of `TableReport`, so that the plots, `dv-sync --json` and the tests agree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.report import ParkedRow, Progress, TableReport

__all__ = [
    "ProgressLog",
    "record_of",
    "table_of_held_rows",
    "table_of_parked_rows",
]

PROGRESS_SECONDS = 5.0
DIFFERENCES_SHOWN_MAX = 50

_ALWAYS_PLOTTED = ("parked", "requests", "retries")
_WRITTEN = (
    "created",
    "updated",
    "pairs",
    "equal",
    "adopted",
    "gone",
    "removed",
    "held",
    "waiting",
    "foreign",
    "unmatched",
)


def record_of(report: TableReport, *, summary: str = "") -> Mapping[str, dg.MetadataValue]:
    """The record of DESIGN 5, in the order in which a person asks: what came of it, what waits.

    A dry run's counts are named `would_...` so that plots stay true.
    """
    prefix = "would_be_" if report.dry_run else ""
    record: dict[str, dg.MetadataValue] = {
        **({"summary": dg.MetadataValue.text(summary)} if summary else {}),
        **table_of_held_rows(report),
        **table_of_parked_rows(report),
        **_table_of_differences(report),
        "read": dg.MetadataValue.int(report.read),
        **{prefix + name: dg.MetadataValue.int(getattr(report, name)) for name in _WRITTEN},
        **{name: dg.MetadataValue.int(getattr(report, name)) for name in _ALWAYS_PLOTTED},
        "mode": dg.MetadataValue.text(report.mode),
        "dry_run": dg.MetadataValue.bool(report.dry_run),
        "mapping_changed": dg.MetadataValue.bool(report.mapping_changed),
        "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
        "rows_per_second": dg.MetadataValue.float(round(report.rows_per_second, 1)),
        "throttled_seconds": dg.MetadataValue.float(round(report.throttled_seconds, 3)),
    }
    if report.mode == "reconcile" and not report.dry_run:
        record["dagster/row_count"] = dg.MetadataValue.int(report.read - report.parked)
    if report.verified_through is not None:
        record["verified_through"] = dg.MetadataValue.timestamp(report.verified_through)
    if report.lag_seconds is not None:
        record["lag_seconds"] = dg.MetadataValue.float(round(report.lag_seconds, 3))
    if report.reconcile_owed:
        record["reconcile_owed"] = dg.MetadataValue.text(report.reconcile_owed)
    return record


def table_of_parked_rows(report: TableReport) -> Mapping[str, dg.MetadataValue]:
    """The rows that wait, as a table for people; nothing when none does."""
    if not report.parked_rows:
        return {}
    return {"parked_rows": dg.MetadataValue.md(_table_of_parked_rows(report.parked_rows))}


def table_of_held_rows(report: TableReport) -> Mapping[str, dg.MetadataValue]:
    """The removals that wait for a person, as a table, and why; nothing when none does."""
    if not report.held:
        return {}
    rows = _markdown(
        ("key", "row in the secondary", "was in the primary"),
        [(row.key, row.secondary_id, row.primary_id) for row in report.held_rows],
    )
    left = report.held - len(report.held_rows)
    return {
        "held_because": dg.MetadataValue.text(report.held_because),
        "held_rows": dg.MetadataValue.md(f"{rows}\n\nand {left:,} more" if left > 0 else rows),
    }


def _table_of_parked_rows(rows: Sequence[ParkedRow]) -> str:
    return _markdown(
        ("key", "reason", "message", "code", "since", "attempts", "next attempt"),
        [
            (
                row.key,
                row.reason,
                row.message,
                row.code,
                f"{row.since:%Y-%m-%d %H:%M}",
                row.attempts,
                row.next_attempt,
            )
            for row in rows
        ],
    )


def _table_of_differences(report: TableReport) -> Mapping[str, dg.MetadataValue]:
    """What a dry run would change, as a table; nothing when it would change nothing."""
    if not report.differences:
        return {}
    shown = report.differences[:DIFFERENCES_SHOWN_MAX]
    left = len(report.differences) - len(shown)
    table = _markdown(
        ("what", "key", "columns"),
        [(row.kind, row.key, ", ".join(sorted(row.changes))) for row in shown],
    )
    text = f"{table}\n\nand {left:,} more" if left else table
    return {"differences": dg.MetadataValue.md(text)}


def _markdown(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    table = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in table)


def _cell(value: object) -> str:
    return redact(str(value)).replace("|", "\\|").replace("\n", " ")


@dataclass(slots=True)
class ProgressLog:
    """A progress listener that writes a line every `PROGRESS_SECONDS`; a short pass needs none.

    Attributes:
        write: takes the line.
        monotonic: seconds on a clock that never goes back.
        quiet_until: the earliest moment of the next line; None until it is counted from now.

    """

    write: Callable[[str], object]
    monotonic: Callable[[], float]
    quiet_until: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Write the line, unless the last one is too young."""
        now = self.monotonic()
        if self.quiet_until is not None and now >= self.quiet_until:
            self.write(_describe_progress(progress))
            self.quiet_until = None
        if self.quiet_until is None:
            self.quiet_until = now + PROGRESS_SECONDS


def _describe_progress(progress: Progress) -> str:
    total = "" if progress.total is None else f" of {progress.total:,}"
    return f"{progress.table}: {progress.stage}, {progress.done:,}{total} rows"
