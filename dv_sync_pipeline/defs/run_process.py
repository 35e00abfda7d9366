"""Whether the process of a run has ended, as far as the machine on which it ran can tell.

Dagster's default launcher cannot tell (DAGSTER E), and a code server knows no run that another one
has started, though it may live. But a run reports the number of its process with its first event,
so its machine knows. Belongs here: asking it. Does not belong here: what follows (`live_watch.py`),
nor other launchers, whose workers Dagster's own run monitoring looks after.
"""

import socket
from dataclasses import dataclass

import dagster as dg
import psutil

__all__ = ["HOST_TAG", "RunProcess", "has_ended", "this_host"]

HOST_TAG = "dv_sync/host"
"""On a run: the machine, or container, of the code server that asked for it, and executes it."""

_TOLD_BY = {dg.DagsterEventType.RUN_STARTING, dg.DagsterEventType.ENGINE_EVENT}


@dataclass(frozen=True, slots=True)
class RunProcess:
    """The process of a run, as the run reported it.

    Attributes:
        process_id: its number, of which a machine gives it another one some day.
        reported: when (seconds since 1970, on the clock of its machine).

    """

    process_id: int
    reported: float

    def lives(self) -> bool:
        """Whether it runs on this machine; what began after the report is another process."""
        try:
            process = psutil.Process(self.process_id)
            is_same = process.create_time() <= self.reported
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def this_host() -> str:
    """The machine or container of this process, for `HOST_TAG`."""
    return socket.gethostname()


def has_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """True only where it is known; False while the run has not reported its process."""
    is_ours = run.tags.get(HOST_TAG) == this_host()
    if not is_ours or not isinstance(instance.run_launcher, dg.DefaultRunLauncher):
        return False
    process = _process_of(instance, run.run_id)
    return process is not None and not process.lives()


def _process_of(instance: dg.DagsterInstance, run_id: str) -> RunProcess | None:
    """What the run reported since it was launched last: Dagster may launch it more than once."""
    process = None
    for entry in instance.all_logs(run_id, of_type=_TOLD_BY):
        event = entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.RUN_STARTING:
            process = None
        elif process_id := event.engine_event_data.metadata.get("pid"):
            process = RunProcess(int(str(process_id.value)), entry.timestamp)
    return process
