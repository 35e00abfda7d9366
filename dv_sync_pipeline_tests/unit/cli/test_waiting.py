"""What `dv-sync parked` and `dv-sync removals` show and change."""

import pytest

from dv_sync_pipeline.sync.guards import Removal, RemovalList
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow, ParkedWork
from dv_sync_pipeline_tests.worlds.scripted_engine import MOMENT, ScriptedEngine


@pytest.fixture
def ledger(folder):
    """The ledger of the configuration."""
    ledger = Ledger.open(f"sqlite:///{folder / '.dv-sync' / 'ledger.db'}")
    yield ledger
    ledger.close()


def park(ledger, *keys, table="contoso_hotel", reason=ParkedReason.VALUE_TOO_LONG):
    """These rows wait."""
    rows = [
        ParkedRow(table, f"id-{k}", k, reason, "too long", "0x80044331", MOMENT, 1) for k in keys
    ]
    ledger.replace_parked(table, rows)


def keys_parked(ledger, table="contoso_hotel"):
    """The rows that wait, by key."""
    return [row.key for row in ledger.parked(table)]


def removal_list(count, *, primary_rows=9):
    """So many hotels to remove."""
    removals = tuple(Removal(f"p{n}", f"s{n}", f"H-{n}") for n in range(count))
    return RemovalList("contoso_hotel", removals, links=count, primary_rows=primary_rows)


def pair_list():
    """An amenity to be taken from a hotel."""
    pair = Removal("p1", "s1", "H-1 with POOL", other_id="o1")
    return RemovalList(
        "contoso_hotel", (pair,), links=1, primary_rows=0, relationship="contoso_hotel_amenity"
    )


def test_parked_rows_are_listed(dv_sync, ledger):
    """With key, reason, the server's words, since when, and how often."""
    park(ledger, "H-1")
    park(ledger, "H-1")
    ended = dv_sync("parked list")
    (line,) = [line for line in ended.out.splitlines() if "H-1" in line]

    assert 1 == ended.code
    for text in ("contoso_hotel", "write", "value too long", "0x80044331", "2026-03-01"):
        assert text in ended.out
    assert line.rstrip("│ ").endswith("2")


def test_parked_rows_as_json(dv_sync, ledger):
    """For programs: one object for each row."""
    park(ledger, "H-1")

    assert [
        {
            "table": "contoso_hotel",
            "primary_id": "id-H-1",
            "key": "H-1",
            "reason": "value too long",
            "message": "too long",
            "code": "0x80044331",
            "since": MOMENT.isoformat().replace("+00:00", "Z"),
            "attempts": 1,
            "work": "write",
            "next_attempt": "at the next reconcile",
        }
    ] == dv_sync("parked list --json").json["parked"]


def test_a_row_that_waits_for_its_parent_is_tried_when_that_arrives(dv_sync, ledger):
    """Said to people and to programs."""
    park(ledger, "H-1", reason=ParkedReason.MISSING_PARENT)
    (row,) = dv_sync("parked list --json").json["parked"]

    assert "when its parent arrives" == row["next_attempt"]
    assert "Next attempt of 1: when its parent arrives" in dv_sync("parked list").out


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("schedule: {reconcile: '30 4 1 1 *', timezone: Europe/Berlin}", "-01-01 03:30:00 UTC"),
        ("schedule: {reconcile: null}", "which is not scheduled"),
    ],
)
def test_the_moment_of_the_next_attempt_is_told(dv_sync, ledger, folder, schedule, expected):
    """By the configured schedule, in UTC; and that nobody need wait for it."""
    lines = (folder / "sync.yaml").read_text().splitlines()
    others = [line for line in lines if not line.startswith("schedule:")]
    (folder / "sync.yaml").write_text("\n".join([*others, schedule, ""]))
    park(ledger, "H-1")

    told = " ".join(dv_sync("parked list").out.split())

    assert "Next attempt of 1: at the next reconcile, " in told
    assert f"{expected}, or as soon as the row changes." in told
    document = dv_sync("parked list --json").json
    assert ("null" in schedule) == (document["next_reconcile"] is None)


def test_only_the_named_tables_are_listed(dv_sync, ledger):
    """Rooms wait, hotels do not."""
    park(ledger, "H-1, 7", table="contoso_room")

    assert (1, 0) == (
        dv_sync("parked list contoso_room").code,
        dv_sync("parked list contoso_hotel").code,
    )


def test_retry_reconciles_the_tables_that_have_parked_rows(dv_sync, ledger):
    """And no others."""
    park(ledger, "H-1")
    engine = ScriptedEngine()

    assert 0 == dv_sync("parked retry", engine).code
    assert ["contoso_hotel"] == [call[1] for call in engine.calls if call[0] == "reconcile"]


