"""What `sync.yaml` may say, and what a person reads when it says something else."""

import json
from pathlib import Path

import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.config.json_schema import json_schema
from dv_sync_pipeline.errors import ConfigurationError

FILE = Path("/folder/sync.yaml")

VALID = """\
environments:
  primary:
    url: https://primary.example.com
    credentials:
      - {kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"}
  secondary:
    url: https://secondary.example.com/
    ca_file: ca.pem
    credentials:
      - {kind: client_secret, tenant_id: t, client_id: c, client_secret_file: secret.txt}
tables:
  - table: contoso_hotel
    key: contoso_code
    columns: [contoso_code, contoso_name]
  - table: contoso_room
    key: [contoso_hotelid, contoso_number]
    columns: {contoso_number: department_number}
    lookups: {contoso_hotelid: contoso_hotel}
"""

VARIABLES = {"SECRET": "from the variable"}


def parse(text: str, variables: dict[str, str] = VARIABLES) -> config.Configuration:
    """The configuration that the text means."""
    return config.parse(text, variables, file=FILE)


def message_for(text: str, variables: dict[str, str] = VARIABLES) -> str:
    """What a person reads who wrote this text."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, variables)
    return str(caught.value)


def test_variables_are_substituted():
    """`${NAME}` stands for the value of the variable."""
    credential = parse(VALID).environments.primary.credentials[0]

    assert credential.read_secret() == "from the variable"


def test_a_default_stands_in_for_a_missing_variable():
    """`${NAME:-default}` needs no variable."""
    text = VALID.replace("https://primary.example.com", "${URL:-https://default.example.com}")

    assert parse(text).environments.primary.url == "https://default.example.com"


def test_a_variable_cannot_smuggle_in_structure():
    """A value is substituted after the YAML is read, so it stays one value."""
    text = VALID.replace(
        "contoso_hotel\n    key", "contoso_hotel\n    description: ${TEXT}\n    key"
    )
    table = parse(text, {**VARIABLES, "TEXT": "a: [b"}).tables[0]

    assert table.description == "a: [b"


def test_a_missing_variable_names_its_line():
    """A variable that is not set is named together with file and line."""
    assert message_for(VALID, {}) == (
        "/folder/sync.yaml, line 5: the variable SECRET is not set. Set SECRET in the environment"
    )


def test_a_secret_in_the_text_is_refused_and_not_repeated():
    """A secret must come from a variable or a file; the message does not show it."""
    message = message_for(VALID.replace('"${SECRET}"', "hunter2hunter2"))

    assert "line 5: a secret stands in the file" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("gateway: {keys: [hunter2hunter2]}", True),
        ("gateway: {keys: hunter2hunter2}", True),
        ('gateway: {keys: "${KEY:-hunter2hunter2}"}', True),
        ('gateway: {keys: "${SECRET}"}', False),
        ("alerts: {channels: ['slack://hunter2/hunter2']}", True),
        ("alerts: {channels: ['mailto://user:${SECRET}@contoso.com']}", False),
        ("ledger: postgresql://user:hunter2@host/db", True),
        ("ledger: postgresql://host/db?user=u&password=hunter2", True),
        ("ledger: postgresql://user:${SECRET}@host/db", False),
        ("ledger: postgresql://host/db", False),
    ],
)
def test_no_secret_may_stand_in_the_text(text, is_refused):
    """Keys, channels and the ledger's password are no better than client secrets."""
    changed = f"{text}\n{VALID}"

    if is_refused:
        message = message_for(changed)
        assert "line 1: a secret stands in the file" in message
        assert "hunter2" not in message
    else:
        parse(changed)


def test_every_secret_is_known_by_name():
    """Those that the test above names, and no other."""
    models = json_schema()["$defs"].values()
    secrets = {
        name
        for model in [*models, json_schema()]
        for name, setting in model.get("properties", {}).items()
        if '"password"' in json.dumps(setting)
    }

    assert {"client_secret", "keys", "channels", "ledger"} == secrets


def test_a_default_is_no_hiding_place():
    """`${NAME:-secret}` would stand in the file just as well."""
    message = message_for(VALID.replace("${SECRET}", "${SECRET:-hunter2hunter2}"))

    assert "line 5: a secret stands in the file" in message


def test_an_empty_secret_is_refused():
    """A variable that is set to nothing is not a secret."""
    text = VALID.replace("${SECRET}", "${SECRET:-}")

    assert "line 5" in message_for(text, {})
    assert "client_secret is empty" in message_for(text, {})


def test_a_secret_file_is_read_beside_the_configuration(tmp_path):
    """Relative paths count from the folder of sync.yaml; white space around a secret is dropped."""
    (tmp_path / "secret.txt").write_text("from the file\n")
    (tmp_path / "sync.yaml").write_text(VALID)
    configuration = config.load(tmp_path / "sync.yaml", VARIABLES)

    assert configuration.environments.secondary.credentials[0].read_secret() == "from the file"
    assert configuration.environments.secondary.ca_file == tmp_path / "ca.pem"
    assert configuration.ledger_url == f"sqlite:///{tmp_path}/.dv-sync/ledger.db"


