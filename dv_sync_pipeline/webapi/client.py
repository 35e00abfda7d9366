"""One Dataverse environment, as `sync/` sees it: a few functions over the modules below.

Belongs here: the seam itself, and putting auth, transport, metadata, read and write together.
Does not belong here: how any of them works.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.write import Outcome, RowWrite

__all__ = ["Dataverse", "Identity", "Row", "Traffic"]

Row: TypeAlias = dict[str, Any]
"""A row as it was read: property name (`Column.property_name`) → JSON value.

Numbers with a decimal point are `Decimal`, whole numbers `int`. `@odata.etag` and annotations stay
in it.
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in an environment (WhoAmI, DATAVERSE 2)."""

    organization_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the conversation with an environment has cost so far; subtract two to get a run's."""

    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(
            self.requests - earlier.requests,
            self.retries - earlier.retries,
            self.throttled_seconds - earlier.throttled_seconds,
        )

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.requests + other.requests,
            self.retries + other.retries,
            self.throttled_seconds + other.throttled_seconds,
        )


class Dataverse(Protocol):
    """The seam between the domain and Dataverse; simulated in memory by the domain's tests.

    Every function raises the errors of `dv_sync_pipeline.errors` and no others. Reads are complete
    or raise `IncompleteReadError`. Writes never raise for a row: they answer with an `Outcome` for
    each, in the order given; they raise only when nothing at all could be sent.
    """

    @property
    def name(self) -> str:
        """"primary" or "secondary"."""

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""

    async def identify(self) -> Identity:
        """Who we are there (WhoAmI)."""

    async def describe(self, table: str) -> TableSchema:
        """What the table looks like; `SchemaMismatchError` if there is none of that name."""

    def read_pages(self, schema: TableSchema, columns: Sequence[str]) -> AsyncIterator[list[Row]]:
        """All rows, page by page, ordered by id, with these columns (logical names) and the id."""

    async def count(self, schema: TableSchema) -> int | None:
        """How many rows there are, or None when there are more than can be counted (5,000)."""

    async def read_rows(
        self, schema: TableSchema, ids: Sequence[str], columns: Sequence[str]
    ) -> list[Row]:
        """Those of the rows that exist, in no particular order."""

    async def create_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Create rows under the ids that we chose; a row that exists already is refused."""

    async def update_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Change rows that exist; never creates one (DATAVERSE 15.2)."""
