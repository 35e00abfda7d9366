"""Deliveries are reduced to wake-ups; whatever is no delivery is refused, and never raises."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dv_sync_pipeline.gateway.payload import IgnoredReason, Payload, read_payload
from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind
from dv_sync_pipeline_tests.worlds.gateway import ADLON, NO_ID, SAVOY, context, plain, reference

MOMENT = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
HOTEL, ROOM = "contoso_hotel", "contoso_room"
TABLES = frozenset({HOTEL, ROOM})


def read(content) -> Payload | Refusal:
    """What becomes of a body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_payload(body, tables=TABLES, received=MOMENT)


def woken(content) -> list[tuple[str, str, str]]:
    """Table, row and kind of each wake-up; nothing else may be in the delivery."""
    payload = read(content)
    assert isinstance(payload, Payload)
    assert () == payload.ignored
    return [(one.table, one.row_id, one.kind.value) for one in payload.wake_ups]


def parameters(**values):
    """InputParameters."""
    return [{"key": key, "value": value} for key, value in values.items()]


def collection(*entities):
    """An EntityCollection."""
    return {"Entities": list(entities), "EntityName": HOTEL, "MoreRecords": False}


def test_a_wake_up_says_when_it_was_received():
    """And nothing of what the delivery says about values."""
    payload = read(plain(kind="delete", contoso_name="Adlon"))

    assert Payload((WakeUp(HOTEL, ADLON, WakeUpKind.DELETE, MOMENT),), ()) == payload


@pytest.mark.parametrize(
    ("message", "kind"),
    [("Create", "create"), ("Update", "update"), ("Upsert", "update"), ("Delete", "delete")],
)
def test_a_message_on_a_row_wakes_that_row(message, kind):
    """Its primary entity, as Dataverse says."""
    target = parameters(Target=reference(ADLON, table=HOTEL), ConcurrencyBehavior=0)

    assert [(HOTEL, ADLON, kind)] == woken(context(message, InputParameters=target))


@pytest.mark.parametrize("stripped", [{}, {"InputParameters": None}])
def test_a_delivery_over_256_kb_wakes_its_row(stripped):
    """Dataverse strips what it holds, and keeps the row's id (DATAVERSE 10.2)."""
    delivery = context("Update")
    del delivery["InputParameters"]

    assert [(HOTEL, ADLON, "update")] == woken(delivery | stripped)


@pytest.mark.parametrize("message", ["Associate", "Disassociate"])
def test_a_pair_wakes_the_rows_at_both_ends(message):
    """Whichever of their tables follows the pairs."""
    ends = parameters(
        Target=reference(ADLON, table=HOTEL),
        Relationship={"SchemaName": "contoso_hotel_room", "PrimaryEntityRole": None},
        RelatedEntities=[reference(SAVOY, table=ROOM)],
    )

    assert [(HOTEL, ADLON, "pairs"), (ROOM, SAVOY, "pairs")] == woken(
        context(message, InputParameters=ends)
    )


def test_pairs_without_their_ends_wake_the_row():
    """A stripped delivery still names one end."""
    delivery = context("Associate")
    del delivery["InputParameters"]

    assert [(HOTEL, ADLON, "pairs")] == woken(delivery)


@pytest.mark.parametrize("wrap", [collection, lambda *rows: list(rows)])
def test_a_bulk_message_wakes_each_of_its_rows(wrap):
    """Whether they come as a collection or as a list."""
    rows = [{**reference(row_id, table=HOTEL), "Attributes": []} for row_id in (ADLON, SAVOY)]
    delivery = context(
        "UpdateMultiple", PrimaryEntityId=NO_ID, InputParameters=parameters(Targets=wrap(*rows))
    )

    assert [(HOTEL, ADLON, "update"), (HOTEL, SAVOY, "update")] == woken(delivery)


