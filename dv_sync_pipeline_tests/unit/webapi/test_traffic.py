"""Counting what a conversation costs, for several passes at a time."""

import asyncio

from dv_sync_pipeline.webapi.traffic import Traffic, TrafficCount, counted_apart


def test_all_of_it():
    """Without anything special."""
    count = TrafficCount()

    count.add(Traffic(requests=2))
    count.add(Traffic(requests=1, retries=1))

    assert Traffic(requests=3, retries=1) == count.read()


def test_passes_side_by_side_tell_each_its_own():
    """Also what tasks send on behalf of a pass; the whole is known outside."""
    count = TrafficCount()

    async def send():
        await asyncio.sleep(0)
        count.add(Traffic(requests=1))

    async def work(requests):
        with counted_apart():
            await asyncio.gather(*(send() for _ in range(requests)))
            return count.read()

    async def both():
        return await asyncio.gather(work(2), work(3))

    assert [Traffic(requests=2), Traffic(requests=3)] == asyncio.run(both())
    assert Traffic(requests=5) == count.read()


def test_counts_of_two_environments_are_not_mixed():
    """Each counts for itself, apart too."""
    primary, secondary = TrafficCount(), TrafficCount()

    with counted_apart():
        primary.add(Traffic(requests=2))
        told = (primary.read(), secondary.read())

    assert (Traffic(requests=2), Traffic()) == told
