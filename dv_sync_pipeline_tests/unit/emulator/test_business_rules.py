"""A customer's plug-in, in its plainest form: it refuses a value."""

import asyncio
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from dv_sync_pipeline.emulator.process.identity import AnyToken
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.application import create_application
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.schema import BusinessRule
from dv_sync_pipeline.emulator.tables.system import create_application_user, found_environment

HOTEL = replace(
    define.table("contoso_Hotel", entity_set="contoso_hotels"),
    business_rules=(BusinessRule("contoso_name", refused="Atlantis", message="Not ours."),),
)


@pytest.fixture
def api():
    """Asks an environment whose hotels may not be called Atlantis."""
    with closing(Store()) as store:
        found_environment(store, organization_name="test")
        store.create_table(HOTEL)
        user = create_application_user(
            store, application_id="c0ffee00-0002-4000-8000-000000000002", full_name="anna"
        )
        environment = EmulatedEnvironment("test", "http://test", store, AnyToken(user))
        application = httpx.ASGITransport(create_application(environment))

        async def request(method, path, **values):
            url = "http://test/api/data/v9.2/"
            async with httpx.AsyncClient(transport=application, base_url=url) as client:
                return await client.request(method, path, json=values or None)

        yield lambda *arguments, **values: asyncio.run(request(*arguments, **values))


def refusal(answer):
    """Status, code and message."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_a_create_is_refused(api):
    """400 0x80040265, with the plug-in's own words (DATAVERSE 4.7)."""
    answer = api("POST", "contoso_hotels", contoso_name="Atlantis")

    assert (400, "0x80040265", "Not ours.") == refusal(answer)


def test_an_update_is_refused(api):
    """Likewise, and the row keeps its value."""
    row = api("POST", "contoso_hotels", contoso_name="Athens").headers["OData-EntityId"]
    answer = api("PATCH", row, contoso_name="Atlantis")

    assert (400, "0x80040265", "Not ours.") == refusal(answer)
    assert "Athens" == api("GET", row).json()["contoso_name"]


def test_other_values_are_none_of_its_business(api):
    """A row without the value is created."""
    assert 204 == api("POST", "contoso_hotels", contoso_name="Athens").status_code
