"""The application users of every emulated environment; their secrets are public on purpose.

Belongs here: who they are, and which roles they hold where. Does not belong here: what a role
allows (`security`), or how they prove themselves (`identity`).
"""

from dataclasses import dataclass

from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.system import (
    ADMINISTRATOR as ADMINISTRATOR_ROLE,
)
from dv_sync_pipeline.emulator.tables.system import (
    READER as READER_ROLE,
)
from dv_sync_pipeline.emulator.tables.system import (
    create_application_user,
    create_role,
)

__all__ = [
    "ADMINISTRATOR",
    "PIPELINE",
    "STRANGER",
    "TENANT_ID",
    "USERS",
    "Application",
    "add_users",
]

TENANT_ID = "5a8f3b52-7c1d-4e0f-9d36-0b2f4c6e8a10"


@dataclass(frozen=True, slots=True)
class Application:
    """An app registration of the emulated tenant.

    Attributes:
        full_name: of its user in every environment.
        client_id: application id.
        client_secret: proves it.

    """

    full_name: str
    client_id: str
    client_secret: str


PIPELINE = Application(
    "dv-sync pipeline", "c0ffee00-0001-4000-8000-000000000001", "emulated-secret-of-the-pipeline"
)
"""Reads the primary, writes any other environment."""

ADMINISTRATOR = Application(
    "Administrator", "c0ffee00-0002-4000-8000-000000000002", "emulated-secret-of-the-administrator"
)
"""May do everything, everywhere."""

STRANGER = Application(
    "Stranger", "c0ffee00-0003-4000-8000-000000000003", "emulated-secret-of-the-stranger"
)
"""Has no role anywhere: WhoAmI is all that it may ask (DATAVERSE 1.2)."""

USERS = (PIPELINE, ADMINISTRATOR, STRANGER)

_WRITER_ROLE = "Writer"
_WRITER_ACTIONS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign")


def add_users(store: Store, *, environment: str) -> None:
    """Make the users of an environment that was just founded."""
    create_role(store, _WRITER_ROLE, dict.fromkeys(_WRITER_ACTIONS, "Global"))
    for application in USERS:
        create_application_user(
            store,
            application_id=application.client_id,
            full_name=application.full_name,
            roles=_roles(application, environment=environment),
        )


def _roles(application: Application, *, environment: str) -> tuple[str, ...]:
    if application is ADMINISTRATOR:
        return (ADMINISTRATOR_ROLE,)
    if application is PIPELINE:
        return (READER_ROLE,) if environment == "primary" else (_WRITER_ROLE,)
    return ()
