"""Sending alerts to where people read them: Teams, Slack, mail, webhooks and the rest of Apprise.

Belongs here: channels named by address, and one message through one of them. Does not belong here:
what is sent, and trying again (`sync/ledger/outbox.py`). Addresses hold secrets: nothing but this
module sees them, and what it tells is an id made of them.

Apprise is imported when something is sent: every run starts a process that imports this module, and
hardly any sends an alert.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from dv_sync_pipeline.errors import ConfigurationError, UnreachableError
from dv_sync_pipeline.redact import redact

if TYPE_CHECKING:
    import apprise

__all__ = ["Channel", "channel_id", "open_channels"]

_ID_CHARACTERS = 12


def channel_id(address: str) -> str:
    """Names a channel without telling its address."""
    return sha256(address.encode()).hexdigest()[:_ID_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Channel:
    """Somewhere people read.

    Attributes:
        id: see `channel_id`.
        kind: Apprise's name of the service: "Microsoft Power Automate / Workflows".

    """

    id: str
    kind: str
    _apprise: "apprise.Apprise"

    def send(self, *, title: str, text: str, is_recovery: bool) -> None:
        """Send one message; `UnreachableError` when it was not taken."""
        import apprise  # noqa: PLC0415 - slow

        kind = apprise.NotifyType.SUCCESS if is_recovery else apprise.NotifyType.WARNING
        with apprise.LogCapture(  # type: ignore[no-untyped-call] # it is the only one without types
            level=apprise.logging.WARNING, fmt="%(message)s"
        ) as log:
            taken = self._apprise.notify(
                title=redact(title),
                body=redact(text),
                notify_type=kind,
                body_format=apprise.NotifyFormat.TEXT,
            )
            words = log.getvalue().strip() if log is not None else ""
        if not taken:
            raise UnreachableError(
                f"the alert was not taken by {self.kind}",
                where=f"alerts.channels, {self.id}",
                why=redact(words),
                mend="Check the address with dv-sync alerts test",
            )


def open_channels(addresses: Iterable[str]) -> list[Channel]:
    """Each address as a channel; nothing is sent yet.

    Raises `ConfigurationError` for an address that Apprise does not know; its text is not repeated.
    """
    return [_open(place, address) for place, address in enumerate(addresses)]


def _open(place: int, address: str) -> Channel:
    import apprise  # noqa: PLC0415 - slow

    one = apprise.Apprise()
    if not one.add(address):
        raise ConfigurationError(
            f"alerts.channels[{place}] is not an address that Apprise knows",
            mend="Write it as https://github.com/caronc/apprise shows for your service",
        )
    return Channel(channel_id(address), str(one[0].service_name), one)
