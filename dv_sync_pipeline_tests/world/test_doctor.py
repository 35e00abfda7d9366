"""Each finding of `dv-sync doctor`, provoked once in a pair of environments where all is well."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.sync.examination import Level, examine
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.provisioning import Gateway, describe_situation, find_missing, provide
from dv_sync_pipeline_tests.worlds.emulated_pair import VARIABLES, EmulatedPair
from dv_sync_pipeline_tests.worlds.hand_made import (
    ADMINISTRATOR,
    PIPELINE,
    copied_pair,
    provisioned_pair,
)

GATEWAY = """\
gateway:
  keys: ["${KEY}"]
  url: https://gateway.example/wake-ups
"""
USER = f"application {PIPELINE}"


@dataclass
class Patient:
    """A pipeline that is examined.

    Attributes:
        pair: its environments.
        text: its sync.yaml.
        statuses: address → HTTP status with which it answers; others do not answer.

    """

    pair: EmulatedPair
    text: str
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def configuration(self):
        """What sync.yaml says."""
        variables = {**VARIABLES, "KEY": "k" * 43}
        return config.parse(self.text, variables, file=self.pair.folder / "sync.yaml")

    def findings(self, *, connect=None):
        """All of them."""
        return asyncio.run(
            examine(
                self.configuration,
                connect=connect or self.pair.connect,
                clock=lambda: datetime.now(UTC),
                probe=self._probe,
            )
        )

    async def _probe(self, url):
        if url not in self.statuses:
            raise UnreachableError(f"{url} does not answer")
        return self.statuses[url]

    def complaints(self, **arguments):
        """(level, check, environment, table, what) of whatever is not well."""
        return {
            (str(each.level), each.check, each.environment, each.table, each.what)
            for each in self.findings(**arguments)
            if each.level is not Level.OK
        }

    def change(self, old, new):
        """Change the text of sync.yaml."""
        assert old in self.text
        self.text = self.text.replace(old, new)

    def revoke(self, side, right):
        """Take a right from the role of the pipeline."""
        changed = side.store.database.execute(f"{_OF_ROLE.format('DELETE FROM')}", (right,))
        assert 1 == changed.rowcount

    def limit(self, side, right, depth):
        """Let a right of the pipeline reach less far."""
        sql = _OF_ROLE.format("UPDATE").replace("WHERE", f"SET depth = '{depth}' WHERE", 1)
        assert 1 == side.store.database.execute(sql, (right,)).rowcount

    def by_hand(self, side, *request, **arguments):
        """One request that must succeed."""
        return asyncio.run(side.send(*request, **arguments))


_OF_ROLE = (
    "{} _dv_role_privilege WHERE action = ? AND role_id = "
    "(SELECT roleid FROM role WHERE name = 'Pipeline')"
)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A folder with two environments that have everything."""
    folder = tmp_path_factory.mktemp("well")
    with ExitStack() as stack:
        asyncio.run(provisioned_pair(folder, stack))
    return folder


@pytest.fixture
def patient(template, tmp_path):
    """All is well with it."""
    with ExitStack() as stack:
        pair = copied_pair(template, tmp_path, stack)
        yield Patient(pair, (tmp_path / "sync.yaml").read_text())


def test_all_is_well(patient):
    """Every check of both environments and both tables says so."""
    findings = patient.findings()

    assert {Level.OK} == {each.level for each in findings}
    assert {"", "contoso_hotel", "contoso_room"} == {each.table for each in findings}
    assert {"", "primary", "secondary"} == {each.environment for each in findings}


def test_nothing_is_changed(patient):
    """Only questions are asked."""
    patient.findings()

    asked = [*patient.pair.primary.asked, *patient.pair.secondary.asked]
    assert {"GET"} == {request.partition(" ")[0] for request in asked}


# ---- environments -------------------------------------------------------------------------------


def test_an_environment_that_does_not_answer(patient):
    """Is one problem; whatever else would be asked there is unknown, the rest is examined."""
    patient.change("https://primary.example", "https://nowhere.invalid")

    def connect(name, settings):
        if name == "primary":
            raise UnreachableError("https://nowhere.invalid cannot be reached", mend="Check url")
        return patient.pair.connect(name, settings)

    complaints = patient.complaints(connect=connect)

    problems = {each for each in complaints if each[0] == "problem"}
    assert {
        ("problem", "reachable", "primary", "", "https://nowhere.invalid cannot be reached")
    } == problems
    assert {
        "credentials",
        "organisation",
        "application users",
        "clock",
        "limits",
        "change tracking period",
        "organisations",
        "table",
        "change tracking",
        "reading",
        "read only",
        "columns",
    } == {each[1] for each in complaints if each[0] == "unknown"}
    assert not {each for each in complaints if each[2] == "secondary"}


