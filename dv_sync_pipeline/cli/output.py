"""How results are shown: tables for people, JSON for programs.

Belongs here: layout and words. Every text passes through `redact` on its way out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dv_sync_pipeline.cli.complaints import describe_as_json, describe_as_text
from dv_sync_pipeline.cli.passes import Outcome
from dv_sync_pipeline.cli.waiting import ShownRemovals
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.drift import Effect
from dv_sync_pipeline.sync.report import (
    AT_NEXT_RECONCILE,
    DifferenceKind,
    ParkedRow,
    RowDifference,
    TableReport,
    TableVerdict,
)
from dv_sync_pipeline.wording import counted

__all__ = [
    "console_for_people",
    "parked_document",
    "print_approved",
    "print_dropped",
    "print_foreign_rows",
    "print_json",
    "print_json_document",
    "print_lines",
    "print_nothing_parked",
    "print_parked_rows",
    "print_plan",
    "print_removals",
    "print_sync",
    "print_verification",
]

_COUNTS = ("created", "updated", "equal", "removed", "parked")
_UNMATCHED = (
    "of these unmatched: as it should be on a first run; after a lost ledger, see what is left over"
)
_KIND_TITLES = {
    DifferenceKind.CREATE: ("to create", "green"),
    DifferenceKind.UPDATE: ("to update", "yellow"),
    DifferenceKind.STATUS: ("status to set", "yellow"),
    DifferenceKind.REMOVE: ("to remove", "red"),
    DifferenceKind.GONE: ("gone in the primary, kept", "red"),
}
_WIDTH_MIN = 100


def print_json(**outcomes: Outcome[Any]) -> None:
    """One object; each outcome under its name, with `tables`, `failed`, `skipped` and `run_id`."""
    print_json_document({name: _as_document(outcome) for name, outcome in outcomes.items()})


def print_json_document(document: Mapping[str, Any]) -> None:
    """One object, without secrets."""
    plain = _redacted(msgspec.to_builtins(document, enc_hook=str))
    click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2))


def _as_document(outcome: Outcome[Any]) -> dict[str, Any]:
    return {
        "run_id": outcome.run_id,
        "tables": [_as_dict(result) for result in outcome.results],
        "failed": [
            {"table": table, "error": describe_as_json(error)}
            for table, error in outcome.failures.items()
        ],
        "skipped": list(outcome.skipped),
    }


def _as_dict(result: TableReport | TableVerdict) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(result, enc_hook=str)
    match result:
        case TableReport():
            values["rows_per_second"] = round(result.rows_per_second, 1)
            values["parked_rows"] = [parked_document(row) for row in result.parked_rows]
        case TableVerdict():
            values["agrees"] = result.agrees
    return values


def parked_document(row: ParkedRow) -> dict[str, Any]:
    """One parked row for programs."""
    values: dict[str, Any] = msgspec.to_builtins(row, enc_hook=str)
    return {**values, "next_attempt": row.next_attempt}


def _redacted(value: Any) -> Any:
    """Each text on its own: across the punctuation of JSON a pattern could eat too much."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {name: _redacted(item) for name, item in value.items()}
        case list() | tuple():
            return [_redacted(item) for item in value]
        case _:
            return value


def print_lines(lines: Iterable[str]) -> None:
    """Each on its own line, without secrets."""
    for line in lines:
        click.echo(redact(line))


def print_sync(outcome: Outcome[TableReport]) -> None:
    """The result table of a sync, then whatever needs a person."""
    console = console_for_people()
    if outcome.results:
        console.print(_sync_table(outcome.results))
    _print_remarks(console, outcome.results)
    _print_failures(console, outcome)


def _sync_table(reports: Sequence[TableReport]) -> Table:
    table = _table("table", *_COUNTS, "seconds", "rows/s")
    for report in reports:
        counts = [f"{getattr(report, name):,}" for name in _COUNTS]
        speed = f"{report.rows_per_second:,.0f}"
        table.add_row(Text(report.title), *counts, f"{report.seconds:,.1f}", speed)
    if len(reports) > 1:
        _add_totals(table, reports)
    return table


def _add_totals(table: Table, reports: Sequence[TableReport]) -> None:
    seconds = sum(report.seconds for report in reports)
    rows = sum(report.read for report in reports)
    totals = [f"{sum(getattr(report, name) for report in reports):,}" for name in _COUNTS]
    speed = f"{rows / seconds:,.0f}" if seconds else ""
    table.add_section()
    table.add_row("all", *totals, f"{seconds:,.1f}", speed, style="bold")


