"""`dv-sync provision` on tables that somebody made by hand, in two emulated environments."""

import asyncio
import json
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.emulated_pair import VARIABLES, EmulatedPair
from dv_sync_pipeline_tests.worlds.hand_made import hand_made_pair

GATEWAY = 'gateway: {keys: ["${KEY}"]}'
URL = "https://gateway.example/wake-ups"
WATCHED = [
    (table, message)
    for table in ("contoso_hotel", "contoso_room")
    for message in ("Create", "Update", "Delete")
]


@dataclass
class Terminal:
    """Where `dv-sync` is typed.

    Attributes:
        pair: the two environments.
        capsys: what is shown.
        variables: of the process.

    """

    pair: EmulatedPair
    capsys: pytest.CaptureFixture
    variables: dict = field(default_factory=dict)

    def type(self, *arguments, as_json=True):
        """Run a command; exit code, and what it printed."""
        variables = {
            "DV_SYNC_CONFIG": str(self.pair.folder / "sync.yaml"),
            **VARIABLES,
            **self.variables,
        }
        command = [*arguments, *(["--json"] if as_json else [])]
        code = run(command, Surroundings(variables, connect=self.pair.connect))
        shown = self.capsys.readouterr()
        return code, json.loads(shown.out) if as_json else shown.out

    def seen(self, side, path):
        """What plain HTTP shows."""
        return asyncio.run(side.send("GET", path)).json()["value"]


@pytest.fixture
def terminal(tmp_path, capsys):
    """Two environments with hand-made tables and one hotel with a room."""
    with ExitStack() as stack:
        yield Terminal(asyncio.run(hand_made_pair(tmp_path, stack)), capsys)


@pytest.fixture
def woken(terminal):
    """The same, with a gateway."""
    with (terminal.pair.folder / "sync.yaml").open("a") as file:
        file.write(GATEWAY)
    terminal.variables = {"KEY": "k" * 43}
    return terminal


def whats(things):
    """Environment, table and thing."""
    return [(each["environment"], each["table"], each["what"]) for each in things]


def test_what_is_missing_is_shown(terminal):
    """Keys in the secondary, change tracking in the primary; nothing is changed."""
    code, shown = terminal.type("provision")

    assert 1 == code
    assert [
        ("secondary", "contoso_hotel", "alternate key on contoso_code"),
        ("secondary", "contoso_room", "alternate key on contoso_hotelid, contoso_number"),
        ("primary", "contoso_hotel", "change tracking"),
        ("primary", "contoso_room", "change tracking"),
    ] == whats(shown["missing"])
    assert (1, shown) == terminal.type("provision")


def test_what_is_missing_is_provided(terminal):
    """Keys with an active index, and change tracking; afterwards nothing is missing."""
    code, shown = terminal.type("provision", "--apply")

    assert (0, [None] * 4) == (code, [each["error"] for each in shown["provided"]])
    secondary = terminal.pair.secondary
    for table, columns in (
        ("contoso_hotel", ["contoso_code"]),
        ("contoso_room", ["contoso_hotelid", "contoso_number"]),
    ):
        (key,) = terminal.seen(secondary, f"/EntityDefinitions(LogicalName='{table}')/Keys")
        assert ("Active", columns) == (key["EntityKeyIndexStatus"], key["KeyAttributes"])
    tracked = terminal.seen(
        terminal.pair.primary,
        "/EntityDefinitions?$filter=ChangeTrackingEnabled eq true&$select=LogicalName",
    )
    assert {"contoso_hotel", "contoso_room"} <= {each["LogicalName"] for each in tracked}
    assert (0, {"missing": []}) == terminal.type("provision")


def test_what_is_there_is_left_alone(terminal):
    """A second time nothing is sent but questions."""
    terminal.type("provision", "--apply")
    for side in (terminal.pair.primary, terminal.pair.secondary):
        side.asked.clear()

    code, shown = terminal.type("provision", "--apply")

    asked = [*terminal.pair.primary.asked, *terminal.pair.secondary.asked]
    assert (0, {"provided": []}) == (code, shown)
    assert {"GET"} == {request.partition(" ")[0] for request in asked}


def test_one_failure_does_not_stop_the_others(terminal):
    """Two hotels of one code: no key over them; the rest is provided, and the reason told."""
    secondary = terminal.pair.secondary
    for number in (3, 4):
        row_id = f"00000000-0000-4000-8000-00000000000{number}"
        asyncio.run(secondary.put("contoso_hotels", row_id, {"contoso_code": "same"}))

    code, shown = terminal.type("provision", "--apply")

    errors = {
        (each["provision"]["table"], each["provision"]["kind"]): each["error"]
        for each in shown["provided"]
        if each["error"]
    }
    assert 3 == code
    assert [("contoso_hotel", "alternate key")] == list(errors)
    (error,) = errors.values()
    assert "two rows have the same values in contoso_code, most likely" == error["why"]


def test_a_failed_key_is_built_again(terminal):
    """Once the duplicates are gone."""
    secondary = terminal.pair.secondary
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in (3, 4)]
    for row_id in ids:
        asyncio.run(secondary.put("contoso_hotels", row_id, {"contoso_code": "same"}))
    terminal.type("provision", "--apply")
    asyncio.run(secondary.send("DELETE", f"/contoso_hotels({ids[0]})"))

    _, shown = terminal.type("provision")
    code, _ = terminal.type("provision", "--apply")

    assert [
        ("secondary", "contoso_hotel", "index of the alternate key on contoso_code"),
    ] == whats(shown["missing"])
    assert 0 == code
    assert (0, {"missing": []}) == terminal.type("provision")


