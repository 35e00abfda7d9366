"""How long answers take, computed and not waited for (WISHES 5, DATAVERSE 8.3)."""

import asyncio
from random import Random

import pytest

from dv_sync_pipeline.emulator.trouble.latency import (
    LATENCY_PROFILES,
    Cost,
    Distance,
    LatencyProfile,
    Work,
    Working,
    WorkKind,
    seconds_for,
    work_of,
)
from dv_sync_pipeline.emulator.trouble.wire import Answer, WireRequest

API = "/api/data/v9.2"
DEVELOPER = LATENCY_PROFILES["developer"]
DATAVERSE = LATENCY_PROFILES["dataverse"]
TWO_TARGETS = b'{"Targets":[{"@odata.type":"a"},{"@odata.type":"a"}]}'
TWO_KEYED_TARGETS = (
    b'{"Targets":[{"@odata.type":"a","@odata.id":"as(code=\'1\')"},'
    b'{"@odata.type":"a","@odata.id":"as(code=\'2\')"}]}'
)
TWO_OPERATIONS = (
    b"--b\r\n\r\nPATCH /api/data/v9.2/as(1) HTTP/1.1\r\n\r\n{}\r\n--b\r\n\r\n"
    b"DELETE /api/data/v9.2/as(2) HTTP/1.1\r\n\r\n--b--"
)
TWO_ROWS = b'{"value":[{"@odata.etag":"1"},{"@odata.etag":"2"}]}'


@pytest.mark.parametrize(
    ("request_", "answer", "work"),
    [
        (
            WireRequest("POST", f"{API}/as/Microsoft.Dynamics.CRM.CreateMultiple", (), TWO_TARGETS),
            Answer(200),
            Work(WorkKind.BULK, 2),
        ),
        (
            WireRequest(
                "POST", f"{API}/as/Microsoft.Dynamics.CRM.UpsertMultiple", (), TWO_KEYED_TARGETS
            ),
            Answer(204),
            Work(WorkKind.BULK_BY_KEY, 2),
        ),
        (
            WireRequest("POST", f"{API}/$batch", (), TWO_OPERATIONS),
            Answer(200),
            Work(WorkKind.BATCH, 2),
        ),
        (WireRequest("PATCH", f"{API}/as(1)"), Answer(204), Work(WorkKind.WRITE, 1)),
        (WireRequest("GET", f"{API}/as"), Answer(200, (), TWO_ROWS), Work(WorkKind.READ, 2)),
        (WireRequest("GET", f"{API}/EntityDefinitions"), Answer(200), Work(WorkKind.OTHER, 0)),
        (WireRequest("POST", "/t/oauth2/v2.0/token"), Answer(200), Work(WorkKind.OTHER, 0)),
    ],
    ids=["bulk", "bulk by key", "batch", "write", "read", "metadata", "token"],
)
def test_kinds_of_work(request_, answer, work):
    """What a request was can be seen from outside, and how many rows it had."""
    assert work == work_of(request_, answer)


def rows_per_second(profile, kind, *, rows, parallel, spacing=0.0):
    """What so many clients in parallel reach with calls of so many rows."""
    seconds = seconds_for(Work(kind, rows), profile) + spacing
    return parallel * rows / seconds


def test_developer_environment_reaches_the_measured_rates():
    """202 rows/s with 5 bulk calls of 100 in parallel; 161 by key with 10; 2.4 times slower."""
    by_id = rows_per_second(DEVELOPER, WorkKind.BULK, rows=100, parallel=5)
    by_key = rows_per_second(DEVELOPER, WorkKind.BULK_BY_KEY, rows=100, parallel=10)

    assert 202 == pytest.approx(by_id)
    assert 161 == pytest.approx(by_key)


def test_developer_environment_takes_the_measured_time_for_5000_updates():
    """Ten minutes one by one, 5:19 in batches of 100."""
    travel = DEVELOPER.round_trip_seconds
    single = rows_per_second(DEVELOPER, WorkKind.WRITE, rows=1, parallel=1, spacing=travel)
    batch = rows_per_second(DEVELOPER, WorkKind.BATCH, rows=100, parallel=1)

    assert 600 == pytest.approx(5000 / single)
    assert 319 == pytest.approx(5000 / batch)


def test_dataverse_reaches_microsofts_reference_figures():
    """10 million rows an hour in bulk, 2 million in batches, 50 thousand one by one."""
    travel = DATAVERSE.round_trip_seconds
    bulk = rows_per_second(DATAVERSE, WorkKind.BULK, rows=1000, parallel=1)
    batch = rows_per_second(DATAVERSE, WorkKind.BATCH, rows=1000, parallel=1)
    single = rows_per_second(DATAVERSE, WorkKind.WRITE, rows=1, parallel=1, spacing=travel)

    assert 10_000_000 == pytest.approx(bulk * 3600)
    assert 2_000_000 == pytest.approx(batch * 3600)
    assert 50_000 == pytest.approx(single * 3600)


# ---- waiting ------------------------------------------------------------------------------------

EVEN = LatencyProfile(
    round_trip_seconds=0.02,
    costs=dict.fromkeys(WorkKind, Cost(request_seconds=0.5, row_seconds=0.1)),
    spread=0.0,
)
READ = WireRequest("GET", f"{API}/as")


class Sleeper:
    """Remembers how long it should have slept."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        """Return at once."""
        self.seconds.append(seconds)


async def two_rows(_request):
    """An environment that returns two rows."""
    return Answer(200, (), TWO_ROWS)


def test_the_answer_waits_for_its_rows():
    """Half a second for the request and a tenth for each row, less what the emulator needed."""
    sleeper, stopwatch = Sleeper(), iter([10.0, 10.25])
    working = Working(EVEN, random=Random(1), sleep=sleeper, stopwatch=lambda: next(stopwatch))

    asyncio.run(working(READ, proceed=two_rows))

    assert [pytest.approx(0.5 + 2 * 0.1 - 0.25)] == sleeper.seconds


def test_the_way_is_travelled_twice():
    """There and back, whatever is done in between."""
    sleeper = Sleeper()

    asyncio.run(Distance(EVEN, random=Random(1), sleep=sleeper)(READ, proceed=two_rows))

    assert [0.01, 0.01] == sleeper.seconds


def test_waits_vary_about_the_published_mean():
    """Random from a seed; the average of many is the figure itself, however wide they spread."""
    wide = LatencyProfile(round_trip_seconds=0.02, costs=EVEN.costs, spread=0.5)
    sleeper = Sleeper()
    varied = Distance(wide, random=Random(7), sleep=sleeper)

    async def many():
        for _ in range(8000):
            await varied(READ, proceed=two_rows)

    asyncio.run(many())

    assert 0.020 == pytest.approx(sum(sleeper.seconds) / 8000, rel=0.03)
    assert 1000 < len(set(sleeper.seconds))
