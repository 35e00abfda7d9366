"""What `docs/security.md` says of the packages that this one is made of is so."""

import re
from importlib.metadata import PackageMetadata, distribution
from pathlib import Path

from packaging.requirements import Requirement

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
PACKAGE = "dv-sync-pipeline"
KNOWN = re.compile(r"MIT|BSD|Apache|PSF|Python Software Foundation|MPL|Mozilla")
"""Licences that the page names; a package that offers a choice has one of them."""


def requirements(name: str, extra: str = "") -> list[Requirement]:
    """What a package needs on this machine, with one of its extras or without."""
    found = map(Requirement, distribution(name).requires or [])
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": extra})]


def everything(name: str, seen: set[str]) -> set[str]:
    """All packages that a package brings, itself among them."""
    if name not in seen:
        seen.add(name)
        for each in requirements(name):
            everything(each.name.lower().replace("_", "-"), seen)
            for extra in each.extras:
                for other in requirements(each.name, extra):
                    everything(other.name.lower().replace("_", "-"), seen)
    return seen


def licence(metadata: PackageMetadata) -> str:
    """Every place where a package may say it."""
    said = [metadata.get(field, "") for field in ("License-Expression", "License")]
    classifiers = metadata.get_all("Classifier") or []
    return " ".join([*said, *(each for each in classifiers if each.startswith("License ::"))])


def test_the_page_lists_every_direct_dependency():
    """No more and no less."""
    rows = re.findall(r"^\| ([\w-]+) \| [\d.]+ \|", PAGE.read_text(), flags=re.MULTILINE)

    assert sorted(each.name.lower() for each in requirements(PACKAGE)) == sorted(
        row.lower() for row in rows
    )


def test_every_package_has_a_licence_that_the_page_names():
    """Also those that others bring."""
    licences = {name: licence(distribution(name).metadata) for name in everything(PACKAGE, set())}

    assert {} == {name: text for name, text in licences.items() if not KNOWN.search(text)}
