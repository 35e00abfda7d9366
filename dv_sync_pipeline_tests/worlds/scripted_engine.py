"""An engine that does what a test tells it: answers, errors, and a note of every call."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dv_sync_pipeline.config import Configuration, parse
from dv_sync_pipeline.sync.report import Progress, ProgressListener, TableReport, TableVerdict

SECRET = "a-secret-that-nobody-may-see"
MOMENT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)

SYNC_YAML = """\
environments:
  primary:
    url: https://primary.example
    credentials:
      - {kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"}
  secondary:
    url: https://secondary.example
    credentials:
      - {kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"}
schedule: {reconcile: "30 1 * * *", timezone: Europe/Berlin}
tables:
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_number]
    lookups: {contoso_hotelid: contoso_hotel}
  - table: contoso_hotel
    target: department_hotel
    key: [contoso_code]
    columns: {contoso_code: department_code, contoso_name: contoso_name}
    description: Where guests sleep.
  - table: contoso_season
    key: [contoso_code]
    columns: [contoso_code]
    status: none
"""


def hotels_configuration(folder: Path) -> Configuration:
    """Rooms that point to hotels, and seasons that have nothing to do with either."""
    return parse(SYNC_YAML, {"SECRET": SECRET}, file=folder / "sync.yaml")


def a_report(table: str, **changes: Any) -> TableReport:
    """Ten rows, all of them equal, unless the changes say otherwise."""
    values: dict[str, Any] = {
        "table": table,
        "mode": "reconcile",
        "dry_run": False,
        "read": 10,
        "created": 0,
        "updated": 0,
        "equal": 10,
        "adopted": 0,
        "gone": 0,
        "waiting": 0,
        "foreign": 0,
        "parked": 0,
        "requests": 4,
        "retries": 0,
        "throttled_seconds": 0.0,
        "seconds": 2.0,
        "verified_through": MOMENT,
    }
    return TableReport(**{**values, **changes})


def a_verdict(table: str, **changes: Any) -> TableVerdict:
    """Ten rows, all of them equal, unless the changes say otherwise."""
    values: dict[str, Any] = {
        "table": table,
        "compared": 10,
        "equal": 10,
        "parked": 0,
        "foreign": 0,
        "differences": (),
        "verified_through": MOMENT,
        "seconds": 1.0,
    }
    return TableVerdict(**{**values, **changes})


def _ignore(_progress: Progress) -> None:
    """Listen to nothing."""


@dataclass
class ScriptedEngine:
    """Stands in for `sync.engine.Engine`.

    Attributes:
        answers: table → the report, verdict or error to answer with; default: all is equal.
        refusal: raised by the check of the environments.
        steps: what progress is told during each pass.
        tables_in_order: parents first.
        calls: every call in order, such as ("reconcile", "contoso_hotel", False).
        openings: "opened" and "closed", as often as that happened.

    """

    answers: Mapping[str, Any] = field(default_factory=dict)
    refusal: Exception | None = None
    steps: tuple[tuple[str, int, int | None], ...] = ()
    tables_in_order: tuple[str, ...] = ("contoso_hotel", "contoso_room", "contoso_season")
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    openings: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, _configuration: Configuration) -> AsyncIterator["ScriptedEngine"]:
        """Itself, for as long as the caller wants."""
        self.openings.append("opened")
        try:
            yield self
        finally:
            self.openings.append("closed")

    async def check_environments(self) -> None:
        """Refuse, if told so."""
        self.calls.append(("check environments",))
        if self.refusal is not None:
            raise self.refusal

    async def reconcile(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Tell the steps, then answer."""
        self.calls.append(("reconcile", table, dry_run))
        self._tell(table, progress)
        return self._answer(table, a_report(table, dry_run=dry_run))

    async def set_deferred_lookups(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Tell the steps, then answer."""
        self.calls.append(("set deferred lookups", table, dry_run))
        self._tell(table, progress)
        return a_report(table, dry_run=dry_run, mode="deferred lookups")

    async def remove(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener
    ) -> TableReport:
        """Tell the steps, then answer; the table is called `removals of TABLE`."""
        self.calls.append(("remove", table, "dry") if dry_run else ("remove", table))
        self._tell(table, progress)
        default = a_report(
            table, mode="removals", dry_run=dry_run, read=0, equal=0, verified_through=None
        )
        return self._answer(f"removals of {table}", default)

    async def changes(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """Tell the steps, then answer; the table is called `changes of TABLE`."""
        self.calls.append(("changes", table))
        self._tell(table, progress)
        default = a_report(table, mode="changes", dry_run=dry_run, read=0, equal=0)
        return self._answer(f"changes of {table}", default)

    async def auto(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """As a reconcile, under a name of its own."""
        self.calls.append(("auto", table, dry_run))
        self._tell(table, progress)
        return self._answer(table, a_report(table, dry_run=dry_run))

    async def apply_changes(self, tables: Collection[str]) -> Sequence[TableReport]:
        """Nothing is left to be done."""
        self.calls.append(("apply changes", *tables))
        return ()

    async def woken_rows(self, table: str, *, progress: ProgressListener) -> TableReport:
        """Tell the steps, then answer; the table is called `rows of TABLE`."""
        self.calls.append(("woken rows", table))
        self._tell(table, progress)
        return self._answer(f"rows of {table}", a_report(table, mode="rows"))

    async def rows(
        self,
        table: str,
        row_ids: Collection[str],
        *,
        parents_come: object = None,  # noqa: ARG002 - no row is on its way here
        progress: ProgressListener = _ignore,
    ) -> TableReport:
        """Tell the steps, then answer; the table is called `rows of TABLE`."""
        self.calls.append(("rows", table, *row_ids))
        self._tell(table, progress)
        return self._answer(f"rows of {table}", a_report(table, mode="rows", read=len(row_ids)))

    def parents_of(self, table: str) -> Collection[str]:
        """As `SYNC_YAML` says."""
        return ("contoso_hotel",) if table == "contoso_room" else ()

    def associated_with(self, _table: str) -> Collection[str]:
        """With nothing."""
        return ()

    def reconcile_owed(self, table: str) -> str:
        """What was scripted as `owed by TABLE`; nothing otherwise."""
        return str(self.answers.get(f"owed by {table}", ""))

    async def news(self, table: str) -> str:
        """What was scripted as `news of TABLE`; none otherwise."""
        self.calls.append(("news", table))
        return str(self._answer(f"news of {table}", ""))

    async def verify(self, table: str, *, progress: ProgressListener) -> TableVerdict:
        """Tell the steps, then answer."""
        self.calls.append(("verify", table))
        self._tell(table, progress)
        return self._answer(table, a_verdict(table))

    def _tell(self, table: str, progress: ProgressListener) -> None:
        for stage, done, total in self.steps:
            progress(Progress(table, stage, done, total))

    def _answer(self, table: str, default: Any) -> Any:
        answer = self.answers.get(table, default)
        if isinstance(answer, Exception):
            raise answer
        return answer
