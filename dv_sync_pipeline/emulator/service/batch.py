"""`$batch`: many requests in one (DATAVERSE 8.4).

Belongs here: taking the multipart body apart, the order of execution, change sets and their
references, and putting the answers together. Does not belong here: what an operation does
(`application.py`) and what a transaction is (`database.py`); both come in as functions.

The whole body is understood before the first operation runs, so that a malformed batch changes
nothing. References (`$1`) reach back inside their own change set only.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from email.message import Message
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import DataverseError, Reply

__all__ = [
    "ChangeSet",
    "Operation",
    "Part",
    "Perform",
    "parse_batch",
    "run_batch",
    "with_line_ends",
]

OPERATIONS_MAX = 1000
_READS = ("GET", "HEAD")
_LINE_END = b"\r\n"
_BLANK_LINE = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of a batch.

    Attributes:
        method: in capitals.
        url: relative to the root of the API, with its query, still percent-encoded.
        headers: the operation's own, names in lower case.
        body: all of it.
        content_id: by which later operations of the change set refer to it, or "".

    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Writes that happen together or not at all.

    Attributes:
        operations: in order.

    """

    operations: tuple[Operation, ...]


Part: TypeAlias = Operation | ChangeSet
Perform: TypeAlias = Callable[[Operation], Reply]
"""Carries one operation out; an error is a reply like any other."""


# ---- the request --------------------------------------------------------------------------------


def with_line_ends(body: bytes) -> bytes:
    """The body with CRLF wherever a line ends, for clients that send bare LF."""
    return body.replace(_LINE_END, b"\n").replace(b"\n", _LINE_END)


def parse_batch(body: bytes, *, content_type: str) -> tuple[Part, ...]:
    """The parts of a batch, in order; `DataverseError` 400 if it is not well-formed."""
    parts = tuple(map(_parse_part, _split(body, _boundary(content_type))))
    if not parts:
        raise _unreadable()
    if sum(map(_count, parts)) > OPERATIONS_MAX:
        raise replies.malformed_json(
            f"The number of operations exceeds the maximum batch size of {OPERATIONS_MAX}."
        )
    return parts


def _count(part: Part) -> int:
    return len(part.operations) if isinstance(part, ChangeSet) else 1


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/mixed" or not isinstance(boundary, str):
        raise replies.malformed_json(
            f"The content type '{content_type}' is not multipart/mixed with a boundary."
        )
    return boundary.encode("latin-1")


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    """What stands between the delimiters; nothing if lines do not end in CRLF (DATAVERSE 8.4)."""
    delimiter = rb"(?:^|\r\n)--" + re.escape(boundary)
    content = re.split(delimiter + rb"--[ \t]*(?:\r\n|$)", body, maxsplit=1)[0]
    return re.split(delimiter + rb"[ \t]*\r\n", content)[1:]


def _unreadable() -> DataverseError:
    return replies.malformed_json("System.ArgumentException: Stream was not readable.")


def _parse_part(part: bytes) -> Part:
    head, content = _split_head(part)
    headers = _parse_headers(head)
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith("multipart/mixed"):
        return _parse_change_set(content, content_type)
    if content_type.lower().startswith("application/http"):
        return _parse_operation(content, content_id=headers.get("content-id", ""))
    raise replies.malformed_json(f"The content type '{content_type}' of a part is not supported.")


def _parse_change_set(content: bytes, content_type: str) -> ChangeSet:
    operations = tuple(map(_parse_member, _split(content, _boundary(content_type))))
    if not operations:
        raise _unreadable()
    return ChangeSet(operations)


def _parse_member(part: bytes) -> Operation:
    operation = _parse_part(part)
    if isinstance(operation, ChangeSet):
        raise replies.malformed_json("A change set must not contain another change set.")
    if operation.method in _READS:
        raise replies.malformed_json(
            f"An invalid HTTP method '{operation.method}' was detected for a request in a change "
            "set. Requests in change sets only support the HTTP methods 'POST', 'PUT', 'DELETE', "
            "and 'PATCH'."
        )
    return operation


