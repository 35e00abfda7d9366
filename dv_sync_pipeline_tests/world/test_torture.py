"""The sample `torture`: every case that a row can be, judged by somebody who only reads.

One story, told once; the judge looks at both environments before and after each of its steps.
"""

import subprocess
from dataclasses import dataclass

import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline.emulator.samples.acts import perform
from dv_sync_pipeline.emulator.samples.torture_story import (
    ACTS,
    FAILING_TABLES,
    HELD_PAIRS,
    KEPT,
    PARKED,
    PARKED_REMOVALS,
    WAITING,
    WAITING_FOR_PAIRS,
    WAITING_PAIRS,
)
from dv_sync_pipeline_tests.world.conftest import DV_SYNC, World
from dv_sync_pipeline_tests.worlds.cases import View, look
from dv_sync_pipeline_tests.worlds.judge import Judge

pytestmark = pytest.mark.timeout(1800)
"""The story is long; the test that asks for it first waits for all of it."""

STEPS = (
    "plan",
    "sync",
    "sync again",
    "verify",
    "mend",
    "sync after mend",
    "change",
    "sync after change",
    "remove",
    "sync after remove",
    "verify at the end",
)


@dataclass(frozen=True)
class Step:
    """What happened in one step.

    Attributes:
        before, after: both environments around it.
        code: exit code of the command.
        document: what the command printed, or {}.
        known: GUID → case of every row that the primary ever had so far.

    """

    before: View
    after: View
    code: int
    document: dict
    known: dict

    def results(self):
        """What the command said of each table."""
        (outcome,) = self.document.values()
        return outcome["tables"]

    def failed_tables(self):
        """Tables that the command could not work on."""
        (outcome,) = self.document.values()
        return {failure["table"] for failure in outcome["failed"]}

    def written(self):
        """How many rows the command says it created or changed."""
        return sum(table["created"] + table["updated"] for table in self.results())

    def removed(self):
        """GUID → case of rows that the secondary had, and that the primary has no more."""
        ids, left = self.before.secondary.ids, self.after.secondary.ids
        return {
            row_id: case
            for row_id, case in ids.items()
            if row_id not in left and case not in self.after.primary.rows
        }

    def parked(self):
        """Case → reason, of the rows that the command says are parked."""
        return {
            self.known[row["primary_id"]]: row["reason"]
            for table in self.results()
            for row in table["parked_rows"]
        }


@pytest.fixture(scope="session")
def story(tmp_path_factory):
    """Name of the step → what happened in it."""
    arguments = ["primary=0", "secondary=0", "--sample", "torture"]
    state = tmp_path_factory.mktemp("torture")
    with running_emulator(arguments, state=state) as emulator:
        judge = Judge(emulator.sync_yaml)
        try:
            yield tell(World(emulator.sync_yaml, judge))
        finally:
            judge.close()


def tell(world):
    """Take every step, and look around in between."""
    steps, known = {}, {}
    before = look(world.judge)
    for name in STEPS:
        code, document = take(world, name)
        after = look(world.judge)
        known = {**known, **before.primary.ids}
        steps[name] = Step(before, after, code, document, known)
        before = after
    return steps


def take(world, name):
    """Exit code of one step, and what was printed."""
    if name in ACTS:
        perform(ACTS[name], world.sync_yaml)
        return 0, {}
    return world.dv_sync_json(name.partition(" ")[0])


def untouchable(story):
    """The rows of the secondary that were foreign at the beginning."""
    return story["plan"].before.foreign()


@pytest.mark.parametrize("step", [step for step in STEPS if step not in ACTS])
def test_foreign_rows_and_unmapped_columns_stay_as_they_are(story, step):
    """Digest by digest, whatever the command: not even the version of a foreign row moves."""
    foreign = untouchable(story)
    removed = story[step].removed()
    before = story[step].before.fences(foreign=foreign)
    after = story[step].after.fences(foreign=foreign)

    assert foreign.isdisjoint(removed.values())
    assert {row_id: before[row_id] for row_id in before if row_id not in removed} == {
        row_id: after[row_id] for row_id in before if row_id not in removed
    }


@pytest.mark.parametrize("step", ["sync", "sync after mend", "sync after change"])
def test_nothing_else_is_in_the_secondary(story, step):
    """What was foreign at the beginning, the primary's rows, and no others."""
    assert untouchable(story) == story[step].after.foreign()


def test_the_fences_would_fall(story):
    """There are foreign rows, and columns of the department's own that are filled."""
    secondary = story["plan"].before.secondary.rows

    assert len(untouchable(story)) > 3
    assert any(row.get("dept_costcentre") for row in secondary.values())
    assert any(row.get("dept_remark") for row in secondary.values())


