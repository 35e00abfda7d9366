"""Tables of the sample `hotels`, and the options of their choices.

Belongs here: what the tables look like in the primary, and what the department added to its hotel
table in the secondary. Does not belong here: rows (`hotels_rows`).
"""

from dataclasses import replace

from dv_sync_pipeline.emulator.tables.define import (
    big_integer,
    boolean,
    choice,
    date_only,
    date_time,
    decimal,
    double,
    integer,
    key,
    lookup,
    memo,
    multi_choice,
    string,
    table,
)
from dv_sync_pipeline.emulator.tables.schema import (
    DateTimeBehavior,
    DeleteRule,
    OptionDefinition,
    RequiredLevel,
    TableDefinition,
)

__all__ = [
    "AMENITIES",
    "BEDDINGS",
    "CHANNELS",
    "CLOSED_FOR_SEASON",
    "EQUIPMENT",
    "OUT_OF_ORDER",
    "PRIMARY_TABLES",
    "SECONDARY_TABLES",
    "SEGMENTS",
    "STARS",
    "VIEWS",
]

_FIRST_OPTION = 100_000_000
CLOSED_FOR_SEASON = 100_000_001
OUT_OF_ORDER = 100_000_002


def _numbered(*labels: str) -> dict[int, str]:
    """Options with the values that Dataverse hands out to a publisher without a prefix."""
    return dict(enumerate(labels, start=_FIRST_OPTION))


_SEGMENTS = _numbered("Economy", "Comfort", "Luxury")
_STARS = _numbered("★", "★★", "★★★", "★★★★", "★★★★★")
_AMENITIES = _numbered("Pool", "Sauna", "Garage", "Restaurant", "Onsen", "Prayer room")
_BEDDINGS = _numbered("Single", "Twin", "Double", "King", "Futon")
_EQUIPMENT = _numbered("Balcony", "Bath", "Kitchenette", "Desk", "Safe", "Kettle")
_VIEWS = _numbered("Courtyard", "Garden", "City", "Sea", "Mountains")
_CHANNELS = _numbered("Direct", "Telephone", "Agency", "Corporate")

SEGMENTS = tuple(_SEGMENTS)
STARS = tuple(_STARS)
AMENITIES = tuple(_AMENITIES)
BEDDINGS = tuple(_BEDDINGS)
EQUIPMENT = tuple(_EQUIPMENT)
VIEWS = tuple(_VIEWS)
CHANNELS = tuple(_CHANNELS)

_ACTIVE = OptionDefinition(1, "Active", state=0)
_INACTIVE = OptionDefinition(2, "Inactive", state=1)
_INDEPENDENT = DateTimeBehavior.TIME_ZONE_INDEPENDENT

_BRAND = table(
    "contoso_Brand",
    entity_set="contoso_brands",
    primary_name=string("contoso_Name", max_length=100, required=RequiredLevel.APPLICATION),
    columns=(
        string("contoso_Code", max_length=10),
        choice("contoso_Segment", _SEGMENTS),
        date_only("contoso_FoundedOn"),
        decimal("contoso_Commission", precision=2),
        string("contoso_Website", max_length=200, text_format="Url"),
        memo("contoso_History", max_length=4000),
        boolean("contoso_Franchise"),
    ),
    keys=(key("contoso_brand_code", "contoso_code"),),
)