def test_an_unreadable_secret_file_is_named():
    """A secret file that is not there is a configuration error, not a traceback."""
    credential = parse(VALID).environments.secondary.credentials[0]

    with pytest.raises(ConfigurationError, match=r"/folder/secret.txt cannot be read"):
        credential.read_secret()


def test_a_secret_does_not_show_in_the_representation():
    """Printing the configuration shows no secret."""
    assert "from the variable" not in repr(parse(VALID))


def test_a_list_of_columns_maps_each_to_itself():
    """`[a, b]` is short for `{a: a, b: b}`."""
    assert parse(VALID).tables[0].columns == {
        "contoso_code": "contoso_code",
        "contoso_name": "contoso_name",
    }


def test_the_key_is_known_in_both_languages():
    """A renamed key column has its primary name in `key` and its secondary name in `target_key`."""
    room = parse(VALID).tables[1]

    assert room.key == ("contoso_hotelid", "contoso_number")
    assert room.target_key == ("contoso_hotelid", "department_number")


def test_the_target_is_the_table_unless_told():
    """Most tables have the same name on both sides."""
    assert parse(VALID).tables[0].target == "contoso_hotel"


@pytest.mark.parametrize(
    ("written", "tables"),
    [
        ("contoso_hotel", [("contoso_hotel", "")]),
        ("[contoso_hotel, contoso_room]", [("contoso_hotel", ""), ("contoso_room", "")]),
        ("{table: systemuser, by: domainname}", [("systemuser", "domainname")]),
        (
            "[{table: systemuser, by: domainname}, {table: team, by: name}]",
            [("systemuser", "domainname"), ("team", "name")],
        ),
    ],
)
def test_a_lookup_has_several_spellings(written, tables):
    """One table, several, matched by a column instead of synchronized, or mixed."""
    text = VALID.replace("lookups: {", f"lookups: {{contoso_x: {written}, ")
    room = parse(text).tables[1]

    assert tables == [(each.table, each.by) for each in room.lookups["contoso_x"].tables]


@pytest.mark.parametrize(
    ("change", "line", "text"),
    [
        (("key: contoso_code", "key: contoso_cod"), 12, "contoso_cod is neither in columns nor"),
        (("kind: client_secret,", "kind: secret,"), 5, "kind must be one of certificate, client_s"),
        (("client_id: c, client_secret:", "clientid: c, client_secret:"), 5, "no such setting"),
        (("key: contoso_code", "keys: contoso_code"), 13, "tables.0.keys: there is no such"),
        (("contoso_name]", "statecode]"), 12, "statecode cannot be mapped: set status: direct"),
        (
            ("contoso_name]", "contoso_name]\n    exclude: [contoso_name]"),
            12,
            "mapped and excluded",
        ),
        (("contoso_name]", "contoso_name]\n    values: {x: {1: 2}}"), 12, "values are given for x"),
        (("contoso_name]", "contoso_name]\n    constants: {contoso_name: 1}"), 12, "two columns"),
        (("contoso_name]", "contoso_name]\n    constants: {statecode: 1}"), 12, "statecode cannot"),
        (("[contoso_code, contoso_name]", '{"*": contoso_name}'), 12, "* cannot be renamed"),
        (("contoso_name]", "Name]"), 14, "'Name' is not a logical name"),
        (("https://primary", "http://primary"), 3, "is not an https address"),
        (("https://primary.example.com", "https://u:p@primary.example.com"), 3, "not an https"),
        (("primary.example.com", "primary.example.com/api"), 3, "has a path"),
        (("https://primary.", "https://SECONDARY."), 1, "primary and secondary have the same url"),
        (
            ("kind: client_secret, tenant_id: t,", "kind: managed_identity, tenant_id: t,"),
            5,
            "tenant_id: there is no such setting",
        ),
        (
            (
                '{kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"}',
                "{kind: managed_identity, client_id: a, object_id: b}",
            ),
            5,
            "give only one of client_id, object_id",
        ),
        (
            (
                'kind: client_secret, tenant_id: t, client_id: c, client_secret: "${SECRET}"',
                "kind: workload_identity, tenant_id: t, client_id: c",
            ),
            5,
            "token_file: this setting is missing",
        ),
        ((": contoso_hotel}", ": contoso_hotl}"), 1, "contoso_hotl, which is not in tables"),
        ((": contoso_hotel}", ": contoso_room}"), 1, "contoso_hotelid is set in a second pass"),
        (
            (": contoso_hotel}", ": {table: contoso_hotel, deferred: true}}"),
            1,
            "contoso_hotelid is set in a second pass",
        ),
        (
            ("contoso_name]", "contoso_name]\n    associations: [{relationship: x, table: pool}]"),
            1,
            "x leads to pool, which is not in tables",
        ),
        (("contoso_room", "contoso_hotel"), 1, "contoso_hotel stands in tables more than once"),
        (("tables:", "schedule: {timezone: Mars}\ntables:"), 11, "'Mars' is not a time zone"),
        (("tables:", "schedule: {reconcile: daily}\ntables:"), 11, "not a cron expression"),
        (("tables:", "tables: []\ntables:"), 12, "tables is given twice"),
        (
            ("contoso_hotel\n", "contoso_hotel\n    deletes: drop\n"),
            13,
            "deletes: Input should be",
        ),
        (("[contoso_code,", "[contoso_code"), 14, ""),
    ],
)
def test_a_mistake_is_told_with_its_line(change, line, text):
    """Each mistake names the line, and what would be right."""
    changed = VALID.replace(*change, 1)
    message = message_for(changed)

    assert changed != VALID
    assert f"line {line}:" in message
    assert text in message