def test_one_of_two_application_users_is_refused(patient):
    """It is named; the other one is enough for the examination."""
    stranger = "eeeeeeee-0000-4000-8000-000000000000"
    first = next(line for line in patient.text.splitlines() if f"client_id: {PIPELINE}" in line)
    both = f"{first}\n{first.replace(PIPELINE, stranger)}"
    patient.text = patient.text.replace(first, both, 1)

    assert {
        ("problem", "credentials", "primary", "", f"application {stranger} is not admitted")
    } == patient.complaints()


def test_another_organisation_than_configured(patient):
    """Named with both ids; nothing else is asked there."""
    expected = "11111111-0000-4000-8000-000000000000"
    patient.change(
        "    url: https://primary.example\n",
        f"    url: https://primary.example\n    organization_id: {expected}\n",
    )

    problems = [each for each in patient.findings() if each.level is Level.PROBLEM]

    assert [("organisation", "primary")] == [(each.check, each.environment) for each in problems]
    assert f"expected {expected}" in problems[0].why


def test_another_organisation_than_remembered(patient):
    """The ledger knows those of the first run."""
    ledger = Ledger.open(patient.configuration.ledger_url)
    ledger.remember_environments({"primary": "another", "secondary": "one"})
    ledger.close()

    (complaint,) = patient.complaints()

    assert ("problem", "organisations") == complaint[:2]
    assert "and not another as before" in complaint[4]


def test_the_same_organisation_twice(patient):
    """Under two addresses."""
    pair = patient.pair

    (complaint, *_) = {
        each
        for each in patient.complaints(
            connect=lambda _name, settings: pair.connect("secondary", settings)
        )
        if each[1] == "organisations"
    }

    assert "primary and secondary are the same organisation" == complaint[4]


def test_an_application_user_without_roles(patient):
    """WhoAmI succeeds all the same (DATAVERSE 1.2)."""
    side = patient.pair.primary
    side.store.database.execute(
        "DELETE FROM systemuserroles WHERE systemuserid = ?", (side.users[PIPELINE],)
    )

    assert ("problem", "application users", "primary", "", f"{USER} holds no security role") in (
        patient.complaints()
    )


def test_a_disabled_application_user(patient):
    """Is told, even where it is still let in."""
    side = patient.pair.secondary
    side.store.database.execute(
        "UPDATE systemuser SET isdisabled = 1 WHERE systemuserid = ?", (side.users[PIPELINE],)
    )

    assert {
        (
            "problem",
            "application users",
            "secondary",
            "",
            "the application user pipeline is disabled",
        )
    } == patient.complaints()


@pytest.mark.parametrize(("seconds", "direction"), [(-90, "ahead of"), (90, "behind")])
def test_clocks_that_disagree(patient, seconds, direction):
    """By more than half a minute."""
    patient.pair.secondary.seconds_ahead = seconds

    (complaint,) = patient.complaints()

    assert ("warning", "clock", "secondary") == complaint[:3]
    assert f"s {direction} that of the environment" in complaint[4]


def test_more_requests_than_recommended(patient):
    """The environment says how many it wants at a time (DATAVERSE 9.1)."""
    patient.pair.primary.headers = {"x-ms-dop-hint": "3"}
    patient.pair.secondary.headers = {"x-ms-dop-hint": "3"}

    assert {
        (
            "warning",
            "limits",
            "primary",
            "",
            "requests_in_flight is 4, the environment recommends 3 a user",
        )
    } == patient.complaints()


def test_changes_that_are_forgotten_soon(patient):
    """The organisation decides for how long a delta token lives (DATAVERSE 7.3)."""
    patient.pair.primary.store.database.execute(
        "UPDATE organization SET expirechangetrackingindays = 1"
    )

    assert {
        (
            "warning",
            "change tracking period",
            "primary",
            "",
            "changes are remembered for 1 days only",
        )
    } == patient.complaints()


# ---- rights -------------------------------------------------------------------------------------


def test_the_primary_may_be_written(patient):
    """By the user who only has to read it: a warning for each table."""
    side = patient.pair.primary
    side.users[PIPELINE] = side.users[ADMINISTRATOR]

    assert {
        (
            "warning",
            "read only",
            "primary",
            table,
            f"{USER} may create, write and delete rows of {table}",
        )
        for table in ("contoso_hotel", "contoso_room")
    } == patient.complaints()