def test_webhooks_are_provided_and_removed(woken):
    """As soon as there is a gateway; in the primary alone."""
    woken.type("provision", "--apply")

    code, shown = woken.type("provision", "--gateway-url", URL)
    assert 1 == code
    assert [
        ("primary", "", "webhook endpoint"),
        *(("primary", table, f"webhook on {message}") for table, message in WATCHED),
    ] == whats(shown["missing"])
    assert 0 == woken.type("provision", "--apply", "--gateway-url", URL)[0]
    assert 6 == len(woken.seen(woken.pair.primary, "/sdkmessageprocessingsteps"))
    assert [] == woken.seen(woken.pair.secondary, "/sdkmessageprocessingsteps")
    assert (0, {"missing": []}) == woken.type("provision", "--gateway-url", URL)

    code, shown = woken.type("provision", "--remove")

    steps = [f"step {message} of {table}" for table, message in WATCHED]
    assert (0, sorted(["service endpoint", *steps])) == (code, sorted(shown["removed"]))
    assert [] == woken.seen(woken.pair.primary, "/sdkmessageprocessingsteps")


def test_updates_of_mapped_columns_and_the_state_wake(woken):
    """Lookups by their logical names; no other column does."""
    woken.type("provision", "--apply", "--gateway-url", URL)

    filters = {
        each["name"].partition(": ")[2]: each["filteringattributes"]
        for each in woken.seen(woken.pair.primary, "/sdkmessageprocessingsteps")
    }

    assert (
        "contoso_floor,contoso_hotelid,contoso_number,statecode,statuscode"
        == filters["Update of contoso_room"]
    )


def test_the_column_of_the_wanted_status(terminal):
    """Where `status` names one that is not there: whole numbers, which may be empty."""
    file = terminal.pair.folder / "sync.yaml"
    wanted = "table: contoso_room\n    status: {column: dept_wanted}\n"
    file.write_text(file.read_text().replace("table: contoso_room\n", wanted))

    _, missing = terminal.type("provision")
    code, shown = terminal.type("provision", "--apply")
    assert 0 == code, shown

    assert ("secondary", "contoso_room", "column dept_wanted") == whats(missing["missing"])[0]
    path = "/EntityDefinitions(LogicalName='contoso_room')/Attributes"
    types = {
        each["LogicalName"]: (each["AttributeTypeName"]["Value"], each["RequiredLevel"]["Value"])
        for each in terminal.seen(terminal.pair.secondary, path)
    }
    assert ("IntegerType", "None") == types["dept_wanted"]
    assert (0, {"missing": []}) == terminal.type("provision")


def test_who_lacks_the_rights_is_told(terminal):
    """Each thing with the reason; the key of the gateway nowhere."""
    store = terminal.pair.primary.store
    store.database.execute("DELETE FROM _dv_role_privilege WHERE action = 'Create'")

    code, shown = terminal.type("provision", "--apply")

    failed = [each["error"]["kind"] for each in shown["provided"] if each["error"]]
    assert (3, ["RequestRefusedError"] * 2) == (code, failed)


def test_a_table_that_does_not_exist(terminal):
    """Nothing can be decided, so nothing is provided: the error names the table."""
    file = terminal.pair.folder / "sync.yaml"
    file.write_text(file.read_text().replace("table: contoso_room\n", "table: contoso_rom\n"))

    code, shown = terminal.type("provision", "--apply")

    assert (3, "the table contoso_rom does not exist") == (code, shown["error"]["what"])


def test_not_in_the_wrong_environment(terminal):
    """The ledger remembers which organisations it belongs to."""
    state = terminal.pair.folder / ".dv-sync"
    ledger = Ledger.open(f"sqlite:///{state / 'ledger.db'}")
    ledger.remember_environments({"primary": "another", "secondary": "one"})
    ledger.close()

    code, shown = terminal.type("provision", "--apply")

    assert (3, "WrongEnvironmentError") == (code, shown["error"]["kind"])


def test_apply_and_remove_exclude_each_other(terminal):
    """A person who writes both wants neither, probably."""
    arguments = ["provision", "--apply", "--remove"]

    assert 2 == run(arguments, Surroundings({}, connect=terminal.pair.connect))


def test_webhooks_for_people(woken):
    """Those of a table in one line."""
    woken.type("provision", "--apply")
    _, missing = woken.type("provision", "--gateway-url", URL, as_json=False)

    assert (
        "primary\n"
        "  webhook endpoint\n"
        "      it wakes the pipeline when something changes\n"
        "  contoso_hotel: webhook on Create, webhook on Update, webhook on Delete\n"
    ) in missing
    assert "7 things are missing. " in missing


def test_for_people(terminal):
    """What, why, and what to do next."""
    _, missing = terminal.type("provision", as_json=False)
    _, provided = terminal.type("provision", "--apply", as_json=False)
    _, nothing = terminal.type("provision", as_json=False)

    assert "secondary\n  contoso_hotel: alternate key on contoso_code\n" in missing
    assert "4 things are missing. dv-sync provision --apply provides what is missing." in missing
    assert "✓ primary  contoso_room: change tracking" in provided
    assert nothing.endswith("names no gateway.\nNothing is missing.\n")
