"""The README is the product's face: what it shows can be typed, and works."""

import re
from pathlib import Path

import click

from dv_sync_pipeline import config
from dv_sync_pipeline.cli import dv_sync

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks in this language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_table_of_commands_is_complete():
    """Every command stands in the table, and no other."""
    shown = set(re.findall(r"^\| `dv-sync (\w+)", README, flags=re.MULTILINE))

    assert shown == set(dv_sync.commands)


def test_every_command_has_help_and_json():
    """As the README says; of a group, every command in it."""
    groups = [each for each in dv_sync.commands.values() if isinstance(each, click.Group)]
    single = [each for each in dv_sync.commands.values() if each not in groups]
    commands = [*single, *(command for group in groups for command in group.commands.values())]
    without = [
        command.name
        for command in commands
        if "as_json" not in {parameter.name for parameter in command.params}
    ]

    assert without == []
    assert all(command.help for command in [*groups, *commands])


def test_the_configuration_of_the_readme_is_valid():
    """The example can be copied; its variables are the only thing missing."""
    (example,) = blocks("yaml")
    names = set(re.findall(r"\$\{(\w+)\}", example))
    variables = dict.fromkeys(names, "value") | {
        "DV_PRIMARY_URL": "https://primary.crm4.dynamics.com",
        "DV_SECONDARY_URL": "https://secondary.crm4.dynamics.com",
    }
    configuration = config.parse(example, variables, file=Path("/folder/sync.yaml"))

    assert [table.table for table in configuration.tables] == ["contoso_hotel", "contoso_room"]


def test_the_pictures_are_there():
    """No picture of the README is missing."""
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)

    assert pictures
    assert [name for name in pictures if not (Path(__file__).parents[2] / name).is_file()] == []