@pytest.mark.parametrize(
    ("right", "lacks"),
    [
        (
            "Create",
            {"contoso_hotel": "Create on contoso_hotel", "contoso_room": "Create on contoso_room"},
        ),
        (
            "Delete",
            {"contoso_hotel": "Delete on contoso_hotel", "contoso_room": "Delete on contoso_room"},
        ),
        ("Append", {"contoso_room": "Append on contoso_room"}),
        ("AppendTo", {"contoso_room": "AppendTo on contoso_hotel"}),
        ("Assign", {}),
    ],
)
def test_a_right_is_missing_in_the_secondary(patient, right, lacks):
    """Where it is needed: nobody assigns owners here, and hotels look nothing up."""
    patient.revoke(patient.pair.secondary, right)

    assert {
        ("problem", "writing", "secondary", table, f"{USER} lacks {what}")
        for table, what in lacks.items()
    } == patient.complaints()


def test_owners_are_assigned(patient):
    """As soon as the owner is mapped, Assign is needed."""
    patient.revoke(patient.pair.secondary, "Assign")
    patient.change(
        "columns: [contoso_name, contoso_code, contoso_stars]",
        "columns: [contoso_name, contoso_code, contoso_stars]\n"
        "    lookups: {ownerid: {table: systemuser, by: domainname}}",
    )

    assert {
        (
            "problem",
            "writing",
            "secondary",
            "contoso_hotel",
            f"{USER} lacks Assign on contoso_hotel",
        )
    } == patient.complaints()


@pytest.mark.parametrize(("name", "check"), [("primary", "reading"), ("secondary", "writing")])
def test_not_every_row_is_seen(patient, name, check):
    """Hidden rows would be taken for deleted: no error says so (DATAVERSE 13)."""
    patient.limit(getattr(patient.pair, name), "Read", "Local")

    assert (
        "problem",
        check,
        name,
        "contoso_hotel",
        f"{USER} does not see every row: Read on contoso_hotel: rows of its business unit",
    ) in patient.complaints()


def test_not_every_row_can_be_written(patient):
    """Those of other owners would be parked."""
    patient.limit(patient.pair.secondary, "Write", "Basic")

    assert {
        (
            "warning",
            "writing",
            "secondary",
            table,
            f"{USER} reaches only a part of the rows: Write on {table}: its own rows",
        )
        for table in ("contoso_hotel", "contoso_room")
    } == patient.complaints()


# ---- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "side"), [("table: contoso_room\n", "primary")])
def test_a_table_that_does_not_exist(patient, old, side):
    """Is a problem; its columns and rights are unknown, the other table is examined."""
    patient.change(old, "table: contoso_rom\n    target: contoso_room\n")

    complaints = patient.complaints()

    assert {("problem", "table", side, "contoso_rom", "the table contoso_rom does not exist")} == {
        each for each in complaints if each[0] == "problem"
    }
    assert {"contoso_rom"} == {each[3] for each in complaints}
    assert {"change tracking", "reading", "read only", "columns"} == {
        each[1] for each in complaints if each[0] == "unknown"
    }


def test_every_column_that_does_not_fit(patient):
    """All at once, not only the first."""
    patient.change(
        "columns: [contoso_name, contoso_code, contoso_stars]",
        "columns: {contoso_name: contoso_stars, contoso_code: contoso_code, contoso_nam: x}",
    )

    whats = {each[4] for each in patient.complaints() if each[1] == "columns"}

    assert {
        "primary: the table contoso_hotel has no column contoso_nam",
        "secondary: the table contoso_hotel has no column x",
        (
            "secondary: contoso_hotel.contoso_name cannot be kept equal in "
            "contoso_hotel.contoso_stars"
        ),
    } == whats


def test_a_key_that_is_missing(patient):
    """And what provides it."""
    patient.by_hand(
        patient.pair.secondary,
        "DELETE",
        "/EntityDefinitions(LogicalName='contoso_hotel')/Keys(LogicalName='contoso_hotel_key')",
    )

    (finding,) = [each for each in patient.findings() if each.level is not Level.OK]

    assert (Level.PROBLEM, "columns", "contoso_hotel") == (
        finding.level,
        finding.check,
        finding.table,
    )
    assert "has no alternate key on contoso_code" in finding.what
    assert "dv-sync provision --apply" in finding.mend


def test_a_status_column_that_is_missing(patient):
    """And what provides it."""
    patient.change("table: contoso_room\n", "table: contoso_room\n    status: {column: x_wanted}\n")

    (finding,) = [each for each in patient.findings() if each.level is not Level.OK]

    assert (Level.PROBLEM, "secondary: the table contoso_room has no column x_wanted") == (
        finding.level,
        finding.what,
    )
    assert "dv-sync provision --apply" in finding.mend


def test_change_tracking_is_off(patient):
    """A new table, say: its changes wait for the night."""
    store = patient.pair.primary.store
    definition = store.catalog.table("contoso_room").definition
    store.redefine_table(replace(definition, change_tracking_enabled=False))

    assert {
        (
            "warning",
            "change tracking",
            "primary",
            "contoso_room",
            "change tracking of contoso_room is off",
        )
    } == patient.complaints()


