"""Rows of the sample `torture`: each is named after the case that it stands for.

Belongs here: the rows of both environments, by name. Does not belong here: tables
(`torture_tables`), and which rows cannot be written (`torture_story`).

A row's GUID follows from its environment, table and name, so that it can be told without looking.
"""

import base64
import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.samples.hotels_rows import Row, Rows
from dv_sync_pipeline.emulator.samples.torture_tables import (
    CLOSED_FOR_GOOD,
    CLOSED_FOR_SEASON,
    LARGEST_OPTION,
    OFFERS,
    PARTNERS,
    UNDER_RENOVATION,
)
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition

__all__ = ["EVERYTHING", "PHOTO", "READERS", "primary_rows", "row_id", "secondary_rows"]

Cases: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Name of a row → its other columns."""

_NAMESPACE = uuid.UUID("7c0d9a52-3c1e-4f6b-8f55-2d5a6f1e9b04")


def row_id(environment: str, table: str, name: str) -> str:
    """The GUID of the row of that name, as the environment has it at first."""
    return str(uuid.uuid5(_NAMESPACE, f"{environment}/{table}/{name}"))


def primary_rows() -> Rows:
    """All that the master-data team keeps."""
    yield from _named("primary", _PRIMARY)
    yield OFFERS.intersect, _pairs("primary", OFFERS, _OFFERS)
    yield PARTNERS.intersect, _pairs("primary", PARTNERS, _PARTNERS)


def secondary_rows() -> Rows:
    """What the department has before the first run."""
    yield from _named("secondary", _SECONDARY)
    yield OFFERS.intersect, _pairs("secondary", OFFERS, _DEPARTMENT_OFFERS)


def _named(environment: str, tables: Mapping[str, Cases]) -> Rows:
    for table, cases in tables.items():
        yield table, _rows(environment, table, cases)


def _rows(environment: str, table: str, cases: Cases) -> Iterator[Row]:
    for name, values in cases.items():
        yield {
            f"{table}id": row_id(environment, table, name),
            _NAME_COLUMNS.get(table, "contoso_name"): name,
            **values,
        }


_NAME_COLUMNS = {
    "account": "name",
    "businessunit": "name",
    "contact": "lastname",
    "systemuser": "fullname",
    "team": "name",
    "transactioncurrency": "currencyname",
}
"""Tables of the platform, and the column that their rows are called by."""


def _coded(prefix: str, cases: Cases) -> Cases:
    """The cases with codes for a key that is not their subject."""
    return {
        name: {"contoso_code": f"{prefix}-{number:02}", **values}
        for number, (name, values) in enumerate(cases.items(), start=1)
    }


def _primary(table: str, name: str) -> str:
    return row_id("primary", table, name)


def _secondary(table: str, name: str) -> str:
    return row_id("secondary", table, name)


# ---- values: one column of every type -----------------------------------------------------------

EVERYTHING: Row = {
    "contoso_text": "text",
    "contoso_memo": "memo",
    "contoso_whole": 1,
    "contoso_big": 1,
    "contoso_decimal": Decimal("0.1"),
    "contoso_double": 0.1,
    "contoso_truth": True,
    "contoso_day": "2026-01-31",
    "contoso_moment": "2026-01-31T13:00:00Z",
    "contoso_clock": "2026-01-31T13:00:00Z",
    "contoso_colour": 1,
    "contoso_colours": "1,2",
    "contoso_guid": "5a8f3b52-7c1d-4e0f-9d36-0b2f4c6e8a10",
}
"""A value for each of a specimen's columns."""

PHOTO = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
"""A picture as JSON shows it."""

_TEXTS: Cases = {
    "text of the greatest length": {"contoso_text": "ß" * 4000},
    "text with blanks at both ends": {"contoso_text": "  between blanks  "},
    "text of one blank": {"contoso_text": " "},
    "text that says null": {"contoso_text": "null"},
    "text that looks like a number": {"contoso_text": "007.10"},
    "text with quotes and backslashes": {"contoso_text": "'it''s' \"quoted\" C:\\temp\\n"},
    "text like a formula or a script": {"contoso_text": "=1+1 <script>alert(1)</script> &amp; %41"},
    "text with accents in one character": {"contoso_text": "Zürich Café"},
    "text with accents in two characters": {"contoso_text": "Zu\u0308rich Cafe\u0301"},
    "text beyond the basic plane": {"contoso_text": "𐍈 🏨 👩\u200d👩\u200d👧 🇩🇪 \U0001d510"},
    "text from right to left": {"contoso_text": "فندق القدس \u200f123\u200f מלון"},
    "text with invisible characters": {"contoso_text": "a\u00a0b\u200bc\ufeffd\u00ade\u2028f"},
    "text in many scripts": {"contoso_text": "Ξενοδοχείο Гостиница ホテル 飯店 호텔 โรงแรม होटल"},
    "memo with every kind of line break": {"contoso_memo": "one\ntwo\rthree\r\nfour\n\n\tfive\n"},
    "memo of the greatest length": {"contoso_memo": "x🏨" * 50_000},
}

