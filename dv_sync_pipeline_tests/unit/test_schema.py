"""The JSON Schema of `sync.yaml` takes what the pipeline takes, and refuses what it refuses."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.config import json_schema as module
from dv_sync_pipeline.config.json_schema import json_schema, schema_text
from dv_sync_pipeline.emulator.samples import SAMPLES
from dv_sync_pipeline_tests.worlds.memory_hotels import ENVIRONMENTS_YAML

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCHEMA = json_schema()
SETTINGS = SCHEMA["properties"].keys()


def examples():
    """Every YAML block of the documents that is a `sync.yaml`, or a part of one, with its place."""
    for page in PAGES:
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL)
        for number, block in enumerate(blocks, start=1):
            document = yaml.safe_load(block)
            if isinstance(document, dict) and document.keys() <= SETTINGS:
                yield pytest.param(document, id=f"{page.name}, block {number}")


def check(document, schema=SCHEMA):
    """Raise if the schema refuses the document."""
    as_json = json.loads(json.dumps(document, default=str))
    jsonschema.validate(as_json, schema, cls=jsonschema.Draft202012Validator)


def table(text):
    """A `sync.yaml` with one table."""
    return yaml.safe_load(f"{ENVIRONMENTS_YAML}tables: [{text}]")


def test_the_published_file_is_current():
    """After a change of the settings: python -m dv_sync_pipeline_tests.documents."""
    file = Path(module.__file__).with_name("sync.schema.json")

    assert schema_text() == file.read_text()


def test_the_schema_is_one():
    """By the rules of its dialect."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("document", list(examples()))
def test_examples_of_the_documents(document):
    """Whole files, and parts of them."""
    check(document, {**SCHEMA, "required": []})


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_samples(name):
    """As the emulator writes them."""
    check(yaml.safe_load(ENVIRONMENTS_YAML + SAMPLES[name].sync_tables))


@pytest.mark.parametrize(
    "text",
    [
        "{table: a, key: id, columns: '*'}",
        "{table: a, key: [b, c], columns: {b: d}}",
        "{table: a, key: b, lookups: {b: c}}",
        "{table: a, key: b, lookups: {b: [c, {table: d, by: e}]}}",
        "{table: a, key: b, lookups: {b: {table: c, by: d, deferred: true, column: e}}}",
        "{table: a, key: b, lookups: {b: {tables: [c, d], column: e}}}",
        "{table: a, key: b, values: {b: {1: 2}}}",
        "{table: a, key: b, max_removals: '${MAX}'}",
        "{table: a, key: b, max_removals: null}",
        "{table: a, key: b, lookups: {b: {table: c, deferred: '${LATER:-false}'}}}",
        "{table: a, key: b, status: {column: c, automation: true}}",
        "{table: '${TABLE}', key: '${KEY}', deletes: '${DELETES}'}",
    ],
)
def test_short_forms_and_variables(text):
    """Everything that the pipeline understands."""
    check(table(text))


@pytest.mark.parametrize(
    "text",
    [
        "{table: a}",
        "{table: a, keys: b}",
        "{table: Hotel, key: b}",
        "{table: a, key: []}",
        "{table: a, key: b, deletes: drop}",
        "{table: a, key: b, max_removals: many}",
        "{table: a, key: b, lookups: {b: {by: c}}}",
        "{table: a, key: b, lookups: {b: []}}",
    ],
)
def test_mistakes(text):
    """A missing key, a misspelt setting, a display name, and so on."""
    with pytest.raises(jsonschema.ValidationError):
        check(table(text))


@pytest.mark.parametrize("text", ["live: true", "changes: {poll_seconds: 5}", "live: '${LIVE}'"])
def test_switches(text):
    """On or off, or on with settings."""
    check({**table("{table: a, key: b}"), **yaml.safe_load(text)})


@pytest.mark.parametrize(
    ("credential", "is_valid"),
    [
        ({"kind": "managed_identity"}, True),
        ({"kind": "managed_identity", "tenant_id": "t"}, False),
        (
            {"kind": "workload_identity", "tenant_id": "t", "client_id": "c", "token_file": "f"},
            True,
        ),
        ({"kind": "certificate", "tenant_id": "t", "client_id": "c"}, False),
        ({"kind": "password"}, False),
    ],
)
def test_kinds_of_credentials(credential, is_valid):
    """Each with its own settings."""
    document = table("{table: a, key: b}")
    document["environments"]["primary"]["credentials"] = [credential]

    assert is_valid == jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_every_setting_is_explained():
    """In the schema, so in every editor too."""
    models = {**SCHEMA["$defs"], "Configuration": SCHEMA}
    unexplained = [
        f"{model}.{setting}"
        for model, schema in models.items()
        for setting, of_setting in schema.get("properties", {}).items()
        if not of_setting.get("description")
    ]

    assert [] == unexplained


def test_command(capsys, tmp_path):
    """Printed, or written."""
    file = tmp_path / "sync.schema.json"
    codes = [
        run(arguments, Surroundings({}))
        for arguments in (["schema"], ["schema", "--output", str(file)])
    ]

    assert [0, 0] == codes
    assert schema_text() == capsys.readouterr().out == file.read_text()
