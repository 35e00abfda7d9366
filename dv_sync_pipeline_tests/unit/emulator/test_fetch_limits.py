"""How many rows FetchXML may aggregate and page through (DATAVERSE 6.1)."""

from urllib.parse import quote

import pytest

from dv_sync_pipeline.emulator.process.identity import AnyToken
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.requests import Request
from dv_sync_pipeline.emulator.service.routes import answer
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.system import create_application_user, found_environment

COUNT = (
    "<fetch aggregate='true'><entity name='new_hotel'>"
    "<attribute name='new_hotelid' aggregate='count' alias='rows'/></entity></fetch>"
)
PAGE = "<fetch count='5000' page='{}' {}><entity name='new_hotel'/></fetch>"


@pytest.fixture(scope="module")
def ask():
    """Ask an environment with 50,001 hotels by FetchXML: status and text of the answer."""
    store = Store()
    found_environment(store, organization_name="contoso")
    store.create_table(define.table("new_Hotel", entity_set="new_hotels", states=()))
    store.load_rows("new_hotel", ({"new_name": str(number)} for number in range(50_001)))
    user_id = create_application_user(
        store, application_id="00000000-0000-0000-0000-000000000001", full_name="Somebody"
    )
    environment = EmulatedEnvironment("contoso", "https://localhost", store, AnyToken(user_id))

    def ask(xml):
        query = f"fetchXml={quote(xml)}"
        reply = answer(environment, Request("GET", "new_hotels", query, user_id=user_id))
        return reply.status, reply.body.decode()

    yield ask
    store.close()


def test_aggregates_have_a_limit(ask):
    """More than 50,000 rows are not aggregated."""
    status, text = ask(COUNT)

    assert (400, True) == (status, "0x8004e023" in text)


def test_aggregates_below_the_limit(ask):
    """A filter brings the rows below it."""
    narrow = "<filter><condition attribute='new_name' operator='ne' value='7'/></filter></entity>"

    assert '"rows":50000' in ask(COUNT.replace("</entity>", narrow))[1]


def test_paging_without_cookie_has_a_limit(ask):
    """By number alone the 50,000th row is the last; with a cookie there are more."""
    cookie = "paging-cookie='&lt;cookie page=\"10\" /&gt;'"

    assert [200, 400, 200] == [
        ask(PAGE.format(10, ""))[0],
        ask(PAGE.format(11, ""))[0],
        ask(PAGE.format(11, cookie))[0],
    ]
