"""The health of the pipeline for the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from dv_sync_pipeline.cli.output import console_for_people
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.health import Health, State, TableHealth, health
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.feeds import Lag
from dv_sync_pipeline.sync.ledger.passes import Pass, PassKind

__all__ = ["as_document", "print_health", "read_health"]

_PASSES_SHOWN = 20
_STYLES = {State.IN_SYNC: "green", State.BEHIND: "yellow", State.STOPPED: "bold red"}
_STRIP = {
    PassKind.FAILED: ("x", "bold red"),
    PassKind.WAITS: ("!", "yellow"),
    PassKind.REPAIRED: ("+", "green"),
    PassKind.QUIET: ("·", "dim"),
}
_LEGEND = "last runs: · nothing to do, + repaired, ! rows wait, x failed; the newest on the right"


def read_health(surroundings: Surroundings) -> Health:
    """From the ledger alone."""
    configuration = surroundings.configuration()
    with Ledger.open(configuration.ledger_url) as ledger:
        return health(configuration, ledger, now=datetime.now(tz=UTC))


def as_document(found: Health) -> dict[str, Any]:
    """For programs."""
    document: dict[str, Any] = msgspec.to_builtins(found, enc_hook=str)
    for table, shown in zip(found.tables, document["tables"], strict=True):
        shown["state"] = table.state.value
        shown["failure"] = table.failure
    return {"is_well": found.is_well, **document}


def print_health(found: Health) -> None:
    """A line for each table, then what else is to be known."""
    console = console_for_people()
    console.print(_table(found))
    console.print(Text(_LEGEND, style="dim"))
    for line, style in _remarks(found):
        console.print(Text(redact(line), style=style))


def _table(found: Health) -> Table:
    table = Table("table", "state")
    for name in ("links", "parked", "held", "lag"):
        table.add_column(name, justify="right")
    table.add_column("verified through")
    table.add_column("last runs", justify="right")
    for each in found.tables:
        table.add_row(
            Text(each.table),
            Text(each.state.value, style=_STYLES[each.state]),
            f"{each.links:,}",
            Text(f"{each.parked:,}", style="yellow" if each.parked else ""),
            Text(f"{each.held:,}", style="yellow" if each.held else ""),
            _lag(each.lag),
            _ago(each.verified_through, found.now),
            strip(each.passes),
        )
    return table


def strip(passes: Sequence[Pass]) -> Text:
    """One character for each of the last passes."""
    text = Text()
    for done in passes[-_PASSES_SHOWN:]:
        text.append(*_STRIP[done.kind])
    return text


def _lag(lag: Lag | None) -> str:
    """Of the last changes that were followed."""
    return "" if lag is None else f"{lag.last_seconds:,.1f} s"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {_age(now - moment)} ago"


def _age(age: timedelta) -> str:
    """In the largest unit that leaves a whole number."""
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= seconds:
            return f"{int(age.total_seconds() // seconds)} {unit}"
    return f"{max(0, int(age.total_seconds()))} s"


def _remarks(found: Health) -> Sequence[tuple[str, str]]:
    return [
        *(remark for table in found.tables for remark in _remarks_on(table)),
        *_remarks_on_changes(found),
        *((f"told to people: {title}", "") for title in found.problems),
        *_if_any(found.alerts_waiting, "alerts wait to be sent: dv-sync alerts list"),
    ]


def _remarks_on(table: TableHealth) -> Sequence[tuple[str, str]]:
    remarks = [
        (table.failure, f"{table.table} is stopped: {table.failure}", "red"),
        (table.reconcile_owed, f"{table.table} is behind: {table.reconcile_owed}", "yellow"),
        (table.held_because, f"{table.table}: removals are held: {table.held_because}", "yellow"),
    ]
    return [(line, style) for reason, line, style in remarks if reason]


def _remarks_on_changes(found: Health) -> Sequence[tuple[str, str]]:
    oldest = f"{found.waiting.oldest_age_seconds(now=found.now):,.0f} s"
    waiting = _if_any(found.waiting.count, f"announced changes wait, the oldest for {oldest}")
    if found.leader is None:
        return waiting
    heartbeat = _age(found.now - found.leader.heartbeat)
    return [(f"live run {found.leader.run_id}: last sign of life {heartbeat} ago", ""), *waiting]


def _if_any(count: int, words: str) -> Sequence[tuple[str, str]]:
    return [(f"{count:,} {words}", "yellow")] if count else []
