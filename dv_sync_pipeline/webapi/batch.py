"""Writes through `$batch`, where there is no bulk message: deletes and pairs (DATAVERSE 8.4, 15.6).

Belongs here: writing the multipart request, reading its answer part by part, and an outcome for
each part; deletes of rows. Does not belong here: whether a row may be deleted; that is for
`sync/removals.py`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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

__all__ = ["Part", "delete_rows", "send_parts"]

_BOUNDARY = "batch_dv_sync"
_HEADERS = {
    "Content-Type": f'multipart/mixed; boundary="{_BOUNDARY}"',
    # Without it the first row that is gone already would end the whole batch.
    "Prefer": "odata.continue-on-error",
}
_GONE = frozenset({"0x80040217", "0x80060891"})
"""The row is not there any more, whatever the status (DATAVERSE 4.7)."""

_SPLIT = frozenset({Decision.TOO_MUCH, Decision.ROW_REFUSED})


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch.

    Attributes:
        id: GUID of the row that it is about; names its outcome.
        method: POST or DELETE.
        resource: path and query after the API's root.
        body: JSON; b"" for none.

    """

    id: str
    method: str
    resource: str
    body: bytes = b""


async def delete_rows(
    transport: Transport, schema: TableSchema, ids: Sequence[str], *, rows_per_call: int
) -> list[Outcome]:
    """Delete rows and tell what became of each, in the order given; one that is gone is done.

    An unknown outcome may simply be sent again. Raises only when nothing could be sent at all: the
    first error of the transport.
    """
    parts = [Part(row_id, "DELETE", odata.row(schema.entity_set, row_id)) for row_id in ids]
    return await send_parts(transport, parts, parts_per_call=rows_per_call, is_settled=_is_gone)


def _is_gone(verdict: Verdict) -> bool:
    return verdict.code in _GONE or (
        verdict.decision is Decision.ROW_REFUSED and verdict.status == httpx.codes.NOT_FOUND
    )


async def send_parts(
    transport: Transport,
    parts: Sequence[Part],
    *,
    parts_per_call: int,
    is_settled: Callable[[Verdict], bool],
) -> list[Outcome]:
    """An outcome for each part, in the order given; a refusal that `is_settled` counts as done.

    Every part must be harmless when repeated: an unknown outcome may be sent again. Raises only
    when nothing could be sent at all: the first error of the transport.
    """
    job = _Job(transport, is_settled)
    starts = range(0, len(parts), parts_per_call)
    outcomes = await job.run(parts[start : start + parts_per_call] for start in starts)
    if job.first_error is not None and not job.was_answered:
        raise job.first_error
    return [each for chunk in outcomes for each in chunk]


class _Job:
    """The calls of one `send_parts`."""

    def __init__(self, transport: Transport, is_settled: Callable[[Verdict], bool]) -> None:
        self.was_answered = False
        self.first_error: DvSyncError | None = None
        self._transport = transport
        self._is_settled = is_settled
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(self, chunks: Iterable[Sequence[Part]]) -> list[list[Outcome]]:
        return await together(self._run_chunk(chunk) for chunk in chunks)

    async def _run_chunk(self, parts: Sequence[Part]) -> list[Outcome]:
        async with self._slots:
            return await self._settle(parts)

    async def _settle(self, parts: Sequence[Part]) -> list[Outcome]:
        """One batch; one that is refused as a whole is halved, and says nothing of its parts."""
        verdict = await self._send(parts)
        if verdict.decision is Decision.ACCEPTED:
            verdicts = _verdicts(verdict.body, len(parts))
            return [self._of_part(*each) for each in zip(parts, verdicts, strict=True)]
        if verdict.decision in _SPLIT and len(parts) > 1:
            middle = len(parts) // 2
            return await self._settle(parts[:middle]) + await self._settle(parts[middle:])
        return [_outcome(part, verdict) for part in parts]

    def _of_part(self, part: Part, verdict: Verdict) -> Outcome:
        if self._is_settled(verdict):
            return Outcome(part.id, OutcomeKind.DONE)
        return _outcome(part, verdict)

    async def _send(self, parts: Sequence[Part]) -> Verdict:
        """Send once; an error is kept, because outcomes of other calls must not be lost by it."""
        body = _request(parts)
        try:
            verdict = await self._transport.write("POST", "$batch", body=body, headers=_HEADERS)
        except DvSyncError as error:
            self.first_error = self.first_error or error
            return Verdict(Decision.NOT_REACHED, message=str(error))
        if verdict.decision in (Decision.THROTTLED, Decision.NOT_DONE, Decision.NOT_REACHED):
            first = parts[0]
            where = f"{self._transport.name}: {first.method} {first.resource.partition('(')[0]}"
            failed = request_failed(verdict, where=where, is_read=False)
            self.first_error = self.first_error or failed
        else:
            self.was_answered = True
        return verdict


def _request(parts: Iterable[Part]) -> bytes:
    """The parts one after the other; every line must end in CRLF (DATAVERSE 8.4)."""
    lines: list[bytes] = []
    for part in parts:
        content = [b"Content-Type: application/json"] if part.body else []
        lines += [
            f"--{_BOUNDARY}".encode(),
            b"Content-Type: application/http",
            b"Content-Transfer-Encoding: binary",
            b"",
            f"{part.method} {odata.API_PATH}{part.resource} HTTP/1.1".encode("ascii"),
            *content,
            b"",
            part.body,
        ]
    return b"\r\n".join([*lines, f"--{_BOUNDARY}--".encode(), b""])


def _verdicts(body: bytes, count: int) -> list[Verdict]:
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


def _outcome(part: Part, verdict: Verdict) -> Outcome:
    kind = outcome_kind(verdict)
    if kind is OutcomeKind.DONE:
        return Outcome(part.id, kind)
    return Outcome(part.id, kind, verdict.status, verdict.code, verdict.message)
