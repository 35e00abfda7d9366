"""Who owns an asset, as Dagster shows it."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

__all__ = ["Owner"]

_OWNER = re.compile(r"team:\S+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
"""Dagster takes no others, and says so only when definitions load."""


def _check_owner(owner: Any) -> Any:
    if isinstance(owner, str) and not _OWNER.fullmatch(owner):
        msg = f"{owner!r} is neither a mail address nor team:NAME"
        raise ValueError(msg)
    return owner


Owner = Annotated[
    str,
    BeforeValidator(
        _check_owner,
        json_schema_input_type=Annotated[str, Field(pattern=f"^({_OWNER.pattern})$")],
    ),
]
"""A person by mail address, or a team by name."""
