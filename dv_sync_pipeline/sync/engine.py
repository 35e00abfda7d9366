"""One table, one run: opens what a pass needs, and chooses the pass.

Start reading here. Belongs here: putting the pieces together, the right environments, the order of
tables, the links that parents have or would get. Does not belong here: any step of a pass.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import polars as pl

from dv_sync_pipeline.config import Configuration, EnvironmentConfiguration, TableConfiguration
from dv_sync_pipeline.errors import (
    DvSyncError,
    SchemaMismatchError,
    TableError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.sync.changes import follow_changes, reread_rows
from dv_sync_pipeline.sync.comparison import (
    Clock,
    Comparison,
    ParentsCome,
    TablePass,
    at_once,
    compare_sides,
    with_parked,
)
from dv_sync_pipeline.sync.deferral import deferred_lookups, parents_before
from dv_sync_pipeline.sync.drift_rules import Schemas
from dv_sync_pipeline.sync.feed import Feed
from dv_sync_pipeline.sync.freed_keys import waiting_for_keys
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.mapping import Parent, TableMapping, agree, fingerprint
from dv_sync_pipeline.sync.matching import match_rows
from dv_sync_pipeline.sync.news import news_of
from dv_sync_pipeline.sync.ordering import in_dependency_order
from dv_sync_pipeline.sync.reconcile import plan, plan_removals, reconcile, remove_gone
from dv_sync_pipeline.sync.recording import recorded
from dv_sync_pipeline.sync.remembering import KEPT, Remembered
from dv_sync_pipeline.sync.report import (
    ParkedReason,
    Progress,
    ProgressListener,
    TableReport,
    TableVerdict,
)
from dv_sync_pipeline.sync.second_pass import plan_deferred_lookups, set_deferred_lookups
from dv_sync_pipeline.sync.turns import Turns
from dv_sync_pipeline.sync.verification import verify
from dv_sync_pipeline.webapi.client import Dataverse, connect
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.traffic import counted_apart

__all__ = ["Connect", "Engine", "open_engine"]

_WAKE_UPS_AT_ONCE_MAX = 10_000


class Connect(Protocol):
    """Opens the conversation with one environment."""

    def __call__(
        self, name: str, configuration: EnvironmentConfiguration, /
    ) -> AbstractAsyncContextManager[Dataverse]:
        """`name` is "primary" or "secondary"."""


def _ignore(_progress: Progress) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The two environments, the ledger, and what `sync.yaml` says of them.

    Attributes:
        configuration: all of `sync.yaml`.
        primary, secondary: the two environments.
        ledger: the state database.
        clock: the time, in UTC.
        sleep: waits that many seconds, for the turn on a table.

    """

    configuration: Configuration
    primary: Dataverse
    secondary: Dataverse
    ledger: Ledger
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _assumed_links: dict[str, pl.DataFrame] = field(default_factory=dict, init=False, repr=False)
    """Table → links that it would have if it were synchronized: a plan of rooms needs the hotels
    that a run would create before. Kept from one `plan` or `verify` to the next."""
    _lately: Remembered = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lately", Remembered(self.clock))

    @property
    def tables_in_order(self) -> list[str]:
        """Every synchronized table, parents first; `ConfigurationError` on a cycle of keys."""
        return [table.table for table in in_dependency_order(self.configuration.tables)]

    def parents_of(self, table: str) -> frozenset[str]:
        """Every other synchronized table that it looks up, or is associated with."""
        lookups = self.configuration.table(table).lookups.values()
        looked_up = {name for each in lookups for name in each.synchronized}
        return (self.associated_with(table) | looked_up) - {table}

    def associated_with(self, table: str) -> frozenset[str]:
        """Every other synchronized table that a many-to-many relationship of it leads to."""
        associations = self.configuration.table(table).associations
        return frozenset(each.table for each in associations) - {table}

    @property
    def tables_with_deferred_lookups(self) -> list[str]:
        """Those that need `set_deferred_lookups` once all tables are done."""
        return sorted(deferred_lookups(self.configuration.tables))

    async def check_environments(self) -> dict[str, str]:
        """Environment name → organisation id; `WrongEnvironmentError` if one is not as it was.

        They must differ from each other and be what the ledger knows from its first run; that
        they are what `sync.yaml` says is checked by the client.
        """
        environments = (self.primary, self.secondary)
        identities = await together(environment.identify() for environment in environments)
        organizations = {
            environment.name: identity.organization_id.lower()
            for environment, identity in zip(environments, identities, strict=True)
        }
        if len(set(organizations.values())) == 1:
            raise WrongEnvironmentError(
                "primary and secondary are the same organisation",
                why=f"both are {organizations[self.primary.name]}",
                mend="Correct the urls in sync.yaml",
            )
        self.ledger.check_environments(organizations)
        return organizations

    async def reconcile(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """Repair one table; with `dry_run`, only list what would be repaired.

        Raises the errors of `dv_sync_pipeline.errors`; a row that cannot be written is parked and
        raises nothing.
        """
        organizations = await self.check_environments()
        if dry_run:
            report, comparison = await plan(await self._preview(table, progress))
            self._assume(table, comparison)
            return report
        self.ledger.remember_environments(organizations)
        self._assumed_links.clear()
        return await self._recorded(self._reconcile(table, progress), table, mode="reconcile")

    async def _reconcile(self, table: str, progress: ProgressListener) -> TableReport:
        task = await self._pass(table, self._known_links, progress, _without_deferred)
        report = await reconcile(task, await self._feed(table))
        for environment, schema in self._schemas_of(task.mapping):
            self.ledger.remember_schema(environment.name, schema)
            self.ledger.remember_description(environment.name, schema, now=self.clock())
        return report

    def reconcile_owed(self, table: str) -> str:
        """Why a reconcile of the table is owed, as far as is known; "" when none is.

        That the mapping changed is found out by the next pass that follows changes.
        """
        return self.ledger.reconcile_owed(table)

    async def changes(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """Follow the change feed of one table from the saved token.

        What is gone in the primary is put on the list of removals; call `remove` when all tables
        are done, children before parents. Without a token that can be used, nothing is done and
        `TableReport.reconcile_owed` says why.
        """
        await self._check_environments_lately()
        work = self._changes(table, progress, dry_run=dry_run)
        return await (work if dry_run else self._recorded(work, table, mode="changes"))

    async def _changes(
        self, table: str, progress: ProgressListener, *, dry_run: bool
    ) -> TableReport:
        async with self._forgetting():
            task = await self._touching(table, progress)
            report = await follow_changes(task, await self._feed(table), dry_run=dry_run)
        return self._reconsidered(report)

    async def rows(
        self,
        table: str,
        row_ids: Collection[str],
        *,
        parents_come: ParentsCome = at_once,
        progress: ProgressListener = _ignore,
    ) -> TableReport:
        """Make exactly these rows equal, given by their ids in the primary, whatever their state.

        What is gone is put on the list of removals, as by `changes`. Where a row looks up one that
        is not there, it waits until `parents_come` returns.
        """
        await self._check_environments_lately()
        work = self._rows(table, row_ids, parents_come, progress)
        return await self._recorded(work, table, mode="rows")

    async def _rows(
        self,
        table: str,
        row_ids: Collection[str],
        parents_come: ParentsCome,
        progress: ProgressListener,
    ) -> TableReport:
        async with self._forgetting():
            task = replace(await self._touching(table, progress), parents_come=parents_come)
            report = await reread_rows(task, row_ids)
        return self._reconsidered(report)

    async def woken_rows(self, table: str, *, progress: ProgressListener = _ignore) -> TableReport:
        """Make those rows of one table equal that wake-ups speak of, and settle the wake-ups."""
        wake_ups = self.ledger.wake_ups(_WAKE_UPS_AT_ONCE_MAX, tables=[table])
        row_ids = {wake_up.row_id for wake_up in wake_ups}
        report = await self.rows(table, row_ids, progress=progress)
        self.ledger.settle_wake_ups(wake_ups)
        return report

    async def news(self, table: str) -> str:
        """What tells unapplied changes of one table from earlier ones; "" when there are none.

        Only the ledger is written: the token of a feed without news, and stamps of rows that are
        gone (`news.py`). A reconcile that is owed is none.
        """
        if self.reconcile_owed(table):
            return ""
        await self._check_environments_lately()
        async with self._forgetting():
            return await news_of(await self._touching(table, _ignore), await self._feed(table))

    async def auto(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """Reconcile if that is owed or nothing else covers the table; else follow its changes."""
        if not self.reconcile_owed(table) and not self.ledger.is_untracked(table):
            report = await self.changes(table, dry_run=dry_run, progress=progress)
            if not report.reconcile_owed:
                return report
        return await self.reconcile(table, dry_run=dry_run, progress=progress)

    async def apply_changes(
        self,
        tables: Collection[str],
        *,
        row_ids: Mapping[str, Collection[str]] | None = None,
        progress: ProgressListener = _ignore,
    ) -> list[TableReport]:
        """Follow the changes of several tables in one go; `row_ids` are rows to re-read instead.

        Parents first; then rows of any table for which a parent has arrived; then removals,
        children first, and rows for which one of those has made way. One report for each pass, in
        that order; a table of `row_ids` is not followed.
        """
        named = row_ids or {}
        reports = [
            await self.rows(table, named[table], progress=progress)
            if table in named
            else await self.changes(table, progress=progress)
            for table in self.tables_in_order
            if table in tables or table in named
        ]
        reports += await self._look_at_arrivals(progress)
        listed = [table for table in self.tables_in_order if self.ledger.removals(table).removals]
        reports += [await self.remove(table, progress=progress) for table in reversed(listed)]
        return reports + await self._look_at_arrivals(progress)

    async def _look_at_arrivals(self, progress: ProgressListener) -> list[TableReport]:
        return [
            await self.rows(table, (), progress=progress)
            for table in self.tables_in_order
            if table in self.ledger.tables_with_arrivals()
        ]

    async def set_deferred_lookups(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """Set the lookups that `reconcile` leaves out, because they close a circle of tables.

        To be called after all tables that they point to were reconciled.
        """
        await self.check_environments()
        if dry_run:
            preview = await self._preview(table, progress)
            return await plan_deferred_lookups(
                replace(preview, mapping=preview.mapping.only_deferred)
            )
        work = self._set_deferred_lookups(table, progress)
        return await self._recorded(work, table, mode="deferred lookups")

    async def _set_deferred_lookups(self, table: str, progress: ProgressListener) -> TableReport:
        task = await self._pass(table, self._known_links, progress, _only_deferred)
        report = await set_deferred_lookups(task)
        if overtaken := task.turns.forget_overtaken():
            await self.rows(table, overtaken, progress=progress)
        return report

    async def remove(
        self, table: str, *, dry_run: bool = False, progress: ProgressListener = _ignore
    ) -> TableReport:
        """Remove the rows of one table that were found to be gone in the primary.

        To be called children before parents, when all tables are done. Too many removals are held
        until a person approves exactly this list. Rows that were parked because a row had their
        key that is removed now are written: `TableReport.heirs`. With `dry_run`, only tell what
        would go.
        """
        await self._check_environments_lately()
        if dry_run:
            return await self._remove(table, progress, plan_removals)
        listed = self.ledger.removals(table).removals
        work = self._remove(table, progress, remove_gone)
        report = await self._recorded(work, table, mode="removals")
        left = set(self.ledger.removals(table).removals)
        return await self._with_heirs(report, {each.key for each in listed if each not in left})

    async def _with_heirs(self, removals: TableReport, keys: Collection[str]) -> TableReport:
        """The removals, and the rows that have waited for these keys."""
        table = removals.table
        due = waiting_for_keys(self.ledger, table, keys)
        if not due or self.configuration.table(table).deletes != "delete":
            return removals
        report = await self.rows(table, due)
        waiting = {row.primary_id for row in self.ledger.parked(table)}
        return removals.with_heirs(report, written=frozenset(due - waiting))

    async def _remove(
        self,
        table: str,
        progress: ProgressListener,
        work: Callable[[TablePass], Awaitable[TableReport]],
    ) -> TableReport:
        turns = self._turns(table)
        async with self._forgetting():
            mapping = _only_circles(await self._agree_lately(table))
            return await work(self._task(mapping, {}, progress, turns))

    async def _recorded(
        self, work: Awaitable[TableReport], table: str, *, mode: str
    ) -> TableReport:
        with counted_apart():
            return await recorded(
                work, ledger=self.ledger, clock=self.clock, table=table, mode=mode
            )

    async def verify(self, table: str, *, progress: ProgressListener = _ignore) -> TableVerdict:
        """Compare one table on both sides; writes nothing anywhere."""
        await self.check_environments()
        verdict, comparison = await verify(await self._preview(table, progress))
        self._assume(table, comparison)
        return verdict

    async def _preview(self, table: str, progress: ProgressListener) -> TablePass:
        """A pass as if every other table had just been synchronized, deferred lookups included."""
        for parent in sorted(self.parents_of(table)):
            await self._assume_synchronized(parent)
        return await self._pass(table, self._assumed_links.__getitem__, progress, _whole)

    async def _assume_synchronized(self, table: str) -> None:
        if table in self._assumed_links:
            return
        for parent in sorted(self._parents_before(table)):
            await self._assume_synchronized(parent)
        links = self._assumed_links.__getitem__
        task = await self._pass(table, links, _ignore, _without_deferred)
        self._assume(table, await compare_sides(task))

    def _assume(self, table: str, comparison: Comparison) -> None:
        self._assumed_links[table] = comparison.expected_links

    def _known_links(self, parent: str) -> pl.DataFrame:
        if self.ledger.verified_through(parent) is None:
            # Without its links, every lookup to it would be taken for a missing parent.
            raise TableError(
                f"the table {parent} has not been synchronized yet",
                why="others look it up",
                mend=f"Synchronize {parent} first",
            )
        return self.ledger.links(parent)

    def _deferred(self, table: str) -> frozenset[str]:
        return deferred_lookups(self.configuration.tables).get(table, frozenset())

    def _parents_before(self, table: str) -> frozenset[str]:
        return parents_before(self.configuration.table(table), self._deferred(table))

    async def _touching(self, table: str, progress: ProgressListener) -> TablePass:
        """A pass over a few rows: links of synchronized parents are looked up as needed."""
        turns = self._turns(table)
        mapping = await self._agree_lately(table)
        matched = {
            parent: await self._matched_lately(parent) for parent in mapping.parents if parent.by
        }
        return self._task(mapping, matched, progress, turns)

    async def _feed(self, table: str) -> Feed:
        mapping = await self._agree_lately(table)
        mark = fingerprint(self.configuration.table(table), mapping)
        return Feed(mapping, mark, self.primary, self.ledger, self.clock)

    async def _agree_lately(self, table: str) -> TableMapping:
        settings = self.configuration.table(table)
        return await self._lately.recall(("mapping", table), lambda: self._agree(settings))

    async def _matched_lately(self, parent: Parent) -> pl.DataFrame:
        return await self._lately.recall(("rows", parent), lambda: self._match(parent))

    async def _match(self, parent: Parent) -> pl.DataFrame:
        return await match_rows(parent, primary=self.primary, secondary=self.secondary)

    async def _check_environments_lately(self) -> None:
        await self._lately.recall("environments", self.check_environments)

    @asynccontextmanager
    async def _forgetting(self) -> AsyncIterator[None]:
        """After an error of any kind, what was remembered may be the cause."""
        try:
            yield
        except DvSyncError:
            self._forget()
            raise

    def _reconsidered(self, report: TableReport) -> TableReport:
        """A refusal that says nothing of a row may come of a table that looks otherwise by now."""
        if any(row.reason is ParkedReason.REFUSED for row in report.parked_rows):
            self._forget()
        return report

    def _forget(self) -> None:
        """Here, and for every other process."""
        self._lately.forget()
        self.ledger.forget_descriptions()

    async def _pass(
        self,
        table: str,
        links: Callable[[str], pl.DataFrame],
        progress: ProgressListener,
        part: Callable[[TableMapping], TableMapping],
    ) -> TablePass:
        self._lately.forget()
        turns = self._turns(table)
        settings = self.configuration.table(table)
        mapping = part(
            await self._lately.recall(("mapping", table), lambda: self._agree_anew(settings))
        )
        parent_links = {parent: await self._links(parent, links) for parent in mapping.parents}
        return self._task(mapping, parent_links, progress, turns)

    def _turns(self, table: str) -> Turns:
        """Begun before anything is read, parents included."""
        return Turns(self.ledger, table, clock=self.clock, sleep=self.sleep)

    def _task(
        self,
        mapping: TableMapping,
        parent_links: Mapping[Parent, pl.DataFrame],
        progress: ProgressListener,
        turns: Turns,
    ) -> TablePass:
        secondary = self.configuration.environments.secondary
        return TablePass(
            settings=self.configuration.table(mapping.table),
            mapping=mapping,
            primary=self.primary,
            secondary=self.secondary,
            ledger=self.ledger,
            parent_links=parent_links,
            clock=self.clock,
            progress=progress,
            rows_per_chunk=secondary.rows_per_call * secondary.requests_in_flight,
            turns=turns,
        )

    async def _links(self, parent: Parent, links: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
        if parent.by:
            return await self._match(parent)
        return with_parked(links(parent.table), self.ledger.parked(parent.table))

    def _schemas_of(self, mapping: TableMapping) -> list[tuple[Dataverse, TableSchema]]:
        return [(self.primary, mapping.primary), (self.secondary, mapping.secondary)]

    async def _agree(self, table: TableConfiguration) -> TableMapping:
        """By what any process was told a moment ago, unless that does not fit `sync.yaml`."""
        since = self.clock() - KEPT
        primary = self.ledger.description(self.primary.name, table.table, since=since)
        secondary = self.ledger.description(self.secondary.name, table.target, since=since)
        if primary and secondary:
            with suppress(SchemaMismatchError):  # It may fit by now: whoever asks is told so.
                return self._agree_on(table, primary, secondary)
        mapping = await self._agree_anew(table)
        for environment, schema in self._schemas_of(mapping):
            self.ledger.remember_description(environment.name, schema, now=self.clock())
        return mapping

    async def _agree_anew(self, table: TableConfiguration) -> TableMapping:
        primary, secondary = await together(
            [self.primary.describe(table.table), self.secondary.describe(table.target)]
        )
        return self._agree_on(table, primary, secondary)

    def _agree_on(
        self, table: TableConfiguration, primary: TableSchema, secondary: TableSchema
    ) -> TableMapping:
        return agree(
            table,
            schemas=Schemas(
                primary,
                secondary,
                self.ledger.schema_seen(self.primary.name, table.table),
                self.ledger.schema_seen(self.secondary.name, table.target),
            ),
            targets={other.table: other.target for other in self.configuration.tables},
            deferred=self._deferred(table.table),
        )


def _whole(mapping: TableMapping) -> TableMapping:
    return mapping


def _without_deferred(mapping: TableMapping) -> TableMapping:
    return mapping.without(mapping.deferred)


def _only_deferred(mapping: TableMapping) -> TableMapping:
    return mapping.only_deferred


def _only_circles(mapping: TableMapping) -> TableMapping:
    """All that a removal needs: ids, and the lookups in which rows may hold each other."""
    names = {*mapping.chained, *mapping.deferred}
    return replace(mapping, columns=tuple(each for each in mapping.columns if each.name in names))


@asynccontextmanager
async def open_engine(
    configuration: Configuration,
    *,
    clock: Clock,
    connect: Connect = connect,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Engine]:
    """An engine with both environments connected and the ledger open; closes them at the end.

    `connect` is given "primary" or "secondary" and the configuration of that environment.
    """
    in_dependency_order(configuration.tables)
    with Ledger.open(configuration.ledger_url) as ledger:
        async with (
            connect("primary", configuration.environments.primary) as primary,
            connect("secondary", configuration.environments.secondary) as secondary,
        ):
            yield Engine(configuration, primary, secondary, ledger, clock, sleep)
