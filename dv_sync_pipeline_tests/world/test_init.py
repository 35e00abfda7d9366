"""From nothing to two equal environments: init, plan, sync, verify."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.emulator.samples.torture_story import FAILING_TABLES
from dv_sync_pipeline_tests.world.conftest import World, a_world
from dv_sync_pipeline_tests.worlds.judge import Judge

pytestmark = pytest.mark.timeout(300)


def proposing(world, *arguments):
    """The world with what `dv-sync init` proposes as its sync.yaml, and how the command ended."""
    output = world.sync_yaml.with_name("proposed.yaml")
    code, told = world.dv_sync_json(
        "init", "--environments", str(world.sync_yaml), "--output", str(output), *arguments
    )
    judge = Judge(output)
    return replace(world, sync_yaml=output, judge=judge), code, told


@pytest.fixture(scope="module")
def hotels(tmp_path_factory):
    """The sample `hotels` with what is proposed for it."""
    with a_world(tmp_path_factory.mktemp("hotels"), rooms=200) as emulated:
        world, *ended = proposing(emulated)
        try:
            yield world, *ended
        finally:
            world.judge.close()


@pytest.fixture(scope="module")
def torture(tmp_path_factory):
    """The sample `torture` with what is proposed for it."""
    folder = tmp_path_factory.mktemp("torture")
    arguments = ["primary=0", "secondary=0", "--sample", "torture"]
    with running_emulator(arguments, state=folder) as emulator:
        world, *ended = proposing(World(emulator.sync_yaml, None), "--add", "account,contact")
        try:
            yield world, *ended
        finally:
            world.judge.close()


def test_a_plain_world_needs_no_decision(hotels):
    """Every table is proposed, parents first."""
    _, code, told = hotels

    assert 0 == code
    assert [] == told["undecided"]
    assert {"contoso_brand", "contoso_roomtype", "contoso_hotel", "contoso_rateplan"} == {
        *told["tables"][:4]
    }
    assert "contoso_room" == told["tables"][4]


def test_the_proposal_makes_both_sides_equal(hotels):
    """Planned, done, verified, and seen by somebody else."""
    world, *_ = hotels
    codes = [world.dv_sync_json(command)[0] for command in ("plan", "sync", "verify")]
    primary, secondary = (
        world.judge.readable(world.judge.snapshot(side))
        for side in (world.judge.primary, world.judge.secondary)
    )

    assert [1, 0, 0] == codes
    assert {table: Counter() for table in primary} == {
        table: rows - secondary[table] for table, rows in primary.items()
    }


def test_a_file_for_editors_stands_beside_it(hotels):
    """The first line of the proposal points to it."""
    world, *_ = hotels
    line, *_ = world.sync_yaml.read_text().splitlines()
    schema = world.sync_yaml.with_name("sync.schema.json")

    assert "# yaml-language-server: $schema=sync.schema.json" == line
    assert "environments" in json.loads(schema.read_text())["properties"]


def test_what_nobody_can_decide_is_listed(torture):
    """Tables that are called otherwise, columns that are missing or take less."""
    _, code, told = torture

    expected = [
        ("contoso_contract", "contoso_terms: the secondary has no such column"),
        ("contoso_hotel", "secondary: contoso_hotel.contoso_city is shorter than"),
        ("contoso_hotel", "secondary: contoso_hotel.contoso_stars lacks the choices 3"),
        ("contoso_mapped", "secondary: contoso_mapped.contoso_grade lacks the choices 1, 2"),
        ("contoso_mapped", "secondary: contoso_mapped.contoso_grades lacks the choices 1, 2"),
        ("contoso_specimen", "the secondary has no table of this name"),
    ]
    told = sorted((each["table"], each["why"]) for each in told["undecided"])

    assert 1 == code
    assert [table for table, _ in expected] == [table for table, _ in told]
    for (_, beginning), (_, why) in zip(expected, told, strict=True):
        assert why.startswith(beginning)


def test_the_difficult_world_can_be_synchronized_as_proposed(torture):
    """No table fails, as one does in the sample's own sync.yaml; single rows are parked."""
    world, *_ = torture
    _, plan = world.dv_sync_json("plan")
    code, done = world.dv_sync_json("sync")

    assert {"contoso_contract"} == FAILING_TABLES
    assert [] == [*plan["planned"]["failed"], *done["synchronized"]["failed"]]
    assert 1 == code


def test_nothing_is_written_where_nothing_can_be_proposed(tmp_path):
    """Two environments without a table of their own."""
    with running_emulator(["primary=0", "secondary=0"], state=tmp_path) as emulator:
        world = World(emulator.state / "environments.yaml", None)
        output = tmp_path / "sync.yaml"
        ended = world.dv_sync(
            "init", "--environments", str(world.sync_yaml), "--output", str(output)
        )

    assert 2 == ended.returncode
    assert "no table can be proposed; nothing was written" in ended.stderr
    assert "both environments have no custom table in common" in ended.stderr
    assert not output.exists()
