"""Tables of the sample `torture`, in both environments.

Belongs here: what the tables look like, and where the secondary's differ from the primary's. Does
not belong here: rows (`torture_rows`), and what they prove (`torture_expectations`).
"""

from dataclasses import replace
from decimal import Decimal

from dv_sync_pipeline.emulator.tables.define import (
    big_integer,
    boolean,
    choice,
    customer,
    date_only,
    date_time,
    decimal,
    double,
    file,
    image,
    integer,
    key,
    lookup,
    memo,
    money,
    multi_choice,
    string,
    table,
    unique_identifier,
)
from dv_sync_pipeline.emulator.tables.schema import (
    BusinessRule,
    ColumnDefinition,
    DateTimeBehavior,
    DeleteRule,
    ManyToManyDefinition,
    OptionDefinition,
    RequiredLevel,
    TableDefinition,
)

__all__ = [
    "CLOSED_FOR_GOOD",
    "CLOSED_FOR_SEASON",
    "LARGEST_OPTION",
    "OFFERS",
    "PARTNERS",
    "PRIMARY_TABLES",
    "SECONDARY_TABLES",
    "UNDER_RENOVATION",
]

LARGEST_OPTION = 2_147_483_647
UNDER_RENOVATION = 100_000_001
CLOSED_FOR_SEASON = 100_000_002
CLOSED_FOR_GOOD = 100_000_003

_COLOURS = {1: "Red", 2: "Green", LARGEST_OPTION: "Blue"}
_STARS = {1: "One", 2: "Two", 3: "Three"}

# ---- one column of every type -------------------------------------------------------------------

_SPECIMEN = table(
    "contoso_Specimen",
    entity_set="contoso_specimens",
    primary_name=string("contoso_Name", max_length=200),
    columns=(
        string("contoso_Code", max_length=100),
        string("contoso_Text", max_length=4000),
        memo("contoso_Memo", max_length=100_000),
        integer("contoso_Whole"),
        big_integer("contoso_Big"),
        decimal("contoso_Decimal", precision=10),
        double("contoso_Double", precision=5),
        boolean("contoso_Truth", default=None),
        date_only("contoso_Day"),
        date_time("contoso_Moment"),
        date_time("contoso_Clock", behavior=DateTimeBehavior.TIME_ZONE_INDEPENDENT),
        choice("contoso_Colour", _COLOURS),
        multi_choice("contoso_Colours", _COLOURS),
        unique_identifier("contoso_Guid"),
    ),
    keys=(key("contoso_specimen_code", "contoso_code"),),
)


def _renamed(column: ColumnDefinition) -> ColumnDefinition:
    """Columns that the department calls otherwise, or fills by default."""
    match column.schema_name:
        case "contoso_SpecimenId":
            return replace(column, schema_name="dept_SpecimenId")
        case "contoso_Text":
            return replace(column, schema_name="dept_Label")
        case "contoso_Truth":
            return replace(column, default=1)
        case "contoso_Colour":
            return replace(column, default=2)
        case _:
            return column


_DEPARTMENT_SPECIMEN = replace(
    _SPECIMEN,
    schema_name="dept_Specimen",
    entity_set="dept_specimens",
    columns=(*map(_renamed, _SPECIMEN.columns), string("dept_Remark")),
)

# ---- chains: a lookup to the same table ---------------------------------------------------------

_CHAIN = table(
    "contoso_Chain",
    entity_set="contoso_chains",
    primary_name=string("contoso_Name", max_length=200),
    columns=(
        string("contoso_Code", max_length=40),
        lookup("contoso_ParentChainId", to="contoso_chain"),
    ),
)
_DEPARTMENT_CHAIN = replace(_CHAIN, keys=(key("contoso_chain_code", "contoso_code"),))

# ---- hotels -------------------------------------------------------------------------------------

_STATES = (
    OptionDefinition(0, "Active", default_status=1),
    OptionDefinition(1, "Inactive", default_status=2),
)
_STATUSES = (
    OptionDefinition(1, "Active", state=0),
    OptionDefinition(UNDER_RENOVATION, "Under renovation", state=0),
    OptionDefinition(2, "Inactive", state=1),
    OptionDefinition(CLOSED_FOR_SEASON, "Closed for the season", state=1),
    OptionDefinition(CLOSED_FOR_GOOD, "Closed for good", state=1),
)
_ALLOWED_AFTER = {1: (UNDER_RENOVATION, 2, CLOSED_FOR_SEASON), CLOSED_FOR_SEASON: (1,)}

