"""One environment as the domain sees it."""

import httpx
import pytest

from dv_sync_pipeline.errors import UnreachableError, WrongEnvironmentError
from dv_sync_pipeline.webapi.client import Dataverse, DataverseClient, Identity
from dv_sync_pipeline.webapi.write import Reference, RowWrite

ROOM = "00000000-0000-0000-0000-000000000001"
ORGANIZATION = "AAAAAAAA-0000-0000-0000-000000000000"
WHO = {"OrganizationId": ORGANIZATION.lower(), "UserId": "user"}


def _greet(_request):
    return httpx.Response(200, json=WHO)


def _identify(client):
    return client.identify()


def test_identity(talk):
    """WhoAmI tells organisation and user."""
    assert Identity(ORGANIZATION.lower(), "user") == talk(_greet, _identify)


@pytest.mark.parametrize("expected", ["", ORGANIZATION, ORGANIZATION.lower()])
def test_right_organization(talk, expected):
    """Any organisation passes if none is configured, else the one named, in any case."""
    assert talk(_greet, _identify, organization_id=expected)


def test_wrong_organization(talk):
    """Another organisation than the configured one is refused by name."""
    with pytest.raises(WrongEnvironmentError, match="expected bbbb, found aaaaaaaa"):
        talk(_greet, _identify, organization_id="bbbb")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"Hello": "World"}),
        httpx.Response(404, text="<html>"),
        httpx.Response(302, headers={"Location": "https://www.example.com/"}),
    ],
    ids=["page", "other JSON", "not found", "redirect"],
)
def test_something_else_answers(talk, answer):
    """An answer that is not Dataverse's leads to the address."""
    with pytest.raises(UnreachableError, match=r"is not Dataverse.*Check url"):
        talk(lambda _: answer, _identify)


def test_client_fulfils_the_seam(talk):
    """The client is what the domain asks for."""

    async def itself(client):
        seam: Dataverse = client
        return seam

    assert isinstance(talk(_greet, itself), DataverseClient)


def test_entity_sets_are_asked_for_once(talk, rooms):
    """The entity set of a table that lookups point to is remembered."""
    asked = []

    def server(request):
        if "EntityDefinitions" in request.url.path:
            asked.append(request)
            names = {"LogicalName": "contoso_hotel", "EntitySetName": "contoso_hotels"}
            return httpx.Response(200, json=names)
        return httpx.Response(204)

    row = RowWrite(ROOM, {"contoso_hotelid": Reference("contoso_hotel", ROOM)})

    async def write_twice(client):
        await client.update_rows(rooms, [row])
        await client.update_rows(rooms, [row])

    talk(server, write_twice)

    assert 1 == len(asked)
