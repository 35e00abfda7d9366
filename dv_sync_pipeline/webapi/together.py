"""Several requests at once, with one error at most.

Belongs here: the one way in which this package runs things concurrently. Does not belong here: how
many requests may be in flight; the transport's slots see to that.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["together"]

_Result = TypeVar("_Result")


async def together(coroutines: Iterable[Coroutine[Any, Any, _Result]]) -> list[_Result]:
    """The results in the order given; the first error ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except* Exception as errors:  # noqa: BLE001 - raised again below
        first = _first(errors)
    else:
        return [task.result() for task in tasks]
    raise first


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
