"""What becomes of the sample `torture`: which rows wait after a sync, and what mends them.

Belongs here: expectations and acts, as data. Does not belong here: sending an act to an environment
(`acts`), and judging the outcome, which is for tests.
"""

from collections.abc import Mapping
from types import MappingProxyType

from dv_sync_pipeline.emulator.samples.acts import Act, Request
from dv_sync_pipeline.emulator.samples.torture_rows import EVERYTHING, PHOTO, row_id
from dv_sync_pipeline.emulator.samples.torture_tables import (
    OFFERS,
    PARTNERS,
    UNDER_RENOVATION,
)
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition

__all__ = [
    "ACTS",
    "FAILING_TABLES",
    "HELD_PAIRS",
    "KEPT",
    "PARKED",
    "PARKED_REMOVALS",
    "WAITING",
    "WAITING_FOR_PAIRS",
    "WAITING_PAIRS",
]

PARKED: Mapping[tuple[str, str], str] = {
    ("contoso_hotel", "status that a transition rule forbids"): "status refused",
    ("contoso_hotel", "value too long"): "value too long",
    ("contoso_hotel", "choice unknown in the secondary"): "choice unknown",
    ("contoso_hotel", "number out of the secondary's range"): "value out of range",
    ("contoso_hotel", "refused by business logic"): "refused by business logic",
    ("contoso_hotel", "GUID is taken by a foreign row"): "duplicate key",
    ("contoso_hotel", "missing key"): "missing key",
    ("contoso_hotel", "key differs only in case: capital"): "duplicate key",
    ("contoso_hotel", "key differs only in case: small"): "duplicate key",
    ("contoso_chain", "chain without a key"): "missing key",
    ("contoso_amenity", "amenity without a key"): "missing key",
    ("contoso_roomtype", "room type without a key"): "missing key",
    ("contoso_room", "required parent is missing"): "missing parent",
    ("contoso_room", "required parent is refused"): "missing parent",
    ("contoso_room", "missing key in a composite key"): "missing key",
    ("contoso_pointer", "currency unknown in the secondary"): "missing parent",
    ("contoso_owned", "owner has no role in the secondary"): "no privilege",
}
"""Table and row → why it is parked after the first sync."""

WAITING = frozenset(
    {
        ("contoso_chain", "parent in the chain is missing"),
        ("contoso_hotel", "flagship room is missing"),
        ("contoso_room", "optional parent is missing"),
        ("contoso_pointer", "user unknown in the secondary"),
        ("contoso_pointer", "one of several tables: row is missing"),
    }
)
"""Rows that are written without a parent, and get it later."""

WAITING_FOR_PAIRS = frozenset({("contoso_hotel", "hotel whose amenity is missing")})
"""Rows that lack a pair as long as the other row of it is parked."""

WAITING_PAIRS = frozenset(
    {
        ("hotel whose amenity is missing", "amenity without a key"),
        ("refused by business logic", "offered by a hotel that is refused"),
    }
)
"""Hotel and amenity that come together once neither of them is parked."""

FAILING_TABLES = frozenset({"contoso_contract"})
"""Tables that are left alone because both sides differ in their columns."""


def _change(table: str, name: str, **values: object) -> Request:
    return Request("PATCH", f"{table}s({row_id('primary', table, name)})", values)


def _point(table: str, name: str, navigation: str, parent_table: str, parent: str) -> Request:
    """The row with a lookup to another row; `navigation` is the lookup's navigation property."""
    entity_set = _ENTITY_SETS.get(parent_table, f"{parent_table}s")
    reference = f"/{entity_set}({row_id('primary', parent_table, parent)})"
    return _change(table, name, **{f"{navigation}@odata.bind": reference})


_ENTITY_SETS = {"transactioncurrency": "transactioncurrencies"}


def _replaced(table: str, name: str, **values: object) -> tuple[Request, Request]:
    """The row under another GUID."""
    again = {"contoso_name": name, **values}
    return (
        Request("DELETE", f"{table}s({row_id('primary', table, name)})"),
        Request("POST", f"{table}s", again),
    )


def _amenity(name: str) -> str:
    return f"contoso_amenities({row_id('primary', 'contoso_amenity', name)})"


