"""Keeps a live run alive: a sensor that goes by signs of life and never by the status of a run.

A run whose process was killed can stay STARTED for ever in Dagster's eyes (DAGSTER A3). Belongs
here: which runs are dead, and whether another is needed; `judge` is pure. Does not belong here:
what a live run does (`live.py`), who is told that one died (the sensor of failed runs).

A dead live run is noticed within 15 seconds, code server and run killed together included:

=====  ====================================================================================
    6  of silence (`SILENCE`); meanwhile the code server comes back, or it is what counts:
    8  one until it is restarted, six until it answers, one until the daemon sees it
    5  until the next look at the sensors at the latest (`LOOK_SECONDS`)
    1  for the look itself
-----  ------------------------------------------------------------------------------------
   12  at most when the run was killed alone: mostly the code server tells of it at once
   14  at most when the code server was killed with it
=====  ====================================================================================

So is one that was killed before its first sign of life: its silence begins when it is started, and
it is over when its process is gone (`run_process.py`). Where nobody can tell, `_PATIENCE` decides.

Six seconds are what a code server takes that has two thirds of a core; on a machine that is busier,
and where an init system waits longer before it restarts it, noticing takes as much longer. Nothing
but the code server can look: sensors are its functions.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus as Status

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.jobs import STARTED_BY_TAG
from dv_sync_pipeline.defs.looks import LOOK_SECONDS, minimum_interval
from dv_sync_pipeline.defs.names import LIVE, names_of
from dv_sync_pipeline.defs.run_process import HOST_TAG, has_ended, this_host
from dv_sync_pipeline.sync.leadership import SILENCE
from dv_sync_pipeline.sync.ledger import Leader, Ledger

__all__ = ["LiveRun", "Verdict", "build_keep_live", "judge"]

LEAD_TIME = timedelta(seconds=30)
"""So long before its deadline a successor is asked for: it takes a few seconds to be ready."""

_PATIENCE = {
    Status.NOT_STARTED: timedelta(minutes=1),
    Status.STARTING: timedelta(minutes=1),
    Status.STARTED: timedelta(seconds=20),
    Status.CANCELING: timedelta(minutes=1),
}
"""How long a run that was never heard of may be silent while its process may live; one that is
queued waits as long as it must."""

_ENDED = (Status.FAILURE, Status.SUCCESS, Status.CANCELED)

RESTART = timedelta(minutes=1)
"""A run that ends so soon after its start failed at once: it came to nothing."""

_ATTEMPTS = 2
"""So many in a row that failed at once, and the next one waits for `RESTART`. One alone may have
been killed."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A live run as Dagster knows it.

    Attributes:
        run_id: its id.
        status: its status.
        since: when it was started, or else got its status (UTC).
        ended: when it ended (UTC); None as long as it has not.
        process_has_ended: its process is known to be gone; False where nobody can tell.

    """

    run_id: str
    status: Status
    since: datetime
    ended: datetime | None = None
    process_has_ended: bool = False

    @property
    def failed_at_once(self) -> bool:
        """It came to nothing, and another one might come to as much."""
        return (
            self.status is Status.FAILURE
            and self.ended is not None
            and self.ended - self.since < RESTART
        )

    def led(self, leader: Leader) -> bool:
        """It never gave up the lead, as it would have done whatever the error: it was killed."""
        return self.run_id == leader.run_id


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sensor has to do.

    Attributes:
        dead: ids of runs that are over, whatever Dagster thinks.
        is_needed: start another one.
        because: why, or why not.

    """

    dead: frozenset[str]
    is_needed: bool
    because: str


def judge(
    runs: Sequence[LiveRun],
    heard: Iterable[Leader],
    *,
    leader: Leader | None,
    ended: Sequence[LiveRun],
    lead_time: timedelta,
    now: datetime,
) -> Verdict:
    """Of the unfinished `runs`, those `heard` of, and those that `ended`, the youngest first."""
    alive = {each.run_id for each in heard if each.is_alive(now, silence=SILENCE)}
    silent = {each.run_id for each in heard} - alive
    dead = frozenset(run.run_id for run in runs if _is_dead(run, alive, silent, now))
    coming = {run.run_id for run in runs if run.status is not Status.CANCELING} - dead
    leads = leader if leader is not None and leader.run_id in alive & coming else None
    is_needed, because = _need(coming, leads, lead_time=lead_time, now=now)
    was_killed = bool(dead) or (leader is not None and any(run.led(leader) for run in ended[:1]))
    if is_needed and not was_killed and _come_to_nothing(ended):
        is_needed, because = _after_failures(ended[0], now)
    return Verdict(dead, is_needed, because)


