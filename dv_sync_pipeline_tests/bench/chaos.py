"""Processes are killed at random while changes go on; afterwards both sides must be equal.

What an init system would restart is restarted: gateway, daemon, code server. A live run that dies
must be replaced by the pipeline itself. No reconcile may help: what is missed by a dead process is
found again by the change feeds. Belongs here: the killing and the verdict. Does not belong here:
the processes (`followed_pair.py`), the changes (`writing.py`).

    python -m dv_sync_pipeline_tests.bench chaos --minutes 10 --seed 1

A look at it that is no proof, with two or three kills of each:

    python -m dv_sync_pipeline_tests.bench chaos --minutes 1.5 --seed 2 --rate 2 --rooms 60
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.table import Table

from dv_sync_pipeline_tests.bench.arrivals import (
    arrivals,
    percentile,
    repeated_creates,
    stale_writes,
)
from dv_sync_pipeline_tests.bench.latency import wait_for_arrivals
from dv_sync_pipeline_tests.bench.writing import result_of, writing
from dv_sync_pipeline_tests.worlds.fences import foreign_rows, unmapped_columns
from dv_sync_pipeline_tests.worlds.followed_pair import (
    CODE_SERVER,
    DAEMON,
    GATEWAY,
    Circumstances,
    FollowedPair,
    followed_pair,
)
from dv_sync_pipeline_tests.worlds.judge import Judge

LIVE_RUN = "live run"
VICTIMS = (LIVE_RUN, GATEWAY, DAEMON, CODE_SERVER)
FOLLOWING_JOBS = {"live", "apply_changes"}
SETTLES_SECONDS_MAX = 180.0
_PAUSE_SECONDS = (3.0, 12.0)
_DOWN_SECONDS = (0.5, 4.0)


@dataclass(frozen=True, slots=True)
class Fences:
    """What nobody may touch, as hashes.

    Attributes:
        foreign: rows of the secondary alone.
        unmapped: what linked rows show besides the mapped columns.

    """

    foreign: Mapping[str, str]
    unmapped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left when the dust has settled.

    Attributes:
        changes: how many there were.
        kills: what was killed, how often.
        seconds: from commit to commit, of each change.
        lost: changes that never arrived.
        stale, repeated: writes of older values, creates of rows that are there.
        differing: tables whose mapped values differ between the two sides.
        broken_fences: rows that somebody touched and nobody may touch.
        other_runs: jobs that ran and are not for following changes: reconciles.

    """

    changes: int
    kills: Mapping[str, int]
    seconds: Sequence[float]
    lost: int
    stale: int
    repeated: int
    differing: Sequence[str]
    broken_fences: Sequence[str]
    other_runs: Mapping[str, int]

    @property
    def is_sound(self) -> bool:
        """Nothing at all is wrong."""
        wrong = (self.lost, self.stale, self.repeated)
        return not any((*wrong, self.differing, self.broken_fences, self.other_runs))


def measure(arguments: Sequence[str]) -> Table:
    """A table of what was killed and what became of the changes."""
    options = _parser().parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        followed_pair(Path(folder), Circumstances(rooms=options.rooms)) as pair,
    ):
        verdict = survive(
            pair, seconds=options.minutes * 60, per_second=options.rate, seed=options.seed
        )
    table = Table("seen", "figure", "required", title=f"Chaos for {options.minutes:g} minutes")
    kills = ", ".join(f"{count} x {name}" for name, count in sorted(verdict.kills.items()))
    table.add_row("killed", kills, "-")
    table.add_row("changes", f"{verdict.changes:,}", "-")
    for percent in (50, 95, 100):
        table.add_row(f"p{percent}", f"{percentile(verdict.seconds, percent):.2f} s", "-")
    for name in ("lost", "stale", "repeated"):
        table.add_row(name, str(getattr(verdict, name)), "0")
    table.add_row("tables that differ", ", ".join(verdict.differing) or "none", "none")
    table.add_row("rows touched behind the fence", str(len(verdict.broken_fences)), "0")
    table.add_row("reconciles", str(dict(verdict.other_runs)) if verdict.other_runs else "0", "0")
    table.caption = "sound" if verdict.is_sound else "NOT SOUND"
    return table


