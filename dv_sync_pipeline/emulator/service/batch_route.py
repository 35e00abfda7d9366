"""`POST $batch` (DATAVERSE 8.4): from HTTP to `batch.py` and back.

Belongs here: how one operation of a batch becomes a request like any other. Does not belong here:
the multipart format and the order of execution.
"""

from collections.abc import Callable
from functools import partial

from dv_sync_pipeline.emulator.definitions.metadata_writes import schema_transaction
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.service.batch import (
    Operation,
    parse_batch,
    run_batch,
    with_line_ends,
)
from dv_sync_pipeline.emulator.service.handlers import Handler
from dv_sync_pipeline.emulator.service.requests import Call, Request

__all__ = ["batch_handler"]

Answer = Callable[[EmulatedEnvironment, Request], Reply]


def batch_handler(answer: Answer) -> Handler:
    """The handler of `$batch`, given what answers a single request."""

    def run(call: Call) -> Reply:
        body = call.request.body
        if call.environment.switches.batch_line_feeds_accepted:
            body = with_line_ends(body)
        return run_batch(
            parse_batch(body, content_type=call.header("content-type")),
            perform=partial(_perform, call, answer),
            transaction=partial(schema_transaction, call.store),
            continue_on_error=call.preferences.continues_on_error,
            new_id=call.store.new_id,
        )

    return run


def _perform(call: Call, answer: Answer, operation: Operation) -> Reply:
    """Answer one operation; its headers are its own, its user is that of the batch."""
    path, _, query = operation.url.partition("?")
    reply = answer(
        call.environment,
        Request(
            method=operation.method,
            path=path,
            query=query,
            headers=operation.headers,
            body=operation.body,
            user_id=call.request.user_id,
            version=call.request.version,
        ),
    )
    return Reply(reply.status, {"OData-Version": "4.0", **reply.headers}, reply.body)
