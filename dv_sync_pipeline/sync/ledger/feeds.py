"""Where each table's change feed goes on, and how far the secondary lags behind the primary."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database

__all__ = ["DeltaToken", "Feeds", "Lag"]

_LARGEST_OF = timedelta(days=1)
"""The largest lag is that of the last day, so that a bad hour does not stand there for ever."""


@dataclass(frozen=True, slots=True)
class DeltaToken:
    """Where the change feed of one table goes on.

    Attributes:
        link: the server's own delta link, byte for byte.
        mapping: fingerprint of the mapping for whose columns it was given.
        taken: when it was given (UTC); Dataverse forgets it after some days (DATAVERSE 7.3).

    """

    link: str
    mapping: str
    taken: datetime


@dataclass(frozen=True, slots=True)
class Lag:
    """How long changes of one table took, from `modifiedon` to the commit in the secondary.

    Attributes:
        last_seconds: the longest of the last pass that wrote a change.
        last_at: when that was (UTC).
        largest_seconds: the longest within a day.
        largest_at: when that was (UTC).

    """

    last_seconds: float
    last_at: datetime
    largest_seconds: float
    largest_at: datetime


_feeds = sa.Table(
    "feeds",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("mapping", sa.String(64), nullable=False),
    sa.Column("taken", sa.String(32), nullable=False),
    sa.Column("is_tracked", sa.Boolean, nullable=False),
)


_lags = sa.Table(
    "lags",
    METADATA,
    sa.Column("table_name", sa.String(128), primary_key=True),
    sa.Column("last_seconds", sa.Float, nullable=False),
    sa.Column("last_at", sa.String(32), nullable=False),
    sa.Column("largest_seconds", sa.Float, nullable=False),
    sa.Column("largest_at", sa.String(32), nullable=False),
)


class Feeds(Database):
    """Delta tokens and lags of all tables."""

    def delta_token(self, table: str) -> DeltaToken | None:
        """Where the feed goes on; None if there is no token."""
        query = sa.select(_feeds).where(_feeds.c.table_name == table, _feeds.c.is_tracked)
        with self.reading() as connection:
            row = connection.execute(query).mappings().first()
        return _token(row) if row else None

    def save_delta_token(
        self, table: str, token: DeltaToken, *, instead_of: DeltaToken | None
    ) -> None:
        """Go on from here next time: everything before it is applied or parked.

        If another token than `instead_of` is there, passes have overlapped. Then the older one
        stays: a row that was deleted and was not yet known to the one may have been created by the
        other, and only its tombstone tells of that. Changes read twice harm nobody.
        """
        row = _feeds.c.table_name == table
        with self.transaction() as connection:
            # A write first: it takes SQLite's lock before anything is read.
            connection.execute(_feeds.delete().where(row, ~_feeds.c.is_tracked))
            known = connection.execute(sa.select(_feeds).where(row)).mappings().first()
            if known and known["link"] != (instead_of.link if instead_of else ""):
                token = min(token, _token(known), key=lambda each: each.taken)
            connection.execute(_feeds.delete().where(row))
            connection.execute(_feeds.insert().values(table_name=table, **_values(token)))

    def drop_delta_token(self, table: str, token: DeltaToken) -> None:
        """Forget a token that leads nowhere any more."""
        with self.transaction() as connection:
            connection.execute(
                _feeds.delete().where(_feeds.c.table_name == table, _feeds.c.link == token.link)
            )

    def note_untracked(self, table: str, *, now: datetime) -> None:
        """The primary does not track changes of this table: only reconciles cover it."""
        token = DeltaToken("", "", now)
        values = {**_values(token), "is_tracked": False}
        with self.transaction() as connection:
            connection.execute(_feeds.delete().where(_feeds.c.table_name == table))
            connection.execute(_feeds.insert().values(table_name=table, **values))

    def is_untracked(self, table: str) -> bool:
        """Whether the last reconcile found that the primary does not track changes of it."""
        query = sa.select(_feeds.c.link).where(_feeds.c.table_name == table, ~_feeds.c.is_tracked)
        with self.reading() as connection:
            return connection.execute(query).first() is not None

    def note_lag(self, table: str, seconds: float, *, now: datetime) -> None:
        """The slowest change of a pass took so long."""
        known = self.lags().get(table)
        is_largest = (
            known is None
            or seconds >= known.largest_seconds
            or now - known.largest_at > _LARGEST_OF
        )
        largest = {"largest_seconds": seconds, "largest_at": now.isoformat()} if is_largest else {}
        last = {"last_seconds": seconds, "last_at": now.isoformat()}
        row = _lags.c.table_name == table
        with self.transaction() as connection:
            updated = connection.execute(_lags.update().where(row).values(**last, **largest))
            if updated.rowcount == 0:
                connection.execute(_lags.insert().values(table_name=table, **last, **largest))

    def lags(self) -> Mapping[str, Lag]:
        """Table → its lag, for every table of which a change was written."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(_lags)).mappings().all()
        return {
            row["table_name"]: Lag(
                row["last_seconds"],
                datetime.fromisoformat(row["last_at"]),
                row["largest_seconds"],
                datetime.fromisoformat(row["largest_at"]),
            )
            for row in rows
        }


def _token(row: sa.RowMapping) -> DeltaToken:
    return DeltaToken(row["link"], row["mapping"], datetime.fromisoformat(row["taken"]))


def _values(token: DeltaToken) -> dict[str, object]:
    return {
        "link": token.link,
        "mapping": token.mapping,
        "taken": token.taken.isoformat(),
        "is_tracked": True,
    }
