"""What an answer, or the lack of one, means.

Belongs here: the table from status, code and text to a decision (DATAVERSE 4.7, 9). Does not
belong here: waiting, repeating, or what becomes of a row; those follow from the decision.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx
import msgspec

from dv_sync_pipeline.redact import redact

__all__ = ["Decision", "Verdict", "judge_answer", "judge_failure"]


class Decision(Enum):
    """What a request came to, sorted by what may be done next."""

    ACCEPTED = "done; the answer can be used"
    THROTTLED = "not done; the whole environment waits, then the same request again"
    NOT_DONE = "not done; the same request again after a pause"
    NOT_REACHED = "never sent; the same request again after a pause"
    UNSURE = "perhaps done; a read is repeated, a write must be read back"
    TOO_MUCH = "not done; it took too long or was too large: try a smaller request"
    ROW_REFUSED = "not done; one of the rows may be the reason"
    TABLE_REFUSED = "not done; every row of the table would be refused likewise"
    MESSAGE_MISSING = "not done; the table does not support this message"
    NO_ACCESS = "not done; the environment does not admit the application user"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One request, judged.

    Attributes:
        decision: what may be done next.
        status: the HTTP status; 0 when no answer came.
        code: Dataverse's error code in lower case, or "" (DATAVERSE 4.7: both occur).
        message: the server's own words or what kept its answer from us, without secrets.
        retry_after_seconds: how long the server asks us to wait; None if it does not say.
        body: of an accepted answer.
        headers: likewise, names in lower case.

    """

    decision: Decision
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after_seconds: float | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of the table: all three conditions must hold."""

    statuses: Container[int]
    codes: frozenset[str]
    text: str
    decision: Decision


_ANY_STATUS = range(1000)
_ANY_CODE: frozenset[str] = frozenset()


def _rule(statuses: Container[int], codes: str, text: str, decision: Decision) -> _Rule:
    return _Rule(statuses, frozenset(codes.split()), text, decision)


_SERVICE_PROTECTION = "0x80072321 0x80072322 0x80072326"
_BUSY = "0x80072324 0x8005f103 0x8004a001 0x80071151"
_SQL_ERROR, _SQL_TIMEOUT, _UNEXPECTED = "0x80044150", "0x80044151", "0x80040216"
_NO_PRIVILEGE = "0x80040220"
_UNKNOWN_ENTITY_SET = "0x8006088a"
_MESSAGE_UNSUPPORTED = "0x80040800"

_ANSWERS: tuple[_Rule, ...] = (
    # statuses          codes                 text                          decision
    _rule(range(200, 300), "", "", Decision.ACCEPTED),
    _rule({429}, "", "", Decision.THROTTLED),
    _rule(_ANY_STATUS, _SERVICE_PROTECTION, "", Decision.THROTTLED),
    _rule(_ANY_STATUS, _BUSY, "", Decision.THROTTLED),
    _rule({401}, "", "", Decision.NO_ACCESS),
    _rule({403}, "", "not a member of the organization", Decision.NO_ACCESS),
    _rule({403}, "", "has not been assigned any roles", Decision.NO_ACCESS),
    # Dataverse answered for itself, so its transaction was rolled back (DATAVERSE 9.2).
    _rule(_ANY_STATUS, _SQL_ERROR, "1205", Decision.NOT_DONE),
    _rule(_ANY_STATUS, _SQL_TIMEOUT, "", Decision.TOO_MUCH),
    _rule(_ANY_STATUS, _UNEXPECTED, "", Decision.NOT_DONE),
    _rule({413}, "", "", Decision.TOO_MUCH),
    _rule(_ANY_STATUS, _MESSAGE_UNSUPPORTED, "", Decision.MESSAGE_MISSING),
    _rule({400, 405, 501}, "", "does not support entities of type", Decision.MESSAGE_MISSING),
    _rule({400, 405, 501}, "", "is not enabled on entity", Decision.MESSAGE_MISSING),
    _rule(_ANY_STATUS, _NO_PRIVILEGE, "", Decision.TABLE_REFUSED),
    _rule(_ANY_STATUS, _UNKNOWN_ENTITY_SET, "", Decision.TABLE_REFUSED),
    _rule({404}, "", "no http resource was found", Decision.TABLE_REFUSED),
    _rule({501}, "", "", Decision.TABLE_REFUSED),
    # A redirect is never followed: it would carry the token along (RELIABILITY 4, 9).
    _rule(range(300, 400), "", "", Decision.TABLE_REFUSED),
    # Gateways answer for a server that may still be at work (DATAVERSE 9.2).
    _rule({408, 502, 503, 504}, "", "", Decision.UNSURE),
    _rule(range(400, 500), "", "", Decision.ROW_REFUSED),
)

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures before a connection stood; after it, anything may have arrived."""

_MESSAGE_CHARACTERS_MAX = 1000
_SECONDS = re.compile(r"\d{1,9}(\.\d+)?")


def judge_answer(answer: httpx.Response) -> Verdict:
    """Judge an answer whose body was read completely."""
    code, text = ("", "") if answer.is_success else _error_of(answer.content)
    decision = _decide(answer.status_code, code, text)
    return Verdict(
        decision,
        status=answer.status_code,
        code=code,
        message=redact(text or f"HTTP {answer.status_code} {answer.reason_phrase}".strip()),
        retry_after_seconds=_retry_after_seconds(answer.headers),
        body=answer.content if decision is Decision.ACCEPTED else b"",
        headers=dict(answer.headers) if decision is Decision.ACCEPTED else {},
    )


def judge_failure(failure: Exception) -> Verdict:
    """Judge what happened instead of an answer: an error of httpx or `TimeoutError`."""
    decision = Decision.NOT_REACHED if isinstance(failure, _NEVER_SENT) else Decision.UNSURE
    text = redact(str(failure)) or "no answer in time"
    return Verdict(decision, message=f"{type(failure).__name__}: {text}")


def _decide(status: int, code: str, text: str) -> Decision:
    for rule in _ANSWERS:
        if _applies(rule, status, code, text):
            return rule.decision
    # What is left: 5xx. With a code Dataverse answered for itself, else nobody knows who did.
    return Decision.ROW_REFUSED if code else Decision.UNSURE


def _applies(rule: _Rule, status: int, code: str, text: str) -> bool:
    return (
        status in rule.statuses
        and (not rule.codes or code in rule.codes)
        and rule.text in text.lower()
    )


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


_ERROR_BODY = msgspec.json.Decoder(_ErrorBody)


def _error_of(body: bytes) -> tuple[str, str]:
    """Code and message; two empty texts where a gateway answered with a page of its own."""
    try:
        error = _ERROR_BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ""
    message = (error.error.message or "")[:_MESSAGE_CHARACTERS_MAX]
    return _normal_code(error.error.code or ""), message


def _normal_code(code: str) -> str:
    """Lower case; `0x0` says as little as nothing (DATAVERSE 0)."""
    code = code.strip().lower()
    return "" if code == "0x0" else code


def _retry_after_seconds(headers: httpx.Headers) -> float | None:
    """`Retry-After`, as seconds or as a date counted from the server's own `Date`."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