_NUMBERS: Cases = {
    "whole number: largest": {"contoso_whole": 2_147_483_647},
    "whole number: smallest": {"contoso_whole": -2_147_483_648},
    "whole number: zero": {"contoso_whole": 0},
    "64-bit number: largest": {"contoso_big": 9_223_372_036_854_775_807},
    "64-bit number: smallest": {"contoso_big": -9_223_372_036_854_775_808},
    "64-bit number: more than a float holds": {"contoso_big": 9_007_199_254_740_993},
    "decimal with ten digits after the point": {"contoso_decimal": Decimal("0.0000000001")},
    "decimal: largest": {"contoso_decimal": Decimal("99999999999.9999999999")},
    "decimal: smallest": {"contoso_decimal": Decimal("-99999999999.9999999999")},
    "decimal that no float holds": {"contoso_decimal": Decimal("12345678901.0000000001")},
    "decimal: zero": {"contoso_decimal": Decimal(0)},
    "floating number: largest": {"contoso_double": 100_000_000_000.0},
    "floating number: smallest step": {"contoso_double": 0.00001},
    "floating number: a tenth and two tenths": {"contoso_double": 0.3},
}

_DATES: Cases = {
    "day: first that Dataverse knows": {"contoso_day": "1753-01-01"},
    "day: last": {"contoso_day": "9999-12-31"},
    "day: leap day": {"contoso_day": "2024-02-29"},
    "moment: first that Dataverse knows": {"contoso_moment": "1753-01-01T00:00:00Z"},
    "moment: last": {"contoso_moment": "9999-12-31T23:59:59Z"},
    "moment: midnight, another day further west": {"contoso_moment": "2026-01-31T00:00:00Z"},
    "moment: hour that summer time leaves out": {"contoso_moment": "2026-03-29T02:30:00Z"},
    "time without a zone: first": {"contoso_clock": "1753-01-01T00:00:00Z"},
    "time without a zone: last": {"contoso_clock": "9999-12-31T23:59:59Z"},
}

_CHOICES: Cases = {
    "yes": {"contoso_truth": True},
    "no": {"contoso_truth": False},
    "null where the department has a default": {"contoso_truth": None, "contoso_colour": None},
    "choice with the largest number": {"contoso_colour": LARGEST_OPTION},
    "choices: all of them": {"contoso_colours": f"1,2,{LARGEST_OPTION}"},
    "choices: a single one": {"contoso_colours": "2"},
    "identifier: all zeros": {"contoso_guid": "00000000-0000-0000-0000-000000000000"},
    "identifier: all ones": {"contoso_guid": "ffffffff-ffff-ffff-ffff-ffffffffffff"},
}

_KEYS: Cases = {
    "key with what a URL forbids": {"contoso_code": "a/b<c>d*e%f&g:h\\i?j+k#l"},
    "key with a quote": {"contoso_code": 'O\'Hare, "A" = B'},
    "key with blanks inside": {"contoso_code": "A  B"},
    "key with Unicode": {"contoso_code": "Straße-İ-ﬁ-🏨"},
}

_SPECIMENS: Cases = _coded(
    "S",
    {
        "every column filled": EVERYTHING,
        "every column empty": {},
        "every column empty, and filled in the secondary": {"contoso_code": "CLEAR"},
        "every column filled, and empty in the secondary": {**EVERYTHING, "contoso_code": "FILL"},
        **_TEXTS,
        **_NUMBERS,
        **_DATES,
        **_CHOICES,
        **_KEYS,
    },
)

_RENAMED = {"contoso_text": "dept_label"}

