"""How long an answer takes: named profiles whose figures come from published measurements.

Belongs here: the figures with their sources, what a request is as work, and the wait. Does not
belong here: limits on the work (`limits.py`) and delays that are faults (`faults.py`).

A benchmark against the bare emulator measures the client alone; against a profile it measures what
the client makes of a Dataverse of that speed: how many rows it sends at once, and how much in
parallel.
"""

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from types import MappingProxyType

from dv_sync_pipeline.emulator.trouble.wire import Answer, Proceed, WireRequest

__all__ = ["LATENCY_PROFILES", "Cost", "Distance", "LatencyProfile", "Work", "WorkKind", "Working"]


class WorkKind(Enum):
    """Requests that take the same time per row."""

    BULK = "CreateMultiple, UpdateMultiple, UpsertMultiple, rows named by id"
    BULK_BY_KEY = "the same, rows named by an alternate key"
    BATCH = "the operations of a $batch, one row each"
    WRITE = "one row"
    READ = "pages and single rows"
    OTHER = "metadata, functions, tokens"


@dataclass(frozen=True, slots=True)
class Work:
    """What a request made the environment do.

    Attributes:
        kind: decides the cost.
        rows: written, or returned.

    """

    kind: WorkKind
    rows: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for one request, and for each of its rows."""

    request_seconds: float
    row_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """An environment of a certain speed.

    Attributes:
        round_trip_seconds: on the network, there and back; no execution time (DATAVERSE 9.1).
        costs: by kind of work, on the server; it is execution time.
        spread: standard deviation of the natural logarithm of each wait; 0 makes them all equal.

    """

    round_trip_seconds: float
    costs: Mapping[WorkKind, Cost]
    spread: float = 0.2


def _per_hour(rows: float) -> float:
    return 3600 / rows


_ROUND_TRIP_SECONDS = 0.020  # WISHES 5: about 20 ms, UK organisation, markcarrington.dev 2020-12-04

# No published figure was found for reading. A page of 5,000 rows in 1.05 s and a small answer in
# 50 ms are assumptions, of the order that users of the Web API report.
_READING = {
    WorkKind.READ: Cost(0.050, 0.0002),
    WorkKind.OTHER: Cost(0.050),
}

LATENCY_PROFILES: Mapping[str, LatencyProfile | None] = MappingProxyType(
    {
        "none": None,
        # A developer environment as PPDS measured it, 100 rows in a call (WISHES 5, DATAVERSE 8.3):
        # 202 rows/s with 5 calls in parallel are 40.4 rows/s in each; by alternate key 161 rows/s
        # with 10 in parallel. Single writes and $batch from markcarrington.dev 2020-12-04: 5,000
        # updates in "more than 10 minutes" singly, 5 min 19 s in batches of 100.
        "developer": LatencyProfile(
            _ROUND_TRIP_SECONDS,
            {
                WorkKind.BULK: Cost(0.0, 5 / 202),
                WorkKind.BULK_BY_KEY: Cost(0.0, 10 / 161),
                WorkKind.BATCH: Cost(0.0, 319 / 5000),
                WorkKind.WRITE: Cost(600 / 5000 - _ROUND_TRIP_SECONDS),
                **_READING,
            },
        ),
        # Dataverse as its maker describes it, the profile that promises are measured against.
        # Microsoft's reference figures as PPDS quotes them (WISHES 5): about 50,000 rows an hour
        # one by one, 2 million with ExecuteMultiple, 10 million with CreateMultiple. The source
        # does not say how many calls ran in parallel; here they are the rate of one at a time.
        # By alternate key 2.4 times slower (DATAVERSE 8.3).
        "dataverse": LatencyProfile(
            _ROUND_TRIP_SECONDS,
            {
                WorkKind.BULK: Cost(0.0, _per_hour(10_000_000)),
                WorkKind.BULK_BY_KEY: Cost(0.0, 2.4 * _per_hour(10_000_000)),
                WorkKind.BATCH: Cost(0.0, _per_hour(2_000_000)),
                WorkKind.WRITE: Cost(_per_hour(50_000) - _ROUND_TRIP_SECONDS),
                **_READING,
            },
        ),
        # Nothing but the way there and back: what a client loses by waiting for each answer.
        "network": LatencyProfile(
            _ROUND_TRIP_SECONDS, {kind: Cost(0.0) for kind in WorkKind}, spread=0.0
        ),
    }
)

_BULK_PATH = re.compile(r"/(Microsoft\.Dynamics\.CRM\.)?(Create|Update|Upsert|Delete)Multiple\b")
_KEYED_TARGET = re.compile(rb'"@odata\.id"\s*:\s*"[^"]*=')
_BATCH_OPERATION = re.compile(rb"^(GET|POST|PATCH|PUT|DELETE) \S+ HTTP/1\.1\r?$", re.MULTILINE)
_METADATA_PATH = re.compile(r"/(EntityDefinitions|GlobalOptionSet|RelationshipDef|\$metadata)")


def work_of(request: WireRequest, answer: Answer) -> Work:
    """What the environment did, as can be seen from outside."""
    if _BULK_PATH.search(request.path):
        is_keyed = _KEYED_TARGET.search(request.body) is not None
        kind = WorkKind.BULK_BY_KEY if is_keyed else WorkKind.BULK
        return Work(kind, request.body.count(b'"@odata.type"'))
    if "/$batch" in request.path:
        return Work(WorkKind.BATCH, len(_BATCH_OPERATION.findall(request.body)))
    if not request.is_data or _METADATA_PATH.search(request.path):
        return Work(WorkKind.OTHER, 0)
    if request.method == "GET":
        return Work(WorkKind.READ, answer.body.count(b'"@odata.etag"'))
    return Work(WorkKind.WRITE, 1)


def seconds_for(work: Work, profile: LatencyProfile) -> float:
    """How long the work takes on the average."""
    cost = profile.costs[work.kind]
    return cost.request_seconds + cost.row_seconds * work.rows


class Distance:
    """An interceptor that makes every request travel. Stands outside of the limits."""

    def __init__(
        self,
        profile: LatencyProfile,
        *,
        random: Random,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._profile = profile
        self._random = random
        self._sleep = sleep

    async def __call__(self, request: WireRequest, *, proceed: Proceed) -> Answer:
        """Half of the way there, half of it back."""
        half_way = self._profile.round_trip_seconds * _varied(self._profile, self._random) / 2
        await self._sleep(half_way)
        answer = await proceed(request)
        await self._sleep(half_way)
        return answer


class Working:
    """An interceptor that answers no sooner than the work would take. Stands inside of the limits.

    The work is done at once and the answer held back, so that the order of commits is that of
    arrival; what the emulator itself needs counts towards the wait.
    """

    def __init__(
        self,
        profile: LatencyProfile,
        *,
        random: Random,
        sleep: Callable[[float], Awaitable[None]],
        stopwatch: Callable[[], float],
    ) -> None:
        self._profile = profile
        self._random = random
        self._sleep = sleep
        self._stopwatch = stopwatch

    async def __call__(self, request: WireRequest, *, proceed: Proceed) -> Answer:
        """The answer, when it is due."""
        started = self._stopwatch()
        answer = await proceed(request)
        due = seconds_for(work_of(request, answer), self._profile)
        due *= _varied(self._profile, self._random)
        await self._sleep(max(0.0, due - (self._stopwatch() - started)))
        return answer


def _varied(profile: LatencyProfile, random: Random) -> float:
    """A factor whose mean is 1, so that the average stays the published one."""
    return math.exp(random.gauss(-(profile.spread**2) / 2, profile.spread))
