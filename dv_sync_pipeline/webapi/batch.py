"""Deleting rows through `$batch`: standard tables have no bulk message for it (DATAVERSE 15.6).

Belongs here: writing the multipart request, reading its answer part by part, and an outcome for
each row (DATAVERSE 8.4). Does not belong here: whether a row may be deleted; that is for
`sync/removals.py`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

import httpx

from dv_sync_pipeline.errors import DvSyncError
from dv_sync_pipeline.webapi import odata
from dv_sync_pipeline.webapi.metadata import TableSchema
from dv_sync_pipeline.webapi.together import together
from dv_sync_pipeline.webapi.transport import Transport, request_failed
from dv_sync_pipeline.webapi.verdict import Decision, Verdict, judge_answer
from dv_sync_pipeline.webapi.write import CALLS_AT_ONCE, Outcome, OutcomeKind, outcome_kind

__all__ = ["delete_rows"]

_BOUNDARY = "batch_dv_sync"
_HEADERS = {
    "Content-Type": f'multipart/mixed; boundary="{_BOUNDARY}"',
    # Without it the first row that is gone already would end the whole batch.
    "Prefer": "odata.continue-on-error",
}
_GONE = frozenset({"0x80040217", "0x80060891"})
"""The row is not there any more, whatever the status (DATAVERSE 4.7)."""

_SPLIT = frozenset({Decision.TOO_MUCH, Decision.ROW_REFUSED})


async def delete_rows(
    transport: Transport, schema: TableSchema, ids: Sequence[str], *, rows_per_call: int
) -> list[Outcome]:
    """Delete rows and tell what became of each, in the order given; one that is gone is done.

    An unknown outcome may simply be sent again. Raises only when nothing could be sent at all: the
    first error of the transport.
    """
    job = _Job(transport, schema)
    chunks = [ids[start : start + rows_per_call] for start in range(0, len(ids), rows_per_call)]
    outcomes = [each for chunk in await job.run(chunks) for each in chunk]
    if job.first_error is not None and not job.was_answered:
        raise job.first_error
    return outcomes


class _Job:
    """The calls of one `delete_rows`."""

    def __init__(self, transport: Transport, schema: TableSchema) -> None:
        self.was_answered = False
        self.first_error: DvSyncError | None = None
        self._transport = transport
        self._schema = schema
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(self, chunks: Iterable[Sequence[str]]) -> list[list[Outcome]]:
        return await together(self._run_chunk(chunk) for chunk in chunks)

    async def _run_chunk(self, ids: Sequence[str]) -> list[Outcome]:
        async with self._slots:
            return await self._settle(ids)

    async def _settle(self, ids: Sequence[str]) -> list[Outcome]:
        """One batch; one that is refused as a whole is halved."""
        verdict = await self._send(ids)
        if verdict.decision is Decision.ACCEPTED:
            return [
                _outcome(row_id, part)
                for row_id, part in zip(ids, _parts(verdict.body, len(ids)), strict=True)
            ]
        if verdict.decision in _SPLIT and len(ids) > 1:
            middle = len(ids) // 2
            return await self._settle(ids[:middle]) + await self._settle(ids[middle:])
        return [_outcome(row_id, verdict) for row_id in ids]

    async def _send(self, ids: Sequence[str]) -> Verdict:
        """Send once; an error is kept, because outcomes of other calls must not be lost by it."""
        body = _request(odata.row(self._schema.entity_set, row_id) for row_id in ids)
        try:
            verdict = await self._transport.write("POST", "$batch", body=body, headers=_HEADERS)
        except DvSyncError as error:
            self.first_error = self.first_error or error
            return Verdict(Decision.NOT_REACHED, message=str(error))
        if verdict.decision in (Decision.THROTTLED, Decision.NOT_DONE, Decision.NOT_REACHED):
            where = f"{self._transport.name}: DELETE {self._schema.entity_set}"
            failed = request_failed(verdict, where=where, is_read=False)
            self.first_error = self.first_error or failed
        else:
            self.was_answered = True
        return verdict


def _request(resources: Iterable[str]) -> bytes:
    """The parts one after the other; every line must end in CRLF (DATAVERSE 8.4)."""
    lines: list[str] = []
    for resource in resources:
        lines += [
            f"--{_BOUNDARY}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            f"DELETE {odata.API_PATH}{resource} HTTP/1.1",
            "",
            "",
        ]
    return "\r\n".join([*lines, f"--{_BOUNDARY}--", ""]).encode("ascii")


def _parts(body: bytes, count: int) -> list[Verdict]:
    """What each part says, in the order of the request; parts that are missing are unsure."""
    boundary = body.lstrip().partition(b"\r\n")[0].removeprefix(b"--")
    head = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    parts = message.get_payload() if message.is_multipart() else []
    verdicts = [_verdict(part) for part in parts if isinstance(part, Message)]
    missing = Verdict(Decision.UNSURE, message="the answer has no part for this row")
    return [*verdicts[:count], *[missing] * (count - len(verdicts))]


def _verdict(part: Message) -> Verdict:
    """A part is an answer of its own: status line, headers, an empty line, the body."""
    answer = part.get_payload(decode=True)
    assert isinstance(answer, bytes)  # noqa: S101 - a part of type application/http is not nested
    head, _, content = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not status or not status[0].isdigit():
        return Verdict(Decision.UNSURE, message="a part of the answer has no status")
    return judge_answer(httpx.Response(int(status[0]), content=content))


def _outcome(row_id: str, verdict: Verdict) -> Outcome:
    is_gone = verdict.code in _GONE or (
        verdict.decision is Decision.ROW_REFUSED and verdict.status == httpx.codes.NOT_FOUND
    )
    kind = OutcomeKind.DONE if is_gone else outcome_kind(verdict)
    if kind is OutcomeKind.DONE:
        return Outcome(row_id, kind)
    return Outcome(row_id, kind, verdict.status, verdict.code, verdict.message)