@pytest.mark.parametrize("step", ["plan", "verify", "sync again", "verify at the end"])
def test_it_writes_nothing(story, step):
    """No row of either environment differs afterwards, the platform's own columns included."""
    assert story[step].before.secondary == story[step].after.secondary
    assert story[step].before.primary == story[step].after.primary


def test_the_primary_is_never_written(story):
    """By us; people do change it."""
    for step in set(STEPS) - ACTS.keys():
        assert story[step].before.primary == story[step].after.primary


def test_after_a_sync_only_the_expected_rows_differ(story):
    """Those that are parked, those that wait for another row, and the tables that failed."""
    differences = story["sync"].after.differences()
    of_tables = {case for case in differences if case[0] not in FAILING_TABLES}

    assert PARKED.keys() | WAITING | WAITING_FOR_PAIRS == of_tables


@pytest.mark.parametrize("step", ["sync", "sync again"])
def test_each_parked_row_has_its_reason(story, step):
    """As the command reports them, row by row."""
    assert PARKED == story[step].parked()


@pytest.mark.parametrize("step", ["plan", "sync", "sync again", "verify"])
def test_drift_stops_only_its_table(story, step):
    """Exit code 3, that table is named, all others are worked on."""
    tables = {table["table"] for table in story[step].results()}

    assert (3, FAILING_TABLES) == (story[step].code, story[step].failed_tables())
    assert story[step].before.tables.keys() - FAILING_TABLES == tables


def test_rows_that_wait_are_counted(story):
    """They are written, without the parent that is missing; likewise pairs."""
    tables = story["sync"].results()

    assert len(WAITING) + len(WAITING_PAIRS) == sum(table["waiting"] for table in tables)
    assert len(WAITING_PAIRS) == sum(table["waiting_pairs"] for table in tables)


def test_a_second_sync_says_that_it_wrote_nothing(story):
    """What it says agrees with what the judge saw."""
    assert (True, 0) == (story["sync"].written() > 0, story["sync again"].written())


@pytest.mark.parametrize("act", ["mend", "change"])
def test_after_an_act_one_sync_leaves_no_difference(story, act):
    """There was one before; then exit code 0, nothing parked, and the judge finds nothing."""
    synchronized = story[f"sync after {act}"]

    assert set() != story[act].after.differences()
    assert (0, {}) == (synchronized.code, synchronized.parked())
    assert set() == synchronized.after.differences()


def test_what_is_gone_in_the_primary_is_removed(story):
    """But for rows and a pair that are kept; all others are as in the primary."""
    synchronized = story["sync after remove"]

    assert KEPT.keys() | untouchable(story) == synchronized.after.foreign()
    assert synchronized.after.differences() == HELD_PAIRS
    assert len(synchronized.removed()) > 8


def test_removals_that_must_wait_are_reported(story):
    """One is parked, a row and a pair are held, one is kept as configured: exit code 1."""
    synchronized = story["sync after remove"]
    tables = {table["table"]: table for table in synchronized.results() if table["held"]}
    kept = [table for table in synchronized.results() if table["table"] == "contoso_specimen"]

    assert (1, PARKED_REMOVALS) == (synchronized.code, synchronized.parked())
    assert 1 == tables["contact"]["held"]
    assert (1, 1) == (tables["contoso_hotel"]["held"], tables["contoso_hotel"]["held_pairs"])
    assert [1] == [table["gone"] for table in kept]


def test_a_deactivated_row_is_inactive(story):
    """It is still there."""
    row = story["sync after remove"].after.secondary.rows["contoso_roomtype", "room type"]

    assert (1, 2) == (row["statecode"], row["statuscode"])


@pytest.mark.parametrize("step", ["sync", "sync after mend", "sync after change"])
def test_the_sync_status_holds_the_wanted_status(story, step):
    """In every row that is ours, and in no foreign one."""
    foreign = untouchable(story)
    licences = {
        case: row
        for case, row in story[step].after.secondary.rows.items()
        if case[0] == "contoso_licence"
    }
    wanted = {
        case: None if case in foreign else row["statuscode"] for case, row in licences.items()
    }

    assert wanted == {case: row["dept_syncstatus"] for case, row in licences.items()}
    assert {1, 2, None} == set(wanted.values())


def test_its_size_is_fixed(occupied_port):
    """A sample of named rows cannot have more of them: exit code 2, and a sentence."""
    arguments = ["emulator", f"primary={occupied_port}", "--sample", "torture", "--rows", "5"]
    done = subprocess.run([*DV_SYNC, *arguments], capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "torture has a fixed size" in done.stderr