def test_every_mistake_is_told_at_once():
    """A person mends the file once, not once for each mistake."""
    message = message_for(VALID.replace("key:", "keys:"))

    assert message.count("there is no such setting") == 2
    assert message.count("this setting is missing") == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [("environments: [", 1), ("environments: [\n", 2), ("# a comment\ntables: \x01\n", 2)],
    ids=["end of line", "end of file", "control character"],
)
def test_broken_yaml_names_its_line(text, line):
    """What is not YAML is told with the line."""
    assert f"sync.yaml, line {line}: not valid YAML" in message_for(text)


def test_a_date_that_is_none_names_its_line():
    """YAML takes text in the shape of a date for one."""
    message = message_for("schedule:\n  timezone: 2026-13-45\n")

    assert "line 2: 2026-13-45 looks like a date" in message
    assert "between quotes" in message


def test_a_variable_without_quotes_between_braces_is_told_how_to_write():
    """YAML takes the brace of `${NAME}` for its own between { }."""
    message = message_for(VALID.replace('"${SECRET}"', "${SECRET}"))

    assert "line 5: not valid YAML" in message
    assert 'a variable needs quotes: "${NAME}"' in message


def test_an_empty_file_is_told():
    """An empty file is a mistake of its own."""
    assert message_for("") == "/folder/sync.yaml: the file is empty"


def test_a_file_that_is_not_there_tells_how_to_name_another(tmp_path):
    """The message names the variable that points to the configuration."""
    with pytest.raises(ConfigurationError, match="Set DV_SYNC_CONFIG"):
        config.load(tmp_path / "none.yaml", {})


def test_the_configuration_is_found_through_the_variable():
    """`DV_SYNC_CONFIG` names the file; without it, `sync.yaml` in the working folder."""
    assert config.find({"DV_SYNC_CONFIG": "/other/place.yaml"}) == Path("/other/place.yaml")
    assert config.find({}) == Path("sync.yaml")


def test_an_unknown_table_is_told_which_there_are():
    """Asking for a table that is not synchronized lists those that are."""
    with pytest.raises(ConfigurationError, match="Give one of contoso_hotel, contoso_room"):
        parse(VALID).table("contoso_rom")


def test_an_administrator_besides():
    """Speaks to the environment in place of the others, where its rights are needed."""
    administrator = """\
    administrator: {kind: client_secret, tenant_id: t, client_id: a, client_secret: "${SECRET}"}
    credentials:
"""
    primary = parse(VALID.replace("    credentials:\n", administrator, 1)).environments.primary

    assert ["a"] == [one.client_id for one in primary.for_administrator.credentials]
    assert ["c"] == [one.client_id for one in primary.credentials]


def test_without_an_administrator_the_others_do_its_work():
    """They need the rights, then."""
    primary = parse(VALID).environments.primary

    assert primary == primary.for_administrator


def test_a_mistake_in_the_administrator_is_named():
    """As it stands in the file, without the names that only we know."""
    text = VALID.replace(
        "    credentials:\n", "    administrator: {kind: certificate}\n    credentials:\n", 1
    )

    assert "environments.primary.administrator.tenant_id: this setting is missing" in message_for(
        text
    )


def test_changes_start_runs_unless_told_otherwise():
    """And no long run does: that is for those who ask for it."""
    configuration = parse(VALID)

    assert (True, False) == (configuration.changes.enabled, configuration.live.enabled)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", config.LiveSettings()),
        ("false", config.LiveSettings(enabled=False)),
        ("{poll_seconds: 5}", config.LiveSettings(poll_seconds=5.0)),
        ("{enabled: false, max_minutes: 10}", config.LiveSettings(enabled=False, max_minutes=10)),
    ],
)
def test_the_live_path_is_switched_on_by_a_word_or_by_its_settings(text, expected):
    """Whoever gives settings wants it, unless it says otherwise."""
    assert expected == parse(VALID.replace("tables:", f"live: {text}\ntables:", 1)).live


def test_a_wrong_interval_is_named_with_its_line():
    """As every other setting."""
    message = message_for(VALID.replace("tables:", "changes: {poll_seconds: 1}\ntables:", 1))

    assert "line 11: changes.poll_seconds: Input should be greater than or equal to 5" in message
