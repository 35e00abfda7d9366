"""What a handler is: the function behind a route."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["Handler", "Routes"]

Handler: TypeAlias = Callable[[Call], Reply]
"""Answers a call; refuses it by raising `DataverseError`."""

Routes: TypeAlias = Mapping[tuple[str, str], Handler]
"""Method and shape of the path (`routes.shape`) → handler."""
