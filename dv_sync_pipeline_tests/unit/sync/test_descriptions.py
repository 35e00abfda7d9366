"""What tables look like is asked now and then, and by one process for all; never too seldom."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from dv_sync_pipeline.config import parse
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory_hotels import (
    ENVIRONMENTS_YAML,
    PROPERTY,
    TABLES_YAML,
    Hotels,
)


@pytest.fixture
def hotels(tmp_path):
    """A hotel, synchronized; then six minutes in which nothing was done."""
    world = Hotels(tmp_path)
    world.hotel(1)
    asyncio.run(world.sync())
    world.clock.now += timedelta(minutes=6)
    return world


@pytest.fixture
def asked(hotels):
    """Every question what a table of the secondary looks like, from now on."""
    asked, describe = [], hotels.secondary.describe

    async def counted(name):
        asked.append(name)
        return await describe(name)

    hotels.secondary.describe = counted
    return asked


def process(hotels, *passes, minutes_between=0, **arguments):
    """One process: it opens an engine and makes these passes over hotels; the last one's report."""

    async def work():
        async with hotels.open() as engine:
            for each in passes:
                report = await getattr(engine, each)("hotel", **arguments)
                hotels.clock.now += timedelta(minutes=minutes_between)
        return report

    return asyncio.run(work())


def map_slogan(hotels):
    """From now on, sync.yaml maps the name to another column."""
    text = (ENVIRONMENTS_YAML + TABLES_YAML).replace("name: title", "name: slogan")
    secret = {"SECRET": "not-in-the-file"}
    hotels.configuration = parse(text, secret, file=hotels.state / "sync.yaml")


def test_a_process_asks_once_in_some_minutes(hotels, asked):
    """A live run makes passes by the second."""
    process(hotels, "changes", "changes", "changes", minutes_between=2)

    assert ["property"] == asked


def test_after_some_minutes_it_asks_again(hotels, asked):
    """Somebody may have changed the table."""
    process(hotels, "changes", "changes", minutes_between=6)

    assert ["property"] * 2 == asked


def test_another_process_takes_the_answer_over(hotels, asked):
    """Each run of a sensor is a process of its own."""
    process(hotels, "changes")
    process(hotels, "changes")

    assert ["property"] == asked


def test_an_answer_of_another_process_is_good_for_some_minutes(hotels, asked):
    """No longer than one's own."""
    process(hotels, "changes", minutes_between=6)
    process(hotels, "changes")

    assert ["property"] * 2 == asked


def test_a_reconcile_always_asks_and_tells_the_others(hotels, asked):
    """It is what proves that both sides are equal; what it was told is good for all."""
    process(hotels, "changes")
    process(hotels, "reconcile")
    process(hotels, "changes")

    assert ["property"] * 2 == asked


@pytest.mark.parametrize(("look", "arguments"), [("reconcile", {"dry_run": True}), ("verify", {})])
def test_a_look_always_asks_and_leaves_nothing_behind(hotels, asked, look, arguments):
    """Neither in an environment nor in the ledger."""
    process(hotels, look, **arguments)
    process(hotels, look, **arguments)
    process(hotels, "changes")

    assert 3 == asked.count("property")


def test_a_table_that_refuses_what_it_used_to_take_is_looked_at_again(hotels, asked):
    """By every process: a column may have been removed meanwhile."""
    hotels.secondary.refuse = lambda _table, _write: ("0x80048d19", "undeclared property title")
    hotels.hotel(1, name="Refused")
    process(hotels, "changes", "changes")
    process(hotels, "changes")

    assert ["property"] * 2 == asked


def test_what_is_new_in_sync_yaml_is_looked_for_anew(hotels, asked):
    """A column is made and mapped within a minute: nobody is told that it does not exist."""
    process(hotels, "changes")
    slogan = Column("slogan", ColumnKind.STRING, max_length=50)
    hotels.secondary.add(replace(PROPERTY, columns={**PROPERTY.columns, "slogan": slogan}))
    map_slogan(hotels)

    report = process(hotels, "changes")

    assert "the mapping changed" in report.reconcile_owed
    assert ["property"] * 2 == asked


def test_what_still_does_not_fit_is_told(hotels, asked):
    """The answer is new, and so is the complaint."""
    process(hotels, "changes")
    map_slogan(hotels)

    with pytest.raises(SchemaMismatchError, match="slogan"):
        process(hotels, "changes")
    assert ["property"] * 2 == asked