def test_a_bulk_message_without_its_rows_is_ignored():
    """The change feed has them."""
    stripped = context("CreateMultiple", PrimaryEntityId=NO_ID)
    nameless = context(
        "CreateMultiple", InputParameters=parameters(Targets=[{"LogicalName": HOTEL}])
    )

    assert Payload((), (IgnoredReason.NO_ROWS,)) == read(stripped) == read(nameless)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({}, "update"),
        ({"kind": "create"}, "create"),
        ({"kind": "Delete"}, "delete"),
        ({"kind": "pairs"}, "pairs"),
    ],
)
def test_a_flow_posts_table_id_and_kind(members, kind):
    """The kind may be left out."""
    assert [(HOTEL, ADLON, kind)] == woken(plain(**members))


def test_a_flow_may_post_a_list():
    """In the order of the list."""
    assert [(ROOM, SAVOY, "update"), (HOTEL, ADLON, "update")] == woken(
        [plain(SAVOY, table=ROOM), context("Update")]
    )


def test_names_and_ids_are_read_as_dataverse_means_them():
    """Case does not matter to it."""
    assert [(HOTEL, ADLON, "update")] == woken(plain(ADLON.upper(), table="Contoso_Hotel"))


def test_an_empty_list_wakes_nobody():
    """And is no mistake."""
    assert [] == woken([])


def test_tables_that_are_not_synchronized_are_ignored():
    """The others of the same delivery are not."""
    payload = read([plain(table="account"), plain(), plain(table="contact")])

    assert 1 == len(payload.wake_ups)
    assert (IgnoredReason.TABLE, IgnoredReason.TABLE) == payload.ignored


def test_messages_that_change_no_row_are_ignored():
    """Somebody registered a step too many."""
    assert Payload((), (IgnoredReason.MESSAGE,)) == read(context("RetrieveMultiple"))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"null",
        b"17",
        b'"contoso_hotel"',
        b"{}",
        b"[[]]",
        b"{",
        b"\xff\xfe",
        b'{"table": "contoso_hotel", "id": "\xff"}',
        b'{"table": "contoso_hotel", "id": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"MessageName": "Update", "InputParameters": ' + b"[" * 100_000,
        b'{"MessageName": "Update", "PrimaryEntityId": 1e999999}',
        plain(kind="explode"),
        plain(kind=None),
        plain(table=None),
        plain(table=""),
        plain(table=["contoso_hotel"]),
        plain(row_id=""),
        plain(row_id=17),
        plain(row_id=NO_ID),
        plain(row_id=f"{ADLON}' or 1=1"),
        plain(row_id=ADLON.replace("7", "\N{FULLWIDTH DIGIT SEVEN}")),
        {"table": HOTEL},
        [plain(), {}],
        context("Update", PrimaryEntityId=None),
        context("Update", PrimaryEntityId="7"),
        context("Update", PrimaryEntityName=""),
        context("Update", InputParameters={"Target": 1}),
        context("Update", InputParameters=[{"value": 1}]),
        context("Associate", InputParameters=parameters(Target=None)),
        context("Associate", InputParameters=parameters(RelatedEntities=17)),
        context("UpdateMultiple", InputParameters=parameters(Targets=[{"Id": 17}])),
        context("UpdateMultiple", InputParameters=parameters(Targets=[{"Id": "x"}])),
    ],
    ids=lambda garbage: repr(garbage)[:60],
)
def test_garbage_is_refused(garbage):
    """All of it, even where a part could be read."""
    assert Refusal.MALFORMED is read(garbage)


_SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8)
_NAMES = st.sampled_from(
    [
        "MessageName",
        "PrimaryEntityName",
        "PrimaryEntityId",
        "InputParameters",
        "key",
        "value",
        "table",
        "id",
        "kind",
        "Id",
        "LogicalName",
        "Entities",
        "EntityReferences",
    ]
)
_WORDS = st.sampled_from(
    [HOTEL, ADLON, "Update", "Associate", "UpdateMultiple", "Target", "Targets", "RelatedEntities"]
)
_JSON = st.recursive(
    _SCALARS | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_it_is_read_or_refused(body):
    """It never raises, and wakes synchronized tables alone."""
    outcome = read(body)

    assert outcome is Refusal.MALFORMED or TABLES >= {one.table for one in outcome.wake_ups}