def _offer(hotel: str, amenity: str) -> Request:
    """A pair more."""
    hotel_id = row_id("primary", "contoso_hotel", hotel)
    path = f"contoso_hotels({hotel_id})/{OFFERS.first_property}/$ref"
    return Request("POST", path, {"@odata.id": _amenity(amenity)})


def _pair_no_more(relationship: ManyToManyDefinition, hotel: str, other: str) -> Request:
    """A pair less."""
    hotel_id = row_id("primary", relationship.first, hotel)
    other_id = row_id("primary", relationship.second, other)
    path = f"contoso_hotels({hotel_id})/{relationship.first_property}({other_id})/$ref"
    return Request("DELETE", path)


def _plan(name: str, content: bytes) -> Request:
    """The document with this plan."""
    document = row_id("primary", "contoso_document", name)
    return Request("PATCH", f"contoso_documents({document})/contoso_plan", content=content)


_PLAN_REPETITIONS = 20_000
"""Of 256 bytes: more than one piece of a file."""

_MEND = Act(
    primary=(
        _change("contoso_chain", "chain without a key", contoso_code="CH-90"),
        _change(
            "contoso_hotel", "status that a transition rule forbids", statecode=1, statuscode=2
        ),
        _change("contoso_hotel", "value too long", contoso_city="Villingen"),
        _change("contoso_hotel", "choice unknown in the secondary", contoso_stars=2),
        _change("contoso_hotel", "number out of the secondary's range", contoso_floors=200),
        _change("contoso_hotel", "refused by business logic", contoso_city="Athens"),
        *_replaced("contoso_hotel", "GUID is taken by a foreign row", contoso_code="H-91"),
        _change("contoso_hotel", "missing key", contoso_code="H-90"),
        _change("contoso_hotel", "key differs only in case: small", contoso_code="other"),
        Request("PATCH", _amenity("amenity without a key"), {"contoso_code": "A-90"}),
        _change("contoso_roomtype", "room type without a key", contoso_code="RT-2"),
        _change("contoso_room", "missing key in a composite key", contoso_number="104"),
        _point(
            "contoso_pointer",
            "currency unknown in the secondary",
            "transactioncurrencyid",
            "transactioncurrency",
            "Euro",
        ),
        _point(
            "contoso_pointer",
            "user unknown in the secondary",
            "contoso_ManagerId",
            "systemuser",
            "User of both",
        ),
        _point(
            "contoso_owned",
            "owner has no role in the secondary",
            "ownerid",
            "systemuser",
            "User of both",
        ),
    ),
    secondary=(
        Request(
            "POST",
            "EntityDefinitions(LogicalName='contoso_contract')/Attributes",
            {
                "@odata.type": "Microsoft.Dynamics.CRM.MemoAttributeMetadata",
                "SchemaName": "contoso_Terms",
                "MaxLength": 2000,
            },
        ),
    ),
)

_CHANGE = Act(
    primary=(
        _change("contoso_specimen", "every column filled", **dict.fromkeys(EVERYTHING)),
        _change("contoso_specimen", "text of the greatest length", contoso_text="short"),
        # A key value of its own is changed, so this stays the same row.
        _change("contoso_hotel", "plain hotel", contoso_code="H-77", statecode=1, statuscode=2),
        # Codes change hands: two hotels exchange them, three are renumbered.
        _change("contoso_hotel", "key exchanged with another: one", contoso_code="SWAP-2"),
        _change("contoso_hotel", "key exchanged with another: other", contoso_code="SWAP-1"),
        _change("contoso_hotel", "keys renumbered: first", contoso_code="NUMBER-2"),
        _change("contoso_hotel", "keys renumbered: second", contoso_code="NUMBER-3"),
        _change("contoso_hotel", "keys renumbered: third", contoso_code="NUMBER-4"),
        _change("contoso_hotel", "inactive", statecode=0, statuscode=UNDER_RENOVATION),
        _change("contoso_hotel", "inactive with a custom reason", contoso_city="Goslar"),
        _change("contoso_hotel", "hotel with a flagship room", contoso_FlagshipRoomId=None),
        _point(
            "contoso_hotel",
            "hotel of a chain",
            "contoso_FlagshipRoomId",
            "contoso_room",
            "room with both parents",
        ),
        _point(
            "contoso_chain", "third level", "contoso_ParentChainId", "contoso_chain", "first level"
        ),
        _change("contoso_room", "room with both parents", contoso_RoomTypeId=None),
        _point(
            "contoso_room",
            "room without its optional parent",
            "contoso_HotelId",
            "contoso_hotel",
            "hotel of a chain",
        ),
        _change("contoso_pointer", "user", contoso_ManagerId=None),
        _change("contoso_pointer", "amount: largest", contoso_amount=None),
        _point(
            "contoso_pointer",
            "amount in another currency",
            "transactioncurrencyid",
            "transactioncurrency",
            "Euro",
        ),
        _point(
            "contoso_pointer",
            "one of several tables: the first",
            "contoso_SubjectId_contoso_chain",
            "contoso_chain",
            "first level",
        ),
        _point(
            "contoso_pointer",
            "customer is a company",
            "contoso_CustomerId_contact",
            "contact",
            "person",
        ),
        _change("contoso_mapped", "choice with another number", contoso_grade=2),
        _change("contoso_mapped", "choices with other numbers", contoso_grades="2"),
        _change("contoso_mapped", "left out by the filter", contoso_published=True),
        _offer("plain hotel", "offered by nobody"),
        _pair_no_more(OFFERS, "hotel of a chain", "offered by two hotels"),
        _point("contoso_owned", "owned by a user", "ownerid", "team", "Revenue"),
        _change("contoso_licence", "licence to be renewed", statecode=0, statuscode=1),
        _change("contoso_licence", "licence in force", statecode=1, statuscode=2),
        _change("contoso_document", "document without content", contoso_photo=PHOTO),
        _change("contoso_document", "document with a photo", contoso_photo=None),
        _plan("document that gets a plan", bytes(range(256)) * _PLAN_REPETITIONS),
    ),
)