def test_a_relationship_that_does_not_exist(patient):
    """What is no difference between two schemas is found as well."""
    patient.change(
        "columns: [contoso_number, contoso_floor]\n",
        "columns: [contoso_number, contoso_floor]\n"
        "    associations: [{relationship: contoso_pairs, table: contoso_hotel}]\n",
    )

    assert ("problem", "columns", "", "contoso_room") in {each[:4] for each in patient.complaints()}


# ---- pipeline -----------------------------------------------------------------------------------


def test_lookups_that_go_round_in_a_circle(patient):
    """With a key in it, no order is possible."""
    patient.change(
        "key: contoso_code\n    columns: [contoso_name, contoso_code, contoso_stars]",
        "key: contoso_roomid\n    columns: [contoso_name]\n"
        "    lookups: {contoso_roomid: contoso_room}",
    )

    assert ("problem", "order of tables") in {each[:2] for each in patient.complaints()}


def test_a_ledger_of_another_version(patient):
    """Or one that cannot be opened: unknown is not well."""
    file = patient.pair.folder / ".dv-sync" / "ledger.db"
    file.parent.mkdir()
    file.write_text("no database at all, but some text")

    assert ("unknown", "ledger") in {each[:2] for each in patient.complaints()}


def test_a_ledger_that_others_can_read(patient):
    """It holds key values of rows."""
    patient.findings()
    file = patient.pair.folder / ".dv-sync" / "ledger.db"
    file.chmod(0o644)

    assert {("warning", "ledger file", "", "", f"{file} can be read by others (mode 644)")} == (
        patient.complaints()
    )


def test_no_space_for_the_ledger(patient, monkeypatch):
    """A full disk stops every run."""
    usage = SimpleNamespace(free=2**29)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)

    assert {("warning", "ledger file", "", "", "only 0.5 GB are free for the ledger")} == (
        patient.complaints()
    )


@pytest.mark.parametrize(("days", "level"), [(5, "warning"), (-5, "problem")])
def test_a_secret_that_ends(patient, days, level):
    """Soon, or already."""
    day = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"
    secret = f'client_id: {PIPELINE}, client_secret: "${{SECRET}}"'
    patient.text = patient.text.replace(secret, f"{secret}, client_secret_expires: {day}", 1)

    (complaint,) = patient.complaints()

    assert (level, "expiry of credentials") == complaint[:2]
    assert complaint[4].endswith(f"on {day}")


def test_a_gateway_that_does_not_answer(patient):
    """Where the primary is told to find it; and webhooks that nobody has registered."""
    patient.text += GATEWAY

    complaints = patient.complaints()

    assert (
        "problem",
        "gateway",
        "",
        "",
        "https://gateway.example/healthz does not answer",
    ) in complaints
    assert 7 == sum(each[:2] == ("warning", "webhooks") for each in complaints)


def test_a_gateway_that_dataverse_cannot_reach(patient):
    """Webhooks go to port 80 or 443 (DATAVERSE 10.1); and the key would go in the clear."""
    patient.text += GATEWAY.replace("https://gateway.example", "http://gateway.example:8900")

    assert {
        "Dataverse cannot reach gateway.example:8900",
        "webhooks would go to gateway.example:8900 unencrypted",
    } == {each[4] for each in patient.complaints() if each[1] == "gateway address"}


def test_a_gateway_that_is_not_well(patient):
    """It says so itself."""
    patient.text += GATEWAY
    patient.statuses = {"https://gateway.example/healthz": 503}

    assert (
        "problem",
        "gateway",
        "",
        "",
        "the gateway at https://gateway.example/wake-ups is not well: HTTP 503",
    ) in patient.complaints()


def test_webhooks_that_lead_elsewhere(patient):
    """Another gateway was registered before."""
    patient.text += GATEWAY
    patient.statuses = {"https://gateway.example/healthz": 200}
    both = patient.configuration.environments

    async def provide_with(url):
        pair = patient.pair
        async with (
            pair.connect("primary", both.primary.for_administrator) as primary,
            pair.connect("secondary", both.secondary.for_administrator) as secondary,
        ):
            situation = await describe_situation(
                patient.configuration,
                primary=primary,
                secondary=secondary,
                gateway=Gateway(url, "k" * 43),
            )
            await provide(
                find_missing(patient.configuration, situation),
                administrations={"primary": primary.administration},
                wanted=situation.wanted,
            )

    asyncio.run(provide_with("https://old.example/wake-ups"))
    assert {
        (
            "warning",
            "webhooks",
            "",
            "",
            (
                "webhook service endpoint: it posts to https://old.example/wake-ups and not to "
                "https://gateway.example/wake-ups"
            ),
        )
    } == patient.complaints()

    asyncio.run(provide_with("https://gateway.example/wake-ups"))
    assert set() == patient.complaints()
