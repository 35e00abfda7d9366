"""`$batch`, without a server: bodies as text, operations answered by a scripted function."""

from contextlib import contextmanager
from itertools import count

import pytest

from dv_sync_pipeline.emulator.rows.replies import DataverseError, Reply, encode_json
from dv_sync_pipeline.emulator.service.batch import (
    ChangeSet,
    Operation,
    parse_batch,
    run_batch,
    with_line_ends,
)

API = "https://org.example/api/data/v9.2"
QUOTED = 'multipart/mixed; boundary="b"'


def crlf(text: str) -> bytes:
    """The text as clients send it."""
    return text.replace("\n", "\r\n").encode()


def one(request: str) -> bytes:
    """A batch of one operation outside of a change set."""
    return crlf(f"--b\nContent-Type: application/http\n\n{request}\n--b--\n")


def change_set(*operations: Operation) -> tuple[ChangeSet]:
    """A batch that is one change set."""
    return (ChangeSet(operations),)


class Rows:
    """Answers operations as told, and remembers which were asked and which were kept."""

    def __init__(self, *, refused: str = "refused"):
        self.asked: list[Operation] = []
        self.kept: list[str] = []
        self._refused = refused

    def perform(self, operation: Operation) -> Reply:
        """Refuse one address; create a row at every other."""
        self.asked.append(operation)
        if operation.url == self._refused:
            return DataverseError(412, "0x80040237", "No.").reply()
        self.kept.append(operation.url)
        return Reply(204, {"OData-EntityId": f"{API}/{operation.url}({len(self.asked)})"})

    @contextmanager
    def transaction(self):
        """Forget what was kept since, if it fails."""
        before = list(self.kept)
        try:
            yield
        except BaseException:
            self.kept = before
            raise

    def run(self, *parts, continue_on_error=False) -> Reply:
        """The answer to a batch of these parts, with boundaries 1, 2, 3..."""
        numbers = count(1)
        return run_batch(
            parts,
            perform=self.perform,
            transaction=self.transaction,
            continue_on_error=continue_on_error,
            new_id=lambda: str(next(numbers)),
        )


def post(url: str, content_id: str = "", **body) -> Operation:
    """A create."""
    return Operation("POST", url, body=encode_json(body), content_id=content_id)


# ---- the request --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"{API}/accounts?$top=1",
        "/api/data/v9.2/accounts?$top=1",
        "accounts?$top=1",
        "/accounts?$top=1",
    ],
)
def test_url_may_be_absolute_server_relative_or_api_relative(url):
    """All styles name the same resource (DATAVERSE 8.4)."""
    parts = parse_batch(one(f"GET {url} HTTP/1.1\nAccept: application/json\n"), content_type=QUOTED)

    assert (Operation("GET", "accounts?$top=1", {"accept": "application/json"}),) == parts


@pytest.mark.parametrize(
    "content_type", [QUOTED, "multipart/mixed;boundary=b", "Multipart/Mixed; Boundary=b"]
)
def test_boundary_may_be_quoted_or_bare(content_type):
    """Clients write the boundary in every way that MIME allows."""
    parts = parse_batch(one("DELETE accounts(1) HTTP/1.1\n"), content_type=content_type)

    assert (Operation("DELETE", "accounts(1)"),) == parts


def test_body_and_headers_belong_to_the_operation():
    """What follows the inner blank line is the body, to the last byte before the delimiter."""
    request = (
        'PATCH accounts(1) HTTP/1.1\nIf-Match: *\nContent-Type: application/json\n\n{"name":"é"}'
    )
    parts = parse_batch(one(request), content_type=QUOTED)

    headers = {"if-match": "*", "content-type": "application/json"}
    assert (Operation("PATCH", "accounts(1)", headers, '{"name":"é"}'.encode()),) == parts


def test_blanks_in_a_url_are_forgiven():
    """Microsoft's own client does not encode the blanks of its filters."""
    parts = parse_batch(one("GET accounts?$filter=name eq 'a b' HTTP/1.1\n"), content_type=QUOTED)

    assert "accounts?$filter=name eq 'a b'" == parts[0].url


def test_change_set_is_a_part_of_its_own():
    """A nested multipart body is read with its own boundary; its operations have Content-IDs."""
    body = crlf(
        "--b\nContent-Type: multipart/mixed; boundary=c\n\n"
        "--c\nContent-Type: application/http\nContent-ID: 7\n\nPOST accounts HTTP/1.1\n\n{}\n"
        "--c--\n\n--b\nContent-Type: application/http\n\nGET accounts HTTP/1.1\n\n--b--\n"
    )

    expected = (
        ChangeSet((Operation("POST", "accounts", {}, b"{}", "7"),)),
        Operation("GET", "accounts"),
    )
    assert expected == parse_batch(body, content_type=QUOTED)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (one("GET accounts HTTP/1.1\n").replace(b"\r\n", b"\n"), "Stream was not readable"),
        (one("GET a HTTP/1.1\n").replace(b"http\r\n\r\n", b"http\n\n"), "Stream was not readable"),
        (b"", "Stream was not readable"),
        (one("GET accounts\n"), "The request line 'GET accounts' is invalid"),
        (one(f"POST {API}/$batch HTTP/1.1\n"), "must not contain another batch"),
        (crlf("--b\nContent-Type: text/plain\n\nx\n--b--\n"), "'text/plain' of a part"),
        (
            one("GET accounts HTTP/1.1\n").replace(b"--b--", b"") * 1001,
            "maximum batch size of 1000",
        ),
        (
            crlf(
                "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n"
                "Content-Type: application/http\n\nGET accounts HTTP/1.1\n\n--c--\n--b--\n"
            ),
            "An invalid HTTP method 'GET'",
        ),
    ],
    ids=["line feeds", "mixed", "empty", "no version", "nested", "type", "too many", "read inside"],
)
def test_malformed_batch_is_refused_as_a_whole(body, reason):
    """Nothing runs: the answer is one payload error (DATAVERSE 8.4)."""
    with pytest.raises(DataverseError) as raised:
        parse_batch(body, content_type=QUOTED)

    assert (400, "0x80048d19") == (raised.value.status, raised.value.code)
    assert reason in raised.value.message


