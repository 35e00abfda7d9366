"""Whether an address belongs to an environment, asked before a token leaves.

Belongs here: the one check for every address, our own included (RELIABILITY 4, 47 and 48).
Does not belong here: sending. The answer is only the path and query: the host that is connected to
always comes from the configuration, never from a link.
"""

import re
from urllib.parse import unquote

from dv_sync_pipeline.errors import ForeignOriginError

__all__ = ["request_target"]

_LINK = re.compile(
    r"(?P<origin>https?://[^/?#]*)(?P<path>/[^?#]*)(?P<query>\?[^#]*)?", re.IGNORECASE
)
_PRINTABLE = re.compile(r"[!-~]+")
_API_ROOT = "/api/data/"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_UNQUOTINGS_MAX = 5


def request_target(link: str, *, environment_url: str) -> str:
    """The path and query of the link, byte for byte (DATAVERSE 15.13: never encode again).

    Raises `ForeignOriginError` unless scheme, host and port are the environment's, no user name is
    given, and the path stays below `/api/data/` however it is decoded.
    """
    match = _LINK.fullmatch(link)
    if match is None or not _PRINTABLE.fullmatch(link):
        raise _foreign(environment_url, "it is not a plain absolute address")
    if _normal(match["origin"]) != _normal(environment_url):
        raise _foreign(environment_url, "scheme, host or port differ")
    if not _stays_below_root(match["path"]):
        raise _foreign(environment_url, f"its path leaves {_API_ROOT}")
    return match["path"] + (match["query"] or "")


def _normal(origin: str) -> str:
    """Lower case and without the default port, so that equal origins are equal texts."""
    origin = origin.lower()
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, ""))


def _stays_below_root(path: str) -> bool:
    decoded = _fully_decoded(path).replace("\\", "/")
    climbs = any(segment in (".", "..") for segment in decoded.split("/"))
    return path.startswith(_API_ROOT) and not climbs


def _fully_decoded(path: str) -> str:
    """Decoded again and again: a server behind a proxy may decode more than once."""
    for _ in range(_UNQUOTINGS_MAX):
        path = unquote(path)
    return path


def _foreign(environment_url: str, why: str) -> ForeignOriginError:
    return ForeignOriginError(
        "a link does not belong to the environment; nothing was sent",
        where=environment_url,
        why=why,
        mend="Find out who changes the answers of this environment before going on",
    )
