"""The first sync with the real command, while both environments throttle, break off and forget.

Faults are bounded in number, so that the story ends; the judge looks after they are over.
"""

import os
import ssl
import subprocess
import sys
from collections import Counter

import httpx
import pytest

from dv_sync_pipeline.emulator.process.launch import running_emulator
from dv_sync_pipeline_tests.worlds.judge import Judge

ARGUMENTS = (
    *("primary=0", "secondary=0", "--sample", "hotels", "--rows", "120"),
    *("--limits", "dataverse-fast", "--control"),
)
DATA, BULK = {"path": "^/api/"}, {"method": "POST", "path": "Multiple"}
READS = {"method": "GET", "path": "^/api/data/v9.2/contoso_"}
THROTTLED = {"kind": "answer", "status": 429, "code": "0x80072326", "headers": {"Retry-After": "1"}}
PLAN = {
    "seed": 3,
    "faults": [
        {"name": "throttled", "match": DATA, "skip": 5, "count": 2, "effect": THROTTLED},
        {"match": DATA, "skip": 9, "count": 1, "effect": {"kind": "expired_token"}},
        {"match": DATA, "skip": 12, "count": 1, "effect": {"kind": "reset_before_commit"}},
        {"match": BULK, "count": 1, "effect": {"kind": "reset_after_commit"}},
        {"match": BULK, "skip": 3, "count": 1, "effect": {"kind": "answer_after_commit"}},
        {"match": READS, "skip": 2, "count": 1, "effect": {"kind": "wrong_content_length"}},
    ],
}


@pytest.fixture
def emulator(tmp_path):
    """Both environments with the plan in force."""
    with running_emulator(ARGUMENTS, state=tmp_path) as started:
        for environment in started.urls:
            assert 200 == control(started, environment, "POST", json=PLAN).status_code
        yield started


def control(emulator, environment, method, **body):
    """Order faults, or ask how they fared."""
    trust = ssl.create_default_context(cafile=emulator.ca_file)
    url = f"{emulator.urls[environment]}/control/faults"
    return httpx.request(method, url, verify=trust, **body)


def test_first_sync_under_faults(emulator):
    """Every row of the primary arrives exactly once, and every kind of fault was met."""
    command = [sys.executable, "-c", "from dv_sync_pipeline.cli import main; main()", "sync"]
    variables = {**os.environ, "DV_SYNC_CONFIG": str(emulator.sync_yaml)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    fired = Counter()
    for environment in emulator.urls:
        for fault in control(emulator, environment, "GET").json()["faults"]:
            fired[fault["kind"]] += fault["fired"]
        control(emulator, environment, "DELETE")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert {fault["effect"]["kind"] for fault in PLAN["faults"]} == set(+fired)
    judge = Judge(emulator.sync_yaml)
    primary = judge.readable(judge.snapshot(judge.primary))
    secondary = judge.readable(judge.snapshot(judge.secondary))
    judge.close()
    for table, rows in primary.items():
        assert not rows - secondary[table], f"missing in {table}"
        assert max(secondary[table].values()) == 1, f"doubled in {table}"
