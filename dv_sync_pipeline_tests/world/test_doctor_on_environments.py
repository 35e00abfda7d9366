"""Each finding of `dv-sync doctor` about an environment and its users, provoked once."""

import pytest

from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.sync.examination import Level
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.hand_made import ADMINISTRATOR, PIPELINE
from dv_sync_pipeline_tests.worlds.patient import USER


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


def test_the_administrator_is_refused(patient):
    """No run needs it: a warning."""
    del patient.pair.primary.users[ADMINISTRATOR]

    assert {
        (
            "warning",
            "credentials",
            "primary",
            "",
            f"the administrator, application {ADMINISTRATOR} is not admitted",
        )
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