def test_retry_without_parked_rows_does_nothing(dv_sync):
    """No run is started."""
    engine = ScriptedEngine()
    ended = dv_sync("parked retry", engine)

    assert (0, "No row is parked.\n", []) == (ended.code, ended.out, engine.calls)


def test_drop_forgets_rows_by_key(dv_sync, ledger):
    """The others wait on."""
    park(ledger, "H-1", "H-2")

    assert "1 parked row forgotten.\n" == dv_sync("parked drop contoso_hotel H-1").out
    assert ["H-2"] == keys_parked(ledger)


def test_drop_forgets_all_rows_of_a_table(dv_sync, ledger):
    """When no key is given."""
    park(ledger, "H-1", "H-2")
    dv_sync("parked drop contoso_hotel")

    assert [] == keys_parked(ledger)


def test_a_key_that_is_not_parked_is_a_mistake(dv_sync, ledger):
    """Nothing is forgotten."""
    park(ledger, "H-1")
    ended = dv_sync("parked drop contoso_hotel H-1 H-9")

    assert 2 == ended.code
    assert "no row of contoso_hotel is parked under the key H-9" in ended.err
    assert ["H-1"] == keys_parked(ledger)


def test_removals_and_writes_wait_side_by_side(ledger):
    """A reconcile lets parked removals wait on, and the other way round."""
    park(ledger, "H-1")
    removal = ParkedRow(
        "contoso_hotel",
        "id-H-2",
        "H-2",
        ParkedReason.HAS_CHILDREN,
        "rooms",
        "",
        MOMENT,
        1,
        ParkedWork.REMOVAL,
    )
    ledger.replace_parked("contoso_hotel", [removal], work=ParkedWork.REMOVAL)
    ledger.replace_parked("contoso_hotel", [])

    assert ["H-2"] == keys_parked(ledger)


def test_held_removals_are_listed_with_their_reason(dv_sync, ledger):
    """The list has a name: its digest."""
    found = removal_list(12, primary_rows=0)
    ledger.replace_removals(found)
    ended = dv_sync("removals list")

    assert 1 == ended.code
    assert ended.out.splitlines()[0] == (
        f"contoso_hotel: 12 rows to remove, list {found.digest}, held: "
        "the primary shows no row at all"
    )
    assert "    … and 2 more: --all shows them" == ended.out.splitlines()[-1]


def test_an_approved_list_is_held_no_more(dv_sync, ledger):
    """The next run may remove it."""
    found = removal_list(2, primary_rows=0)
    ledger.replace_removals(found)
    ended = dv_sync(f"removals approve contoso_hotel --digest {found.digest}")
    (shown,) = dv_sync("removals list --json").json["removals"]

    assert f"2 rows to remove from contoso_hotel approved, list {found.digest}." in ended.out
    assert (found.digest, "", True) == (
        shown["digest"],
        shown["held_because"],
        shown["is_approved"],
    )


def test_held_pairs_are_listed_and_approved_beside_rows(dv_sync, ledger):
    """Each list has its own digest; one can be approved alone."""
    ledger.replace_removals(removal_list(2, primary_rows=0))
    ledger.replace_held_pairs("contoso_hotel", [pair_list()])
    listed = dv_sync("removals list").out
    dv_sync(f"removals approve contoso_hotel --digest {pair_list().digest}")
    shown = dv_sync("removals list --json").json["removals"]

    assert (
        f"contoso_hotel: 1 pair of contoso_hotel_amenity to remove, list {pair_list().digest}, "
        "held: the primary shows no pair at all\n    H-1 with POOL\n"
    ) in listed
    assert [("", False), ("contoso_hotel_amenity", True)] == [
        (each["relationship"], each["is_approved"]) for each in shown
    ]


def test_all_lists_of_a_table_are_approved_together(dv_sync, ledger):
    """When no digest is given."""
    ledger.replace_removals(removal_list(2, primary_rows=0))
    ledger.replace_held_pairs("contoso_hotel", [pair_list()])
    approved = dv_sync("removals approve contoso_hotel --json").json["approved"]

    assert ["", "contoso_hotel_amenity"] == [each["relationship"] for each in approved]
    assert [] == [each for each in approved if each["held_because"]]


@pytest.mark.parametrize(
    ("count", "arguments", "text"),
    [
        (0, "", "nothing of contoso_hotel is to be removed"),
        (2, " --digest 123", "the list of contoso_hotel is another one by now"),
    ],
)
def test_what_cannot_be_approved(dv_sync, ledger, count, arguments, text):
    """Nothing, or a list that the person has not seen."""
    ledger.replace_removals(removal_list(count))
    ended = dv_sync(f"removals approve contoso_hotel{arguments}")

    assert (2, "") == (ended.code, ledger.removals("contoso_hotel").approved)
    assert text in ended.err