def survive(pair: FollowedPair, *, seconds: float, per_second: float, seed: int) -> Verdict:
    """Kill at random while changes go on, wait until they have arrived, and look."""
    with closing(Judge(pair.emulator.sync_yaml)) as judge:
        before, runs_before = _fences(judge), {run.run_id for run in pair.runs()}
        pair.forget()
        sync_yaml = pair.emulator.sync_yaml
        with writing(sync_yaml, per_second=per_second, seconds=seconds, seed=seed) as process:
            kills = kill_at_random(pair, seconds=seconds, random=Random(seed))
            result_of(process)
        wait_for_arrivals(pair, seconds=SETTLES_SECONDS_MAX)
        primary, secondary = pair.commits(pair.primary), pair.commits(pair.secondary)
        arrived = arrivals(primary, secondary)
        return Verdict(
            changes=len(arrived),
            kills=kills,
            seconds=[each.seconds for each in arrived],
            lost=sum(each.at is None for each in arrived),
            stale=stale_writes(secondary),
            repeated=repeated_creates(secondary),
            differing=_differing(judge, foreign=before.foreign),
            broken_fences=_broken(before, _fences(judge)),
            other_runs=_other_runs(pair, runs_before),
        )


def kill_at_random(pair: FollowedPair, *, seconds: float, random: Random) -> Counter[str]:
    """For so long; what was killed, how often. In every round each is killed, in another order."""
    kills: Counter[str] = Counter()
    end = time.monotonic() + seconds
    for victim in _rounds(random):
        pause = random.uniform(*_PAUSE_SECONDS)
        if time.monotonic() + pause >= end:
            return kills
        time.sleep(pause)
        kills[victim] += _KILL[victim](pair, random)
    raise AssertionError("rounds never end")


def _rounds(random: Random) -> Iterator[str]:
    while True:
        yield from random.sample(VICTIMS, len(VICTIMS))


def _kill_live_run(pair: FollowedPair, _random: Random) -> bool:
    return pair.kill_live_run()


def _kill_and_restart(name: str) -> Callable[[FollowedPair, Random], bool]:
    """As an init system does after a while."""

    def kill(pair: FollowedPair, random: Random) -> bool:
        service = pair.services[name]
        service.kill()
        time.sleep(random.uniform(*_DOWN_SECONDS))
        service.start()
        return True

    return kill


_KILL: Mapping[str, Callable[[FollowedPair, Random], bool]] = {
    LIVE_RUN: _kill_live_run,
    **{name: _kill_and_restart(name) for name in (GATEWAY, DAEMON, CODE_SERVER)},
}


def _fences(judge: Judge) -> Fences:
    """Foreign rows are told by keys, which the primary does not have."""
    foreign: dict[str, str] = {}
    unmapped: dict[str, str] = {}
    primary, secondary = (judge.snapshot(each) for each in (judge.primary, judge.secondary))
    for table in judge.tables:
        name = table["table"]
        rows, linked = secondary[name], _known(name, primary, secondary)
        id_column = f"{name}id"
        foreign |= foreign_rows(rows, id_column=id_column, linked=linked)
        mapped = {*table["columns"], *(f"_{column}_value" for column in table.get("lookups", {}))}
        unmapped |= unmapped_columns(
            rows, id_column=id_column, linked=linked, mapped=mapped | _STATUS
        )
    return Fences(foreign, unmapped)


_STATUS = {"statecode", "statuscode"}


def _known(
    table: str, primary: Mapping[str, list[dict[str, Any]]], secondary: Mapping[str, Any]
) -> set[str]:
    """Ids of the rows of the secondary that the primary has: by id, or hotels by their code."""
    ids = {row[f"{table}id"] for row in primary[table]}
    codes = {row["contoso_code"] for row in primary[table] if row.get("contoso_code")}
    return {
        row[f"{table}id"]
        for row in secondary[table]
        if row[f"{table}id"] in ids or row.get("contoso_code") in codes
    }


def _broken(before: Fences, after: Fences) -> list[str]:
    """Foreign rows that differ or are gone, and rows there before and after that were touched."""
    foreign = [row for row, digest in before.foreign.items() if after.foreign.get(row) != digest]
    both = before.unmapped.keys() & after.unmapped.keys()
    return foreign + sorted(row for row in both if before.unmapped[row] != after.unmapped[row])


def _differing(judge: Judge, *, foreign: Mapping[str, str]) -> list[str]:
    """Tables of which the secondary shows other values than the primary, foreign rows aside."""
    primary, secondary = (judge.snapshot(each) for each in (judge.primary, judge.secondary))
    ours = {
        table: [row for row in rows if row[f"{table}id"] not in foreign]
        for table, rows in secondary.items()
    }
    wanted, shown = judge.readable(primary), judge.readable(ours)
    return [table for table in wanted if wanted[table] != shown[table]]


def _other_runs(pair: FollowedPair, before: set[str]) -> Counter[str]:
    jobs = [run.job_name for run in pair.runs() if run.run_id not in before]
    return Counter(job for job in jobs if job not in FOLLOWING_JOBS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="decides what is killed, and when")
    parser.add_argument("--rate", type=float, default=5.0, help="changes per second")
    parser.add_argument("--rooms", type=int, default=200, help="that the primary has")
    return parser
