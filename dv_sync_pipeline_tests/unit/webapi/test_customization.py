"""Changing tables: names of keys, waiting for their index, what a definition keeps."""

import json

import httpx
import pytest

from dv_sync_pipeline.errors import RequestFailedError, SchemaMismatchError
from dv_sync_pipeline.webapi.customization import key_name

DEFINITION = "/api/data/v9.2/EntityDefinitions(LogicalName='contoso_hotel')"


def keys(status):
    """What the table answers about its keys."""
    key = {
        "LogicalName": "contoso_code_key",
        "KeyAttributes": ["contoso_code"],
        "EntityKeyIndexStatus": status,
    }
    return httpx.Response(200, json={"value": [key]})


def wait_for_key(client):
    """The action of the tests below."""
    return client.administration.wait_for_key("contoso_hotel", ["contoso_code"], seconds_max=60.0)


@pytest.mark.parametrize(
    ("table", "columns", "name"),
    [
        ("contoso_hotel", ["contoso_code"], "contoso_code_key"),
        ("contoso_room", ["contoso_hotelid", "contoso_number"], "contoso_hotelid_number_key"),
        ("contoso_hotel", ["name"], "contoso_name_key"),
        ("account", ["accountnumber"], "new_accountnumber_key"),
    ],
)
def test_name_of_a_key(table, columns, name):
    """With the prefix of a customer's publisher, which Dataverse demands."""
    assert name == key_name(table, columns)


def test_a_pending_index_is_waited_for(talk, time):
    """Asked for again every five seconds."""
    answers = iter(["Pending", "InProgress", "Active"])

    talk(lambda _request: keys(next(answers)), wait_for_key)

    assert [5.0, 5.0] == time.waits


def test_an_index_that_takes_too_long(talk):
    """Is no error of ours: a person looks again later."""
    with pytest.raises(RequestFailedError) as error:
        talk(lambda _request: keys("Pending"), wait_for_key)

    assert "the index of the key contoso_code_key of contoso_hotel is not built yet" == (
        error.value.what
    )


def test_an_index_that_failed(talk):
    """Duplicates are the usual reason (DATAVERSE 3.5)."""
    with pytest.raises(SchemaMismatchError) as error:
        talk(lambda _request: keys("Failed"), wait_for_key)

    assert "Remove the duplicates, then run dv-sync provision --apply again" == error.value.mend


def test_change_tracking_is_turned_on_without_touching_anything_else(talk):
    """The whole definition goes back, labels are merged, and the table is published."""
    sent = []

    def server(request):
        if request.method == "GET":
            definition = {"@odata.context": "…", "MetadataId": "1", "ChangeTrackingEnabled": False}
            return httpx.Response(200, json={**definition, "Description": {"Any": "thing"}})
        sent.append((request.method, request.url.path, json.loads(request.content)))
        assert request.method == "POST" or "true" == request.headers["MSCRM.MergeLabels"]
        return httpx.Response(204)

    talk(server, lambda client: client.administration.track_changes("contoso_hotel"))

    parameters = (
        "<importexportxml><entities><entity>contoso_hotel</entity></entities></importexportxml>"
    )
    assert [
        (
            "PUT",
            DEFINITION,
            {"MetadataId": "1", "ChangeTrackingEnabled": True, "Description": {"Any": "thing"}},
        ),
        ("POST", "/api/data/v9.2/PublishXml", {"ParameterXml": parameters}),
    ] == sent
