"""The text of OData."""

from decimal import Decimal

import pytest

from dv_sync_pipeline.webapi import odata

GUID = "00000000-0000-0000-0000-0000000000AB"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Hôtel d'Été", "'Hôtel d''Été'"),
        (17, "17"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_literals(value, text):
    """A literal is quoted by its type, with quotes inside doubled."""
    assert text == odata.literal(value)


def test_row_address():
    """A row is addressed by its GUID in Dataverse's own spelling."""
    expected = "accounts(00000000-0000-0000-0000-0000000000ab)"

    assert expected == odata.row("accounts", GUID)


@pytest.mark.parametrize("text", ["", "abc", "1) or (1", "../accounts"])
def test_only_guids_address_rows(text):
    """What is not a GUID never becomes part of an address."""
    with pytest.raises(ValueError, match="UUID"):
        odata.row("accounts", text)


def test_keyed_row_address():
    """Quotes are doubled before everything is percent-encoded."""
    address = odata.keyed_row("rooms", {"hotel": "O'Hare #1", "number": 7})

    assert "rooms(hotel='O''Hare%20%231',number=7)" == address


@pytest.mark.parametrize("character", sorted("/<>*%&:\\?+"))
def test_forbidden_key_characters(character):
    """A key value with a forbidden character cannot be addressed, encoded or not."""
    assert not odata.addressable(f"a{character}b")


def test_plain_keys_are_addressable():
    """Blanks, quotes and letters of every script can stand in a key."""
    assert odata.addressable("O'Hare 東京-1")


def test_address_keeps_names_readable():
    """Dollars, quotes, commas and brackets of the query language stay as they are."""
    address = odata.address("accounts", select="a,_b_value", filter="name eq 'x' and (n gt 1)")

    assert "accounts?$select=a,_b_value&$filter=name%20eq%20'x'%20and%20(n%20gt%201)" == address


def test_address_encodes_what_would_end_a_value():
    """Characters that separate options are encoded inside values."""
    assert "a?$filter=n%20eq%20'%26%23%2B%25%3F'" == odata.address("a", filter="n eq '&#+%?'")


def test_binding():
    """A lookup is bound to the address of a row below the root of the API."""
    expected = "/hotels(00000000-0000-0000-0000-0000000000ab)"

    assert expected == odata.binding("hotels", GUID)
