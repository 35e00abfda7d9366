"""The change feed of one table, for the columns that its mapping needs.

Belongs here: which columns are asked for, which token a pass may go on from, and a fresh token for
a reconcile. Does not belong here: what becomes of a change (`changes.py`), or the pages
(`webapi/changes.py`).
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from dv_sync_pipeline.errors import ChangeTrackingOffError, DeltaTokenLostError
from dv_sync_pipeline.sync.ledger import DeltaToken, Ledger
from dv_sync_pipeline.sync.mapping import TableMapping
from dv_sync_pipeline.sync.turns import Clock
from dv_sync_pipeline.webapi.client import ChangePage, Dataverse
from dv_sync_pipeline.webapi.metadata import Column

__all__ = ["MODIFIED", "Feed", "columns_of_changes"]

MODIFIED = "@modified"
"""When a row was last changed in the primary; null where the table does not tell."""

_MODIFIED_COLUMN = "modifiedon"


def columns_of_changes(mapping: TableMapping) -> dict[str, Column]:
    """What to read of a changed row: name in the frame → column."""
    modified = mapping.primary.columns.get(_MODIFIED_COLUMN)
    return {**mapping.primary_columns, **({MODIFIED: modified} if modified else {})}


@dataclass(frozen=True, slots=True)
class Feed:
    """The change feed of one table.

    Attributes:
        mapping: the whole mapping: a token is good for the columns for which it was begun.
        fingerprint: of the mapping.
        primary: whose changes are followed.
        ledger: where the token is kept.
        clock: the time.

    """

    mapping: TableMapping
    fingerprint: str
    primary: Dataverse
    ledger: Ledger
    clock: Clock

    @property
    def table(self) -> str:
        """Logical name in the primary."""
        return self.mapping.table

    @property
    def columns(self) -> Mapping[str, Column]:
        """What each changed row shows: name in the frame → column."""
        return columns_of_changes(self.mapping)

    @property
    def _names(self) -> list[str]:
        primary_id = self.mapping.primary.primary_id
        return [column.name for column in self.columns.values() if column.name != primary_id]

    def usable_token(self) -> DeltaToken | None:
        """The token from which a pass may go on: one that was begun for this mapping."""
        token = self.ledger.delta_token(self.table)
        return token if token and token.mapping == self.fingerprint else None

    def why_unusable(self) -> str:
        """Why there is no token from which a pass may go on, in words."""
        if self.ledger.delta_token(self.table) is None:
            return "there is no delta token from which its changes could be followed"
        return "the mapping changed since its delta token was taken"

    def read(self, token: DeltaToken) -> AsyncIterator[ChangePage]:
        """What changed since the token, page by page."""
        return self.primary.read_changes(self.mapping.primary, self._names, token=token.link)

    async def fresh_token(self, *, writer: int) -> DeltaToken | None:
        """A token for what changes from now on; None where the table does not track changes.

        From a token that is not too old the feed is read to its end, and what it tells is let go:
        that is far less than to begin anew, which reads every row (DATAVERSE 7.1). Tombstones are
        stamped as of the pass `writer`: another one may be about to create such a row (`turns.py`).
        """
        now = self.clock()
        if not self.mapping.primary.change_tracking_enabled:
            return None
        try:
            link = await self._advanced(writer) or await self._begun()
        except ChangeTrackingOffError:
            return None
        return DeltaToken(link, self.fingerprint, now)

    async def _advanced(self, writer: int) -> str:
        token, link = self.usable_token(), ""
        if token is None:
            return ""
        try:
            async for page in self.read(token):
                self.ledger.stamp_rows(self.table, page.deleted, writer=writer)
                link = page.token
        except DeltaTokenLostError:
            return ""
        return link

    async def _begun(self) -> str:
        return await self.primary.begin_changes(self.mapping.primary, self._names)

    def save(self, token: DeltaToken | None, *, instead_of: DeltaToken | None) -> None:
        """Go on from here next time; None says that only reconciles cover the table."""
        if token is None:
            self.ledger.note_untracked(self.table, now=self.clock())
        else:
            self.ledger.save_delta_token(self.table, token, instead_of=instead_of)