_DEPARTMENT_SPECIMENS: Cases = {
    "every column empty, and filled in the secondary": {
        **{_RENAMED.get(name, name): value for name, value in EVERYTHING.items()},
        "contoso_code": "CLEAR",
        "dept_remark": "ours",
    },
    "every column filled, and empty in the secondary": {
        "contoso_code": "FILL",
        "contoso_truth": None,
        "contoso_colour": None,
        "dept_remark": "ours",
    },
}

# ---- chains -------------------------------------------------------------------------------------


def _chain(parent: str) -> Row:
    return {"contoso_parentchainid": _primary("contoso_chain", parent)}


_CHAINS: Cases = {
    **_coded(
        "CH",
        {
            # Children stand before their parents on purpose.
            "third level": _chain("second level"),
            "second level": _chain("first level"),
            "first level": {},
            "its own parent": _chain("its own parent"),
            "one of two that are each other's parents": _chain("the other of the two"),
            "the other of the two": _chain("one of two that are each other's parents"),
            "parent in the chain is missing": _chain("chain without a key"),
        },
    ),
    "chain without a key": {"contoso_code": None},
    "existing chain": {"contoso_code": "ADOPT", **_chain("first level")},
    "its own parent, to be removed": {
        "contoso_code": "GO-1",
        **_chain("its own parent, to be removed"),
    },
    "each other's parents, to be removed: one": {
        "contoso_code": "GO-2",
        **_chain("each other's parents, to be removed: other"),
    },
    "each other's parents, to be removed: other": {
        "contoso_code": "GO-3",
        **_chain("each other's parents, to be removed: one"),
    },
}

_DEPARTMENT_CHAINS: Cases = {
    "existing chain": {
        "contoso_code": "ADOPT",
        "contoso_parentchainid": _secondary("contoso_chain", "foreign chain"),
    },
    "foreign chain": {"contoso_code": "DEPT"},
}

# ---- hotels: adopting, refusing, status ---------------------------------------------------------


def _status(state: int, status: int) -> Row:
    return {"statecode": state, "statuscode": status}


def _flagship(room: str) -> Row:
    return {"contoso_flagshiproomid": _primary("contoso_room", room)}


_HOTELS: Cases = {
    **_coded(
        "H",
        {
            "plain hotel": {"contoso_city": "Hamburg", "contoso_stars": 1, "contoso_floors": 3},
            "active with a custom reason": _status(0, UNDER_RENOVATION),
            "inactive": _status(1, 2),
            "inactive with a custom reason": _status(1, CLOSED_FOR_SEASON),
            "status that a transition rule forbids": _status(1, CLOSED_FOR_GOOD),
            "value too long": {"contoso_city": "Villingen-Schwenningen"},
            "value of the greatest length": {"contoso_city": "Castrop-Rauxel-Nord 1"[:20]},
            "choice unknown in the secondary": {"contoso_stars": 3},
            "number out of the secondary's range": {"contoso_floors": 201},
            "refused by business logic": {"contoso_city": "Atlantis"},
            "GUID is taken by a foreign row": {},
            "hotel whose amenity is missing": {},
            "hotel of a chain": {"contoso_chainid": _primary("contoso_chain", "third level")},
            "hotel with a flagship room": _flagship("room with both parents"),
            "hotel whose flagship room is another's": _flagship("room of an adopted hotel"),
            "flagship room is missing": _flagship("missing key in a composite key"),
        },
    ),
    "existing row, equal": {"contoso_code": "ADOPT-1", "contoso_city": "Bonn"},
    "existing row, outdated": {"contoso_code": "ADOPT-2", "contoso_city": "Köln"},
    "existing row, key in other case": {"contoso_code": "ADOPT-3", "contoso_city": "Ulm"},
    "existing row, inactive there and active here": {"contoso_code": "ADOPT-4"},
    "existing row, active there and inactive here": {"contoso_code": "ADOPT-5", **_status(1, 2)},
    "existing row, inactive and outdated": {
        "contoso_code": "ADOPT-6",
        "contoso_city": "Trier",
        **_status(1, 2),
    },
    "key exchanged with another: one": {"contoso_code": "SWAP-1"},
    "key exchanged with another: other": {"contoso_code": "SWAP-2"},
    "keys renumbered: first": {"contoso_code": "NUMBER-1"},
    "keys renumbered: second": {"contoso_code": "NUMBER-2"},
    "keys renumbered: third": {"contoso_code": "NUMBER-3"},
    "pair is held: one": {"contoso_code": "PAIR-1"},
    "pair is held: other": {"contoso_code": "PAIR-2"},
    "missing key": {"contoso_code": None},
    "key differs only in case: capital": {"contoso_code": "TWIN"},
    "key differs only in case: small": {"contoso_code": "twin"},
}

