"""The two tables that nearly every client of Dataverse knows: account and contact.

Belongs here: those of their columns that clients commonly use, under their real names. Does not
belong here: tables that the platform itself needs (`system.py`).
"""

from dataclasses import replace

from dv_sync_pipeline.emulator.tables import define
from dv_sync_pipeline.emulator.tables.schema import (
    ColumnDefinition,
    LookupDefinition,
    TableDefinition,
)

__all__ = ["BUSINESS_TABLES"]


def _address() -> tuple[ColumnDefinition, ...]:
    parts = ("Line1", "Line2", "City", "StateOrProvince", "PostalCode", "Country")
    return tuple(define.string(f"Address1_{part}", max_length=250) for part in parts)


def _pointer(schema_name: str, to: str, *, relationship: str) -> ColumnDefinition:
    return define.lookup(
        schema_name, to=to, navigation_property=schema_name.lower(), relationship=relationship
    )


def _parent_customer() -> ColumnDefinition:
    """An account or a contact, each with a navigation property of its own (DATAVERSE 5)."""
    lookups = tuple(
        LookupDefinition(
            target=target,
            navigation_property=f"parentcustomerid_{target}",
            schema_name=f"contact_customer_{target}s",
            collection_property=f"contact_customer_{target}s",
        )
        for target in ("account", "contact")
    )
    return replace(define.customer("ParentCustomerId"), lookups=lookups)


def _as_platform(definition: TableDefinition) -> TableDefinition:
    """The table with no column of a customer's."""
    columns = tuple(replace(column, is_custom=False) for column in definition.columns)
    return replace(definition, columns=columns)


_FULL_NAME = """trim(coalesce("firstname", '') || ' ' || coalesce("lastname", ''))"""
_INDUSTRIES = {1: "Accounting", 6: "Business Services", 9: "Consulting", 21: "Hotels"}
_GENDERS = {1: "Male", 2: "Female"}

_ACCOUNT = define.table(
    "Account",
    entity_set="accounts",
    object_type_code=1,
    is_custom=False,
    primary_name=define.string("Name", max_length=160),
    columns=(
        define.string("AccountNumber", max_length=20),
        define.memo("Description"),
        define.string("Telephone1", max_length=50),
        define.string("Fax", max_length=50),
        define.string("EMailAddress1", text_format="Email"),
        define.string("WebSiteURL", max_length=200, text_format="Url"),
        define.integer("NumberOfEmployees", minimum=0, maximum=1_000_000_000),
        define.money("Revenue"),
        define.money("CreditLimit"),
        define.boolean("CreditOnHold"),
        define.choice("IndustryCode", _INDUSTRIES),
        *_address(),
        _pointer("PrimaryContactId", "contact", relationship="account_primary_contact"),
        _pointer("ParentAccountId", "account", relationship="account_parent_account"),
    ),
)

_CONTACT = define.table(
    "Contact",
    entity_set="contacts",
    object_type_code=2,
    is_custom=False,
    primary_name=define.read_only(define.string("FullName", max_length=160, generated=_FULL_NAME)),
    columns=(
        define.string("FirstName", max_length=50),
        define.string("LastName", max_length=50),
        define.string("JobTitle"),
        define.memo("Description"),
        define.string("EMailAddress1", text_format="Email"),
        define.string("Telephone1", max_length=50),
        define.string("MobilePhone", max_length=50),
        define.date_only("BirthDate"),
        define.choice("GenderCode", _GENDERS),
        define.boolean("DoNotEMail", labels=("Allow", "Do Not Allow")),
        *_address(),
        _parent_customer(),
    ),
)

BUSINESS_TABLES = (_as_platform(_ACCOUNT), _as_platform(_CONTACT))