_UNTRACKED = "the primary does not track its changes"


def _print_remarks(console: Console, reports: Sequence[TableReport]) -> None:
    for report in reports:
        _print_drift(console, report)
        if report.mapping_changed:
            console.print(Text(f"{report.title}: the mapping changed since the last reconcile"))
        if report.reconcile_owed:
            console.print(Text(f"{report.title}: a reconcile is owed: {report.reconcile_owed}"))
        if report.reconcile_only and report.mode == "changes":
            console.print(Text(f"{report.title}: covered by reconciles only: {_UNTRACKED}"))
        for count, remark in (
            (report.pairs, "association[s] made or undone"),
            (report.adopted, "existing row[s] adopted by key, with the GUID kept"),
            (report.foreign, "row[s] of the secondary's own: not touched"),
            (report.unmatched, _UNMATCHED),
            (
                report.held,
                f"removal[s] held ({report.held_because}): dv-sync removals approve {report.table}",
            ),
            (
                report.gone - (report.held - report.held_pairs),
                "row[s] gone in the primary and still there",
            ),
            (
                report.waiting - report.waiting_pairs,
                "row[s] written without a parent that is missing",
            ),
            (report.waiting_pairs, "association[s] waiting for a parked row"),
            (report.parked, "row[s] parked:"),
        ):
            if count:
                console.print(Text(f"{report.title}: {counted(count, remark)}"))
        _print_parked(console, report.parked_rows)


def _print_drift(console: Console, report: TableReport) -> None:
    """How the schemas differ where that did not stop the table."""
    for difference in report.drift:
        style = "yellow" if difference.effect is Effect.WARNS else ""
        console.print(Text(redact(f"{report.title}: {difference}"), style=style))


def _print_parked(console: Console, rows: Iterable[ParkedRow]) -> None:
    for row in rows:
        code = f" ({row.code})" if row.code else ""
        line = redact(f"  {row.key}: {row.reason}: {row.message}") + code
        console.print(Text(line, style="yellow"))


def print_parked_rows(rows: Sequence[ParkedRow], *, next_reconcile: datetime | None) -> None:
    """Every row that waits: why, since when, how often it was tried, and when it is next."""
    console = console_for_people()
    if not rows:
        print_nothing_parked(as_json=False)
        return
    table = Table("table", "key", "to do", "reason", "message", "since", "attempts")
    for row in rows:
        code = f" ({row.code})" if row.code else ""
        message = redact(row.message) + code
        cells = (row.table, redact(row.key), row.work, row.reason, message, _moment(row.since))
        table.add_row(*map(Text, cells), str(row.attempts))
    console.print(table)
    for attempt, count in Counter(row.next_attempt for row in rows).most_common():
        when = _with_moment(attempt, next_reconcile)
        console.print(Text(f"Next attempt of {count:,}: {when}, or as soon as the row changes."))
    console.print(Text("dv-sync parked retry does it now."))


def _with_moment(attempt: str, next_reconcile: datetime | None) -> str:
    if attempt != AT_NEXT_RECONCILE:
        return attempt
    return f"{attempt}, {_moment(next_reconcile) if next_reconcile else 'which is not scheduled'}"


def print_nothing_parked(*, as_json: bool) -> None:
    """Say so."""
    click.echo('{"parked": []}' if as_json else "No row is parked.")


def print_dropped(rows: Sequence[ParkedRow]) -> None:
    """What was forgotten."""
    click.echo(f"{counted(len(rows), 'parked row[s]')} forgotten.")


def print_removals(lists: Sequence[ShownRemovals], *, shown_max: int | None) -> None:
    """What is to be removed from each table, and what holds it back; `None` shows all rows."""
    console = console_for_people()
    if not lists:
        console.print("Nothing is to be removed.")
    for each in lists:
        console.print(Text(f"{each.table}: {_state_of(each)}", style="bold"))
        for removal in each.removals[:shown_max]:
            console.print(Text(redact(f"    {removal.key}")))
        _print_left(console, len(each.removals), shown_max=shown_max)


def _state_of(found: ShownRemovals) -> str:
    """In words: how many rows, and what they wait for."""
    count = f"{_counted(found)} to remove, list {found.digest}"
    if found.held_because:
        return f"{count}, held: {found.held_because}"
    return f"{count}, {'approved' if found.is_approved else 'not held'}"


def _counted(found: ShownRemovals) -> str:
    count = len(found.removals)
    pairs = f"pair[s] of {found.relationship}"
    return counted(count, pairs if found.relationship else "row[s]")


