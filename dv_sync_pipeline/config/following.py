"""How changes reach the secondary between two reconciliations: settings of the two paths.

Belongs here: which path is on, and its intervals. Each is `true`, `false`, or its settings.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from dv_sync_pipeline.config.base import Model

__all__ = ["Changes", "ChangesSettings", "Live", "LiveSettings"]


class ChangesSettings(Model):
    """Runs that are started when changes come in; they arrive within five to ten seconds.

    While a live run applies changes, these stand by.

    Attributes:
        enabled: whether changes start runs at all.
        poll_seconds: how often the change feeds are asked, for changes that no webhook told of.

    """

    enabled: bool = True
    poll_seconds: int = Field(default=30, ge=5)


class LiveSettings(Model):
    """One long run that applies changes within a second or two.

    Attributes:
        enabled: whether there is such a run.
        poll_seconds: how often each change feed is read, for changes that no webhook told of.
        max_minutes: after so long it hands over to a fresh one.

    """

    enabled: bool = True
    poll_seconds: float = Field(default=10.0, ge=0.5)
    max_minutes: float = Field(default=30.0, gt=0)


def _spell_out_switch(setting: Any) -> Any:
    return {"enabled": setting} if isinstance(setting, bool) else setting


Changes = Annotated[
    ChangesSettings,
    BeforeValidator(_spell_out_switch, json_schema_input_type=bool | ChangesSettings),
]
Live = Annotated[
    LiveSettings,
    BeforeValidator(_spell_out_switch, json_schema_input_type=bool | LiveSettings),
]
