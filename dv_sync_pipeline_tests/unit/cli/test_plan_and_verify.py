"""What `dv-sync plan` and `dv-sync verify` print, and end with."""

from decimal import Decimal

import pytest

from dv_sync_pipeline.errors import SchemaMismatchError, UnreachableError
from dv_sync_pipeline.sync.report import DifferenceKind, ForeignRow, RowDifference
from dv_sync_pipeline_tests.worlds.scripted_engine import ScriptedEngine, a_report, a_verdict

UPDATE = RowDifference(DifferenceKind.UPDATE, "H-0002", "2", "20", {"contoso_stars": (3, 4)})
GONE = RowDifference(DifferenceKind.GONE, "H-0003", "", "30")


def creates(count):
    """That many hotels to create."""
    return tuple(
        RowDifference(DifferenceKind.CREATE, f"H-{number:04}", str(number), "")
        for number in range(count)
    )


def planning(differences, **counts):
    """An engine that would change hotels like this."""
    report = a_report("contoso_hotel", dry_run=True, differences=differences, **counts)
    return ScriptedEngine({"contoso_hotel": report})


def verifying(*differences):
    """An engine that finds these differences in hotels."""
    return ScriptedEngine({"contoso_hotel": a_verdict("contoso_hotel", differences=differences)})


def test_a_plan_writes_nothing(dv_sync):
    """Every table is asked for a dry run, after its parents."""
    engine = ScriptedEngine()
    ended = dv_sync("plan contoso_room contoso_hotel", engine)

    assert ended.code == 0
    assert engine.calls == [
        ("check environments",),
        ("reconcile", "contoso_hotel", True),
        ("reconcile", "contoso_room", True),
    ]


def test_a_plan_groups_rows_by_what_would_be_done(dv_sync):
    """With the value that is there and the value that it must show."""
    engine = planning((*creates(1), GONE, UPDATE), created=1, updated=1, gone=1)
    ended = dv_sync("plan contoso_hotel", engine)

    assert ended.out.splitlines() == [
        "contoso_hotel: 1 to create, 1 to update, 10 equal, 0 to remove, 0 would be parked",
        "  to create",
        "    H-0000",
        "  to update",
        "    H-0002",
        "      contoso_stars: 3 → 4",
        "  gone in the primary, kept",
        "    H-0003",
        "",
        "Next: dv-sync sync does this",
    ]


@pytest.mark.parametrize(
    ("option", "shown", "last_line"),
    [
        ("", 10, "    … and 5 more: --all shows them"),
        ("--limit 3", 3, "    … and 12 more: --all shows them"),
        ("--all", 15, "    H-0014"),
    ],
)
def test_a_long_plan_is_cut_unless_told_otherwise(dv_sync, option, shown, last_line):
    """And says how much was cut."""
    engine = planning(creates(15), created=15)
    lines = dv_sync(f"plan contoso_hotel {option}", engine).out.splitlines()

    assert sum(line.startswith("    H-") for line in lines) == shown
    assert lines[-3] == last_line


def test_many_rows_of_one_kind_do_not_hide_another_kind(dv_sync):
    """The limit is for each kind of change."""
    lines = dv_sync("plan contoso_hotel --limit 3", planning((*creates(15), UPDATE))).out

    assert "    H-0002\n      contoso_stars: 3 → 4" in lines


@pytest.mark.parametrize("change", ["created", "updated", "parked", "waiting", "gone"])
def test_a_plan_that_finds_work_ends_with_1(dv_sync, change):
    """So that a script can ask whether anything is to be done."""
    assert dv_sync("plan", planning((), **{change: 1})).code == 1


def test_json_of_a_plan_holds_every_row(dv_sync):
    """Nothing is cut for programs."""
    document = dv_sync("plan contoso_hotel --json", planning((*creates(12), UPDATE))).json
    differences = document["planned"]["tables"][0]["differences"]

    assert len(differences) == 13
    assert differences[-1] == {
        "kind": "update",
        "key": "H-0002",
        "primary_id": "2",
        "secondary_id": "20",
        "changes": {"contoso_stars": [3, 4]},
    }