def _parse_operation(content: bytes, *, content_id: str) -> Operation:
    head, body = _split_head(content.lstrip(_LINE_END))
    request_line, *header_lines = head.split(_LINE_END)
    method, url = _parse_request_line(request_line)
    if url.partition("?")[0].rstrip("/").endswith("$batch"):
        raise replies.malformed_json("A batch must not contain another batch.")
    headers = _parse_headers(_LINE_END.join(header_lines))
    return Operation(method, url, headers, body if body.strip() else b"", content_id)


def _split_head(text: bytes) -> tuple[bytes, bytes]:
    """Before and after the first blank line; a head without one is all there is."""
    if text.startswith(_LINE_END):
        return b"", text[len(_LINE_END) :]
    head, _, content = text.partition(_BLANK_LINE)
    if b"\n" in head.replace(_LINE_END, b""):
        raise _unreadable()
    return head, content


def _parse_headers(head: bytes) -> dict[str, str]:
    lines = (line.decode("latin-1").partition(":") for line in head.split(_LINE_END) if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


_REQUEST_LINE = re.compile(r"([A-Za-z]+) +(.+?) +HTTP/1\.[01] *")
_API_ROOT = re.compile(r"(?:https?://[^/]+)?/+api/data/v\d+\.\d+/", re.IGNORECASE)


def _parse_request_line(line: bytes) -> tuple[str, str]:
    """Method and URL; blanks in the URL are forgiven, as some clients encode nothing."""
    text = line.decode("utf-8", errors="replace")
    match = _REQUEST_LINE.fullmatch(text)
    if match is None:
        raise replies.malformed_json(f"The request line '{text}' is invalid.")
    return match[1].upper(), _relative(match[2])


def _relative(url: str) -> str:
    """An absolute, server-relative or API-relative URL, relative to the root of the API."""
    return _API_ROOT.sub("", url, count=1) if _API_ROOT.match(url) else url.lstrip("/")


# ---- execution ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """The reply to one operation."""

    reply: Reply
    content_id: str = ""

    @property
    def failed(self) -> bool:
        return self.reply.status >= HTTPStatus.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class _ChangeSetAnswer:
    """The replies to a change set that succeeded."""

    answers: tuple[_Answer, ...]


_PartAnswer: TypeAlias = _Answer | _ChangeSetAnswer


def run_batch(
    parts: Sequence[Part],
    *,
    perform: Perform,
    transaction: Callable[[], AbstractContextManager[None]],
    continue_on_error: bool,
    new_id: Callable[[], str],
) -> Reply:
    """Carry the parts out in order and answer them.

    Without `continue_on_error` the first failure is the last part, and its status is the status of
    the whole (DATAVERSE 8.4). `new_id` makes the boundaries of the answer.
    """
    status: int = HTTPStatus.OK
    answers: list[_PartAnswer] = []
    for part in parts:
        answer = _answer(part, perform, transaction)
        answers.append(answer)
        if isinstance(answer, _Answer) and answer.failed and not continue_on_error:
            status = answer.reply.status
            break
    return _render(answers, status=status, continue_on_error=continue_on_error, new_id=new_id)


def _answer(
    part: Part, perform: Perform, transaction: Callable[[], AbstractContextManager[None]]
) -> _PartAnswer:
    if isinstance(part, Operation):
        return _Answer(_perform_with_references(part, perform, {}))
    try:
        with transaction():
            return _ChangeSetAnswer(tuple(_answer_members(part, perform)))
    except _ChangeSetFailed as failure:
        return failure.answer


class _ChangeSetFailed(Exception):  # noqa: N818 - leaves the transaction, and is always caught
    """Undoes a change set; its one answer stands for all of them."""

    def __init__(self, answer: _Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def _answer_members(change_set: ChangeSet, perform: Perform) -> Iterator[_Answer]:
    entities: dict[str, str] = {}
    for operation in change_set.operations:
        reply = _perform_with_references(operation, perform, entities)
        answer = _Answer(reply, operation.content_id)
        if answer.failed:
            raise _ChangeSetFailed(answer)
        if operation.content_id:
            entities[operation.content_id] = _relative(reply.headers.get("OData-EntityId", ""))
        yield answer


def _perform_with_references(
    operation: Operation, perform: Perform, entities: Mapping[str, str]
) -> Reply:
    try:
        resolved = _resolve(operation, entities)
    except DataverseError as error:
        return error.reply()
    return perform(resolved)


# ---- references ---------------------------------------------------------------------------------

_URL_REFERENCE = re.compile(r"\$(?!metadata\b|entity\b|all\b|crossjoin\b)([\w-]+)(?=[/?(]|$)")
_VALUE_REFERENCE = re.compile(r"/?\$([\w-]+)")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def _resolve(operation: Operation, entities: Mapping[str, str]) -> Operation:
    """The operation with its references replaced by the URLs of earlier rows (DATAVERSE 8.4)."""
    url, body = operation.url, operation.body
    match = _URL_REFERENCE.match(url)
    if match:
        url = _referenced(match[1], entities) + url[match.end() :]
    if b'"$' in body or b'"/$' in body:
        body = _resolve_body(body, entities)
    return replace(operation, url=url, body=body)


def _referenced(content_id: str, entities: Mapping[str, str]) -> str:
    if content_id not in entities:
        text = f"Content-ID Reference: '${content_id}' does not exist in the batch context."
        raise DataverseError(HTTPStatus.BAD_REQUEST, "0x80048d19", text)
    return entities[content_id]


def _resolve_body(body: bytes, entities: Mapping[str, str]) -> bytes:
    try:
        content = _DECODER.decode(body)
    except msgspec.DecodeError:
        return body  # the operation itself says what is wrong with it
    return replies.encode_json(_resolve_content(content, entities))


def _resolve_content(content: Any, entities: Mapping[str, str]) -> Any:
    """Bound rows of an object, at any depth."""
    if isinstance(content, list):
        return [_resolve_content(item, entities) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        name: _resolve_value(value, entities)
        if name.endswith(("@odata.bind", "@odata.id"))
        else _resolve_content(value, entities)
        for name, value in content.items()
    }


def _resolve_value(value: Any, entities: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_resolve_value(item, entities) for item in value]
    match = _VALUE_REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return f"/{_referenced(match[1], entities)}" if match else value


# ---- the answer ---------------------------------------------------------------------------------


def _render(
    answers: Sequence[_PartAnswer],
    *,
    status: int,
    continue_on_error: bool,
    new_id: Callable[[], str],
) -> Reply:
    boundary = f"batchresponse_{new_id()}"
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}", "OData-Version": "4.0"}
    if continue_on_error:
        headers["Preference-Applied"] = "odata.continue-on-error"
    parts = [_render_part(answer, new_id) for answer in answers]
    return Reply(status, headers, _join(parts, boundary))


def _join(parts: Sequence[bytes], boundary: str) -> bytes:
    delimiter = f"--{boundary}".encode()
    opened = b"".join(delimiter + _LINE_END + part + _LINE_END for part in parts)
    return opened + delimiter + b"--" + _LINE_END


def _render_part(answer: _PartAnswer, new_id: Callable[[], str]) -> bytes:
    if isinstance(answer, _Answer):
        return _render_answer(answer)
    boundary = f"changesetresponse_{new_id()}"
    head = _render_head({"Content-Type": f"multipart/mixed; boundary={boundary}"})
    return head + _join([_render_answer(member) for member in answer.answers], boundary)


def _render_answer(answer: _Answer) -> bytes:
    part = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if answer.content_id:
        part["Content-ID"] = answer.content_id
    reply = answer.reply
    status_line = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n".encode()
    return _render_head(part) + status_line + _render_head(reply.headers) + reply.body


def _render_head(headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{lines}\r\n".encode("latin-1")
