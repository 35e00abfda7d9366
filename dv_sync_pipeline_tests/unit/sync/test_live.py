"""The live path: what it does next, and what it outlives."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import pytest

from dv_sync_pipeline.errors import LedgerError, TableError, UnreachableError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.live import WAKE_UPS_AT_ONCE_MAX, LiveLoop
from dv_sync_pipeline.sync.wakeups import WakeUp, WakeUpKind
from dv_sync_pipeline_tests.worlds.scripted_engine import a_report

STEPS = 20
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Even:
    """Chance that is always in the middle."""

    def uniform(self, low, high):
        """The middle."""
        return (low + high) / 2


@dataclass
class World:
    """Time, an engine that does as it is told, and what the listener heard.

    Attributes:
        ledger: a real one; holds the wake-ups.
        seconds: on the clock; sleeping moves it, and so does a pass, by `pass_seconds`.
        trouble: what was asked → the errors of the next times it is asked.
        during: called while a pass works, with its name.
        gone: what was asked → how many rows it found gone.
        arrivals: tables with rows whose parents have arrived.
        orphans: ids of rows that look up one that is not there.
        associations: table → tables that it is associated with.
        done: (second, pass, table, row ids) of every pass that was asked for.
        heard: what the listener was told.
        tables_in_order: parents first.
        random: spreads polls and waiting times.
        meet: awaited by each pass over rows before it begins.

    """

    ledger: Ledger
    seconds: float = 0.0
    pass_seconds: float = 0.0
    trouble: dict = field(default_factory=dict)
    during: object = None
    gone: dict = field(default_factory=dict)
    arrivals: set = field(default_factory=set)
    orphans: set = field(default_factory=set)
    associations: dict = field(default_factory=dict)
    done: list = field(default_factory=list)
    heard: list = field(default_factory=list)
    tables_in_order: tuple = ("hotel", "room")
    random: object = field(default_factory=Even)
    meet: object = field(default=lambda: asyncio.sleep(0))

    def parents_of(self, table):
        """A room points to its hotel."""
        return {"hotel"} if table == "room" else set()

    def associated_with(self, table):
        """As scripted."""
        return self.associations.get(table, set())

    async def changes(self, table):
        """Follow the feed."""
        return self._do("changes", table)

    async def rows(self, table, row_ids, *, parents_come):
        """Make rows equal, once the parents of all of them are there."""
        await self.meet()
        if self.orphans.intersection(row_ids):
            await parents_come()
        return self._do("rows", table, *row_ids)

    async def apply_changes(self, tables):
        """Remove what is listed, and so on."""
        assert () == tables
        self.arrivals = set()
        return [self._do("finish", "hotel")]

    def _do(self, work, table, *row_ids):
        self.done.append((round(self.seconds, 2), work, table, *row_ids))
        self.seconds += self.pass_seconds
        if self.during:
            self.during(work)
        if errors := self.trouble.get((work, table)):
            raise errors.pop(0)
        return a_report(table, mode=work, gone=self.gone.get((work, table), 0))

    def applied(self, report):
        """A listener is told."""
        self.heard.append(("applied", report.mode, report.table))

    def failed(self, table, error, *, again_in_seconds):
        """Likewise."""
        self.heard.append(("failed", table, str(error), again_in_seconds))

    def breathed(self):
        """Likewise, and of no interest."""

    def wake(self, table, *row_ids, kind=WakeUpKind.UPDATE):
        """A webhook came in."""
        self.ledger.store_wake_ups([WakeUp(table, row_id, kind, NOON) for row_id in row_ids])

    def wake_ups(self, limit, *, tables=None):
        """What waits in the ledger."""
        return self.ledger.wake_ups(limit, tables=tables)

    def settle_wake_ups(self, wake_ups):
        """They are done with."""
        self.ledger.settle_wake_ups(wake_ups)

    def tables_with_arrivals(self):
        """As scripted."""
        return self.arrivals

    def waiting(self):
        """The rows that still wait."""
        return [(each.table, each.row_id) for each in self.ledger.wake_ups(100)]

    def passes(self, work):
        """The passes of that name: (second, table, row ids)."""
        return [(second, *rest) for second, name, *rest in self.done if name == work]

    def works(self):
        """The names of all passes in turn, but for polls, which go on beside them."""
        return [work for _, work, *_ in self.done if work != "changes"]

    def later(self, *happenings):
        """Let this happen when the first cycle has come to its end."""
        happenings = list(happenings)

        def happen(work):
            while work == "finish" and happenings:
                happenings.pop(0)()

        self.during = happen

    def slow_down(self, *, first_pass):
        """Let the first pass over rows take so many steps longer than the others."""
        steps = iter([first_pass])

        async def meet():
            for _ in range(next(steps, 0)):
                await asyncio.sleep(0)

        self.meet = meet

    def follow(self, *, seconds=0.04, poll_seconds=10.0):
        """Let the loop lead for so long."""

        async def sleep(duration):
            for _ in range(STEPS):  # what is in work comes to its end first
                await asyncio.sleep(0)
            self.seconds += duration

        end = self.seconds + seconds
        loop = LiveLoop(
            engine=self,
            inbox=self,
            listener=self,
            poll_seconds=poll_seconds,
            monotonic=lambda: self.seconds,
            sleep=sleep,
            random=self.random,
        )
        asyncio.run(loop.follow(lambda: self.seconds < end))


@pytest.fixture
def world(tmp_path):
    """Hotels and rooms, nothing waits."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield World(ledger)
    ledger.close()


