"""Webhooks that our client registered, delivered by the emulator to a receiver of the test's."""

import asyncio
import json

import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.config.gateway import KEY_HEADER
from dv_sync_pipeline.sync.webhooks import register_webhooks
from dv_sync_pipeline.webapi.client import connect
from dv_sync_pipeline_tests.world.conftest import a_world
from dv_sync_pipeline_tests.worlds.judge import Environment
from dv_sync_pipeline_tests.worlds.served import webhook_receiver

KEY = 'a "key" & <more>'


@pytest.fixture
def world(tmp_path):
    """Two environments with a handful of rows."""
    with a_world(tmp_path, rooms=10) as one:
        yield one


@pytest.fixture
def receiver():
    """Takes everything, and tells when something has come."""
    with webhook_receiver() as one:
        yield one


def register(sync_yaml, receiver):
    """As `dv-sync provision` does: with the administrator's rights."""
    primary = config.load(sync_yaml, {}).environments.primary

    async def act():
        async with connect("primary", primary.for_administrator) as client:
            await register_webhooks(
                client,
                url=receiver.url,
                key=KEY,
                tables={"contoso_hotel": ["contoso_name"]},
            )

    asyncio.run(act())


def test_a_change_reaches_the_receiver_with_the_key(world, receiver):
    """The header carries the key, the body names table and row."""
    register(world.sync_yaml, receiver)
    primary = Environment(world.sync_yaml, "primary", is_administrator=True)
    hotel = primary.rows("contoso_hotel")[0]["contoso_hotelid"]

    primary.update("contoso_hotel", hotel, {"contoso_name": "Adlon"})
    primary.close()

    _, headers, body = receiver.wait_for_one()
    payload = json.loads(body)
    assert KEY == headers[KEY_HEADER]
    assert ("Update", "contoso_hotel", hotel) == (
        payload["MessageName"],
        payload["PrimaryEntityName"],
        payload["PrimaryEntityId"],
    )
