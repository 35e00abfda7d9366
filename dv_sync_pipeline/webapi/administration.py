"""What setting up and examining an environment asks of it, beside reading and writing rows.

Belongs here: one class that puts the functions of webhooks, customization and rights on one
transport, for `dv-sync provision` and `dv-sync doctor`. A synchronization never needs it, so it is
no part of `Dataverse`, which the domain's tests simulate. Does not belong here: how any of it
works.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import msgspec

from dv_sync_pipeline.webapi import customization, registration, rights
from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.odata import address
from dv_sync_pipeline.webapi.rights import ApplicationUserRow, Depth, Right
from dv_sync_pipeline.webapi.steps import Endpoint, FoundEndpoint, RegistrationChange
from dv_sync_pipeline.webapi.transport import Transport

__all__ = ["Administration"]


class Administration:
    """One environment, seen by who sets it up or examines it.

    Every function raises the errors of `dv_sync_pipeline.errors`, most of all
    `RequestRefusedError` where a right is missing.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # ---- webhooks --------------------------------------------------------------------------------

    async def find_webhooks(self, name: str) -> FoundEndpoint | None:
        """The webhook registration of that name; None if there is none."""
        return await registration.find_endpoint(self._transport, name)

    async def register_webhooks(self, wanted: Endpoint) -> tuple[RegistrationChange, ...]:
        """Make a webhook registration as it should be; what was changed, nothing if it was so."""
        return await registration.register_webhooks(self._transport, wanted)

    async def remove_webhooks(self, name: str) -> tuple[RegistrationChange, ...]:
        """Remove the webhook registration of that name; what was removed."""
        return await registration.remove_webhooks(self._transport, name)

    # ---- tables ----------------------------------------------------------------------------------

    async def create_key(self, table: str, columns: Sequence[str]) -> None:
        """Create an alternate key; its index is built in the background."""
        await customization.create_key(self._transport, table, columns)

    async def rebuild_key(self, table: str, key: str) -> None:
        """Let the index of a failed key be built again."""
        await customization.rebuild_key(self._transport, table, key)

    async def wait_for_key(self, table: str, columns: Sequence[str], *, seconds_max: float) -> None:
        """Return once the key's index is built; raises when that failed or takes longer."""
        await customization.wait_for_key(self._transport, table, columns, seconds_max=seconds_max)

    async def track_changes(self, table: str) -> None:
        """Turn on change tracking, for ever."""
        await customization.track_changes(self._transport, table)

    async def create_integer_column(
        self, table: str, name: str, *, title: str, description: str
    ) -> None:
        """Add a column for whole numbers that may be empty."""
        await customization.create_integer_column(
            self._transport, table, name, title=title, description=description
        )

    # ---- rights and the environment itself -------------------------------------------------------

    async def find_user(self, user_id: str) -> ApplicationUserRow:
        """The user of that id, with its own roles."""
        return await rights.find_user(self._transport, user_id)

    async def privileges_of(self, user_id: str) -> dict[str, Depth]:
        """Privilege id → depth, for `rights_on`."""
        return await rights.privileges_of(self._transport, user_id)

    async def rights_on(self, table: str, privileges: Mapping[str, Depth]) -> dict[Right, Depth]:
        """How deep each right on the table reaches."""
        return await rights.rights_on(self._transport, table, privileges)

    async def tracking_days(self) -> int:
        """How long deleted rows are remembered, and so how long a delta token lives (7.3)."""
        found = await read_decoded(
            partial(
                self._transport.read, address("organizations", select="expirechangetrackingindays")
            ),
            msgspec.json.Decoder(_Organizations).decode,
            where=self._transport.name,
        )
        return found.value[0].expirechangetrackingindays

    @property
    def server_time(self) -> datetime | None:
        """What the environment's clock showed in its latest answer; None before the first."""
        return self._transport.signals.server_time

    @property
    def parallelism_hint(self) -> int | None:
        """How many requests at a time the environment recommends (DATAVERSE 9.1), if it does."""
        return self._transport.signals.parallelism_hint


class _Organization(msgspec.Struct):
    expirechangetrackingindays: int


class _Organizations(msgspec.Struct):
    value: list[_Organization]
