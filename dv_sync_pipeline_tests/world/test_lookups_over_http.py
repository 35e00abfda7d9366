"""Every kind of lookup, from one emulated environment to the other, over the real protocol."""

import asyncio
from contextlib import ExitStack

import pytest

from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

TABLES = """\
tables:
  - {table: contoso_company, key: contoso_code, columns: [contoso_code]}
  - {table: contoso_person, key: contoso_code, columns: [contoso_code]}
  - table: contoso_hotel
    key: contoso_code
    columns: [contoso_code, contoso_rate]
    lookups:
      contoso_chainid: contoso_hotel
      contoso_flagshipid: contoso_room
      contoso_tenantid: [contoso_company, contoso_person]
      ownerid: [{table: systemuser, by: domainname}, {table: team, by: name}]
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_number]
    lookups: {contoso_hotelid: contoso_hotel}
"""
CODE = columns.string("contoso_Code", max_length=20)
BY_CODE = (columns.key("contoso_code_key", "contoso_code"),)
CHAIN, HOTEL, BRANCH, ROOM, COMPANY, PERSON = (
    f"00000000-0000-4000-8000-00000000000{number}" for number in (3, 2, 1, 9, 4, 5)
)
TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
ANNOTATED = f'odata.include-annotations="{TABLE}"'


def define_tables(store, _name):
    """Hotels that form chains, belong to a company or a person, and have a flagship room."""
    for name, entity_set in (("Company", "companies"), ("Person", "people")):
        store.create_table(
            define.table(
                f"contoso_{name}",
                entity_set=f"contoso_{entity_set}",
                columns=(CODE,),
                keys=BY_CODE,
            )
        )
    hotel = define.table(
        "contoso_Hotel",
        entity_set="contoso_hotels",
        columns=(
            CODE,
            columns.money("contoso_Rate"),
            columns.lookup("contoso_ChainId", to="contoso_hotel"),
            columns.lookup("contoso_TenantId", to=("contoso_company", "contoso_person")),
        ),
        keys=BY_CODE,
    )
    store.create_table(hotel)
    room = define.table(
        "contoso_Room",
        entity_set="contoso_rooms",
        columns=(
            columns.string("contoso_Number"),
            columns.lookup("contoso_HotelId", to="contoso_hotel"),
        ),
        keys=(columns.key("contoso_number_key", "contoso_hotelid", "contoso_number"),),
    )
    store.create_table(room)
    flagship = columns.lookup("contoso_FlagshipId", to="contoso_room")
    store.add_column(
        "contoso_hotel", define.with_relationship_names(flagship, table="contoso_hotel")
    )


@pytest.fixture
def pair(tmp_path):
    """A chain of three hotels in the primary, one with a room; a team that both sides know."""
    with ExitStack() as stack:
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml=TABLES, define=define_tables)
        asyncio.run(fill(pair))
        yield pair


async def fill(pair):
    """What people entered."""
    for side in (pair.primary, pair.secondary):
        side.team = (await side.send("POST", "/teams", json={"name": "Sales"})).headers[
            "OData-EntityId"
        ][-37:-1]
        side.euro = (
            await side.send(
                "POST",
                "/transactioncurrencies",
                json={"currencyname": "Euro", "isocurrencycode": "EUR", "exchangerate": 0.9},
            )
        ).headers["OData-EntityId"][-37:-1]
    primary = pair.primary
    await primary.put("contoso_companies", COMPANY, {"contoso_code": "C"})
    await primary.put("contoso_people", PERSON, {"contoso_code": "P"})
    await primary.put("contoso_hotels", CHAIN, {"contoso_code": "CHAIN"})
    await primary.put(
        "contoso_hotels",
        HOTEL,
        {
            "contoso_code": "HOTEL",
            "contoso_rate": 80.5,
            "transactioncurrencyid@odata.bind": f"/transactioncurrencies({primary.euro})",
            "contoso_ChainId@odata.bind": f"/contoso_hotels({CHAIN})",
            "contoso_TenantId_contoso_person@odata.bind": f"/contoso_people({PERSON})",
            "ownerid@odata.bind": f"/teams({primary.team})",
        },
    )
    await primary.put(
        "contoso_hotels",
        BRANCH,
        {"contoso_code": "BRANCH", "contoso_ChainId@odata.bind": f"/contoso_hotels({HOTEL})"},
    )
    room = {"contoso_number": "1", "contoso_HotelId@odata.bind": f"/contoso_hotels({BRANCH})"}
    await primary.put("contoso_rooms", ROOM, room)
    await primary.put(
        "contoso_hotels", BRANCH, {"contoso_FlagshipId@odata.bind": f"/contoso_rooms({ROOM})"}
    )


async def hotels(pair):
    """GUID → row of the hotels in the secondary."""
    rows = await pair.secondary.rows("contoso_hotels", Prefer=ANNOTATED)
    return {row["contoso_hotelid"]: row for row in rows}


def test_every_lookup_arrives_and_is_cleared(pair):
    """A story of two syncs, read over HTTP by hand."""

    async def story():
        first = await pair.sync()
        shown = await hotels(pair)
        verdicts = await pair.verify()
        for name in ("contoso_TenantId_contoso_person", "contoso_ChainId"):
            await pair.primary.put("contoso_hotels", HOTEL, {f"{name}@odata.bind": None})
        await pair.primary.put(
            "contoso_hotels",
            BRANCH,
            {
                "contoso_TenantId_contoso_company@odata.bind": f"/contoso_companies({COMPANY})",
                "contoso_FlagshipId@odata.bind": None,
            },
        )
        second = await pair.sync()
        return first, shown, verdicts, second, await hotels(pair)

    first, shown, verdicts, second, after = asyncio.run(story())

    assert {0} == {report.parked + report.waiting for report in first.values()}
    assert (CHAIN, HOTEL) == tuple(shown[id_]["_contoso_chainid_value"] for id_ in (HOTEL, BRANCH))
    assert ROOM == shown[BRANCH]["_contoso_flagshipid_value"]
    assert PERSON == shown[HOTEL]["_contoso_tenantid_value"]
    assert "contoso_person" == shown[HOTEL][f"_contoso_tenantid_value@{TABLE}"]
    assert pair.secondary.team == shown[HOTEL]["_ownerid_value"]
    assert pair.secondary.euro == shown[HOTEL]["_transactioncurrencyid_value"]
    assert {True} == {verdict.agrees for verdict in verdicts.values()}
    assert {0} == {report.parked + report.waiting for report in second.values()}
    assert None is after[HOTEL]["_contoso_tenantid_value"]
    assert None is after[HOTEL]["_contoso_chainid_value"]
    assert None is after[BRANCH]["_contoso_flagshipid_value"]
    assert "contoso_company" == after[BRANCH][f"_contoso_tenantid_value@{TABLE}"]