def print_approved(lists: Sequence[ShownRemovals]) -> None:
    """What will go."""
    for found in lists:
        click.echo(
            f"{_counted(found)} to remove from {found.table} approved, list {found.digest}. "
            "The next dv-sync sync removes them, if the list is still the same."
        )


def print_plan(outcome: Outcome[TableReport], *, shown_max: int | None) -> None:
    """Row by row what would change, grouped by what would be done; `None` shows all."""
    console = console_for_people()
    for report in outcome.results:
        console.print(
            Text(
                f"{report.table}: {report.created:,} to create, {report.updated:,} to update, "
                f"{report.equal:,} equal, {_to_remove(report):,} to remove, "
                f"{report.parked:,} would be parked",
                style="bold",
            )
        )
        if report.held:
            console.print(Text(f"  removals would be held: {report.held_because}", style="yellow"))
        _print_drift(console, report)
        _print_differences(console, report.differences, shown_max=shown_max)
        _print_parked(console, report.parked_rows)
    _print_failures(console, outcome)


def _to_remove(report: TableReport) -> int:
    return sum(row.kind is DifferenceKind.REMOVE for row in report.differences)


def print_verification(outcome: Outcome[TableVerdict], *, shown_max: int | None) -> None:
    """The verdict on each table, and the rows that differ."""
    console = console_for_people()
    if outcome.results:
        console.print(_verdict_table(outcome.results))
    for verdict in outcome.results:
        if verdict.differences:
            console.print(Text(f"{verdict.table}:", style="bold"))
            _print_differences(console, verdict.differences, shown_max=shown_max)
    _print_failures(console, outcome)


def print_foreign_rows(verdicts: Sequence[TableVerdict], *, shown_max: int | None) -> None:
    """Rows that only the secondary has; `None` shows all that are known."""
    console = console_for_people()
    for verdict in verdicts:
        count = counted(verdict.foreign, "row[s] that only the secondary has")
        console.print(Text(f"{verdict.table}: {count}", style="bold"))
        for row in verdict.foreign_rows[:shown_max]:
            console.print(Text(redact(f"    {row.key or 'without a key'} ({row.secondary_id})")))
        _print_left(console, verdict.foreign, shown_max=shown_max)
        unlisted = verdict.foreign - len(verdict.foreign_rows)
        if shown_max is None and unlisted:
            text = f"    … and {unlisted:,} more, which are counted but not listed"
            console.print(Text(text, style="dim"))


def _verdict_table(verdicts: Sequence[TableVerdict]) -> Table:
    table = _table("table", "compared", "equal", "different", "foreign", "verified through")
    for verdict in verdicts:
        table.add_row(
            Text(verdict.table),
            f"{verdict.compared:,}",
            f"{verdict.equal:,}",
            Text(f"{len(verdict.differences):,}", style="" if verdict.agrees else "bold red"),
            f"{verdict.foreign:,}",
            _moment(verdict.verified_through),
        )
    return table


def _print_differences(
    console: Console, differences: Sequence[RowDifference], *, shown_max: int | None
) -> None:
    for kind, (title, style) in _KIND_TITLES.items():
        rows = [row for row in differences if row.kind is kind]
        if rows:
            console.print(Text(f"  {title}", style=style))
        for row in rows[:shown_max]:
            console.print(Text(redact(f"    {row.key}{_changes(row.changes)}")))
        _print_left(console, len(rows), shown_max=shown_max)


def _print_left(console: Console, count: int, *, shown_max: int | None) -> None:
    left = 0 if shown_max is None else count - shown_max
    if left > 0:
        console.print(Text(f"    … and {left:,} more: --all shows them", style="dim"))


def _changes(changes: Mapping[str, tuple[object, object]]) -> str:
    return "".join(
        f"\n      {name}: {_shown(old)} → {_shown(new)}" for name, (old, new) in changes.items()
    )


def _shown(value: object) -> str:
    """Texts with their quotes, so that blanks at their ends can be seen; others without."""
    if value is None:
        return "(empty)"
    return repr(value) if isinstance(value, str) else str(value)


def _print_failures(console: Console, outcome: Outcome[Any]) -> None:
    for table, error in outcome.failures.items():
        console.print(Text(f"{table} failed\n{describe_as_text(error)}", style="red"))
    for table in outcome.skipped:
        console.print(Text(f"{table} was skipped, because a table it looks up failed", "yellow"))


def console_for_people() -> Console:
    """Standard output as it is now; not narrower than our tables when it is no terminal."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_MIN)
    return console


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
