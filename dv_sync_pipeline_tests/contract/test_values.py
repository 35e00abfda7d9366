"""Column types: JSON on write and read (DATAVERSE 3.3)."""

import pytest


@pytest.mark.parametrize(
    ("column", "written", "read"),
    [
        ("dvc_name", "Zürich 東京", '"Zürich 東京"'),
        ("dvc_name", "", "null"),
        ("dvc_note", "a\nb", '"a\\nb"'),
        ("dvc_stars", 5, "5"),
        ("dvc_rate", 12.34, "12.3400000000"),
        ("dvc_rate", 7, "7.0000000000"),
        ("dvc_rate", 1.005, "1.0000000000"),
        ("dvc_price", 20000, "20000.0000"),
        ("dvc_score", 1.5, "1.5"),
        ("dvc_isopen", True, "true"),
        ("dvc_opened", "2026-01-31", '"2026-01-31"'),
        ("dvc_checkedon", "2026-01-31T13:00:00Z", '"2026-01-31T13:00:00Z"'),
        ("dvc_checkedon", "2026-01-31T13:00:00-08:00", '"2026-01-31T21:00:00Z"'),
        ("dvc_checkedon", "2026-01-31T13:00:00.987Z", '"2026-01-31T13:00:00Z"'),
        ("dvc_checkedon", "2026-01-31T13:00:00", '"2026-01-31T13:00:00Z"'),
        ("dvc_kind", 2, "2"),
        ("dvc_tags", "9, 1", '"1,9"'),
    ],
)
def test_what_is_read_after_a_write(api, hotels, column, written, read):
    """Each type has its own JSON; decimals show their scale, times are UTC (DATAVERSE 3.3)."""
    row_id = hotels.create(**{column: written})

    text = api.get(f"dvc_hotels({row_id})?$select={column}").text
    assert f'"{column}":{read}' in text


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("dvc_name", "x" * 201, "0x80044331"),
        ("dvc_stars", 6, "0x8004432f"),
        ("dvc_rate", 100000000001, "0x80044330"),
        ("dvc_kind", 5, "0x8004431a"),
        ("dvc_tags", "1,5", "0x8004431a"),
        ("dvc_checkedon", "1700-01-01T00:00:00Z", "0x80040239"),
        ("dvc_stars", "5", "0x80048d19"),
        ("dvc_isopen", 1, "0x80048d19"),
        ("dvc_opened", "2026-01-31T00:00:00Z", "0x80048d19"),
        ("dvc_checkedon", "31.1.2026", "0x80048d19"),
        ("dvc_name", 5, "0x80048d19"),
    ],
)
def test_values_that_are_refused(api, refusal, column, value, code):
    """A value outside of its column's limits or type answers 400 (DATAVERSE 3.3, 4.7)."""
    assert refusal(api.post("dvc_hotels", json={column: value})) == (400, code)


def test_unknown_option_names_the_accepted_ones(api):
    """The error about an unknown option lists the accepted values (DATAVERSE 4.7)."""
    answer = api.post("dvc_hotels", json={"dvc_kind": 5})

    assert answer.json()["error"]["message"].endswith("Accepted Values: 1,2,3")


def test_money_brings_its_currency(hotels):
    """Selecting an amount adds _transactioncurrencyid_value unasked (DATAVERSE 3.3)."""
    row = hotels.read(hotels.create(dvc_price=10), select="dvc_price")

    assert row["_transactioncurrencyid_value"]


def test_amount_in_the_base_currency_is_computed(hotels):
    """<column>_base is computed and not writable (DATAVERSE 3.3)."""
    row_id = hotels.create(dvc_price=10, dvc_price_base=99)

    assert hotels.read(row_id)["dvc_price_base"] == 10


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("dvc_kind", 2, "Beach"),
        ("dvc_tags", "1,9", "Pool; Bar"),
        ("dvc_isopen", True, "Open"),
        ("statuscode", 3, "Renovating"),
        ("dvc_opened", "2026-01-31", "1/31/2026"),
        ("dvc_checkedon", "2026-01-31T13:05:00Z", "1/31/2026 1:05 PM"),
    ],
)
def test_formatted_values(api, hotels, column, value, text):
    """Whatever has a label or a locale format has a formatted value (DATAVERSE 3.3)."""
    row_id = hotels.create(**{column: value})

    row = api.get(
        f"dvc_hotels({row_id})?$select={column}",
        headers={"Prefer": 'odata.include-annotations="*"'},
    ).json()
    assert row[f"{column}@OData.Community.Display.V1.FormattedValue"] == text


def test_annotations_stand_before_their_value(api, hotels):
    """Annotations are placed before the value in the JSON object (DATAVERSE 5)."""
    row_id = hotels.create(dvc_kind=1)

    names = list(
        api.get(
            f"dvc_hotels({row_id})?$select=dvc_kind",
            headers={"Prefer": 'odata.include-annotations="*"'},
        ).json()
    )
    formatted = "dvc_kind@OData.Community.Display.V1.FormattedValue"
    assert names.index(formatted) + 1 == names.index("dvc_kind")
