"""Which two organisations this ledger belongs to."""

from collections.abc import Mapping

import sqlalchemy as sa

from dv_sync_pipeline.errors import WrongEnvironmentError
from dv_sync_pipeline.sync.ledger.database import METADATA, Database, insert

__all__ = ["KnownEnvironments"]

_environments = sa.Table(
    "environments",
    METADATA,
    sa.Column("environment", sa.String(16), primary_key=True),
    sa.Column("organization_id", sa.String(36), nullable=False),
)


class KnownEnvironments(Database):
    """Environment → organisation id, written at the first run."""

    def check_environments(self, organizations: Mapping[str, str]) -> None:
        """Compare organisation ids with the stored ones; `WrongEnvironmentError` if they differ.

        `organizations` is environment name → organisation id.
        """
        with self.reading() as connection:
            rows = connection.execute(sa.select(_environments)).mappings()
            stored = {row["environment"]: row["organization_id"] for row in rows}
        for environment, organization in organizations.items():
            known = stored.get(environment, organization)
            if known != organization:
                raise _wrong_environment(environment, organization, known, stored)

    def remember_environments(self, organizations: Mapping[str, str]) -> None:
        """Store the ids at the first run; later ones must be the same."""
        if not self._knows_environments():
            self._store_environments(organizations)
        self.check_environments(organizations)

    def _knows_environments(self) -> bool:
        with self.reading() as connection:
            return connection.execute(sa.select(_environments)).first() is not None

    def _store_environments(self, organizations: Mapping[str, str]) -> None:
        rows = [
            {"environment": environment, "organization_id": organization}
            for environment, organization in organizations.items()
        ]
        try:
            with self.transaction() as connection:
                insert(connection, _environments, rows)
        except sa.exc.IntegrityError:
            pass  # Another run was first; its ids are compared all the same.


def _wrong_environment(
    environment: str, organization: str, known: str, stored: Mapping[str, str]
) -> WrongEnvironmentError:
    is_swapped = organization in stored.values()
    return WrongEnvironmentError(
        f"the {environment} environment is organisation {organization}, and not {known} as before",
        why="primary and secondary seem to be swapped" if is_swapped else "",
        mend="Correct the urls in sync.yaml, or give the new pair of environments its own `state`",
    )
