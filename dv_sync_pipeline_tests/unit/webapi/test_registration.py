"""Webhooks, registered in an emulated environment and looked at there by plain requests."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest

from dv_sync_pipeline.errors import RequestRefusedError, SchemaMismatchError
from dv_sync_pipeline.sync.webhooks import register_webhooks
from dv_sync_pipeline.webapi.client import connect
from dv_sync_pipeline.webapi.steps import (
    Endpoint,
    FoundEndpoint,
    FoundStep,
    Message,
    RegistrationChangeKind,
    Step,
    differences,
    key_digest,
    watching,
)
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair
from dv_sync_pipeline_tests.worlds.memory_hotels import TABLES_YAML
from dv_sync_pipeline_tests.worlds.served import HOTEL

URL = "https://gateway.example/webhook"
KEY = 'a "key" & <more>'
STEPS = watching({"contoso_hotel": ["contoso_name", "contoso_code"]}, pairs=["contoso_pairs"])
WANTED = Endpoint("dv-sync", URL, KEY, STEPS)


@pytest.fixture
def environment(tmp_path):
    """An environment with a table of hotels; we are its administrator."""
    with ExitStack() as stack:
        pair = EmulatedPair.open(
            tmp_path,
            stack,
            tables_yaml=TABLES_YAML,
            define=lambda store, _name: store.create_table(HOTEL),
        )
        yield pair


@pytest.fixture
def acting(environment):
    """`acting(action)` lets our client act on the primary; returns what the action returns."""
    side = environment.primary

    def acting(action):
        async def conversation():
            async with connect(
                "primary",
                environment.configuration.environments.primary,
                transport=side.transport(),
                authority_transport=side.entra(),
            ) as client:
                return await action(client)

        return asyncio.run(conversation())

    return acting


@pytest.fixture
def seen(environment):
    """`seen(entity_set)` is all rows of it, read by hand."""
    return lambda entity_set: asyncio.run(environment.primary.rows(entity_set))


@pytest.fixture
def by_hand(environment):
    """`by_hand(method, path, **arguments)` sends one request that must succeed."""
    return lambda *request, **arguments: asyncio.run(
        environment.primary.send(*request, **arguments)
    )


def register(wanted=WANTED):
    """The action that registers."""
    return lambda client: client.administration.register_webhooks(wanted)


def titles(changes):
    """What was done, as a person would be told."""
    return [f"{change.kind} {change.title}" for change in changes]


def test_an_endpoint_and_a_step_for_each_message(acting, seen):
    """Create, Update and Delete of each table, Associate and Disassociate of all."""
    changes = acting(register())

    assert [
        "create service endpoint",
        "create step Create of contoso_hotel",
        "create step Update of contoso_hotel",
        "create step Delete of contoso_hotel",
        "create step Associate of pairs",
        "create step Disassociate of pairs",
    ] == titles(changes)
    (endpoint,) = seen("serviceendpoints")
    assert ("dv-sync", URL, 8, 5) == tuple(
        endpoint[name] for name in ("name", "url", "contract", "authtype")
    )
    steps = {each["name"]: each for each in seen("sdkmessageprocessingsteps")}
    assert {f"dv-sync: {step.title}" for step in STEPS} == set(steps)
    assert {(40, 1, True)} == {
        (each["stage"], each["mode"], each["asyncautodelete"]) for each in steps.values()
    }


def test_only_updates_of_mapped_columns_are_heard(acting, seen):
    """Creates and deletes concern every column; a filter on them would mean nothing."""
    acting(register())

    filters = {
        each["name"]: each["filteringattributes"] for each in seen("sdkmessageprocessingsteps")
    }
    assert "contoso_code,contoso_name" == filters.pop("dv-sync: Update of contoso_hotel")
    assert {None} == set(filters.values())


def test_the_second_time_nothing_is_changed(acting, seen):
    """No row version moves."""
    acting(register())
    before = seen("serviceendpoints") + seen("sdkmessageprocessingsteps")

    changes = acting(register())

    assert () == changes
    assert before == seen("serviceendpoints") + seen("sdkmessageprocessingsteps")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            replace(WANTED, url="https://elsewhere.example/webhook"),
            f"it posts to {URL} and not to https://elsewhere.example/webhook",
        ),
        (replace(WANTED, key="another"), "it was registered with another key"),
    ],
)
def test_a_changed_endpoint_is_updated(acting, seen, other, why):
    """Address or key: the same endpoint, the steps untouched."""
    acting(register())
    (before,) = seen("serviceendpoints")

    changes = acting(register(other))

    assert [(RegistrationChangeKind.UPDATE, None, why)] == [
        (change.kind, change.step, change.why) for change in changes
    ]
    (after,) = seen("serviceendpoints")
    assert before["serviceendpointid"] == after["serviceendpointid"]
    assert other.url == after["url"]
    assert () == acting(register(other))


def test_an_update_creates_nothing(talk):
    """Were the endpoint deleted in that moment, a bare PATCH would bring back half of it."""
    conditions = []

    def server(request):
        if request.method == "PATCH":
            conditions.append(request.headers.get("If-Match"))
            return httpx.Response(204)
        found = {"serviceendpointid": "00000000-0000-0000-0000-000000000001", "url": "elsewhere"}
        is_endpoint = request.url.path.endswith("serviceendpoints")
        return httpx.Response(200, json={"value": [found] if is_endpoint else []})

    talk(server, register(replace(WANTED, steps=())))

    assert ["*"] == conditions


def test_a_changed_step_is_updated(acting, seen, by_hand):
    """Other columns, or disabled by somebody: as it should be again, under the same id."""
    acting(register())
    steps = {each["name"]: each["sdkmessageprocessingstepid"] for each in _steps(seen)}
    created = steps["dv-sync: Create of contoso_hotel"]
    disabled = {"statecode": 1, "statuscode": 2}
    by_hand("PATCH", f"/sdkmessageprocessingsteps({created})", json=disabled)
    more = watching({"contoso_hotel": ["contoso_name"]}, pairs=["contoso_pairs"])

    changes = acting(register(replace(WANTED, steps=more)))

    assert [
        ("update step Create of contoso_hotel", "it is disabled, or not asynchronous"),
        (
            "update step Update of contoso_hotel",
            "it listens to other columns; the difference: contoso_code",
        ),
    ] == [(f"{change.kind} {change.title}", change.why) for change in changes]
    assert steps == {each["name"]: each["sdkmessageprocessingstepid"] for each in _steps(seen)}
    assert {0} == {each["statecode"] for each in _steps(seen)}


def _steps(seen):
    return seen("sdkmessageprocessingsteps")


def test_a_step_that_nothing_waits_for_is_removed(acting, seen):
    """A relationship that is no longer synchronized, say."""
    acting(register())

    changes = acting(register(replace(WANTED, steps=STEPS[:3])))

    assert ["remove step Associate of pairs", "remove step Disassociate of pairs"] == titles(
        changes
    )
    assert 3 == len(_steps(seen))


def test_removal_takes_everything_of_ours(acting, seen):
    """Steps and endpoint; a second time there is nothing to remove."""
    acting(register())

    removed = acting(lambda client: client.administration.remove_webhooks("dv-sync"))

    assert 6 == len(removed)
    assert [] == seen("serviceendpoints") + _steps(seen)
    assert () == acting(lambda client: client.administration.remove_webhooks("dv-sync"))


def test_what_others_registered_stays(acting, seen, by_hand):
    """Another endpoint; and a step of theirs on ours, which keeps the endpoint as well."""
    acting(register(replace(WANTED, name="theirs")))
    acting(register())
    ours = _steps(seen)[-1]["sdkmessageprocessingstepid"]
    by_hand("PATCH", f"/sdkmessageprocessingsteps({ours})", json={"name": "by hand"})

    acting(lambda client: client.administration.remove_webhooks("dv-sync"))

    assert {"theirs", "dv-sync"} == {each["name"] for each in seen("serviceendpoints")}
    assert [*(f"theirs: {step.title}" for step in STEPS), "by hand"] == [
        each["name"] for each in _steps(seen)
    ]


def test_a_table_without_the_message(acting):
    """Is named, because no other registration of it would succeed either."""
    wanted = replace(WANTED, steps=watching({"contoso_villa": []}))

    with pytest.raises(SchemaMismatchError) as error:
        acting(register(wanted))

    assert "no webhook can be registered for Create of contoso_villa" == error.value.what


def test_who_may_not_register_is_told(acting, environment):
    """The right is that of an administrator, not of a user who reads."""
    side = environment.primary
    side.store.database.execute("DELETE FROM _dv_role_privilege WHERE action = 'Create'")

    with pytest.raises(RequestRefusedError) as error:
        acting(register())

    assert 403 == error.value.status


def test_the_key_is_never_shown(acting, seen):
    """Neither by Dataverse nor by us: a digest tells whether it is the same."""
    acting(register())

    assert KEY not in repr(WANTED)
    assert KEY not in str(seen("serviceendpoints"))
    assert f"Wakes dv-sync; key {key_digest(KEY)}" == seen("serviceendpoints")[0]["description"]


def test_registering_by_tables_and_columns(acting, seen):
    """What the demo does."""
    acting(
        lambda client: register_webhooks(
            client, url=URL, key=KEY, tables={"contoso_hotel": ["contoso_name"]}
        )
    )

    assert 3 == len(_steps(seen))


def test_a_step_that_is_there_twice():
    """The second one is removed: it would wake for nothing."""
    step = Step(Message.CREATE, "contoso_hotel")
    twice = (FoundStep("1", step, is_sound=True), FoundStep("2", step, is_sound=True))
    found = FoundEndpoint("0", URL, key_digest(KEY), carries_header=True, steps=twice)

    changes = differences(replace(WANTED, steps=(step,)), found)

    assert [(RegistrationChangeKind.REMOVE, "2")] == [(each.kind, each.id) for each in changes]
