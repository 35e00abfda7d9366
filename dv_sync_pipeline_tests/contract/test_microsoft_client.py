"""Microsoft's own client, unmodified, against the emulator (issue 3).

PyPI `powerplatform-dataverse-client`, in its synchronous and its asynchronous form, signed in by
`azure-identity`, over TLS: a program of its own, as a user would start it. Nothing is patched and
nothing is answered for the client, so a misunderstanding shared by our own client and our emulator
shows here.
"""

import asyncio
import inspect
from enum import IntEnum
from importlib import import_module
from typing import Any

import pandas  # noqa: ICN001 - our names are whole words
import pytest
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError
from PowerPlatform.Dataverse.models.relationship import ManyToManyRelationshipMetadata
from PowerPlatform.Dataverse.models.upsert import UpsertItem

from dv_sync_pipeline.emulator.process.launch import running_emulator as launched_emulator
from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, TENANT_ID

_ASYNCHRONOUS = "PowerPlatform.Dataverse.aio"


class Kind(IntEnum):
    """A local choice, as the client takes it."""

    CITY = 1
    BEACH = 2


class Blocking:
    """The asynchronous client with the manners of the synchronous one, so that one test fits both.

    It waits for whatever can be waited for, and changes nothing else.
    """

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if callable(value):
            return lambda *values, **named: self._settle(value(*values, **named))
        return self._settle(value)

    def _settle(self, value: Any) -> Any:
        if inspect.isasyncgen(value):
            return self._runner.run(_collect(value))
        if inspect.iscoroutine(value):
            return self._runner.run(value)
        if type(value).__module__.startswith(_ASYNCHRONOUS):
            return Blocking(value, self._runner)
        return value


async def _collect(pages: Any) -> list[Any]:
    return [page async for page in pages]


