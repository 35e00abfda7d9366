"""What `dv-sync init` refuses before it asks anybody, and what it takes over."""

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from dv_sync_pipeline.cli.environments_text import environments_of_variables, without_tables
from dv_sync_pipeline.config import parse_environments
from dv_sync_pipeline.config.json_schema import json_schema

SYNC_YAML = """\
# About the file.
environments:
  primary: {url: https://primary.example.com}
# Every night.
schedule: {timezone: Europe/Berlin}

# The tables.
tables:
  - table: contoso_hotel
state: here
"""


def test_everything_but_tables_is_taken_over():
    """With the comments that stand above each setting."""
    expected = """\
environments:
  primary: {url: https://primary.example.com}

# Every night.
schedule: {timezone: Europe/Berlin}

state: here"""

    assert without_tables(SYNC_YAML).startswith(expected)


def test_a_schedule_is_added():
    """Who has none learns that there is one."""
    settings = yaml.safe_load(without_tables("environments:\n  primary: {}\n"))

    assert {"reconcile": "0 2 * * *", "timezone": "UTC"} == settings["schedule"]


def test_what_could_be_added_stands_as_comments():
    """It is right once it is uncommented."""
    text = without_tables("environments:\n  primary: {}\n")
    uncommented = re.sub(r"^# (?=\w+:|  )", "", text, flags=re.MULTILINE)
    settings = yaml.safe_load(uncommented)
    added = {name: settings[name] for name in ("schedule", "gateway", "live", "alerts")}

    Draft202012Validator({**json_schema(), "required": []}).validate(added)


def test_settings_that_are_there_are_not_suggested():
    """Nobody is told what they know."""
    assert "# alerts:" not in without_tables("environments: {}\nalerts: {}\n")


@pytest.mark.parametrize("name", ["sync.yaml", "sync.schema.json"])
def test_files_are_never_overwritten(dv_sync, tmp_path, name):
    """Neither the proposal nor the schema; without --force nothing is even asked."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / name).write_text("precious")
    ended = dv_sync(f"init --output {tmp_path}/new/sync.yaml")

    assert 2 == ended.code
    assert f"{name} exists already" in ended.err
    assert "precious" == (tmp_path / "new" / name).read_text()


def test_missing_variables_are_named(dv_sync, tmp_path):
    """Without a file the environments come from variables."""
    ended = dv_sync(f"init --primary-url https://a.example --output {tmp_path}/new.yaml")

    assert 2 == ended.code
    assert "the variable DV_TENANT is not set" in ended.err


def test_environments_of_variables_can_be_read():
    """A url that is given stands in the file, the others in variables."""
    text = environments_of_variables({"primary": "https://a.example", "secondary": ""})
    names = re.findall(r"\$\{(\w+)\}", text)
    variables = dict.fromkeys(names, "value") | {"DV_SECONDARY_URL": "https://b.example"}
    environments = parse_environments(text, variables, file=Path("sync.yaml"))

    assert "https://a.example" == environments.primary.url
    assert "https://b.example" == environments.secondary.url


def test_environments_are_given_once(dv_sync, folder):
    """A file and urls at the same time contradict each other."""
    ended = dv_sync(f"init --environments {folder}/sync.yaml --primary-url https://a.example")

    assert 2 == ended.code
    assert "the environments are given twice" in ended.err
