"""Files that hold keys and secrets, readable by their owner alone.

Belongs here: writing them so that they are never readable by others, not even for a moment.
"""

import os
from pathlib import Path

__all__ = ["write_private"]


def write_private(file: Path, content: bytes) -> None:
    """Write `content` with mode 0600, replacing the file as a whole; raises `OSError`."""
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    draft.replace(file)