_HOTEL = table(
    "contoso_Hotel",
    entity_set="contoso_hotels",
    primary_name=string("contoso_Name", max_length=200),
    columns=(
        string("contoso_Code", max_length=40),
        string("contoso_City", max_length=100),
        choice("contoso_Stars", _STARS),
        integer("contoso_Floors"),
        lookup("contoso_ChainId", to="contoso_chain"),
        lookup("contoso_FlagshipRoomId", to="contoso_room"),
    ),
    # The primary has no key: so it holds what the secondary's key cannot.
    states=_STATES,
    statuses=_STATUSES,
)


def _narrowed(column: ColumnDefinition) -> ColumnDefinition:
    """Columns in which the secondary takes less than the primary holds."""
    match column.name:
        case "contoso_city":
            return replace(column, max_length=20)
        case "contoso_stars":
            return replace(column, options=column.options[:2])
        case "contoso_floors":
            return replace(column, minimum=Decimal(0), maximum=Decimal(200))
        case "statuscode":
            return replace(column, options=tuple(map(_restricted, column.options)))
        case _:
            return column


def _restricted(status: OptionDefinition) -> OptionDefinition:
    """Closing a hotel for good needs the season to end first."""
    return replace(status, next_statuses=_ALLOWED_AFTER.get(status.value))


_DEPARTMENT_HOTEL = replace(
    _HOTEL,
    columns=(*map(_narrowed, _HOTEL.columns), string("dept_CostCentre", max_length=20)),
    keys=(key("contoso_hotel_code", "contoso_code"),),
    enforce_state_transitions=True,
    business_rules=(
        BusinessRule("contoso_city", refused="Atlantis", message="Atlantis is not in our region."),
    ),
)

# ---- rooms --------------------------------------------------------------------------------------

_ROOM_TYPE = table(
    "contoso_RoomType",
    entity_set="contoso_roomtypes",
    primary_name=string("contoso_Name", max_length=200),
    columns=(string("contoso_Code", max_length=40),),
)
_DEPARTMENT_ROOM_TYPE = replace(_ROOM_TYPE, keys=(key("contoso_roomtype_code", "contoso_code"),))

_ROOM = table(
    "contoso_Room",
    entity_set="contoso_rooms",
    primary_name=string("contoso_Name", max_length=200),
    columns=(
        lookup(
            "contoso_HotelId",
            to="contoso_hotel",
            on_delete=DeleteRule.RESTRICT,
            required=RequiredLevel.SYSTEM,
        ),
        string("contoso_Number", max_length=20),
        lookup("contoso_RoomTypeId", to="contoso_roomtype"),
    ),
    keys=(key("contoso_room_number", "contoso_hotelid", "contoso_number"),),
)

# ---- amenities: pairs with hotels ---------------------------------------------------------------

_AMENITY = table(
    "contoso_Amenity",
    entity_set="contoso_amenities",
    primary_name=string("contoso_Name", max_length=200),
    columns=(string("contoso_Code", max_length=40),),
)
_DEPARTMENT_AMENITY = replace(_AMENITY, keys=(key("contoso_amenity_code", "contoso_code"),))

OFFERS = ManyToManyDefinition(
    schema_name="contoso_hotel_amenity",
    intersect="contoso_hotel_amenity",
    first="contoso_hotel",
    second="contoso_amenity",
    first_property="contoso_hotel_amenity",
    second_property="contoso_hotel_amenity",
    first_column="contoso_hotelid",
    second_column="contoso_amenityid",
)

PARTNERS = ManyToManyDefinition(
    schema_name="contoso_hotel_partner",
    intersect="contoso_hotel_partner",
    first="contoso_hotel",
    second="contoso_hotel",
    first_property="contoso_hotel_partner_first",
    second_property="contoso_hotel_partner_second",
    first_column="contoso_firsthotelid",
    second_column="contoso_secondhotelid",
)

