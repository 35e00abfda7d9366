"""What each process of a pipeline computes meanwhile: on a small machine that is what counts.

Belongs here: processor time by name. Does not belong here: what is measured meanwhile.
"""

from collections.abc import Mapping

from dv_sync_pipeline_tests.worlds.followed_pair import CODE_SERVER, FollowedPair
from dv_sync_pipeline_tests.worlds.supervised import processor_seconds, session_of

__all__ = ["EMULATOR", "LIVE_RUN", "processes", "processor_times", "spent"]

LIVE_RUN, EMULATOR = "live run", "emulators"


def processes(pair: FollowedPair) -> Mapping[str, set[int]]:
    """Name → its processes; the live run is a process of the code server and not counted twice."""
    leading = pair.leading_run()
    live = {max(pair.worker_ids(leading))} if leading else set()
    services = {name: session_of(each.process_id) for name, each in pair.services.items()}
    services[CODE_SERVER] -= live
    return {LIVE_RUN: live, **services, EMULATOR: {pair.emulator.process_id}}


def processor_times(pair: FollowedPair) -> Mapping[str, float]:
    """Name → seconds on a processor so far."""
    return {name: sum(map(processor_seconds, ids)) for name, ids in processes(pair).items()}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> Mapping[str, float]:
    """Name → seconds on a processor in between."""
    return {name: max(0.0, seconds - before[name]) for name, seconds in after.items()}