_DEPARTMENT_HOTELS: Cases = {
    "existing row, equal": {
        "contoso_code": "ADOPT-1",
        "contoso_city": "Bonn",
        "dept_costcentre": "CC-1",
    },
    "existing row, outdated": {
        "contoso_code": "ADOPT-2",
        "contoso_city": "Cologne",
        "contoso_floors": 7,
        "dept_costcentre": "CC-2",
    },
    "existing row, key in other case": {
        "contoso_code": "adopt-3  ",
        "contoso_city": "Ulm",
        "dept_costcentre": "CC-3",
    },
    "existing row, inactive there and active here": {"contoso_code": "ADOPT-4", **_status(1, 2)},
    "existing row, active there and inactive here": {"contoso_code": "ADOPT-5"},
    "existing row, inactive and outdated": {
        "contoso_code": "ADOPT-6",
        "contoso_city": "Augusta",
        **_status(1, 2),
    },
    "foreign hotel": {
        "contoso_code": "DEPT-1",
        "contoso_city": "Rostock",
        "dept_costcentre": "CC-8",
    },
    "foreign hotel without a key": {"contoso_code": None, "contoso_city": "Rostock"},
    "foreign hotel, inactive": {"contoso_code": "DEPT-2", **_status(1, CLOSED_FOR_GOOD)},
    "foreign hotel with the GUID of a primary row": {
        "contoso_hotelid": _primary("contoso_hotel", "GUID is taken by a foreign row"),
        "contoso_code": "DEPT-3",
    },
}

# ---- amenities: pairs with hotels ---------------------------------------------------------------

_AMENITIES: Cases = {
    **_coded(
        "A",
        {
            "offered by two hotels": {},
            "offered by nobody": {},
            "offered by an inactive hotel": {},
            "offered by a hotel that is refused": {},
        },
    ),
    "existing amenity, pair on both sides": {"contoso_code": "ADOPT-1"},
    "existing amenity, pair in the primary only": {"contoso_code": "ADOPT-2"},
    "existing amenity, pair in the secondary only": {"contoso_code": "ADOPT-3"},
    "amenity without a key": {"contoso_code": None},
}

_DEPARTMENT_AMENITIES: Cases = {
    "existing amenity, pair on both sides": {"contoso_code": "ADOPT-1"},
    "existing amenity, pair in the primary only": {"contoso_code": "ADOPT-2"},
    "existing amenity, pair in the secondary only": {"contoso_code": "ADOPT-3"},
    "foreign amenity": {"contoso_code": "DEPT"},
}

_OFFERS = (
    ("plain hotel", "offered by two hotels"),
    ("hotel of a chain", "offered by two hotels"),
    ("inactive", "offered by an inactive hotel"),
    ("refused by business logic", "offered by a hotel that is refused"),
    ("existing row, equal", "existing amenity, pair on both sides"),
    ("existing row, equal", "existing amenity, pair in the primary only"),
    ("hotel whose amenity is missing", "amenity without a key"),
)

_DEPARTMENT_OFFERS = (
    ("existing row, equal", "existing amenity, pair on both sides"),
    ("existing row, equal", "existing amenity, pair in the secondary only"),
    # Pairs of a foreign row are foreign, whatever the other row is.
    ("existing row, key in other case", "foreign amenity"),
    ("foreign hotel", "existing amenity, pair on both sides"),
)


_PARTNERS = (("pair is held: one", "pair is held: other"),)


def _pairs(
    environment: str, relationship: ManyToManyDefinition, pairs: Iterable[tuple[str, str]]
) -> Iterator[Row]:
    intersect = relationship.intersect
    for first, second in pairs:
        yield {
            f"{intersect}id": row_id(environment, intersect, f"{first}/{second}"),
            relationship.first_column: row_id(environment, relationship.first, first),
            relationship.second_column: row_id(environment, relationship.second, second),
        }


# ---- rooms: parents -----------------------------------------------------------------------------

_ROOM_TYPES: Cases = {
    "room type": {"contoso_code": "RT-1"},
    "room type without a key": {"contoso_code": None},
}