def test_content_type_without_boundary_is_refused():
    """JSON batches do not exist here."""
    with pytest.raises(DataverseError) as raised:
        parse_batch(b"{}", content_type="application/json")

    assert 400 == raised.value.status


# ---- execution ----------------------------------------------------------------------------------


def test_first_failure_ends_the_batch_and_gives_its_status():
    """Without continue-on-error the failing operation is the last that ran (DATAVERSE 8.4)."""
    rows = Rows()

    reply = rows.run(post("first"), post("refused"), post("third"))

    assert (412, ["first", "refused"]) == (reply.status, [asked.url for asked in rows.asked])
    assert 2 == reply.body.count(b"--batchresponse_1\r\n")


def test_continue_on_error_runs_everything_and_answers_200():
    """Each part keeps its own status."""
    rows = Rows()

    reply = rows.run(post("first"), post("refused"), post("third"), continue_on_error=True)

    assert (200, ["first", "third"]) == (reply.status, rows.kept)
    assert "odata.continue-on-error" == reply.headers["Preference-Applied"]
    assert 1 == reply.body.count(b"HTTP/1.1 412 Precondition Failed")


def test_change_set_is_all_or_nothing():
    """A failing change set is undone; one error stands in place of all its answers."""
    rows = Rows()

    reply = rows.run(*change_set(post("first", "1"), post("refused", "2")))

    assert (412, []) == (reply.status, rows.kept)
    assert b"changesetresponse" not in reply.body
    assert 1 == reply.body.count(b"HTTP/1.1 ")


def test_operations_outside_of_the_failed_change_set_stay():
    """A change set takes nothing else down with it."""
    rows = Rows()

    rows.run(post("before"), *change_set(post("first"), post("refused")))

    assert ["before"] == rows.kept


@pytest.mark.parametrize(
    ("url", "resolved"),
    [("$1", "accounts(1)"), ("$1/contacts/$ref", "accounts(1)/contacts/$ref")],
)
def test_reference_in_a_url_is_the_row_created_before(url, resolved):
    """`$1` is the row that the operation with that Content-ID answered."""
    rows = Rows()

    rows.run(*change_set(post("accounts", "1"), post(url, "2")))

    assert ["accounts", resolved] == [asked.url for asked in rows.asked]


def test_reference_in_a_body_is_the_row_created_before():
    """Bind values may be references, in lists too; other values starting with $ stay."""
    bound = {"a@odata.bind": "$1", "b@odata.bind": ["/$1"], "c": "$1", "d": {"e@odata.id": "$1"}}
    rows = Rows()

    rows.run(*change_set(post("accounts", "1"), post("contacts", "2", **bound)))

    expected = {
        "a@odata.bind": "/accounts(1)",
        "b@odata.bind": ["/accounts(1)"],
        "c": "$1",
        "d": {"e@odata.id": "/accounts(1)"},
    }
    assert encode_json(expected) == rows.asked[1].body


@pytest.mark.parametrize("operations", [(post("$2", "1"), post("accounts", "2")), (post("$9"),)])
def test_forward_or_unknown_reference_is_refused(operations):
    """A reference reaches back only (DATAVERSE 8.4)."""
    reply = Rows().run(*change_set(*operations))

    assert 400 == reply.status
    assert b"does not exist in the batch context." in reply.body


def test_metadata_is_not_a_reference():
    """A service path that starts with a dollar sign stays what it is."""
    rows = Rows()

    rows.run(Operation("GET", "$metadata"))

    assert "$metadata" == rows.asked[0].url


# ---- the answer ---------------------------------------------------------------------------------


def test_answer_has_the_shape_of_the_documentation():
    """Multipart in request order, Content-IDs echoed inside of change sets (DATAVERSE 8.4)."""
    reply = Rows().run(*change_set(post("accounts", "1")), Operation("GET", "contacts"))

    assert "multipart/mixed; boundary=batchresponse_1" == reply.headers["Content-Type"]
    assert (
        crlf(
            "--batchresponse_1\n"
            "Content-Type: multipart/mixed; boundary=changesetresponse_2\n\n"
            "--changesetresponse_2\n"
            "Content-Type: application/http\nContent-Transfer-Encoding: binary\nContent-ID: 1\n\n"
            f"HTTP/1.1 204 No Content\nOData-EntityId: {API}/accounts(1)\n\n\n"
            "--changesetresponse_2--\n\n"
            "--batchresponse_1\n"
            "Content-Type: application/http\nContent-Transfer-Encoding: binary\n\n"
            f"HTTP/1.1 204 No Content\nOData-EntityId: {API}/contacts(2)\n\n\n"
            "--batchresponse_1--\n"
        )
        == reply.body
    )


def test_line_feeds_can_be_mended():
    """A body with bare line feeds, or with both, gets CRLF everywhere."""
    body = one('POST accounts HTTP/1.1\n\n{"name":"x"}')

    assert body == with_line_ends(body.replace(b"\r\n", b"\n")) == with_line_ends(body)
