"""Groups and aggregates by `$apply` (DATAVERSE 6.1)."""

import pytest


@pytest.fixture
def apply(api, hotels):
    """Aggregate over three hotels: two of kind 1, one of kind 2."""
    hotels.create(name="Adler", dvc_kind=1, dvc_stars=2, dvc_rate=9.5)
    hotels.create(name="adler", dvc_kind=1, dvc_stars=4, dvc_rate=0.1)
    hotels.create(name="Bristol", dvc_kind=2, dvc_stars=5, dvc_rate=0.2)

    def send(transformation):
        condition = f"filter(dvc_mark eq '{hotels.mark}')"
        answer = api.get(f"dvc_hotels?$apply={condition}/{transformation}")
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    return send


def test_groups_with_aggregates(apply):
    """Groupby takes columns and aggregates with names of their own (DATAVERSE 6.1)."""
    found = apply(
        "groupby((dvc_kind),aggregate($count as hotels,dvc_stars with sum as stars,"
        "dvc_stars with average as mean,dvc_stars with max as best))"
    )

    assert found == [
        {"dvc_kind": 1, "hotels": 2, "stars": 6, "mean": 3, "best": 4},
        {"dvc_kind": 2, "hotels": 1, "stars": 5, "mean": 5, "best": 5},
    ]


def test_aggregate_without_groups(apply):
    """Aggregate alone makes one row of all (DATAVERSE 6.1)."""
    assert apply("aggregate($count as hotels)") == [{"hotels": 3}]


def test_sums_of_decimals_are_exact(apply):
    """Sums of decimals are decimals (DATAVERSE 6.1)."""
    assert apply("aggregate(dvc_rate with sum as total)") == [{"total": 9.8}]


def test_text_groups_regardless_of_case(apply):
    """Texts that compare equal are one group (DATAVERSE 6.1)."""
    found = apply("groupby((dvc_name),aggregate($count as hotels))")

    assert [row["hotels"] for row in found] == [2, 1]


def test_distinct_values(apply):
    """Groupby without aggregates lists distinct values; countdistinct counts them (6.1)."""
    assert apply("groupby((dvc_kind))") == [{"dvc_kind": 1}, {"dvc_kind": 2}]
    assert apply("aggregate(dvc_name with countdistinct as names)") == [{"names": 2}]


def test_no_order_on_aggregates(api):
    """$orderby beside $apply is refused (DATAVERSE 6.1)."""
    answer = api.get("dvc_hotels?$apply=aggregate($count as n)&$orderby=n")

    assert answer.status_code == 400


def test_limit_of_aggregates(emulator, api, refusal):
    """More than 50,000 source rows answer 0x8004e023 (DATAVERSE 6.1)."""
    emulator.store.load_rows("dvc_room", ({"dvc_floor": 888} for _ in range(50_001)))

    answer = api.get("dvc_rooms?$apply=filter(dvc_floor eq 888)/aggregate($count as n)")
    with emulator.store.transaction():
        emulator.store.database.execute("DELETE FROM dvc_room WHERE dvc_floor = 888")

    assert refusal(answer) == (400, "0x8004e023")
