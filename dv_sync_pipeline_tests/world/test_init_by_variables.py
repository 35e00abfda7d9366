"""`dv-sync init` with nothing but variables, on tables as departments make them.

What it proposes is what an engineer would have written, and the next commands take it unchanged.
"""

import asyncio
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest
import yaml

from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.emulator.tables.schema import OptionDefinition
from dv_sync_pipeline.sync.engine import open_engine
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

CREDENTIALS = {
    "DV_TENANT": "t",
    "DV_PRIMARY_URL": "https://primary.example",
    "DV_PRIMARY_CLIENT": "c",
    "DV_PRIMARY_SECRET": "no-secret",
    "DV_SECONDARY_URL": "https://secondary.example",
    "DV_SECONDARY_CLIENT": "c",
    "DV_SECONDARY_SECRET": "no-secret",
}
SITE = "00000000-0000-4000-8000-000000000001"
STATUSES = tuple(
    OptionDefinition(number, label, state=state)
    for number, label, state in ((1, "Active", 0), (2, "Inactive", 1))
)
UNDER_REPAIR = OptionDefinition(100000001, "Under repair", state=0)


def define_tables(store, name):
    """Sites with two keys and a status of their own, rooms that point everywhere, and strays."""
    statuses = STATUSES if name == "secondary" else (*STATUSES, UNDER_REPAIR)
    store.create_table(
        define.table(
            "cr4f2_Company_Site",
            entity_set="cr4f2_companysiteses",
            columns=(
                columns.string("cr4f2_Order", max_length=20),
                columns.string("cr4f2_Region", max_length=10),
                columns.string("cr4f2_External_ID", max_length=40),
            ),
            keys=(
                columns.key("cr4f2_by_region", "cr4f2_region", "cr4f2_external_id"),
                columns.key("cr4f2_by_order", "cr4f2_order"),
            ),
            statuses=statuses,
        )
    )
    store.create_table(
        define.table(
            "cr4f2_Room",
            entity_set="cr4f2_rooms",
            columns=(
                columns.string("cr4f2_No", max_length=20),
                columns.money("cr4f2_Price"),
                columns.lookup("cr4f2_SiteID", to="cr4f2_company_site"),
                columns.lookup("cr4f2_Keeper", to="systemuser"),
            ),
            keys=(columns.key("cr4f2_by_no", "cr4f2_siteid", "cr4f2_no"),),
        )
    )
    stray = {"primary": "cr4f2_Master_Only", "secondary": "cr4f2_Department"}[name]
    store.create_table(define.table(stray, entity_set=f"{stray.lower()}s"))


@pytest.fixture
def pair(tmp_path):
    """A site with a room in the primary; the secondary is empty."""

    async def fill():
        site = {"cr4f2_order": "S-1", "cr4f2_region": "north", "cr4f2_external_id": "x"}
        await pair.primary.put("cr4f2_companysiteses", SITE, site)
        bind = {"cr4f2_SiteID@odata.bind": f"/cr4f2_companysiteses({SITE})"}
        await pair.primary.put("cr4f2_rooms", SITE, {"cr4f2_no": "1", **bind})

    with ExitStack() as stack:
        pair = EmulatedPair.open(tmp_path, stack, tables_yaml="", define=define_tables)
        asyncio.run(fill())
        yield pair


@pytest.fixture
def dv_sync(pair, tmp_path, capsys):
    """Runs a command with the variables that the documents name, and returns code and output."""

    @asynccontextmanager
    async def opened(configuration):
        def clock():
            return datetime.now(UTC)

        async with open_engine(configuration, clock=clock, connect=pair.connect) as engine:
            yield engine

    def command(*arguments):
        variables = {**CREDENTIALS, "DV_SYNC_CONFIG": str(tmp_path / "sync.yaml")}
        code = run(arguments, Surroundings(variables, open_engine=opened, connect=pair.connect))
        return code, capsys.readouterr()

    return command


@pytest.fixture
def proposed(dv_sync, tmp_path):
    """Exit code and what was told of the proposal, and its text."""
    file = tmp_path / "sync.yaml"
    code, told = dv_sync("init", "--output", str(file))
    return code, told.err, file.read_text(encoding="utf-8")


def test_what_is_proposed_is_what_an_engineer_would_write(proposed):
    """Common tables, the shorter key, users and currencies matched by what names them."""
    _, _, text = proposed

    site = {
        "table": "cr4f2_company_site",
        "key": "cr4f2_order",
        "columns": ["cr4f2_company_name", "cr4f2_external_id", "cr4f2_order", "cr4f2_region"],
        "status": "direct",
        "deletes": "delete",
    }
    room = {
        "table": "cr4f2_room",
        "key": ["cr4f2_siteid", "cr4f2_no"],
        "columns": ["cr4f2_name", "cr4f2_no", "cr4f2_price"],
        "lookups": {
            "cr4f2_keeper": {"table": "systemuser", "by": "domainname"},
            "cr4f2_siteid": "cr4f2_company_site",
            "transactioncurrencyid": {"table": "transactioncurrency", "by": "isocurrencycode"},
        },
        "status": "direct",
        "deletes": "delete",
    }
    assert yaml.safe_load(text)["tables"] == [site, room]


def test_what_a_person_must_decide_stands_in_the_file_and_in_the_terminal(proposed):
    """A status that the secondary lacks, a table of another name, the key that was not taken."""
    code, told, text = proposed

    assert code == 1
    assert "lacks the status reasons 100000001" in told
    assert "cr4f2_master_only: the secondary has no table of this name" in told
    assert "Undecided: secondary: cr4f2_company_site lacks the status reasons" in text
    assert "others: cr4f2_by_region" in text
    assert "Tables of the secondary alone, not touched: cr4f2_department" in text
    assert "no-secret" not in text


@pytest.mark.usefixtures("proposed")
def test_the_next_commands_take_it_unchanged(dv_sync, pair):
    """The doctor finds nothing that stops a run; the plan finds both rows, and writes none."""
    examined, findings = dv_sync("doctor")
    planned, plan = dv_sync("plan")

    assert (examined, planned) == (1, 1)
    assert "A run would work. Next: dv-sync plan" in findings.out
    assert plan.out.count("1 to create, 0 to update") == 2
    assert asyncio.run(pair.secondary.rows("cr4f2_rooms")) == []
