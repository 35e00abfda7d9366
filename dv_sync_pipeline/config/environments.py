"""`environments:` of `sync.yaml`.

Belongs here: where the two environments are, and how fast they may be asked. Does not belong here:
how application users prove who they are (`credentials`).
"""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from dv_sync_pipeline.config.base import Model
from dv_sync_pipeline.config.credentials import Credential
from dv_sync_pipeline.redact import redact

__all__ = ["EnvironmentConfiguration", "Environments"]


class EnvironmentConfiguration(Model):
    """One Dataverse organisation and the application users that may speak to it.

    Attributes:
        url: the address of the environment.
        credentials: one or more application users, of any kinds; requests are spread over them,
            since each has service protection limits of its own (DATAVERSE 9.1).
        administrator: the application user as whom `dv-sync provision` speaks, so that those of
            `credentials` need no right to change the environment itself.
        organization_id: if set, any other organisation is refused.
        authority: where tokens come from; another one for sovereign clouds, such as
            https://login.microsoftonline.us, and for the emulator.
        ca_file: PEM file of the authority to trust instead of the system's.
        rows_per_page: rows asked for at once when a table is read.
        rows_per_call: rows in one bulk message (DATAVERSE 8.2).
        requests_in_flight: requests at once, for one run (DATAVERSE 9.1: 52 at most).

    """

    url: str = Field(examples=["https://contoso.crm4.dynamics.com"])
    credentials: tuple[Credential, ...] = Field(min_length=1)
    administrator: Credential | None = None
    organization_id: str = Field(default="", examples=["0a1b2c3d-0000-4000-8000-000000000000"])
    authority: str = "https://login.microsoftonline.com"
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    rows_per_page: int = Field(default=5000, ge=1, le=5000)
    rows_per_call: int = Field(default=500, ge=1, le=1000)
    requests_in_flight: int = Field(default=4, ge=1, le=52)

    @property
    def for_administrator(self) -> Self:
        """The same environment, spoken to by its administrator if one is given."""
        if self.administrator is None:
            return self
        return self.model_copy(update={"credentials": (self.administrator,)})

    @field_validator("url", "authority")
    @classmethod
    def _is_https_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.username:
            msg = (
                f"{redact(url)!r} is not an https address such as https://contoso.crm.dynamics.com"
            )
            raise ValueError(msg)
        return url.rstrip("/")

    @field_validator("url")
    @classmethod
    def _has_no_path(cls, url: str) -> str:
        if urlsplit(url).path not in ("", "/"):
            msg = f"{url!r} has a path: give the environment's address alone"
            raise ValueError(msg)
        return url


class Environments(Model):
    """The two environments: the primary has the authority, the secondary is kept equal to it.

    Attributes:
        primary: where the master data is kept; it is only read.
        secondary: where the mapped columns are kept equal to the primary's.

    """

    primary: EnvironmentConfiguration
    secondary: EnvironmentConfiguration

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.primary.url.lower() == self.secondary.url.lower():
            msg = "primary and secondary have the same url"
            raise ValueError(msg)
        return self
