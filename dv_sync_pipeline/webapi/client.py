"""One Dataverse environment, as `sync/` sees it: a few functions over the modules below.

Belongs here: the seam itself, and putting auth, transport, metadata, read and write together.
Does not belong here: how any of them works.
"""

import asyncio
import random as chance
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import httpx
import msgspec

from dv_sync_pipeline.config import EnvironmentConfiguration
from dv_sync_pipeline.errors import (
    IncompleteReadError,
    RequestRefusedError,
    UnreachableError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.webapi import (
    associations,
    batch,
    changes,
    dependents,
    files,
    metadata,
    read,
    tables,
    write,
)
from dv_sync_pipeline.webapi.administration import Administration
from dv_sync_pipeline.webapi.associations import Pair
from dv_sync_pipeline.webapi.auth import TakingTurns, application_users
from dv_sync_pipeline.webapi.changes import ChangePage
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.dependents import Dependent
from dv_sync_pipeline.webapi.files import Piece
from dv_sync_pipeline.webapi.metadata import Association, Column, TableSchema
from dv_sync_pipeline.webapi.odata import API_PATH
from dv_sync_pipeline.webapi.tables import TableSummary
from dv_sync_pipeline.webapi.traffic import Traffic
from dv_sync_pipeline.webapi.transport import (
    DEFAULT_PATIENCE,
    NO_PROXY,
    Clockwork,
    Patience,
    Transport,
    new_client,
    trust,
)
from dv_sync_pipeline.webapi.write import Message, Outcome, RowWrite

__all__ = ["ChangePage", "Dataverse", "DataverseClient", "Identity", "Row", "connect"]

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


class Dataverse(Protocol):
    """The seam between the domain and Dataverse; simulated in memory by the domain's tests.

    Every function raises the errors of `dv_sync_pipeline.errors` and no others. Reads are complete
    or raise `IncompleteReadError`. Writes never raise for a row: they answer with an `Outcome` for
    each, in the order given; they raise only when nothing at all could be sent.
    """

    @property
    def name(self) -> str:
        """Which environment: primary or secondary."""

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""

    async def identify(self) -> Identity:
        """Who we are there (WhoAmI)."""

    async def describe(self, table: str) -> TableSchema:
        """What the table looks like; `SchemaMismatchError` if there is none of that name."""

    def read_pages(
        self, schema: TableSchema, columns: Sequence[str], *, condition: str = ""
    ) -> AsyncIterator[list[Row]]:
        """All rows, page by page, ordered by id, with these columns (logical names) and the id.

        With a condition (an OData filter), only the rows for which it holds.
        """

    async def count(self, schema: TableSchema, *, condition: str = "") -> int | None:
        """How many rows there are, or None when there are more than can be counted (5,000)."""

    async def read_rows(
        self,
        schema: TableSchema,
        ids: Sequence[str],
        columns: Sequence[str],
        *,
        condition: str = "",
    ) -> list[Row]:
        """Those of the rows that exist, and meet the condition if one is given, in no order."""

    async def read_rows_by_key(
        self, schema: TableSchema, keys: Sequence[Mapping[str, object]], columns: Sequence[str]
    ) -> list[Row]:
        """The rows found under these keys (column → value), as the database compares them."""

    async def begin_changes(self, schema: TableSchema, columns: Sequence[str]) -> str:
        """A token for what changes from now on; `ChangeTrackingOffError` where nothing tells."""

    def read_changes(
        self, schema: TableSchema, columns: Sequence[str], *, token: str
    ) -> AsyncIterator[ChangePage]:
        """What changed since the token; `DeltaTokenLostError` if that cannot be told any more.

        The columns must be those for which the token was begun.
        """

    async def create_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Create rows under the ids that we chose; a row that exists already is refused."""

    async def update_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Change rows that exist; never creates one (DATAVERSE 15.2)."""

    async def associate_rows(
        self, schema: TableSchema, association: Association, pairs: Sequence[Pair]
    ) -> list[Outcome]:
        """Make pairs of a many-to-many relationship; one that exists counts as done."""

    async def disassociate_rows(
        self, schema: TableSchema, association: Association, pairs: Sequence[Pair]
    ) -> list[Outcome]:
        """Undo pairs; one that is gone counts as done."""

    async def find_pairs(self, association: Association, pairs: Sequence[Pair]) -> set[Pair]:
        """Those of the pairs that exist."""

    async def delete_rows(self, schema: TableSchema, ids: Sequence[str]) -> list[Outcome]:
        """Delete rows; one that is not there is done. An unknown outcome may be sent again."""

    def read_content(
        self, schema: TableSchema, row_id: str, column: Column
    ) -> AsyncGenerator[Piece, None]:
        """The content of an image or file column, piece by piece; nothing if it is empty."""

    async def write_content(
        self, schema: TableSchema, row_id: str, column: Column, pieces: AsyncIterator[Piece]
    ) -> Outcome:
        """Put content in place of what is there; an unknown outcome may be sent again."""

    async def clear_content(self, schema: TableSchema, row_id: str, column: Column) -> Outcome:
        """Remove the content; an empty column counts as done."""

    async def dependents_of(self, schema: TableSchema) -> tuple[Dependent, ...]:
        """Lookups of all tables that a delete of a row of this table would follow."""

    async def ids_with_dependents(self, dependent: Dependent, ids: Sequence[str]) -> set[str]:
        """Those of the rows that some row points to through this lookup."""


class DataverseClient:
    """One environment over HTTP; see `Dataverse` for what each function promises."""

    def __init__(self, transport: Transport, configuration: EnvironmentConfiguration) -> None:
        self._transport = transport
        self._configuration = configuration
        self._entity_sets: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Which environment: primary or secondary."""
        return self._transport.name

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""
        return self._transport.traffic

    @property
    def administration(self) -> Administration:
        """The same environment, seen by who sets it up or examines it."""
        return Administration(self._transport)

    async def identify(self) -> Identity:
        """Who we are there; `WrongEnvironmentError` if not where the configuration says.

        Works without any role (DATAVERSE 1.2), so it proves nothing about rights.
        """
        try:
            who = await read_decoded(
                partial(self._transport.read, "WhoAmI"), _WHO_AM_I.decode, where=self.name
            )
        except RequestRefusedError as error:
            if error.status == httpx.codes.FORBIDDEN:
                raise
            raise self._not_dataverse(error.why) from None
        except IncompleteReadError as error:
            raise self._not_dataverse(error.why) from None
        self._check_organization(who.organization_id)
        return Identity(who.organization_id, who.user_id)

    def _not_dataverse(self, why: str) -> UnreachableError:
        """Dataverse does not refuse WhoAmI, nor answer it in another way (DATAVERSE 1.2)."""
        return UnreachableError(
            f"what answers at {self._configuration.url} is not Dataverse",
            where=f"environments.{self.name}",
            why=why,
            mend="Check url",
        )

    def _check_organization(self, organization_id: str) -> None:
        expected = self._configuration.organization_id
        if expected and expected.lower() != organization_id.lower():
            raise WrongEnvironmentError(
                "this is another organisation than the configuration names",
                where=f"environments.{self.name}",
                why=f"expected {expected}, found {organization_id}",
                mend="Check url and organization_id; nothing was read or written",
            )

    async def describe(self, table: str) -> TableSchema:
        """What the table looks like; `SchemaMismatchError` if there is none of that name."""
        schema = await metadata.describe(self._transport, table)
        self._entity_sets[table] = schema.entity_set
        return schema

    async def list_tables(self) -> list[TableSummary]:
        """Every table that holds rows of its own, by name."""
        return await tables.list_tables(self._transport)

    def read_pages(
        self, schema: TableSchema, columns: Sequence[str], *, condition: str = ""
    ) -> AsyncIterator[list[Row]]:
        """All rows, or with a condition those for which it holds, page by page, ordered by id."""
        return read.read_pages(
            self._transport,
            schema,
            columns,
            rows_per_page=self._configuration.rows_per_page,
            condition=condition,
        )

    async def count(self, schema: TableSchema, *, condition: str = "") -> int | None:
        """How many rows there are, or None when there are more than can be counted (5,000)."""
        return await read.count(self._transport, schema, condition=condition)

    async def read_rows(
        self,
        schema: TableSchema,
        ids: Sequence[str],
        columns: Sequence[str],
        *,
        condition: str = "",
    ) -> list[Row]:
        """Those of the rows that exist, and meet the condition if one is given, in no order."""
        return await read.read_rows(self._transport, schema, ids, columns, condition=condition)

    async def read_rows_by_key(
        self, schema: TableSchema, keys: Sequence[Mapping[str, object]], columns: Sequence[str]
    ) -> list[Row]:
        """The rows found under these keys (column → value), as the database compares them."""
        return await read.read_rows_by_key(self._transport, schema, keys, columns)

    async def begin_changes(self, schema: TableSchema, columns: Sequence[str]) -> str:
        """A token for what changes from now on; `ChangeTrackingOffError` where nothing tells."""
        rows_per_page = self._configuration.rows_per_page
        return await changes.begin_changes(
            self._transport, schema, columns, rows_per_page=rows_per_page
        )

    def read_changes(
        self, schema: TableSchema, columns: Sequence[str], *, token: str
    ) -> AsyncIterator[ChangePage]:
        """What changed since the token; `DeltaTokenLostError` if that cannot be told any more."""
        rows_per_page = self._configuration.rows_per_page
        return changes.read_changes(
            self._transport, schema, columns, token=token, rows_per_page=rows_per_page
        )

    async def create_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Create rows under the ids that we chose; a row that exists already is refused."""
        return await self._write(schema, rows, message=write.CREATE)

    async def update_rows(self, schema: TableSchema, rows: Sequence[RowWrite]) -> list[Outcome]:
        """Change rows that exist; never creates one (DATAVERSE 15.2)."""
        return await self._write(schema, rows, message=write.UPDATE)

    async def associate_rows(
        self, schema: TableSchema, association: Association, pairs: Sequence[Pair]
    ) -> list[Outcome]:
        """Make pairs of a many-to-many relationship; one that exists counts as done."""
        other_set = await self._entity_set(association.other)
        return await associations.associate(
            self._transport,
            schema,
            association,
            pairs,
            other_set=f"{self._configuration.url}{API_PATH}{other_set}",
            pairs_per_call=self._configuration.rows_per_call,
        )

    async def disassociate_rows(
        self, schema: TableSchema, association: Association, pairs: Sequence[Pair]
    ) -> list[Outcome]:
        """Undo pairs; one that is gone counts as done."""
        pairs_per_call = self._configuration.rows_per_call
        return await associations.disassociate(
            self._transport, schema, association, pairs, pairs_per_call=pairs_per_call
        )

    async def find_pairs(self, association: Association, pairs: Sequence[Pair]) -> set[Pair]:
        """Those of the pairs that exist."""
        if not pairs:
            return set()
        entity_set = await self._entity_set(association.intersect)
        return await associations.find_pairs(
            self._transport, association, pairs, entity_set=entity_set
        )

    async def _entity_set(self, table: str) -> str:
        if table not in self._entity_sets:
            self._entity_sets[table] = await metadata.entity_set_of(self._transport, table)
        return self._entity_sets[table]

    async def delete_rows(self, schema: TableSchema, ids: Sequence[str]) -> list[Outcome]:
        """Delete rows; one that is not there is done. An unknown outcome may be sent again."""
        rows_per_call = self._configuration.rows_per_call
        return await batch.delete_rows(self._transport, schema, ids, rows_per_call=rows_per_call)

    def read_content(
        self, schema: TableSchema, row_id: str, column: Column
    ) -> AsyncGenerator[Piece, None]:
        """The content of an image or file column, piece by piece; nothing if it is empty."""
        return files.read_content(self._transport, schema, row_id, column)

    async def write_content(
        self, schema: TableSchema, row_id: str, column: Column, pieces: AsyncIterator[Piece]
    ) -> Outcome:
        """Put content in place of what is there; an unknown outcome may be sent again."""
        return await files.write_content(self._transport, schema, row_id, column, pieces)

    async def clear_content(self, schema: TableSchema, row_id: str, column: Column) -> Outcome:
        """Remove the content; an empty column counts as done."""
        return await files.clear_content(self._transport, schema, row_id, column)

    async def dependents_of(self, schema: TableSchema) -> tuple[Dependent, ...]:
        """Lookups of all tables that a delete of a row of this table would follow."""
        return await dependents.dependents_of(self._transport, schema.name)

    async def ids_with_dependents(self, dependent: Dependent, ids: Sequence[str]) -> set[str]:
        """Those of the rows that some row points to through this lookup."""
        return await dependents.ids_with_dependents(self._transport, dependent, ids)

    async def _write(
        self, schema: TableSchema, rows: Sequence[RowWrite], *, message: Message
    ) -> list[Outcome]:
        for table in write.referenced_tables(rows):
            await self._entity_set(table)
        return await write.write_rows(
            self._transport,
            schema,
            rows,
            message=message,
            entity_sets=self._entity_sets,
            rows_per_call=self._configuration.rows_per_call,
        )


@asynccontextmanager
async def connect(
    name: str,
    configuration: EnvironmentConfiguration,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    authority_transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
    random: Callable[[], float] = chance.random,
    patience: Patience = DEFAULT_PATIENCE,
) -> AsyncIterator[DataverseClient]:
    """A client for one environment, open until the block ends; sends nothing by itself.

    Args:
        name: "primary" or "secondary", for messages.
        configuration: address, application users, trust and pace.
        transport: replaces the network towards the environment.
        authority_transport: replaces the network towards Entra.
        sleep: waits that many seconds.
        clock: seconds that only go forward.
        random: a number from 0 to 1, for jitter.
        patience: time-outs and limits of repeating.

    """
    verify = trust(configuration)
    with httpx.Client(
        verify=verify,
        timeout=patience.authority_seconds,
        mounts=NO_PROXY,
        transport=authority_transport,
    ) as authority:
        users = application_users(configuration, environment=name, http=authority, sleep=sleep)
        async with new_client(
            auth=TakingTurns(users),
            verify=verify,
            requests_in_flight=configuration.requests_in_flight,
            patience=patience,
            transport=transport,
        ) as client:
            yield DataverseClient(
                Transport(
                    client,
                    name=name,
                    url=configuration.url,
                    requests_in_flight=configuration.requests_in_flight,
                    clockwork=Clockwork(clock, sleep, random),
                    patience=patience,
                ),
                configuration,
            )


class _WhoAmI(msgspec.Struct, rename="pascal"):
    organization_id: str
    user_id: str


_WHO_AM_I = msgspec.json.Decoder(_WhoAmI)