def test_a_row_that_was_woken_is_applied_and_settled(world):
    """At once, and once."""
    world.wake("hotel", "a", "b")
    world.follow(seconds=1.0)

    assert [(0.0, "hotel", "a", "b")] == world.passes("rows")
    assert [] == world.waiting()


def test_a_wake_up_is_noticed_within_a_twentieth_of_a_second(world):
    """Whatever the polling interval."""
    world.during = lambda work: world.wake("hotel", "a") if work == "changes" else None
    world.follow(seconds=0.2, poll_seconds=3600)
    ((noticed, *_), *_) = world.passes("rows")

    assert noticed <= 0.05


def test_a_table_in_trouble_does_not_hide_the_wake_ups_of_others(world):
    """However many wait for it: they are older, and all that are looked at in one go are its."""
    world.trouble = {("rows", "hotel"): [TableError("locked") for _ in range(100)]}
    world.wake("hotel", *(f"h{number}" for number in range(WAKE_UPS_AT_ONCE_MAX)))
    world.wake("room", "r")
    world.follow(seconds=0.2)

    assert ["r"] == [row_id for _, table, row_id in world.passes("rows")[1:] if table == "room"]


def order_of_tables(world):
    """Which table is done first, where the first one takes longer."""
    world.slow_down(first_pass=5)
    world.follow()
    return [table for _, table, _ in world.passes("rows")]


def test_parents_are_applied_before_children(world):
    """Whatever came in first."""
    world.wake("room", "r")
    world.wake("hotel", "h")
    world.follow()

    assert ["hotel", "room"] == [table for _, table, _ in world.passes("rows")]


def test_tables_that_do_not_need_each_other_are_applied_side_by_side(world):
    """A pass mostly waits for answers; its neighbours need not wait with it."""
    world.wake("hotel", "h")
    world.wake("room", "r")
    meeting = asyncio.Barrier(2)
    world.meet = meeting.wait

    world.follow()

    assert [] == world.waiting()


@pytest.mark.parametrize("kind", [WakeUpKind.CREATE, WakeUpKind.PAIRS])
def test_a_child_waits_for_a_table_that_may_bring_its_parent(world, kind):
    """A room of a new hotel arrives with its lookup set; behind changed pairs may be a new row."""
    world.wake("hotel", "h", kind=kind)
    world.wake("room", "r")
    world.orphans = {"r"}

    assert ["hotel", "room"] == order_of_tables(world)


def test_a_child_whose_parent_is_there_does_not_wait_for_other_new_rows(world):
    """Somebody opens hotel after hotel; rooms of the others are in time."""
    world.wake("hotel", "h", kind=WakeUpKind.CREATE)
    world.wake("room", "r")

    assert ["room", "hotel"] == order_of_tables(world)


def test_a_child_does_not_wait_for_changed_rows(world):
    """None of them is the parent that it misses."""
    world.wake("hotel", "h")
    world.wake("room", "r")
    world.orphans = {"r"}

    assert ["room", "hotel"] == order_of_tables(world)


def test_pairs_wait_for_a_table_that_may_bring_rows(world):
    """Which rows they need is not known before they are read."""
    world.wake("hotel", "h", kind=WakeUpKind.CREATE)
    world.wake("room", "r")
    world.associations = {"room": {"hotel"}}

    assert ["hotel", "room"] == order_of_tables(world)


def test_a_table_goes_on_while_another_is_slow(world):
    """Its rows need not wait until all tables are done."""
    world.wake("hotel", "h")
    world.wake("room", "r")
    world.during = lambda _work: len(world.passes("rows")) == 1 and world.wake("room", "s")
    world.slow_down(first_pass=12)
    world.follow()

    assert [("room", "r"), ("room", "s"), ("hotel", "h")] == [
        tuple(names) for _, *names in world.passes("rows")
    ]


def test_removals_follow_when_all_rows_of_a_batch_are_done(world):
    """A room is moved before its old hotel goes."""
    world.gone = {("rows", "hotel"): 1}
    world.later(lambda: world.wake("hotel", "h"), lambda: world.wake("room", "r"))
    world.follow(seconds=1.0, poll_seconds=3600)

    assert ["finish", "rows", "rows", "finish"] == world.works()


def test_nothing_is_removed_where_nothing_is_gone(world):
    """What is listed and held would be asked for with every change."""
    world.later(lambda: world.wake("hotel", "h"))
    world.follow(seconds=1.0, poll_seconds=3600)

    assert ["finish", "rows"] == world.works()


def test_what_a_killed_leader_left_to_remove_is_removed(world):
    """It may have listed rows and never come to them."""
    world.follow(seconds=1.0)

    assert 1 == len(world.passes("finish"))