def _remove(table: str, name: str) -> Request:
    return Request("DELETE", f"{table}s({row_id('primary', table, name)})")


_REMOVE = Act(
    primary=(
        # Children first: the primary refuses to delete a hotel that has rooms.
        _remove("contoso_room", "room of an adopted hotel"),
        _remove("contoso_hotel", "existing row, equal"),
        _remove("contoso_room", "room whose number another hotel has too"),
        _remove("contoso_room", "existing room, key in other case"),
        _remove("contoso_hotel", "existing row, outdated"),
        # This room moves, then its former hotel goes.
        _point(
            "contoso_room",
            "required parent is refused",
            "contoso_HotelId",
            "contoso_hotel",
            "inactive",
        ),
        _remove("contoso_hotel", "refused by business logic"),
        _remove("contoso_specimen", "decimal: zero"),
        _remove("contoso_roomtype", "room type"),
        _remove("contact", "person"),
        _change("contoso_mapped", "choice with the same number", contoso_published=False),
        # Rows that hold each other, or themselves.
        _remove("contoso_chain", "its own parent, to be removed"),
        _remove("contoso_chain", "each other's parents, to be removed: one"),
        _remove("contoso_chain", "each other's parents, to be removed: other"),
        # The last pair of its relationship: the primary shows none any more.
        _pair_no_more(PARTNERS, "pair is held: one", "pair is held: other"),
        # The same key under another GUID.
        _remove("contoso_specimen", "key with a quote"),
        Request(
            "POST",
            "contoso_specimens",
            {
                "contoso_name": "key with a quote",
                "contoso_code": 'O\'Hare, "A" = B',
                "contoso_text": "again",
            },
        ),
    ),
)

KEPT: Mapping[tuple[str, str], str] = {
    ("contoso_specimen", "decimal: zero"): "as configured: deletes: keep",
    ("contoso_roomtype", "room type"): "deactivated, as configured",
    ("contoso_hotel", "existing row, equal"): "a room of the department's own needs it",
    ("contact", "person"): "more removals than max_removals wait for a person",
}
"""Rows that the primary does not have any more and that the secondary still has, and why."""

PARKED_REMOVALS: Mapping[tuple[str, str], str] = {
    ("contoso_hotel", "existing row, equal"): "other rows need it",
}
"""Table and row → why its removal is parked."""

HELD_PAIRS = frozenset(
    {("contoso_hotel", "pair is held: one"), ("contoso_hotel", "pair is held: other")}
)
"""Rows of a pair that the primary does not show any more, and that waits for a person."""

ACTS: Mapping[str, Act] = MappingProxyType({"mend": _MEND, "change": _CHANGE, "remove": _REMOVE})
"""What somebody does after the first sync, in this order, by name."""
