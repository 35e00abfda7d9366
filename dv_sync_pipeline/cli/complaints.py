"""How an error is told to the person who gave the command, and which exit code it ends with.

Imports nothing heavy: it must work when everything else does not.
"""

from dv_sync_pipeline.errors import DvSyncError, UsageError
from dv_sync_pipeline.redact import redact

__all__ = ["describe_as_json", "describe_as_text", "exit_code_of"]

USAGE = 2
FAILED = 3
MISTAKE_OF_OURS = 70
"""EX_SOFTWARE of sysexits.h: none of the codes that scripts rely on."""


def exit_code_of(error: Exception) -> int:
    """2 for what the person can mend in what they gave us, 3 for what went wrong at work."""
    match error:
        case UsageError():
            return USAGE
        case DvSyncError():
            return FAILED
        case _:
            return MISTAKE_OF_OURS


def describe_as_text(error: Exception) -> str:
    """One block: what, then where, why and how to mend it, each on a line of its own."""
    if not isinstance(error, DvSyncError):
        return redact(f"error: {type(error).__name__}: {error}")
    lines = [f"error: {error.what}"]
    for name in ("where", "why", "mend"):
        value = getattr(error, name)
        if value:
            lines.append(f"  {name + ':':6} {value}")
    return redact("\n".join(lines))


def describe_as_json(error: Exception) -> dict[str, str]:
    """The same four parts, with the kind of error."""
    if not isinstance(error, DvSyncError):
        return {"kind": type(error).__name__, "what": redact(str(error))}
    parts = {name: redact(getattr(error, name)) for name in ("what", "where", "why", "mend")}
    return {"kind": type(error).__name__, **parts}
