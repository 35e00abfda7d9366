"""`alerts:` of `sync.yaml`."""

from pydantic import Field, SecretStr

from dv_sync_pipeline.config.base import Model

__all__ = ["Alerts"]


class Alerts(Model):
    """Whom to tell when something needs a person, and from where on.

    Attributes:
        channels: where alerts go: addresses as Apprise writes them, for Teams workflows, Slack,
            mail, webhooks and many more. They hold secrets: give them as variables. Without any,
            alerts stand in the log of Dagster's sensors.
        parked_rows_max: more parked rows of one table than this are a problem.
        lag_seconds_max: a change of the primary that is not in the secondary after so long is a
            problem, where changes are followed.
        credential_days_min: a credential that expires within so many days is a problem.
        ui_url: address of Dagster's UI, for the links to runs in alerts.

    """

    channels: tuple[SecretStr, ...] = Field(default=(), examples=[["${DV_SYNC_CHANNEL}"]])
    parked_rows_max: int = Field(default=0, ge=0)
    lag_seconds_max: int = Field(default=60, ge=1)
    credential_days_min: int = Field(default=14, ge=0)
    ui_url: str = Field(default="", examples=["https://dagster.contoso.com"])
