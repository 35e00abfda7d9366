"""Every page of the documentation: its commands can be typed, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from dv_sync_pipeline.cli import dv_sync

ROOT = Path(__file__).parents[2]
PAGES = {page.name: page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}

COMMAND = re.compile(r"(?:\w+=\S+ |pip install .*&& )*(?:\S*/)?(?P<command>dv-sync [a-z][^&#|>]*)")


def commands_of(page: Path) -> list[str]:
    """Every `dv-sync` command line in its shell blocks, without what stands before and after."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = (COMMAND.match(line) for line in lines)
    return [match["command"] for match in found if match]


def anchors_of(page: Path) -> set[str]:
    """The headings, as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("page", "line"), [(name, line) for name, page in PAGES.items() for line in commands_of(page)]
)
def test_a_command_of_a_page_can_be_typed(page, line):
    """Each command line is understood by the command that it names."""
    name, *arguments = shlex.split(line)[1:]
    command = dv_sync.commands[name]
    if arguments and hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]

    command.make_context(page, arguments, resilient_parsing="--help" in arguments)


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_page_lead_somewhere(name):
    """To a file of this repository, and to a heading that is there."""
    page = PAGES[name]
    links = re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text(encoding="utf-8"))
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_linked_from_the_readme():
    """Who reads the README finds them all."""
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", PAGES["README.md"].read_text("utf-8")))

    assert linked == set(PAGES) - {"README.md"}