_HOTEL = table(
    "contoso_Hotel",
    entity_set="contoso_hotels",
    primary_name=string("contoso_Name", max_length=200, required=RequiredLevel.APPLICATION),
    columns=(
        string("contoso_Code", max_length=20),
        lookup("contoso_BrandId", to="contoso_brand"),
        string("contoso_City", max_length=100),
        string("contoso_Language", max_length=10),
        memo("contoso_Description", max_length=4000),
        double("contoso_Latitude"),
        double("contoso_Longitude"),
        choice("contoso_Stars", _STARS),
        multi_choice("contoso_Amenities", _AMENITIES),
        integer("contoso_Floors", minimum=1, maximum=200),
        big_integer("contoso_GuestsServed"),
        decimal("contoso_CityTax", precision=2),
        boolean("contoso_PetsAllowed"),
        date_only("contoso_OpenedOn"),
        date_time("contoso_InspectedAt"),
        date_time("contoso_CheckInFrom", behavior=_INDEPENDENT),
    ),
    keys=(key("contoso_hotel_code", "contoso_code"),),
    statuses=(
        _ACTIVE,
        _INACTIVE,
        OptionDefinition(CLOSED_FOR_SEASON, "Closed for the season", state=1),
    ),
)

_ROOM_TYPE = table(
    "contoso_RoomType",
    entity_set="contoso_roomtypes",
    primary_name=string("contoso_Name", max_length=100, required=RequiredLevel.APPLICATION),
    columns=(
        string("contoso_Code", max_length=10),
        memo("contoso_Description"),
        choice("contoso_Bedding", _BEDDINGS),
        multi_choice("contoso_Equipment", _EQUIPMENT),
        integer("contoso_GuestsMax", minimum=1, maximum=20),
        decimal("contoso_Surcharge", precision=2),
        boolean("contoso_Smoking"),
    ),
    keys=(key("contoso_roomtype_code", "contoso_code"),),
)

_ROOM = table(
    "contoso_Room",
    entity_set="contoso_rooms",
    primary_name=string("contoso_Name", max_length=100),
    columns=(
        lookup("contoso_HotelId", to="contoso_hotel", on_delete=DeleteRule.RESTRICT),
        string("contoso_Number", max_length=20),
        lookup("contoso_RoomTypeId", to="contoso_roomtype"),
        integer("contoso_Floor", minimum=-5, maximum=1000),
        decimal("contoso_AreaSqm", precision=2),
        decimal("contoso_BaseRate", precision=2),
        double("contoso_NoiseLevel", precision=1),
        big_integer("contoso_LockSerial"),
        boolean("contoso_Accessible"),
        choice("contoso_View", _VIEWS),
        multi_choice("contoso_Equipment", _EQUIPMENT),
        date_only("contoso_RenovatedOn"),
        date_time("contoso_CleanedAt"),
        memo("contoso_Remarks"),
    ),
    keys=(key("contoso_room_number", "contoso_hotelid", "contoso_number"),),
    statuses=(
        _ACTIVE,
        _INACTIVE,
        OptionDefinition(OUT_OF_ORDER, "Out of order", state=0),
    ),
)

_RATE_PLAN = table(
    "contoso_RatePlan",
    entity_set="contoso_rateplans",
    primary_name=string("contoso_Name", max_length=100, required=RequiredLevel.APPLICATION),
    columns=(
        string("contoso_Code", max_length=30),
        lookup("contoso_HotelId", to="contoso_hotel", on_delete=DeleteRule.RESTRICT),
        decimal("contoso_Discount", precision=2),
        boolean("contoso_Breakfast"),
        multi_choice("contoso_Channels", _CHANNELS),
        integer("contoso_NightsMin", minimum=1, maximum=365),
        date_time("contoso_BookableFrom", behavior=_INDEPENDENT),
        memo("contoso_Terms"),
    ),
    keys=(key("contoso_rateplan_code", "contoso_code"),),
)

_DEPARTMENT_HOTEL = replace(
    _HOTEL,
    columns=(
        *_HOTEL.columns,
        string("contoso_CostCentre", max_length=20),
        string("contoso_VatNumber", max_length=20),
    ),
)

PRIMARY_TABLES: tuple[TableDefinition, ...] = (_BRAND, _HOTEL, _ROOM_TYPE, _ROOM, _RATE_PLAN)
SECONDARY_TABLES: tuple[TableDefinition, ...] = (
    _BRAND,
    _DEPARTMENT_HOTEL,
    _ROOM_TYPE,
    _ROOM,
    _RATE_PLAN,
)
