"""`schedule:` of `sync.yaml`."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from dv_sync_pipeline.config.base import Model

__all__ = ["Schedule"]


class Schedule(Model):
    """When the nightly reconciliation runs.

    Attributes:
        reconcile: cron expression of five fields; null for never.
        timezone: in which the cron expression is meant.

    """

    reconcile: str | None = Field(default="0 2 * * *")
    timezone: str = Field(default="UTC", examples=["Europe/Berlin"])

    def next_reconcile(self, now: datetime) -> datetime | None:
        """When the next one is due, in UTC; None for never."""
        from croniter import croniter  # noqa: PLC0415 - few commands ask

        if self.reconcile is None or not croniter.is_valid(self.reconcile):
            return None
        here = now.astimezone(ZoneInfo(self.timezone))
        moment: datetime = croniter(self.reconcile, here).get_next(datetime)
        return moment.astimezone(UTC)

    @field_validator("timezone")
    @classmethod
    def _is_known_timezone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            msg = f"{timezone!r} is not a time zone such as Europe/Berlin"
            raise ValueError(msg) from error
        return timezone

    @field_validator("reconcile")
    @classmethod
    def _has_five_fields(cls, cron: str | None) -> str | None:
        if cron is not None and len(cron.split()) != 5:  # noqa: PLR2004 - cron has five fields
            msg = f"{cron!r} is not a cron expression of five fields such as '0 2 * * *'"
            raise ValueError(msg)
        return cron