def _is_dead(run: LiveRun, alive: Collection[str], silent: Collection[str], now: datetime) -> bool:
    if run.run_id in alive or run.status not in _PATIENCE:
        return False
    patience = SILENCE if run.process_has_ended else _PATIENCE[run.status]
    return run.run_id in silent or now - run.since >= patience


def _need(
    coming: Collection[str], leader: Leader | None, *, lead_time: timedelta, now: datetime
) -> tuple[bool, str]:
    if leader is None:
        if coming:
            return False, "A live run is about to begin."
        return True, "No live run gives signs of life."
    if set(coming) - {leader.run_id}:
        return False, "A live run leads, and its successor is on its way."
    if leader.deadline - now > lead_time:
        return False, f"A live run leads until {leader.deadline:%H:%M:%S} UTC."
    return True, "The live run is about to end; another one takes over."


def _come_to_nothing(ended: Sequence[LiveRun]) -> bool:
    latest = ended[:_ATTEMPTS]
    return len(latest) == _ATTEMPTS and all(run.failed_at_once for run in latest)


def _after_failures(last: LiveRun, now: datetime) -> tuple[bool, str]:
    assert last.ended is not None  # noqa: S101 - it failed
    if now - last.ended >= RESTART:
        return True, "The last live runs failed at once; this is another attempt."
    return False, f"The last live runs failed at once; the next one follows after {RESTART}."


def build_keep_live(configuration: Configuration) -> dg.SensorDefinition:
    """Running as soon as the code location is loaded, where the live path is switched on."""
    half = timedelta(minutes=configuration.live.max_minutes) / 2
    names = names_of(configuration)

    @dg.sensor(
        name=names.of("keep_live"),
        job_name=names.of(LIVE),
        minimum_interval_seconds=minimum_interval(LOOK_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a live run where none gives signs of life, and the successor of one "
        "that is about to end. To end the live path, stop this sensor, then terminate the run.",
    )
    def keep_live(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        verdict = _look(context.instance, configuration, lead_time=min(LEAD_TIME, half))
        for run_id in verdict.dead:
            _bury(context, run_id)
        if not verdict.is_needed:
            return dg.SensorResult(skip_reason=verdict.because)
        context.log.info(verdict.because)
        tags = {STARTED_BY_TAG: "keep_live", HOST_TAG: this_host()}
        return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)])

    return keep_live


def _look(
    instance: dg.DagsterInstance, configuration: Configuration, *, lead_time: timedelta
) -> Verdict:
    with Ledger.open(configuration.ledger_url) as ledger:
        heard, leader = ledger.live_runs(), ledger.leader()
    job = names_of(configuration).of(LIVE)
    unfinished = _records(instance, job, [*_PATIENCE, Status.QUEUED])
    ended = _records(instance, job, _ENDED, limit=_ATTEMPTS)
    heard_of = {each.run_id for each in heard}
    return judge(
        [_unfinished(instance, record, heard_of) for record in unfinished],
        heard,
        leader=leader,
        ended=[_live_run(record) for record in ended],
        lead_time=lead_time,
        now=datetime.now(tz=UTC),
    )


def _records(
    instance: dg.DagsterInstance,
    job: str,
    statuses: Sequence[Status],
    *,
    limit: int | None = None,
) -> Sequence[dg.RunRecord]:
    """The youngest first."""
    return instance.get_run_records(dg.RunsFilter(job_name=job, statuses=statuses), limit=limit)


def _unfinished(
    instance: dg.DagsterInstance, record: dg.RunRecord, heard_of: Collection[str]
) -> LiveRun:
    """Its process is asked after only as long as nothing else tells of it."""
    run = record.dagster_run
    is_gone = run.run_id not in heard_of and has_ended(instance, run)
    return replace(_live_run(record), process_has_ended=is_gone)


def _live_run(record: dg.RunRecord) -> LiveRun:
    return LiveRun(
        run_id=record.dagster_run.run_id,
        status=record.dagster_run.status,
        since=_moment(record.start_time) or record.update_timestamp,
        ended=_moment(record.end_time),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _bury(context: dg.SensorEvaluationContext, run_id: str) -> None:
    """Dagster then raises an alert, as for every failed run."""
    run = context.instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return
    reason = (
        f"This live run gave no sign of life for {SILENCE.total_seconds():g} seconds or more: its "
        "process was killed or hangs. Another run takes over; nothing is lost."
    )
    context.log.error("Live run %s is dead. %s", run_id, reason)
    context.instance.report_run_failed(run, reason)