def test_rows_whose_parents_arrived_are_looked_at_again(world):
    """A room that came before its hotel gets it as soon as the hotel is there."""
    world.later(lambda: world.wake("hotel", "h"), lambda: world.arrivals.add("room"))
    world.follow(seconds=1.0, poll_seconds=3600)

    assert ["finish", "rows", "finish"] == world.works()


def test_a_row_that_is_woken_while_it_is_applied_is_applied_again(world):
    """What was read may have been older than the second wake-up."""
    world.wake("hotel", "a")
    again = iter([True])
    world.during = lambda work: work == "rows" and next(again, False) and world.wake("hotel", "a")
    world.follow(seconds=0.2)

    assert 2 == len(world.passes("rows"))
    assert [] == world.waiting()


def test_every_feed_is_polled_at_first_and_then_at_its_interval(world):
    """Parents first."""
    world.follow(seconds=25.0, poll_seconds=10.0)

    assert [
        (0, "hotel"),
        (0, "room"),
        (10, "hotel"),
        (10, "room"),
        (20, "hotel"),
        (20, "room"),
    ] == [(round(second), table) for second, table in world.passes("changes")]


def test_a_stream_of_wake_ups_does_not_starve_the_feeds(world):
    """One feed is polled between two micro-batches."""
    world.pass_seconds = 0.5
    world.wake("hotel", "a")
    world.during = lambda work: world.wake("hotel", "a") if work == "rows" else None
    world.follow(seconds=3.0)

    assert ["hotel", "room"] == [table for _, table in world.passes("changes")]


def test_a_failed_table_is_tried_again_after_ever_longer_whiles(world):
    """Its wake-ups stay; the feed is as patient."""
    world.wake("hotel", "a")
    world.trouble = {("rows", "hotel"): [TableError("locked"), TableError("locked")]}
    world.follow(seconds=10.0)

    assert [0.0, 0.75, 2.25] == [round(second * 4) / 4 for second, *_ in world.passes("rows")]
    assert [] == world.waiting()


def test_a_failed_table_does_not_hold_back_others(world):
    """Rooms are applied, hotels wait."""
    world.wake("hotel", "h")
    world.wake("room", "r")
    world.trouble = {("rows", "hotel"): [TableError("locked")]}
    world.follow()

    assert [("hotel", "h")] == world.waiting()
    assert ("failed", "hotel", "locked", 0.75) in world.heard


def test_a_mistake_of_ours_in_one_table_does_not_end_the_rest(world):
    """It is told, and tried again as any other failure."""
    world.wake("hotel", "h")
    world.trouble = {("rows", "hotel"): [ZeroDivisionError("division by zero")]}
    world.follow(seconds=2.0)

    assert ("failed", "hotel", "division by zero", 0.75) in world.heard
    assert [] == world.waiting()


def test_an_environment_that_does_not_answer_is_left_alone_by_all_tables(world):
    """It is not asked once for each table; when it answers again, everything goes on."""
    outage = [UnreachableError("no answer") for _ in range(3)]
    world.trouble = {("changes", "hotel"): outage}
    world.follow(seconds=8.0)

    assert [(0, "hotel"), (0.75, "hotel"), (2.25, "hotel"), (5.25, "hotel"), (5.25, "room")] == [
        (round(second * 4) / 4, table) for second, table in world.passes("changes")
    ]


def test_the_rest_of_a_batch_waits_for_an_environment_that_does_not_answer(world):
    """Each table would wait for its own time-outs, one after the other."""
    world.associations = {"room": {"hotel"}}
    world.wake("hotel", "h", kind=WakeUpKind.CREATE)
    world.wake("room", "r")
    world.trouble = {("rows", "hotel"): [UnreachableError("no answer")]}
    world.follow()

    assert [(0.0, "hotel", "h")] == world.passes("rows")


def test_what_could_do_harm_ends_it(world):
    """A ledger that cannot be trusted, or the wrong environment."""
    world.trouble = {("changes", "hotel"): [LedgerError("damaged")]}

    with pytest.raises(LedgerError, match="damaged"):
        world.follow()


def test_wake_ups_of_tables_that_are_not_synchronized_any_more_are_forgotten(world):
    """They would wait for ever."""
    world.wake("season", "s")
    world.follow()

    assert ([], []) == (world.waiting(), world.passes("rows"))


def test_the_lead_is_given_up_between_two_micro_batches(world):
    """What was not applied still waits for the successor."""
    world.pass_seconds = 1.0
    world.associations = {"room": {"hotel"}}
    world.wake("hotel", "h", kind=WakeUpKind.CREATE)
    world.wake("room", "r")
    world.follow(seconds=0.5)

    assert [("room", "r")] == world.waiting()


def test_polls_are_spread_by_chance(world):
    """Or all tables of all pipelines would be asked at the same moment."""
    world.random = Random(1)
    world.follow(seconds=12.0, poll_seconds=10.0)
    _, _, (first, _), (second, _) = world.passes("changes")

    assert 9.0 <= first < second <= 11.05
