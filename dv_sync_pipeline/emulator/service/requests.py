"""One request to the Web API as a value: what handlers need to know of HTTP.

Belongs here: reading headers, preferences and query options. Does not belong here: what they ask
for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.security import User
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.addresses import Segment
from dv_sync_pipeline.emulator.tables.catalog import Catalog, Table

__all__ = ["Call", "Preferences", "Request", "parse_preferences", "parse_query"]


_decode_json = msgspec.json.Decoder(float_hook=Decimal).decode
_PAGE_ROWS_MAX = 5000


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whether it came alone or inside a `$batch`.

    Attributes:
        method: in capitals.
        path: below `/api/data/v9.2/`, still percent-encoded.
        query: what follows the question mark, still percent-encoded.
        headers: names in lower case.
        body: all of it.
        user_id: who sends it.
        version: of the API, as it was called; links echo it (DATAVERSE 2).

    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user_id: str = ""
    version: str = "v9.2"

    def json(self) -> Any:
        """The body as JSON, numbers with a point as `Decimal`."""
        try:
            return _decode_json(self.body)
        except msgspec.DecodeError as error:
            raise replies.malformed_json(str(error)) from None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the `Prefer` header asks for (DATAVERSE 2).

    Attributes:
        returns_representation: answer a write with the row.
        page_rows: `odata.maxpagesize`, or None.
        annotations: pattern of annotation names, or "".
        tracks_changes: begin change tracking.
        continues_on_error: go on in a `$batch`.

    """

    returns_representation: bool = False
    page_rows: int | None = None
    annotations: str = ""
    tracks_changes: bool = False
    continues_on_error: bool = False

    def applied(self) -> str:
        """The value of `Preference-Applied`."""
        parts = []
        if self.returns_representation:
            parts.append("return=representation")
        if self.annotations:
            parts.append(f'odata.include-annotations="{self.annotations}"')
        if self.page_rows is not None:
            parts.append(f"odata.maxpagesize={self.page_rows}")
        if self.tracks_changes:
            parts.append("odata.track-changes")
        return ",".join(parts)


_PREFERENCE = re.compile(r'\s*([\w.-]+)\s*(?:=\s*("[^"]*"|[^,;\s]*))?\s*(?:,|;|$)')


def parse_preferences(header: str) -> Preferences:
    """The preferences of a header; unknown ones are ignored, as HTTP wants it."""
    found = {name.lower(): value.strip('"') for name, value in _PREFERENCE.findall(header)}
    size = found.get("odata.maxpagesize", found.get("maxpagesize", ""))
    return Preferences(
        returns_representation=found.get("return") == "representation",
        page_rows=min(int(size), _PAGE_ROWS_MAX) if size.isdigit() and int(size) else None,
        annotations=found.get("odata.include-annotations", ""),
        tracks_changes="odata.track-changes" in found,
        continues_on_error="odata.continue-on-error" in found,
    )


def parse_query(query: str) -> dict[str, str]:
    """The options by name, decoded; an option given twice is refused."""
    options: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if not name:
            continue
        name = unquote_plus(name)
        if name in options:
            text = f"Query option '{name}' was specified more than once."
            raise replies.bad_query(text)
        options[name] = unquote_plus(value)
    return options


@dataclass(frozen=True, slots=True)
class Call:
    """A request that found its handler.

    Attributes:
        environment: where.
        request: what was sent.
        segments: of its path.
        user: who sends it.
        preferences: of its `Prefer` header.
        options: of its query.

    """

    environment: EmulatedEnvironment
    request: Request
    segments: tuple[Segment, ...]
    user: User
    preferences: Preferences
    options: Mapping[str, str]

    @property
    def api_url(self) -> str:
        """Where the Web API starts, without a slash at the end."""
        return f"{self.environment.base_url}/api/data/{self.request.version}"

    @property
    def store(self) -> Store:
        """The rows of the environment."""
        return self.environment.store

    @property
    def catalog(self) -> Catalog:
        """The tables of the environment."""
        return self.environment.store.catalog

    @property
    def table(self) -> Table:
        """The table that the first segment names; raises the 404 if none has that entity set."""
        return self.catalog.by_entity_set(self.segments[0].name)

    def header(self, name: str) -> str:
        """A header by its name in lower case, "" if it was not sent."""
        return self.request.headers.get(name, "")

    @property
    def if_match(self) -> str:
        """`If-Match`, "" if it was not sent."""
        return self.header("if-match")

    @property
    def if_none_match(self) -> str:
        """`If-None-Match`; the word null, which clients send (DATAVERSE 2), is no version."""
        return self.header("if-none-match")

    def require_options(self, *allowed: str) -> None:
        """Refuse system query options that this resource does not know."""
        for name in self.options:
            if name.startswith("$") and name not in allowed:
                text = f"The query parameter {name} is not supported."
                raise replies.bad_query(text)
