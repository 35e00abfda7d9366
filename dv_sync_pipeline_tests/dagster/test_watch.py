"""Who has just been started has nothing to complain about."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from dv_sync_pipeline.config import parse
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.alert_sensors import Watch
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.scripted_engine import SECRET, SYNC_YAML, ScriptedEngine

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def looks(*seconds):
    """The watch after looks at these seconds, carried from one to the next as a cursor."""
    cursor = None
    for second in seconds:
        watch = Watch.read(cursor, now=NOW + second * SECOND)
        cursor = watch.model_dump_json()
    return watch


@pytest.mark.parametrize(
    ("seconds", "settled"),
    [
        ([0], False),
        ([0, 30], False),
        ([0, 30, 60], True),
        ([0, 30, 60, 181], False),
        ([0, 30, 60, 181, 211, 241], True),
    ],
)
def test_a_watch_settles_in_a_minute_without_a_break(seconds, settled):
    """After a break it begins anew: everything else was stopped as well."""
    assert settled == looks(*seconds).has_settled


@pytest.mark.parametrize("cursor", [None, "", "nonsense", '{"since": 7}'])
def test_a_cursor_that_cannot_be_read_begins_anew(cursor):
    """It is a hint, no more."""
    assert Watch(since=NOW, last=NOW) == Watch.read(cursor, now=NOW)


def test_the_first_look_raises_no_alert(tmp_path):
    """Else a live run that is about to start is missed, and a minute later that is over."""
    (tmp_path / "sync.yaml").write_text("")
    configuration = parse(
        SYNC_YAML + "live: true\n", {"SECRET": SECRET}, file=tmp_path / "sync.yaml"
    )
    definitions = build_definitions(configuration=configuration, open_engine=ScriptedEngine().open)
    sensor = definitions.resolve_sensor_def("watch_tables")
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        settled = Watch(since=datetime.now(tz=UTC) - 90 * SECOND, last=datetime.now(tz=UTC))
        context = dg.build_sensor_context(instance=instance, cursor=settled.model_dump_json())
        later = sensor(context)
    with Ledger.open(configuration.ledger_url) as ledger:
        titles = [title for title, *_ in ledger.open_problems()]

    assert "Just started" in first.skip_message
    assert "No live run" in later.skip_message
    assert ["No live run has given a sign of life for a minute"] == titles
