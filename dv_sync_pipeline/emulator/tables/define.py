"""The words in which a schema is written: `define.table`, `define.string`, `define.key`...

Belongs here: tables, and the columns that the platform adds to each. Does not belong here: what the
parts mean (`schema.py`) and the constructors of columns (`columns.py`), which can be had from here.

    hotel = table(
        "contoso_Hotel",
        entity_set="contoso_hotels",
        primary_name=string("contoso_Name", max_length=200),
        columns=(
            string("contoso_Code", max_length=20),
            choice("contoso_Kind", {1: "City", 2: "Beach"}),
            lookup("contoso_BrandId", to="contoso_brand"),
        ),
        keys=(key("contoso_code_key", "contoso_code"),),
    )

A lookup's navigation property is its schema name (DATAVERSE 5); the relationship gets the name
`<target>_<table>_<column>` unless told otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dv_sync_pipeline.emulator.tables.columns import (
    big_integer,
    boolean,
    choice,
    companions,
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
    owner,
    primary_id,
    read_only,
    string,
    unique_identifier,
)
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    ColumnKind,
    DeleteRule,
    KeyDefinition,
    LookupDefinition,
    OptionDefinition,
    Ownership,
    RequiredLevel,
    SourceType,
    TableDefinition,
)

__all__ = [
    "base_of",
    "big_integer",
    "boolean",
    "choice",
    "companions",
    "customer",
    "date_only",
    "date_time",
    "decimal",
    "double",
    "file",
    "image",
    "integer",
    "key",
    "lookup",
    "memo",
    "money",
    "money_columns",
    "multi_choice",
    "named",
    "owner",
    "platform_columns",
    "primary_id",
    "read_only",
    "string",
    "table",
    "unique_identifier",
    "with_relationship_names",
]

_DEFAULT_STATES = (
    OptionDefinition(0, "Active", default_status=1),
    OptionDefinition(1, "Inactive", default_status=2),
)
_DEFAULT_STATUSES = (
    OptionDefinition(1, "Active", state=0),
    OptionDefinition(2, "Inactive", state=1),
)


def table(  # noqa: PLR0913 - the parts of a table, all but three with a default
    schema_name: str,
    *,
    entity_set: str,
    columns: Iterable[ColumnDefinition] = (),
    primary_name: ColumnDefinition | None = None,
    keys: Iterable[KeyDefinition] = (),
    display_name: str = "",
    ownership: Ownership = Ownership.USER,
    states: tuple[OptionDefinition, ...] = _DEFAULT_STATES,
    statuses: tuple[OptionDefinition, ...] = _DEFAULT_STATUSES,
    change_tracking_enabled: bool = True,
    enforce_state_transitions: bool = False,
    object_type_code: int = 0,
    is_custom: bool = True,
) -> TableDefinition:
    """A table with the platform's own columns added.

    `primary_name` defaults to a text column `<prefix>_Name`. Empty `states` make a table without
    state and status reason.
    """
    own = tuple(columns)
    named = replace(primary_name or string(_default_name(schema_name)), is_primary_name=True)
    return TableDefinition(
        schema_name=schema_name,
        entity_set=entity_set,
        columns=tuple(
            with_relationship_names(column, table=schema_name.lower())
            for column in (
                primary_id(f"{schema_name}Id"),
                named,
                *own,
                *money_columns(own),
                *platform_columns(ownership),
                *_state_columns(states, statuses),
            )
        ),
        keys=tuple(keys),
        display_name=display_name or schema_name.rpartition("_")[2],
        display_collection_name=f"{display_name or schema_name.rpartition('_')[2]}s",
        ownership=ownership,
        change_tracking_enabled=change_tracking_enabled,
        enforce_state_transitions=enforce_state_transitions,
        object_type_code=object_type_code,
        is_custom=is_custom,
    )


def _default_name(schema_name: str) -> str:
    prefix, underscore, _ = schema_name.rpartition("_")
    return f"{prefix}_Name" if underscore else "Name"


def platform_columns(ownership: Ownership) -> tuple[ColumnDefinition, ...]:
    """The columns that every table has (DATAVERSE 4.1, 11, 13): written by the platform."""
    by_user = ("CreatedBy", "ModifiedBy", "CreatedOnBehalfBy", "ModifiedOnBehalfBy")
    everywhere = (
        read_only(date_time("CreatedOn")),
        read_only(date_time("ModifiedOn")),
        replace(date_time("OverriddenCreatedOn"), is_custom=False, valid_for_update=False),
        read_only(big_integer("VersionNumber")),
        replace(integer("ImportSequenceNumber"), is_custom=False, valid_for_update=False),
        replace(integer("TimeZoneRuleVersionNumber"), is_custom=False),
        replace(integer("UTCConversionTimeZoneCode"), is_custom=False),
        *(_platform_lookup(name, "systemuser") for name in by_user),
    )
    return everywhere + _OWNERSHIP_COLUMNS[ownership]


def _platform_lookup(schema_name: str, target: str, *, generated: str = "") -> ColumnDefinition:
    """A lookup that the platform writes, and that survives its target."""
    column = lookup(
        schema_name,
        to=target,
        navigation_property=schema_name.lower(),
        on_delete=DeleteRule.NO_CASCADE,
    )
    return replace(read_only(column), generated=generated)


_OWNERSHIP_COLUMNS: Mapping[Ownership, tuple[ColumnDefinition, ...]] = {
    Ownership.NONE: (),
    Ownership.ORGANIZATION: (_platform_lookup("OrganizationId", "organization"),),
    Ownership.USER: (
        owner(),
        *(
            _platform_lookup(
                name,
                target,
                generated=f"""CASE WHEN "ownerid__target" = '{target}' THEN "ownerid" END""",
            )
            for name, target in (("OwningUser", "systemuser"), ("OwningTeam", "team"))
        ),
        _platform_lookup("OwningBusinessUnit", "businessunit"),
    ),
}


def _state_columns(
    states: tuple[OptionDefinition, ...], statuses: tuple[OptionDefinition, ...]
) -> tuple[ColumnDefinition, ...]:
    """State and status reason (DATAVERSE 12): the state is ignored on create."""
    if not states:
        return ()
    return (
        ColumnDefinition(
            "statecode",
            ColumnKind.STATE,
            options=states,
            required=RequiredLevel.SYSTEM,
            valid_for_create=False,
            is_custom=False,
        ),
        ColumnDefinition("statuscode", ColumnKind.STATUS, options=statuses, is_custom=False),
    )


def money_columns(columns: tuple[ColumnDefinition, ...]) -> tuple[ColumnDefinition, ...]:
    """What an amount brings along: currency, rate, and itself in the base currency."""
    amounts = [column for column in columns if column.kind is ColumnKind.MONEY]
    if not amounts:
        return ()
    return (
        replace(
            lookup(
                "TransactionCurrencyId",
                to="transactioncurrency",
                navigation_property="transactioncurrencyid",
            ),
            is_custom=False,
        ),
        read_only(decimal("ExchangeRate", precision=12)),
        *(read_only(base_of(amount)) for amount in amounts),
    )


def base_of(amount: ColumnDefinition) -> ColumnDefinition:
    """The amount in the organisation's base currency: computed, never written."""
    return replace(
        amount,
        schema_name=f"{amount.name}_Base",
        source_type=SourceType.CALCULATED,
        required=RequiredLevel.NONE,
    )


def with_relationship_names(column: ColumnDefinition, *, table: str) -> ColumnDefinition:
    """The column whose relationships have the names they need; others unchanged."""
    return replace(
        column, lookups=tuple(named(lookup, table, column.name) for lookup in column.lookups)
    )


def named(lookup: LookupDefinition, table: str, column: str) -> LookupDefinition:
    """The lookup with names for the relationship and the collection where it has none."""
    name = lookup.schema_name or f"{lookup.target}_{table}_{column}"
    return replace(lookup, schema_name=name, collection_property=lookup.collection_property or name)