def test_equal_sides_are_a_verdict_with_a_moment(dv_sync):
    """What was compared, and up to when it is proven."""
    ended = dv_sync("verify contoso_hotel")
    (row,) = [line for line in ended.out.splitlines() if "contoso_hotel" in line]

    assert ended.code == 0
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "contoso_hotel",
        "10",
        "10",
        "0",
        "0",
        "2026-03-01 02:00:00 UTC",
    ]


def test_rows_that_only_the_secondary_has_are_listed(dv_sync):
    """When asked for, by key and id, and no more than asked for; they are no difference."""
    rows = tuple(ForeignRow(key, f"id-of-{key}") for key in ("", "OWN-1", "OWN-2"))
    engine = ScriptedEngine(
        {"contoso_hotel": a_verdict("contoso_hotel", foreign=12, foreign_rows=rows)}
    )

    ended = dv_sync("verify contoso_hotel --foreign --limit 2", engine)

    assert 0 == ended.code
    assert "contoso_hotel: 12 rows that only the secondary has" in ended.out
    assert "OWN-1 (id-of-OWN-1)" in ended.out
    assert "without a key (id-of-)" in ended.out
    assert "OWN-2" not in ended.out
    assert "and 10 more" in ended.out
    assert "OWN-1" not in dv_sync("verify contoso_hotel", engine).out
    assert "and 9 more, which are counted" in dv_sync("verify --foreign --all", engine).out


@pytest.mark.parametrize(
    ("value", "shown"),
    [(Decimal("0.10"), "0.10"), (" blank", "' blank'"), (None, "(empty)"), (7, "7")],
)
def test_values_are_shown_as_people_write_them(dv_sync, value, shown):
    """Numbers without the name of a type, texts with their quotes."""
    changed = RowDifference(DifferenceKind.UPDATE, "H-1", "1", "10", {"contoso_rate": (1, value)})

    assert f"contoso_rate: 1 → {shown}" in dv_sync("plan contoso_hotel", planning((changed,))).out


def test_any_difference_ends_a_verification_with_1(dv_sync):
    """And the row is shown."""
    ended = dv_sync("verify", verifying(UPDATE))

    assert ended.code == 1
    assert "      contoso_stars: 3 → 4" in ended.out.splitlines()


def test_json_of_a_verification_says_whether_both_sides_agree(dv_sync):
    """Table by table."""
    tables = dv_sync("verify --json", verifying(GONE)).json["verified"]["tables"]

    assert {table["table"]: table["agrees"] for table in tables} == {
        "contoso_hotel": False,
        "contoso_room": True,
        "contoso_season": True,
    }


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_one_failing_table_does_not_keep_the_others_from_being_looked_at(dv_sync, command):
    """The exit code is 3, whatever else was found."""
    engine = ScriptedEngine({"contoso_hotel": SchemaMismatchError("contoso_hotel has no key")})
    ended = dv_sync(command, engine)

    assert ended.code == 3
    assert {call[1] for call in engine.calls[1:]} == {
        "contoso_hotel",
        "contoso_room",
        "contoso_season",
    }
    assert "error: contoso_hotel has no key" in ended.out


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_an_unreachable_environment_ends_it_with_2(dv_sync, command):
    """No table is tried."""
    engine = ScriptedEngine(refusal=UnreachableError("no answer", where="primary"))
    ended = dv_sync(command, engine)

    assert (ended.code, engine.calls) == (2, [("check environments",)])
    assert ended.err == "error: no answer\n  where: primary\n"


@pytest.mark.parametrize(
    ("command", "engine", "told"),
    [
        ("plan", planning(()), "dv-sync verify"),
        ("plan", planning((), created=1), "dv-sync sync"),
        ("sync", ScriptedEngine(), "dv-sync verify"),
        ("sync", ScriptedEngine({"contoso_hotel": a_report("contoso_hotel", parked=1)}), "status"),
        ("verify", ScriptedEngine(), "dagster dev"),
        ("verify", verifying(UPDATE), "dv-sync parked list"),
    ],
)
def test_each_command_tells_the_next(dv_sync, command, engine, told):
    """People who know neither Dagster nor this tool go from one to the next."""
    last_line = dv_sync(command, engine).out.splitlines()[-1]

    assert "Next: " in last_line
    assert told in last_line
