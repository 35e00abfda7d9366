"""Which run a sensor starts for what it found, and when it rather waits.

Belongs here: few runs in the queue at a time, the same find only once, a failed run again after a
while. Does not belong here: finding something (`change_sensors.py`).
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus as Status

from dv_sync_pipeline.config import Configuration, TableConfiguration
from dv_sync_pipeline.defs.jobs import STARTED_BY_TAG
from dv_sync_pipeline.defs.modes import Mode, config_of_ops
from dv_sync_pipeline.defs.names import APPLY_CHANGES, RECONCILE_ALL, names_of
from dv_sync_pipeline.sync.deferral import deferred_lookups

__all__ = ["FOUND_TAG", "Find", "request"]

FOUND_TAG = "dv_sync/found"
"""On every run that a sensor of changes has started: what it had found, as a short digest."""

_NOT_BEGUN = (Status.NOT_STARTED, Status.QUEUED, Status.STARTING)
_UNFINISHED = (*_NOT_BEGUN, Status.STARTED, Status.CANCELING)
_RUNS_MAX = {APPLY_CHANGES: (2, _NOT_BEGUN), RECONCILE_ALL: (1, _UNFINISHED)}
"""Job → so many of its runs in these states hold back another one.

A run of changes looks for wake-ups when it begins, and takes about as long to begin as there is
between two looks of the sensors. So a second one gets ready meanwhile: with one at a time, what
comes when it has begun would wait for every other look (measured: ten seconds instead of five). A
third would only keep the processors from the first two.
"""

_FORGOTTEN = timedelta(minutes=10)
"""A run that has not ended after so long holds nothing back: its process may have been killed."""

_FIRST_WAIT = timedelta(seconds=10)
_WAIT_MAX = timedelta(minutes=10)
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Find:
    """Something that a run is to be started for.

    Attributes:
        job: the job of the run.
        mode: which pass the tables run.
        tables: logical names in the primary.
        facts: what was found, so that the same is told from something new.
        because: one clause for people.
        started_by: shown on the run.

    """

    job: str
    mode: Mode
    tables: Collection[str]
    facts: Sequence[str]
    because: str
    started_by: str

    @property
    def digest(self) -> str:
        """Short, because Dagster indexes tags and run keys (DAGSTER A5)."""
        text = "\n".join([self.job, self.mode.value, *sorted(self.tables), *sorted(self.facts)])
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def request(
    find: Find, *, configuration: Configuration, instance: dg.DagsterInstance
) -> dg.RunRequest | dg.SkipReason:
    """A run of exactly these tables and what must follow, or why not now.

    The same find has the same run key, so Dagster starts no second run for it; when that run has
    ended and the find is still there, it has failed, and another one follows after a while.
    """
    now, job = datetime.now(tz=UTC), names_of(configuration).of(find.job)
    if _is_held_back(job, *_RUNS_MAX[find.job], instance=instance, now=now):
        return dg.SkipReason(f"{find.because}; earlier runs of {job} come first.")
    earlier = dg.RunsFilter(job_name=job, tags={FOUND_TAG: find.digest})
    attempts = instance.get_run_records(earlier)
    if attempts and now < _due_again(attempts[0], attempts=len(attempts)):
        return dg.SkipReason(f"{find.because}; a run for it is under way or ended a moment ago.")
    return dg.RunRequest(
        run_key=f"{find.digest}:{len(attempts)}",
        job_name=job,
        asset_selection=[*_assets(find, configuration), *_removals(find, configuration)],
        run_config=config_of_ops(_assets(find, configuration), find.mode),
        tags={FOUND_TAG: find.digest, STARTED_BY_TAG: find.started_by},
    )


def _is_held_back(
    job: str,
    runs_max: int,
    statuses: Sequence[Status],
    *,
    instance: dg.DagsterInstance,
    now: datetime,
) -> bool:
    others = dg.RunsFilter(job_name=job, statuses=statuses, created_after=now - _FORGOTTEN)
    return len(instance.get_run_records(others, limit=runs_max)) == runs_max


def _due_again(last: dg.RunRecord, *, attempts: int) -> datetime:
    """When the same find deserves another run."""
    if last.end_time is None:
        return last.create_timestamp + _FORGOTTEN
    wait = min(_FIRST_WAIT * 2.0 ** (attempts - 1), _WAIT_MAX)
    return datetime.fromtimestamp(last.end_time, tz=UTC) + wait


def _assets(find: Find, configuration: Configuration) -> list[dg.AssetKey]:
    """Their tables; after a reconcile also the lookups that it leaves out."""
    chosen, names = _chosen(find, configuration), names_of(configuration)
    deferred = deferred_lookups(configuration.tables) if find.mode is Mode.reconcile else {}
    second = [names.deferred(table) for table in chosen if table.table in deferred]
    return [*map(names.secondary, chosen), *second]


def _removals(find: Find, configuration: Configuration) -> list[dg.AssetKey]:
    names = names_of(configuration)
    return [names.removals(table) for table in _chosen(find, configuration) if table.has_removals]


def _chosen(find: Find, configuration: Configuration) -> list[TableConfiguration]:
    return [configuration.table(name) for name in sorted(find.tables)]
