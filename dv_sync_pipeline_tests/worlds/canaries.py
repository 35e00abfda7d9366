"""Secrets that are recognised wherever they turn up, and the search for them.

Belongs here: looking through files and texts, also for what was encoded on the way. Does not belong
here: which secrets there are, and who may have written them down; that is `security/`.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

__all__ = ["find_traces", "texts_below"]


def texts_below(folder: Path, *, without: Iterable[Path] = ()) -> dict[str, bytes]:
    """Path → content of every file of a folder, links not followed."""
    excluded = set(without)
    return {
        str(file): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.is_symlink() and not excluded & {file, *file.parents}
    }


def find_traces(canaries: Mapping[str, str], texts: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """(secret, place) for each secret that a text holds, plain or encoded."""
    return {
        (name, place)
        for name, canary in canaries.items()
        for place, text in texts.items()
        if any(form in text for form in _forms(canary))
    }


def _forms(canary: str) -> Iterator[bytes]:
    """As it is, as it stands in an address, and within base64 wherever it begins there."""
    yield canary.encode()
    yield quote(canary, safe="").encode()
    for shift in range(3):
        encoded = base64.b64encode(b"." * shift + canary.encode())
        yield encoded[4 if shift else 0 : -4]
