"""Which changes in the primary wake the pipeline."""

from pathlib import Path

import pytest

from dv_sync_pipeline.config import TableConfiguration, parse
from dv_sync_pipeline.sync.webhooks import endpoint_name, wanted_endpoint, watched_columns
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, TableSchema
from dv_sync_pipeline_tests.worlds.memory_hotels import ENVIRONMENTS_YAML

COLUMNS = {
    "code": ColumnKind.STRING,
    "name": ColumnKind.STRING,
    "price": ColumnKind.MONEY,
    "brandid": ColumnKind.LOOKUP,
    "transactioncurrencyid": ColumnKind.LOOKUP,
    "statecode": ColumnKind.STATE,
    "statuscode": ColumnKind.STATUS,
    "modifiedon": ColumnKind.DATE_TIME,
}
HOTEL = TableSchema(
    name="hotel",
    entity_set="hotels",
    primary_id="hotelid",
    primary_name="name",
    columns={
        name: Column(name, kind, is_custom=name in ("code", "name", "price", "brandid"))
        for name, kind in COLUMNS.items()
    },
)
STATE = {"statecode", "statuscode"}


def watched(**settings):
    """The columns whose updates wake, for a table with these settings."""
    table = {"table": "hotel", "key": "code", "columns": ["code"], **settings}
    return watched_columns(TableConfiguration.model_validate(table), HOTEL)


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ({}, {"code"}),
        ({"columns": ["code", "name"]}, {"code", "name"}),
        ({"lookups": {"brandid": {"table": "brand", "by": "name"}}}, {"code", "brandid"}),
        ({"filter": "name eq 'x'"}, {"code", "name"}),
        ({"filter": "_brandid_value ne null"}, {"code", "brandid"}),
        ({"columns": ["code", "price"]}, {"code", "price", "transactioncurrencyid"}),
        ({"columns": "*", "exclude": ["price"]}, {"code", "name", "brandid"}),
        ({"columns": "*"}, {"code", "name", "price", "brandid", "transactioncurrencyid"}),
    ],
)
def test_watched_columns(settings, columns):
    """Mapped ones, those that decide on the filter, and the state; no other."""
    assert columns | STATE == watched(**settings)


TABLES = """\
tables:
  - {table: hotel, key: code, columns: [code]}
  - table: room
    key: code
    columns: [code]
    associations: [{relationship: hotel_room, table: hotel}]
"""


def test_the_registration_of_a_pipeline():
    """Steps for each table, for pairs once; a name by which no other pipeline goes."""
    file = Path("sync.yaml")
    configuration = parse(ENVIRONMENTS_YAML + TABLES, {"SECRET": "no-secret"}, file=file)

    wanted = wanted_endpoint(
        configuration, {"hotel": HOTEL, "room": HOTEL}, url="https://g.example", key="k"
    )

    assert "dv-sync to secondary.example" == wanted.name == endpoint_name(configuration)
    assert [
        "Create of hotel",
        "Update of hotel",
        "Delete of hotel",
        "Create of room",
        "Update of room",
        "Delete of room",
        "Associate of pairs",
        "Disassociate of pairs",
    ] == [step.title for step in wanted.steps]
