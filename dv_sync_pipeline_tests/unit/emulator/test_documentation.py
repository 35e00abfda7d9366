"""`docs/emulator.md` tells everything that can be ordered, and nothing else."""

import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from dv_sync_pipeline.emulator.process.users import TENANT_ID, USERS
from dv_sync_pipeline.emulator.trouble import control
from dv_sync_pipeline.emulator.trouble.faults import AnyRequestEffect, AnyWebhookEffect, FaultPlan
from dv_sync_pipeline.emulator.trouble.latency import LATENCY_PROFILES
from dv_sync_pipeline.emulator.trouble.limits import LIMIT_PROFILES

PAGE = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")
EFFECTS = (*get_args(AnyRequestEffect), *get_args(AnyWebhookEffect))


def rows_of(heading):
    """The cells of each row of the table below a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_in(cell):
    """What stands between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def test_faults():
    """Every kind with all of its settings."""
    documented = {names_in(row[0])[0]: set(names_in(row[2])) for row in rows_of("Faults")}

    assert {
        str(effect.__struct_config__.tag): set(effect.__struct_fields__) for effect in EFFECTS
    } == documented


def test_the_example_is_a_plan():
    """It can be posted as it stands."""
    example = re.search(r"-d '(\{.*?\})'\n```", PAGE, re.DOTALL)[1]

    assert 2 == len(msgspec.convert(json.loads(example), FaultPlan).faults)


@pytest.mark.parametrize(
    ("heading", "profiles"), [("Limits", LIMIT_PROFILES), ("Latency", LATENCY_PROFILES)]
)
def test_profiles(heading, profiles):
    """Every one by name."""
    assert set(profiles) == {names_in(row[0])[0] for row in rows_of(heading)}


def test_figures_of_limits():
    """Those of the profiles."""
    documented = {names_in(row[0])[0]: row[1:] for row in rows_of("Limits")}

    for name, profile in LIMIT_PROFILES.items():
        if profile is not None:
            assert documented[name] == [
                f"{profile.requests:,}",
                f"{profile.execution_seconds:,.0f} s",
                f"{profile.concurrent}",
                f"{profile.window_seconds:.0f} s",
            ]


def test_levers():
    """The same requests as in the module's own list."""
    pattern = r"(GET|POST|DELETE) +(/control/[\w/?=]+)"

    assert set(re.findall(pattern, control.__doc__)) == set(re.findall(pattern, PAGE))


def test_applications():
    """All of them, with the secrets that prove them, and their tenant."""
    documented = {tuple(names_in(row[0] + row[1])) for row in rows_of("Signing in")[: len(USERS)]}

    assert {(each.client_id, each.client_secret) for each in USERS} == documented
    assert f"`{TENANT_ID}`" in PAGE