def _room(hotel: str, number: str, room_type: str = "") -> Row:
    return {
        "contoso_hotelid": _primary("contoso_hotel", hotel),
        "contoso_number": number,
        "contoso_roomtypeid": _primary("contoso_roomtype", room_type) if room_type else None,
    }


_ROOMS: Cases = {
    "room with both parents": _room("plain hotel", "101", "room type"),
    "room without its optional parent": _room("plain hotel", "102"),
    "room whose number another hotel has too": _room("existing row, outdated", "101", "room type"),
    "room of an adopted hotel": _room("existing row, equal", "1"),
    "room of an inactive hotel": _room("inactive with a custom reason", "1"),
    "optional parent is missing": _room("plain hotel", "103", "room type without a key"),
    "required parent is missing": _room("missing key", "1"),
    "required parent is refused": _room("refused by business logic", "1"),
    "missing key in a composite key": {**_room("plain hotel", ""), "contoso_number": None},
    "existing room, key in other case": _room("existing row, outdated", "2A"),
}

_DEPARTMENT_ROOMS: Cases = {
    "existing room, key in other case": {
        "contoso_hotelid": _secondary("contoso_hotel", "existing row, outdated"),
        "contoso_number": "2a",
    },
    "foreign room": {
        "contoso_hotelid": _secondary("contoso_hotel", "foreign hotel"),
        "contoso_number": "101",
    },
    "foreign room of an adopted hotel": {
        "contoso_hotelid": _secondary("contoso_hotel", "existing row, equal"),
        "contoso_number": "999",
    },
}

# ---- lookups to everything else -----------------------------------------------------------------

_ACCOUNTS: Cases = {"company": {}}
_CONTACTS: Cases = {"person": {}}


def _pointer(column: str, table: str, name: str) -> Row:
    return {column: _primary(table, name)}


def _polymorphic(column: str, table: str, name: str) -> Row:
    return {column: (table, _primary(table, name))}


def _amount(value: str, currency: str) -> Row:
    pointer = _pointer("transactioncurrencyid", "transactioncurrency", currency)
    return {"contoso_amount": Decimal(value), **pointer}


_POINTERS: Cases = _coded(
    "P",
    {
        "amount with four digits after the point": _amount("0.0001", "Euro"),
        "amount: largest": _amount("922337203685477.0000", "Euro"),
        "amount: smallest": _amount("-922337203685477.0000", "Euro"),
        "amount in another currency": _amount("1.5", "Pound Sterling"),
        "currency without an amount": {**_amount("0", "Euro"), "contoso_amount": None},
        "currency unknown in the secondary": _amount("100", "Yen"),
        "points nowhere": {},
        "user": _pointer("contoso_managerid", "systemuser", "User of both"),
        "user unknown in the secondary": _pointer(
            "contoso_managerid", "systemuser", "User of the primary"
        ),
        "team": _pointer("contoso_teamid", "team", "Revenue"),
        "business unit": _pointer("contoso_unitid", "businessunit", "Resorts"),
        "one of several tables: the first": _polymorphic(
            "contoso_subjectid", "contoso_hotel", "existing row, equal"
        ),
        "one of several tables: the second": _polymorphic(
            "contoso_subjectid", "contoso_chain", "third level"
        ),
        "one of several tables: row is missing": _polymorphic(
            "contoso_subjectid", "contoso_hotel", "refused by business logic"
        ),
        "customer is a company": _polymorphic("contoso_customerid", "account", "company"),
        "customer is a person": _polymorphic("contoso_customerid", "contact", "person"),
    },
)

_OWNED: Cases = _coded(
    "O",
    {
        "owned by a user": _polymorphic("ownerid", "systemuser", "User of both"),
        "owned by a team": _polymorphic("ownerid", "team", "Revenue"),
        "owner has no role in the secondary": _polymorphic("ownerid", "systemuser", "Newcomer"),
    },
)


def _user(name: str) -> Row:
    return {"domainname": f"{name}@contoso.example"}


_PEOPLE: Mapping[str, Cases] = {
    "businessunit": {"Resorts": {}},
    "team": {"Revenue": {}},
    "systemuser": {"User of both": _user("both"), "Newcomer": _user("newcomer")},
}

