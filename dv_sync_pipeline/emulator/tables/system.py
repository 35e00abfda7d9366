"""The tables and rows that every environment has from the start.

Belongs here: system tables (DATAVERSE 13), the organisation, its business unit, roles, currency,
users. Does not belong here: what a role allows (`security.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from dv_sync_pipeline.emulator.rows.security import Action
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.business_tables import BUSINESS_TABLES
from dv_sync_pipeline.emulator.tables.messages import message_rows
from dv_sync_pipeline.emulator.tables.privileges import ACTIONS
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition, Ownership, TableDefinition
from dv_sync_pipeline.emulator.tables.webhook_tables import WEBHOOK_TABLES

__all__ = [
    "ADMINISTRATOR",
    "BASIC_USER",
    "READER",
    "assign_role",
    "create_application_user",
    "create_role",
    "find_user",
    "found_environment",
    "intersect_table",
]

ADMINISTRATOR = "System Administrator"
READER = "Reader"
BASIC_USER = "Basic User"

_USER_ACCESS_MODE_APPLICATION = 4


def found_environment(store: Store, *, organization_name: str) -> None:
    """Make the system tables and the rows that must exist before any user does."""
    with store.transaction():
        for definition in (*_FIRST_TABLES, *WEBHOOK_TABLES, *_SYSTEM_TABLES, *BUSINESS_TABLES):
            store.create_table(definition)
        store.load_rows("sdkmessage", message_rows())
        for relationship in _PAIRS:
            store.create_many_to_many(relationship)
            store.create_table(intersect_table(relationship))
        _create_organization(store, organization_name)
        create_role(store, ADMINISTRATOR, dict.fromkeys(Action, "Global"))
        create_role(store, READER, {"Read": "Global"})
        create_role(store, BASIC_USER, dict.fromkeys(ACTIONS, "Basic"))


def _create_organization(store: Store, name: str) -> None:
    ids = {part: store.new_id() for part in ("organization", "business unit", "system user")}
    for part, row_id in ids.items():
        store.set_setting(part, row_id)
    unit = {"businessunitid": ids["business unit"], "name": name}
    store.load_rows("businessunit", [unit])
    store.load_rows(
        "systemuser",
        [_user_row(store, user_id=ids["system user"], full_name="SYSTEM", application_id=None)],
    )
    currency = store.new_id()
    store.set_setting("currency", currency)
    store.load_rows("transactioncurrency", [{"transactioncurrencyid": currency, **_US_DOLLAR}])
    organization = {
        "organizationid": ids["organization"],
        "name": name,
        "expirechangetrackingindays": 7,
        "basecurrencyid": currency,
        "languagecode": 1033,
    }
    store.load_rows("organization", [organization])


_US_DOLLAR: Mapping[str, Any] = {
    "currencyname": "US Dollar",
    "isocurrencycode": "USD",
    "currencysymbol": "$",
    "currencyprecision": 2,
    "exchangerate": Decimal(1),
}


def create_role(store: Store, name: str, actions: Mapping[str, str], *, table: str = "*") -> str:
    """A role that allows the actions, each to a depth, on a table or on all; its id."""
    role_id = store.new_id()
    unit = store.setting("business unit")
    store.load_rows("role", [{"roleid": role_id, "name": name, "businessunitid": unit}])
    store.database.executemany(
        "INSERT INTO _dv_role_privilege VALUES (?, ?, ?, ?)",
        [(role_id, action, table, depth) for action, depth in actions.items()],
    )
    return role_id


def create_application_user(
    store: Store,
    *,
    application_id: str,
    full_name: str,
    roles: Iterable[str] = (ADMINISTRATOR,),
) -> str:
    """A `systemuser` row for an app registration, with roles given by name; its id."""
    user_id = store.new_id()
    row = _user_row(store, user_id=user_id, full_name=full_name, application_id=application_id)
    with store.transaction():
        store.load_rows("systemuser", [row])
        for name in roles:
            assign_role(store, user_id, role=name)
    return user_id


def assign_role(store: Store, user_id: str, *, role: str) -> None:
    """Give the user a role by name; `KeyError` if there is none."""
    role_id = store.database.value('SELECT "roleid" FROM "role" WHERE "name" = ?', (role,))
    if role_id is None:
        raise KeyError(role)
    store.load_rows(_USER_ROLES.intersect, [{"systemuserid": user_id, "roleid": role_id}])


def find_user(store: Store, application_id: str) -> str | None:
    """The id of the application user of that app registration."""
    sql = 'SELECT "systemuserid" FROM "systemuser" WHERE lower("applicationid") = ?'
    found = store.database.value(sql, (application_id.lower(),))
    return None if found is None else str(found)


def _user_row(
    store: Store, *, user_id: str, full_name: str, application_id: str | None
) -> dict[str, Any]:
    return {
        "systemuserid": user_id,
        "fullname": full_name,
        "domainname": f"{application_id or 'system'}@emulator.invalid",
        "applicationid": application_id,
        "azureactivedirectoryobjectid": store.new_id() if application_id else None,
        "businessunitid": store.setting("business unit"),
        "accessmode": _USER_ACCESS_MODE_APPLICATION if application_id else 0,
        "isdisabled": False,
        "createdby": store.setting("system user"),
        "modifiedby": store.setting("system user"),
    }


def intersect_table(relationship: ManyToManyDefinition) -> TableDefinition:
    """The table that holds the pairs: readable, without a Create message (DATAVERSE 5)."""
    columns = (
        define.primary_id(f"{relationship.intersect}Id"),
        define.read_only(define.unique_identifier(relationship.first_column)),
        define.read_only(define.unique_identifier(relationship.second_column)),
        define.read_only(define.big_integer("VersionNumber")),
    )
    return TableDefinition(
        schema_name=relationship.intersect,
        entity_set=f"{relationship.intersect}set",
        columns=columns,
        keys=(define.key("pair", relationship.first_column, relationship.second_column),),
        display_name=relationship.intersect,
        ownership=Ownership.NONE,
        change_tracking_enabled=False,
        is_intersect=True,
        supports_bulk=False,
        can_create=False,
    )


# ---- definitions --------------------------------------------------------------------------------

_ACCESS_MODES = {0: "Read-Write", 1: "Administrative", 2: "Read", 4: "Non-interactive"}


def _system(schema_name: str, code: int, **parts: Any) -> TableDefinition:
    """A platform table: not custom, and neither is any of its columns."""
    name_column = parts.pop("primary_name")
    definition = define.table(
        schema_name,
        entity_set=parts.pop("entity_set", f"{schema_name.lower()}s"),
        primary_name=name_column,
        object_type_code=code,
        is_custom=False,
        **parts,
    )
    columns = tuple(replace(column, is_custom=False) for column in definition.columns)
    return replace(definition, columns=columns)


def _pointer(schema_name: str, to: str) -> Any:
    return define.lookup(schema_name, to=to, navigation_property=schema_name.lower())


_SYSTEM_TABLES = (
    _system(
        "SystemUser",
        8,
        primary_name=define.string("FullName", max_length=200),
        ownership=Ownership.NONE,
        states=(),
        columns=(
            define.string("DomainName", max_length=1024),
            define.string("FirstName", max_length=256),
            define.string("LastName", max_length=256),
            define.string("InternalEMailAddress", text_format="Email"),
            define.unique_identifier("ApplicationId"),
            define.unique_identifier("AzureActiveDirectoryObjectId"),
            define.boolean("IsDisabled", labels=("Enabled", "Disabled")),
            define.choice("AccessMode", _ACCESS_MODES, default=0),
            _pointer("BusinessUnitId", "businessunit"),
        ),
    ),
    _system(
        "Team",
        9,
        primary_name=define.string("Name", max_length=160),
        ownership=Ownership.NONE,
        states=(),
        columns=(
            define.memo("Description"),
            define.choice("TeamType", {0: "Owner", 1: "Access"}, default=0),
            _pointer("BusinessUnitId", "businessunit"),
            _pointer("AdministratorId", "systemuser"),
        ),
    ),
    _system(
        "BusinessUnit",
        10,
        primary_name=define.string("Name", max_length=160),
        ownership=Ownership.NONE,
        states=(),
        columns=(_pointer("ParentBusinessUnitId", "businessunit"),),
    ),
    _system(
        "Role",
        1036,
        primary_name=define.string("Name"),
        ownership=Ownership.NONE,
        states=(),
        columns=(_pointer("BusinessUnitId", "businessunit"),),
    ),
    _system(
        "FieldSecurityProfile",
        1200,
        primary_name=define.string("Name"),
        ownership=Ownership.NONE,
        states=(),
        columns=(define.memo("Description"),),
    ),
    _system(
        "FieldPermission",
        1201,
        primary_name=define.string("Name"),
        ownership=Ownership.NONE,
        states=(),
        columns=(
            define.string("EntityName", max_length=128),
            define.string("AttributeLogicalName", max_length=128),
            *(
                define.choice(name, {0: "Not Allowed", 4: "Allowed"}, default=0)
                for name in ("CanRead", "CanCreate", "CanUpdate")
            ),
            _pointer("FieldSecurityProfileId", "fieldsecurityprofile"),
        ),
    ),
    _system(
        "Organization",
        1019,
        primary_name=define.string("Name", max_length=160),
        ownership=Ownership.NONE,
        states=(),
        columns=(
            define.integer("ExpireChangeTrackingInDays", minimum=0, maximum=365),
            define.integer("LanguageCode"),
            _pointer("BaseCurrencyId", "transactioncurrency"),
        ),
    ),
    _system(
        "TransactionCurrency",
        9105,
        entity_set="transactioncurrencies",
        primary_name=define.string("CurrencyName"),
        ownership=Ownership.NONE,
        columns=(
            define.string("ISOCurrencyCode", max_length=5),
            define.string("CurrencySymbol", max_length=13),
            define.integer("CurrencyPrecision", minimum=0, maximum=4),
            define.decimal("ExchangeRate", precision=10),
        ),
        keys=(define.key("isocurrencycode_key", "isocurrencycode"),),
    ),
)

_FIRST_TABLES = (
    _system(
        "Privilege",
        1023,
        primary_name=define.string("Name"),
        ownership=Ownership.NONE,
        states=(),
        columns=(
            define.string("Action", max_length=50),
            define.string("EntityName", max_length=128),
            define.boolean("CanBeGlobal", default=True),
        ),
    ),
)
"""The tables whose rows follow from the tables that come after them."""


def _pairs(name: str, intersect: str, first: str, second: str) -> ManyToManyDefinition:
    return ManyToManyDefinition(
        schema_name=name,
        intersect=intersect,
        first=first,
        second=second,
        first_property=name,
        second_property=name,
        first_column=f"{first}id",
        second_column=f"{second}id",
    )


_USER_ROLES = _pairs("systemuserroles_association", "systemuserroles", "systemuser", "role")
_PAIRS = (
    _USER_ROLES,
    _pairs("teamroles_association", "teamroles", "team", "role"),
    _pairs("teammembership_association", "teammembership", "team", "systemuser"),
    _pairs(
        "systemuserprofiles_association",
        "systemuserprofiles",
        "systemuser",
        "fieldsecurityprofile",
    ),
)
