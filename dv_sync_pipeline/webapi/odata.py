"""OData as text: literals, addresses, annotation names.

Belongs here: pure functions from values to text (DATAVERSE 2, 4.6, 6.1). Does not belong here:
anything that sends, or that knows which table is meant.
"""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote
from uuid import UUID

__all__ = [
    "API_PATH",
    "KEY_CHARACTERS_FORBIDDEN",
    "Literal",
    "address",
    "addressable",
    "binding",
    "guid",
    "include_annotations",
    "keyed_row",
    "literal",
    "max_page_size",
    "row",
    "type_name",
]

API_PATH = "/api/data/v9.2/"
"""Stands before every entity set; answers echo the version in their links (DATAVERSE 2)."""

KEY_CHARACTERS_FORBIDDEN = frozenset("/<>*%&:\\?+")
"""A key value with one of these cannot be addressed, not even encoded (DATAVERSE 4.6)."""

_QUERY_SAFE = "$'(),;=/:@"
"""Legal inside a query (RFC 3986) and free of meaning for Dataverse outside of literals."""

Literal = str | int | Decimal | bool | None
"""What a key or a filter may compare with."""


def literal(value: Literal) -> str:
    """The value as it stands in a filter or key: `'it''s'`, `17`, `true`, `null`."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return str(value)


def guid(text: str) -> str:
    """A GUID in Dataverse's own spelling; `ValueError` if it is none."""
    return str(UUID(text))


def row(entity_set: str, row_id: str) -> str:
    """The address of one row: `accounts(<guid>)`."""
    return f"{entity_set}({guid(row_id)})"


def addressable(value: str) -> bool:
    """Whether a row can be addressed by a key with this value (DATAVERSE 4.6)."""
    return KEY_CHARACTERS_FORBIDDEN.isdisjoint(value)


def keyed_row(entity_set: str, key: Mapping[str, Literal]) -> str:
    """The address of a row by alternate key: `rooms(hotel='A',number=7)`.

    Quotes are doubled first, then everything is percent-encoded (DATAVERSE 4.6).
    """
    parts = (f"{name}={quote(literal(value), safe=chr(39))}" for name, value in key.items())
    return f"{entity_set}({','.join(parts)})"


def binding(entity_set: str, row_id: str) -> str:
    """The value of `@odata.bind` for a row: `/accounts(<guid>)` (DATAVERSE 5)."""
    return f"/{row(entity_set, row_id)}"


def type_name(table: str) -> str:
    """The value of `@odata.type` for rows of a table (DATAVERSE 8.2: mandatory in bulk)."""
    return f"Microsoft.Dynamics.CRM.{table}"


def address(path: str, **options: str) -> str:
    """A path with query options, each named without its `$`: `address("accounts", top="1")`."""
    query = "&".join(f"${name}={quote(text, safe=_QUERY_SAFE)}" for name, text in options.items())
    return f"{path}?{query}" if query else path


def max_page_size(rows: int) -> str:
    """The preference that must go with each page, links included (DATAVERSE 6.2)."""
    return f"odata.maxpagesize={rows}"


def include_annotations(name: str) -> str:
    """The preference for one kind of annotation and no others (DATAVERSE 5)."""
    return f'odata.include-annotations="{name}"'