READERS: Mapping[str, tuple[str, ...]] = {
    "primary": (_primary("systemuser", "User of both"), _primary("systemuser", "Newcomer")),
    "secondary": (_secondary("systemuser", "User of both"),),
}
"""Environment → users who may read there, and so may own rows."""


def _currency(code: str, rate: str) -> Row:
    return {"isocurrencycode": code, "exchangerate": Decimal(rate)}


_CURRENCIES: Cases = {
    "Euro": _currency("EUR", "0.9"),
    "Pound Sterling": _currency("GBP", "0.8"),
}

# ---- mapping ------------------------------------------------------------------------------------

_PUBLISHED: Row = {"contoso_published": True}

_MAPPED: Cases = _coded(
    "M",
    {
        "choice with another number": {**_PUBLISHED, "contoso_grade": 1},
        "choice with the same number": {**_PUBLISHED, "contoso_grade": 3},
        "choices with other numbers": {**_PUBLISHED, "contoso_grades": "1,2,3"},
        "no choice": _PUBLISHED,
        "left out by the filter": {"contoso_published": False},
        "existing row with an excluded column": {
            **_PUBLISHED,
            "contoso_code": "KEEP",
            "contoso_internal": "of the primary",
        },
        "existing row with another constant": {**_PUBLISHED, "contoso_code": "CONSTANT"},
        "existing row that the filter leaves out": {
            "contoso_code": "FILTER",
            "contoso_published": False,
            "contoso_grade": 1,
        },
    },
)

_DEPARTMENT_MAPPED: Cases = {
    "existing row with an excluded column": {
        "contoso_code": "KEEP",
        "contoso_internal": "of the department",
    },
    "existing row with another constant": {"contoso_code": "CONSTANT", "dept_source": "by hand"},
    "existing row that the filter leaves out": {"contoso_code": "FILTER", "contoso_grade": 12},
}

# ---- status by way of a column, images and files ------------------------------------------------

_LICENCES: Cases = _coded(
    "L",
    {
        "licence in force": {},
        "licence expired": _status(1, 2),
        "existing licence, in force there and expired here": {
            "contoso_code": "EXPIRED",
            **_status(1, 2),
        },
        "licence to be renewed": _status(1, 2),
    },
)
_DEPARTMENT_LICENCES: Cases = {
    "existing licence, in force there and expired here": {"contoso_code": "EXPIRED"},
    "foreign licence without a sync status": {"contoso_code": "DEPT-L"},
}

_DOCUMENTS: Cases = _coded(
    "D",
    {
        "document without content": {},
        "document with a photo": {
            "contoso_photo": PHOTO,
            "contoso_photoid": "0c8a2f4e-6b1d-4c3f-9e57-1a2b3c4d5e6f",
            "contoso_photo_timestamp": 638_000_000_000_000_000,
        },
        "document that gets a plan": {},
    },
)

# ---- all of it ----------------------------------------------------------------------------------

_PRIMARY: Mapping[str, Cases] = {
    **_PEOPLE,
    "systemuser": {**_PEOPLE["systemuser"], "User of the primary": _user("primary")},
    "transactioncurrency": {**_CURRENCIES, "Yen": _currency("JPY", "150")},
    "contoso_chain": _CHAINS,
    "contoso_specimen": _SPECIMENS,
    "contoso_hotel": _HOTELS,
    "contoso_amenity": _AMENITIES,
    "contoso_roomtype": _ROOM_TYPES,
    "contoso_room": _ROOMS,
    "account": _ACCOUNTS,
    "contact": _CONTACTS,
    "contoso_pointer": _POINTERS,
    "contoso_owned": _OWNED,
    "contoso_mapped": _MAPPED,
    "contoso_licence": _LICENCES,
    "contoso_document": _DOCUMENTS,
    "contoso_contract": _coded("C", {"contract with terms": {"contoso_terms": "All of them."}}),
}

_SECONDARY: Mapping[str, Cases] = {
    **_PEOPLE,
    "transactioncurrency": _CURRENCIES,
    "contoso_chain": _DEPARTMENT_CHAINS,
    "dept_specimen": _DEPARTMENT_SPECIMENS,
    "contoso_hotel": _DEPARTMENT_HOTELS,
    "contoso_amenity": _DEPARTMENT_AMENITIES,
    "contoso_room": _DEPARTMENT_ROOMS,
    "contoso_mapped": _DEPARTMENT_MAPPED,
    "contoso_licence": _DEPARTMENT_LICENCES,
}
