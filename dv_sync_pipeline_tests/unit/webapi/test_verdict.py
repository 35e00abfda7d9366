"""Every row of the table of verdicts."""

import json

import httpx
import pytest

from dv_sync_pipeline.webapi.verdict import Decision, judge_answer, judge_failure


def _answer(status, code=None, message="", headers=None):
    body = json.dumps({"error": {"code": code, "message": message}}) if code is not None else ""
    return httpx.Response(status, text=body, headers=headers)


TABLE = [
    (200, None, "", Decision.ACCEPTED),
    (204, None, "", Decision.ACCEPTED),
    (429, "0x80072322", "Number of requests exceeded", Decision.THROTTLED),
    (429, "0x80072321", "Combined execution time", Decision.THROTTLED),
    (429, "0x80072326", "Number of concurrent requests", Decision.THROTTLED),
    (429, None, "", Decision.THROTTLED),
    (503, "0x8004a001", "The server is busy", Decision.THROTTLED),
    (503, "0x80072324", "SQL workers", Decision.THROTTLED),
    (429, "0x8005f103", "Throttling", Decision.THROTTLED),
    (500, "0x80071151", "another import is running", Decision.THROTTLED),
    (401, None, "", Decision.NO_ACCESS),
    (403, "0x80072560", "The user is not a member of the organization.", Decision.NO_ACCESS),
    (403, "0x80042f09", "The user has not been assigned any roles.", Decision.NO_ACCESS),
    (500, "0x80044150", "Generic SQL error. Sql Number: 1205", Decision.NOT_DONE),
    (500, "0x80044150", "Generic SQL error. Sql Number: 8152", Decision.ROW_REFUSED),
    (500, "0x80044151", "SQL timeout expired", Decision.TOO_MUCH),
    (413, None, "", Decision.TOO_MUCH),
    (500, "0x80040216", "An unexpected error occurred.", Decision.NOT_DONE),
    (400, "0x80040800", "The method being invoked does not", Decision.MESSAGE_MISSING),
    (400, "", "x does not support entities of type y", Decision.MESSAGE_MISSING),
    (400, "", "CreateMultiple is not enabled on entity y", Decision.MESSAGE_MISSING),
    (403, "0x80040220", "is missing prvCreate privilege", Decision.TABLE_REFUSED),
    (404, "0x8006088a", "Resource not found for the segment", Decision.TABLE_REFUSED),
    (404, "", "No HTTP resource was found", Decision.TABLE_REFUSED),
    (501, "", "not implemented", Decision.TABLE_REFUSED),
    (301, None, "", Decision.TABLE_REFUSED),
    (307, None, "", Decision.TABLE_REFUSED),
    (408, None, "", Decision.UNSURE),
    (502, None, "", Decision.UNSURE),
    (503, None, "", Decision.UNSURE),
    (504, None, "", Decision.UNSURE),
    (500, None, "", Decision.UNSURE),
    (500, "0x80048d19", "a plug-in failed", Decision.ROW_REFUSED),
    (400, "", "", Decision.ROW_REFUSED),
    (400, "0x8004431a", "outside the valid range", Decision.ROW_REFUSED),
    (403, "0x80048306", "does not have CreateAccess right", Decision.ROW_REFUSED),
    (404, "0x80040217", "account With Id = 1 Does Not Exist", Decision.ROW_REFUSED),
    (405, "0x80040227", "blocked by association", Decision.ROW_REFUSED),
    (412, "0x80040237", "matching key values", Decision.ROW_REFUSED),
    (412, "0x80060882", "RowVersion", Decision.ROW_REFUSED),
]


@pytest.mark.parametrize(("status", "code", "message", "decision"), TABLE)
def test_answers(status, code, message, decision):
    """Status, code and text of an answer lead to one decision."""
    assert decision is judge_answer(_answer(status, code, message)).decision


@pytest.mark.parametrize(
    ("failure", "decision"),
    [
        (httpx.ConnectError("refused"), Decision.NOT_REACHED),
        (httpx.ConnectTimeout(""), Decision.NOT_REACHED),
        (httpx.ProxyError(""), Decision.NOT_REACHED),
        (httpx.ReadError("reset"), Decision.UNSURE),
        (httpx.ReadTimeout(""), Decision.UNSURE),
        (httpx.WriteError(""), Decision.UNSURE),
        (httpx.WriteTimeout(""), Decision.UNSURE),
        (httpx.RemoteProtocolError("cut"), Decision.UNSURE),
        (httpx.DecodingError("gzip"), Decision.UNSURE),
        (TimeoutError(), Decision.UNSURE),
    ],
)
def test_failures(failure, decision):
    """A failure before anything was sent is certain; one after it is not."""
    assert decision is judge_failure(failure).decision


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"error": "text"}',
        b'{"error": {"code": 5}}',
        b'{"error": {"code": null, "message": null}}',
        b'{"error": {"message": "\xff"}}',
        b"[" * 100_000,
        b'{"error":' * 100_000,
    ],
)
def test_bodies_never_break_the_verdict(body):
    """Whatever the body is, a bad gateway stays a bad gateway."""
    assert Decision.UNSURE is judge_answer(httpx.Response(502, content=body)).decision


def test_code_and_message():
    """Code and message of Dataverse are kept."""
    verdict = judge_answer(_answer(400, "0x80044331", "too long"))

    assert ("0x80044331", "too long") == (verdict.code, verdict.message)


@pytest.mark.parametrize("code", ["", "0x0", "0X0"])
def test_empty_codes_are_normal(code):
    """An answer without a code counts as one of Dataverse all the same."""
    assert "" == judge_answer(_answer(400, code, "Invalid property")).code


def test_message_without_body():
    """An answer without words is described by its status."""
    assert "HTTP 502 Bad Gateway" == judge_answer(httpx.Response(502)).message


def test_messages_are_redacted():
    """A secret in an answer does not reach the message."""
    verdict = judge_answer(_answer(400, "", "sent Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc"))

    assert "eyJ" not in verdict.message


def test_failures_are_redacted():
    """A secret in an exception does not reach the message."""
    verdict = judge_failure(httpx.ReadError("client_secret=hunter22hunter22 was sent"))

    assert "hunter22" not in verdict.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "99999999"}, 99999999.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
        (
            {
                "Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT",
                "Date": "Mon, 23 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Mon, 23 Nov 2026 09:00:00 GMT",
                "Date": "Mon, 23 Nov 2026 10:00:00 GMT",
            },
            0.0,
        ),
    ],
)
def test_retry_after(headers, seconds):
    """Retry-After counts in seconds, or as a date from the server's own clock."""
    assert seconds == judge_answer(_answer(429, headers=headers)).retry_after_seconds