@pytest.fixture(scope="module")
def address(tmp_path_factory, live_url):
    """An environment of the emulator in a process of its own, trusted as a user would do it."""
    if live_url:
        pytest.skip("makes tables by the dozen: for the emulator only")
    folder = tmp_path_factory.mktemp("contoso")
    with (
        launched_emulator(["contoso=0"], state=folder) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
        patch.setenv("SSL_CERT_FILE", str(emulator.ca_file))
        yield emulator.urls["contoso"]


def _sign_in(make: Any, address: str) -> Any:
    return make(
        TENANT_ID,
        ADMINISTRATOR.client_id,
        ADMINISTRATOR.client_secret,
        authority=address,
        disable_instance_discovery=True,
    )


@pytest.fixture(scope="module")
def synchronous(address):
    """The client that most programs use."""
    with (
        _sign_in(ClientSecretCredential, address) as credential,
        DataverseClient(address, credential) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def asynchronous(address):
    """The client for programs with an event loop.

    aiohttp, beneath it, reads SSL_CERT_FILE when it is imported: hence not before.
    """
    identity = import_module("azure.identity.aio")
    dataverse = import_module("PowerPlatform.Dataverse.aio.async_client")
    with asyncio.Runner() as runner:

        async def open_client() -> tuple[Any, Any]:
            credential = _sign_in(identity.ClientSecretCredential, address)
            return credential, dataverse.AsyncDataverseClient(address, credential)

        credential, client = runner.run(open_client())
        yield Blocking(client, runner)
        runner.run(client.aclose())
        runner.run(credential.close())


@pytest.fixture(params=["synchronous", "asynchronous"])
def client(request):
    """Either form of the client."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def table(client, mark):
    """A table that the client made: text, numbers, a choice, a key on the code."""
    columns = {
        "new_Code": "string",
        "new_Stars": {"type": "int", "min_value": 1, "max_value": 5},
        "new_Rate": "decimal",
        "new_Kind": Kind,
        "new_Document": "file",
    }
    name = f"new_Hotel{mark}"
    client.tables.create(name, columns)
    client.tables.create_alternate_key(name, f"new_code{mark}", ["new_code"])
    return name


@pytest.fixture
def hotels(client, table):
    """The ids of Adler (2 stars), Bristol (4) and Carlton (no stars)."""
    rows = [
        {"new_Name": "Adler", "new_Code": "A", "new_Stars": 2, "new_Rate": 9.5},
        {"new_Name": "Bristol", "new_Code": "B", "new_Stars": 4, "new_Rate": 100.25},
        {"new_Name": "Carlton", "new_Code": "C", "new_Kind": "Beach"},
    ]
    return client.records.create(table, rows)


def names(client, table, **query):
    """The names that a query finds, in order of name."""
    found = client.records.list(table, select=["new_name"], orderby=["new_name"], **query)
    return [row["new_name"] for row in found]


# ---- schema -------------------------------------------------------------------------------------


def test_table_is_created_described_and_deleted(client, mark):
    """A table has the names that Dataverse gives it, and is gone when it is deleted."""
    name = f"new_Villa{mark}"
    created = client.tables.create(name, {"new_Floors": "int"}, display_name="Villa")
    found = client.tables.get(name)

    assert found.metadata_id == created.metadata_id
    assert (found.logical_name, found.entity_set_name) == (name.lower(), f"{name.lower()}s")
    client.tables.delete(name)
    assert client.tables.get(name) is None


def test_taken_name_is_refused(client, table):
    """The client finds the table that exists."""
    with pytest.raises(MetadataError, match="already exists"):
        client.tables.create(table, {"new_X": "int"})


def test_tables_are_listed_by_filter(client, table):
    """Filter and selection are those of EntityDefinitions."""
    found = client.tables.list(filter=f"SchemaName eq '{table}'", select=["LogicalName"])

    assert [each["LogicalName"] for each in found] == [table.lower()]


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [
        ("string", "String"),
        ("memo", "Memo"),
        ("int", "Integer"),
        ("decimal", "Decimal"),
        ("float", "Double"),
        ("bool", "Boolean"),
        ("datetime", "DateTime"),
        (Kind, "Picklist"),
        ("file", "Virtual"),
    ],
)
def test_column_of_every_type_that_the_client_knows(client, table, kind, type_name):
    """A column is added, described and removed."""
    client.tables.add_columns(table, {"new_Extra": kind})

    assert client.tables.get_column(table, "new_Extra")["AttributeType"] == type_name
    client.tables.remove_columns(table, "new_Extra")
    assert client.tables.get_column(table, "new_Extra") is None


def test_column_is_changed(client, table):
    """The client replaces the whole definition and finds the change in it."""
    client.tables.update_column(table, "new_Code", {"max_length": 7})

    assert client.tables.get_column(table, "new_Code", typed=True)["MaxLength"] == 7


def test_columns_with_what_their_types_have(client, table):
    """Typed columns come by RetrieveMetadataChanges."""
    found = {
        column["LogicalName"]: column for column in client.tables.list_columns(table, typed=True)
    }

    assert (found["new_stars"]["MinValue"], found["new_stars"]["MaxValue"]) == (1, 5)


def test_columns_for_people_who_write_queries(client, table):
    """The client's own overview filters by type."""
    found = client.query.sql_columns(table)

    assert {"new_name", "new_stars", "new_kind"} <= {column["name"] for column in found}


def test_key_is_managed(client, table, mark):
    """A key is listed as Active and deleted by its id."""
    (key,) = client.tables.get_alternate_keys(table)

    assert (key.schema_name, key.key_attributes, key.status) == (
        f"new_code{mark}",
        ["new_code"],
        "Active",
    )
    client.tables.delete_alternate_key(table, key.metadata_id)
    assert client.tables.get_alternate_keys(table) == []


@pytest.fixture
def rooms(client, table, mark):
    """A table with a lookup `new_HotelId` to hotels, whose rows go with their hotel."""
    name = f"new_Room{mark}"
    client.tables.create(name, {"new_Number": "string"})
    client.tables.create_lookup_field(name, "new_HotelId", table, cascade_delete="Cascade")
    return name


def test_lookup_is_made_with_its_relationship(client, table, rooms):
    """The relationship is found by name and among those of its table."""
    name = f"{table.lower()}_{rooms.lower()}_new_HotelId"
    found = client.tables.get_relationship(name)
    of_table = client.tables.list_table_relationships(table)

    assert (found.relationship_type, found.referenced_entity) == ("one_to_many", table.lower())
    assert name in [each["SchemaName"] for each in of_table]


def test_relationship_is_deleted(client, table, rooms):
    """The lookup goes with it."""
    name = f"{table.lower()}_{rooms.lower()}_new_HotelId"
    client.tables.delete_relationship(client.tables.get_relationship(name).relationship_id)

    assert client.tables.get_relationship(name) is None
    assert client.tables.get_column(rooms, "new_HotelId") is None


def test_many_to_many_relationship(client, table, mark):
    """It is made and found again."""
    pairs = ManyToManyRelationshipMetadata(f"new_owners{mark}", table.lower(), "systemuser")
    created = client.tables.create_many_to_many_relationship(pairs)
    found = client.tables.get_relationship(f"new_owners{mark}")

    assert found.relationship_type == "many_to_many"
    assert found.relationship_id == created.relationship_id


# ---- rows ---------------------------------------------------------------------------------------


def test_row_is_created_read_changed_and_deleted(client, table):
    """The life of one row; a choice may be given by its label."""
    row_id = client.records.create(table, {"new_Name": "Adler", "new_Kind": "Beach"})
    row = client.records.retrieve(table, row_id, select=["new_name", "new_kind"])

    assert (row["new_name"], row["new_kind"]) == ("Adler", Kind.BEACH)
    client.records.update(table, row_id, {"new_Name": "Alba"})
    assert client.records.retrieve(table, row_id)["new_name"] == "Alba"
    client.records.delete(table, row_id)
    assert client.records.retrieve(table, row_id) is None


def test_rows_are_created_and_changed_together(client, table, hotels):
    """CreateMultiple and UpdateMultiple, with one change for all or one for each."""
    client.records.update(table, hotels, {"new_Stars": 5})
    client.records.update(table, hotels[:2], [{"new_Stars": 1}, {"new_Stars": 2}])

    assert names(client, table, filter="new_stars eq 5") == ["Carlton"]
    assert names(client, table, filter="new_stars lt 3") == ["Adler", "Bristol"]


@pytest.mark.usefixtures("hotels")
def test_upsert_by_key(client, table):
    """One row by PATCH, several by UpsertMultiple; what is missing is created."""
    client.records.upsert(table, [UpsertItem({"new_code": "A"}, {"new_name": "Alba"})])
    client.records.upsert(
        table,
        [
            UpsertItem({"new_code": "B"}, {"new_name": "Borea"}),
            UpsertItem({"new_code": "D"}, {"new_name": "Delta"}),
        ],
    )

    assert names(client, table) == ["Alba", "Borea", "Carlton", "Delta"]


@pytest.mark.parametrize("by_job", [True, False])
def test_rows_are_deleted_together(client, table, hotels, by_job):
    """By a BulkDelete job or one by one."""
    client.records.delete(table, hotels[:2], use_bulk_delete=by_job)

    assert names(client, table) == ["Carlton"]


def test_lookup_is_bound_and_expanded(client, table, hotels, rooms):
    """The navigation property has the lookup's schema name."""
    bound = {"new_HotelId@odata.bind": f"/{table.lower()}s({hotels[0]})"}
    room = client.records.create(rooms, {"new_Name": "101", **bound})
    row = client.records.retrieve(rooms, room, expand=["new_HotelId"])

    assert row["new_HotelId"]["new_name"] == "Adler"


@pytest.mark.usefixtures("hotels")
def test_refusal_reaches_the_program(client, table):
    """Status and Dataverse's code are in the client's error."""
    with pytest.raises(HttpError) as raised:
        client.records.create(table, {"new_Name": "again", "new_Code": "a"})

    assert raised.value.status_code == 412
    assert raised.value.details["service_error_code"] == "0x80060892"


# ---- queries ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hotels")
def test_pages(client, table):
    """Pages of the asked size, until there are no more."""
    pages = client.records.list_pages(table, select=["new_name"], orderby=["new_name"], page_size=2)

    assert [[row["new_name"] for row in page] for page in pages] == [
        ["Adler", "Bristol"],
        ["Carlton"],
    ]


@pytest.mark.usefixtures("hotels")
def test_query_builder(client, table):
    """What the builder writes is understood."""
    query = client.query.builder(table).select("new_name").top(2)

    assert len(list(query.execute())) == 2


def test_formatted_values(client, table, hotels):
    """Annotations come when asked for."""
    row = client.records.retrieve(table, hotels[2], include_annotations="*")

    assert row["new_kind@OData.Community.Display.V1.FormattedValue"] == "BEACH"


@pytest.mark.usefixtures("hotels")
def test_fetchxml_pages(client, table):
    """The client reads the paging cookie and sends it back."""
    xml = (
        f"<fetch count='2'><entity name='{table.lower()}'><attribute name='new_name'/>"
        "<order attribute='new_name'/></entity></fetch>"
    )
    pages = client.query.fetchxml(xml).execute_pages()

    assert [[row["new_name"] for row in page] for page in pages] == [
        ["Adler", "Bristol"],
        ["Carlton"],
    ]


def test_sql_is_not_implemented(client, table):
    """`?sql=` says that it is not there."""
    with pytest.raises(HttpError) as raised:
        client.query.sql(f"SELECT new_name FROM {table.lower()}")  # noqa: S608 - refused

    assert raised.value.status_code == 501


# ---- batch --------------------------------------------------------------------------------------


def test_batch_of_everything(client, table, hotels, mark):
    """Rows and metadata in one request, answered in order."""
    batch = client.batch.new()
    batch.records.create(table, {"new_Name": "Delta"})
    batch.records.create(table, [{"new_Name": "Echo"}, {"new_Name": "Fox"}])
    batch.records.update(table, hotels[0], {"new_Stars": 5})
    batch.records.upsert(table, [UpsertItem({"new_code": "B"}, {"new_name": "Borea"})])
    batch.records.retrieve(table, hotels[0], select=["new_stars"])
    batch.records.list(table, filter="new_stars eq 5", select=["new_name"])
    batch.tables.get(table)
    batch.tables.add_columns(table, {"new_Added": "int"})
    batch.tables.create(f"new_Other{mark}", {"new_X": "int"})
    batch.records.delete(table, hotels[2])
    result = batch.execute()

    assert [each.error_message for each in result.responses if each.error_message] == []
    assert [each["new_name"] for each in result.responses[5].data["value"]] == ["Adler"]
    assert names(client, table) == ["Adler", "Borea", "Delta", "Echo", "Fox"]
    assert client.tables.get(f"new_Other{mark}") is not None


def test_change_set_with_references(client, table, rooms):
    """Rows of one change set point to each other before they exist."""
    batch = client.batch.new()
    changes = batch.changeset()
    hotel = changes.records.create(table, {"new_Name": "Delta"})
    changes.records.update(table, hotel, {"new_Stars": 4})
    changes.records.create(rooms, {"new_Name": "1", "new_HotelId@odata.bind": hotel})
    result = batch.execute()
    created = result.responses[0].entity_id

    assert [each.status_code for each in result.responses] == [204, 204, 204]
    assert client.records.retrieve(table, created)["new_stars"] == 4
    assert names(client, rooms, filter=f"_new_hotelid_value eq {created}") == ["1"]


@pytest.mark.usefixtures("hotels")
def test_failed_change_set_leaves_nothing(client, table):
    """One duplicate undoes the other create."""
    batch = client.batch.new()
    changes = batch.changeset()
    changes.records.create(table, {"new_Name": "Delta"})
    changes.records.create(table, {"new_Name": "again", "new_Code": "A"})
    result = batch.execute(continue_on_error=True)

    assert [each.status_code for each in result.responses] == [412]
    assert names(client, table) == ["Adler", "Bristol", "Carlton"]


def test_batch_goes_on_after_an_error(client, table, hotels):
    """What is wrong with one operation does not stop the others."""
    client.records.delete(table, hotels[0])
    batch = client.batch.new()
    batch.records.retrieve(table, hotels[0])
    batch.records.create(table, {"new_Name": "Delta"})
    result = batch.execute(continue_on_error=True)

    assert [each.status_code for each in result.responses] == [404, 204]
    assert names(client, table) == ["Bristol", "Carlton", "Delta"]


# ---- files and frames ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["small", "chunk"])
def test_file_is_uploaded(client, table, hotels, tmp_path, mode):
    """In one request or in chunks; the row then names the file."""
    file = tmp_path / "menu.txt"
    file.write_bytes(b"soup\n" * 1000)
    client.files.upload(table, hotels[0], "new_Document", str(file), mode=mode)
    row = client.records.retrieve(table, hotels[0], select=["new_document", "new_document_name"])

    assert row["new_document"] is not None
    assert row["new_document_name"] == "menu.txt"


def test_file_column_is_made_where_it_is_missing(client, table, hotels, tmp_path):
    """The client adds the column and waits until rows know it."""
    file = tmp_path / "menu.txt"
    file.write_bytes(b"soup")
    client.files.upload(table, hotels[0], "new_Menu", str(file))

    assert client.records.retrieve(table, hotels[0])["new_menu_name"] == "menu.txt"


def test_data_frame(client, table):
    """Rows from and to tables of pandas."""
    written = pandas.DataFrame([{"new_name": "Adler"}, {"new_name": "Bristol"}])
    client.dataframe.create(table, written)
    read = client.records.list(table, select=["new_name"], orderby=["new_name"]).to_dataframe()

    assert list(read["new_name"]) == list(written["new_name"])