# ---- lookups to everything else -----------------------------------------------------------------

_POINTER = table(
    "contoso_Pointer",
    entity_set="contoso_pointers",
    primary_name=string("contoso_Name", max_length=200),
    columns=(
        string("contoso_Code", max_length=40),
        money("contoso_Amount"),
        lookup("contoso_ManagerId", to="systemuser"),
        lookup("contoso_TeamId", to="team"),
        lookup("contoso_UnitId", to="businessunit"),
        lookup("contoso_SubjectId", to=("contoso_hotel", "contoso_chain")),
        customer("contoso_CustomerId"),
    ),
    keys=(key("contoso_pointer_code", "contoso_code"),),
)
_OWNED = table(
    "contoso_Owned",
    entity_set="contoso_owneds",
    primary_name=string("contoso_Name", max_length=200),
    columns=(string("contoso_Code", max_length=40),),
    keys=(key("contoso_owned_code", "contoso_code"),),
)

# ---- mapping: filters, constants, choices with other numbers ------------------------------------

_GRADES = {1: "Good", 2: "Better", 3: "Best"}
_DEPARTMENT_GRADES = {11: "Good", 12: "Better", 3: "Best"}


def _mapped(grades: dict[int, str]) -> TableDefinition:
    return table(
        "contoso_Mapped",
        entity_set="contoso_mappeds",
        primary_name=string("contoso_Name", max_length=200),
        columns=(
            string("contoso_Code", max_length=40),
            choice("contoso_Grade", grades),
            multi_choice("contoso_Grades", grades),
            boolean("contoso_Published"),
            string("contoso_Internal"),
        ),
        keys=(key("contoso_mapped_code", "contoso_code"),),
    )


_MAPPED = _mapped(_GRADES)
_DEPARTMENT_MAPPED = replace(
    _mapped(_DEPARTMENT_GRADES),
    columns=(*_mapped(_DEPARTMENT_GRADES).columns, string("dept_Source"), integer("dept_Rank")),
)

# ---- status by way of a column, images and files ------------------------------------------------

_LICENCE = table(
    "contoso_Licence",
    entity_set="contoso_licences",
    primary_name=string("contoso_Name", max_length=200),
    columns=(string("contoso_Code", max_length=40),),
    keys=(key("contoso_licence_code", "contoso_code"),),
)
_DEPARTMENT_LICENCE = replace(_LICENCE, columns=(*_LICENCE.columns, integer("dept_SyncStatus")))

_DOCUMENT = table(
    "contoso_Document",
    entity_set="contoso_documents",
    primary_name=string("contoso_Name", max_length=200),
    columns=(
        string("contoso_Code", max_length=40),
        image("contoso_Photo"),
        file("contoso_Plan"),
    ),
    keys=(key("contoso_document_code", "contoso_code"),),
)

# ---- drift --------------------------------------------------------------------------------------

_CONTRACT = table(
    "contoso_Contract",
    entity_set="contoso_contracts",
    primary_name=string("contoso_Name", max_length=200),
    columns=(string("contoso_Code", max_length=40), memo("contoso_Terms")),
    keys=(key("contoso_contract_code", "contoso_code"),),
)
_DEPARTMENT_CONTRACT = replace(
    _CONTRACT,
    columns=tuple(column for column in _CONTRACT.columns if column.name != "contoso_terms"),
)

_ALIKE = (_ROOM, _POINTER, _OWNED, _DOCUMENT)

PRIMARY_TABLES: tuple[TableDefinition, ...] = (
    _SPECIMEN,
    _CHAIN,
    _HOTEL,
    _AMENITY,
    _ROOM_TYPE,
    *_ALIKE,
    _MAPPED,
    _LICENCE,
    _CONTRACT,
)
SECONDARY_TABLES: tuple[TableDefinition, ...] = (
    _DEPARTMENT_SPECIMEN,
    _DEPARTMENT_CHAIN,
    _DEPARTMENT_HOTEL,
    _DEPARTMENT_AMENITY,
    _DEPARTMENT_ROOM_TYPE,
    *_ALIKE,
    _DEPARTMENT_MAPPED,
    _DEPARTMENT_LICENCE,
    _DEPARTMENT_CONTRACT,
)
