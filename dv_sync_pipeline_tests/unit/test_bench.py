"""The command that measures ends in order, whoever ends it."""

import os
import signal
import time

import pytest

from dv_sync_pipeline_tests.bench import __main__ as bench


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_by_a_signal(number, monkeypatch, capsys):
    """What a measurement has started is ended, as when it ends by itself."""
    ended = []

    def measure(_arguments):
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)  # the signal ends it at once
        finally:
            ended.append("services")

    monkeypatch.setitem(bench.BENCHMARKS, "services", measure)

    code = bench.main(["services"])

    assert (bench.INTERRUPTED, ["services"]) == (code, ended)
    assert "Interrupted" in capsys.readouterr().err
