"""A piece of SQL that holds or not, with the values of its question marks."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Condition"]


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL with the values of its question marks."""

    sql: str
    parameters: tuple[Any, ...] = ()
