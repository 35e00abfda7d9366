"""One request: its headers, waiting, repeating, counting, and where it may go."""

import asyncio

import httpx
import pytest

from dv_sync_pipeline.errors import (
    AccessError,
    ConfigurationError,
    DvSyncError,
    ForeignOriginError,
    RequestFailedError,
    RequestRefusedError,
    UnreachableError,
)
from dv_sync_pipeline.webapi.transport import (
    DEFAULT_PATIENCE,
    Clockwork,
    Patience,
    Traffic,
    Transport,
)
from dv_sync_pipeline.webapi.write import OutcomeKind, RowWrite
from dv_sync_pipeline_tests.worlds.foreign_links import FOREIGN_LINKS

ROOT = "https://contoso.crm4.dynamics.com/api/data/v9.2/"
ROOM = "00000000-0000-0000-0000-000000000001"
WHO = {"OrganizationId": "org", "UserId": "user"}


def _greet(_request):
    return httpx.Response(200, json=WHO)


def _identify(client):
    return client.identify()


def _in_order(*answers):
    """A server that gives one answer after the other; an exception is raised."""
    waiting = iter(answers)

    def server(request):
        answer = next(waiting)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    return server


def test_headers_of_a_read(talk):
    """A read carries the headers that Dataverse wants on every call (DATAVERSE 2)."""
    seen = {}

    def server(request):
        seen.update(request.headers)
        return _greet(request)

    talk(server, _identify)

    assert {
        "accept": "application/json",
        "odata-maxversion": "4.0",
        "odata-version": "4.0",
        "if-none-match": "null",
    }.items() <= seen.items()


def test_cookies_are_forgotten(talk):
    """A cookie that would pin us to one server is not sent back (DATAVERSE 9.1)."""
    seen = []

    def server(request):
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, json=WHO, headers={"Set-Cookie": "ARRAffinity=1; Path=/"})

    async def identify_twice(client):
        await client.identify()
        await client.identify()

    talk(server, identify_twice)

    assert [None, None] == seen


def test_throttled_request_waits_as_told(talk, time):
    """A 429 pauses at least as long as the server asks, then the request succeeds."""
    slow_down = httpx.Response(429, headers={"Retry-After": "17"})

    talk(_in_order(slow_down, _greet), _identify)

    assert [17.0] == time.waits


def test_throttling_never_fails_a_run(talk):
    """Thirty refusals in a row are waited out."""
    slow_down = httpx.Response(429, headers={"Retry-After": "5"})

    identity = talk(_in_order(*[slow_down] * 30, _greet), _identify)

    assert "org" == identity.organization_id


def test_throttling_is_counted(talk):
    """Requests, retries and throttled seconds are told."""
    slow_down = httpx.Response(429, headers={"Retry-After": "20"})

    async def identify_and_count(client):
        await client.identify()
        return client.traffic

    traffic = talk(_in_order(slow_down, slow_down, _greet), identify_and_count)

    assert Traffic(requests=3, retries=2, throttled_seconds=40.0) == traffic


def test_whole_environment_pauses(talk, time):
    """While one request is throttled, no other is sent."""
    sent_at = []
    first_came = asyncio.Event()

    def server(request):
        sent_at.append(time.now)
        first_came.set()
        is_first = len(sent_at) == 1
        return httpx.Response(429, headers={"Retry-After": "60"}) if is_first else _greet(request)

    async def throttle_then_identify(client):
        throttled = asyncio.create_task(client.identify())
        await first_came.wait()
        await asyncio.gather(throttled, client.identify(), client.identify())

    talk(server, throttle_then_identify, requests_in_flight=1)

    assert [1000.0, 1060.0, 1060.0, 1060.0] == sent_at


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "soon"}])
def test_throttled_without_a_time(talk, time, headers):
    """Without a usable Retry-After the pauses double from one second on."""
    slow_down = httpx.Response(429, headers=headers)

    talk(_in_order(slow_down, slow_down, slow_down, _greet), _identify)

    assert [1.0, 2.0, 4.0] == time.waits


def test_absurd_retry_after(talk, time):
    """A pause of a day is not waited for; the reason is told."""
    with pytest.raises(RequestFailedError, match="asks to wait 86400 s"):
        talk(_in_order(httpx.Response(429, headers={"Retry-After": "86400"})), _identify)

    assert [] == time.waits


def test_gateway_errors_are_repeated_for_reads(talk, time):
    """A read that a gateway spoiled is repeated after growing pauses."""
    page = httpx.Response(502, text="<html>")

    talk(_in_order(page, httpx.ReadError("reset"), _greet), _identify)

    assert [1.0, 2.0] == time.waits


def test_repeating_is_bounded(talk):
    """After five attempts a read fails, with the last reason."""
    sent = []

    def server(request):
        sent.append(request)
        return httpx.Response(504)

    with pytest.raises(RequestFailedError, match="HTTP 504"):
        talk(server, _identify)

    assert 5 == len(sent)


def test_failed_read_did_nothing(talk):
    """A read that failed leaves no doubt about what was done."""
    with pytest.raises(RequestFailedError) as raised:
        talk(lambda _: httpx.Response(504), _identify)

    assert not raised.value.outcome_unknown


@pytest.mark.parametrize(
    "ending",
    [httpx.ReadError("reset"), httpx.ReadTimeout("hang"), httpx.Response(502), TimeoutError()],
    ids=["reset", "hang", "gateway", "time-out"],
)
def test_unknown_write_is_never_repeated(talk, rooms, ending):
    """A write whose answer was lost is sent once and reported as unknown."""
    server = _in_order(ending)

    [outcome] = talk(
        server, lambda client: client.create_rows(rooms, [RowWrite(ROOM, {"contoso_number": "1"})])
    )

    assert OutcomeKind.UNKNOWN is outcome.kind


def test_deadlocked_write_is_repeated(talk, rooms):
    """A write that Dataverse rolled back for a deadlock is sent again."""
    deadlock = httpx.Response(
        500, json={"error": {"code": "0x80044150", "message": "Sql Number: 1205"}}
    )
    server = _in_order(deadlock, httpx.Response(204))

    [outcome] = talk(
        server, lambda client: client.update_rows(rooms, [RowWrite(ROOM, {"contoso_number": "1"})])
    )

    assert OutcomeKind.DONE is outcome.kind


def test_unreachable_environment_is_told_at_once(talk, time):
    """A first connection that fails is a mistake to mend, not one to wait for."""
    with pytest.raises(UnreachableError, match=r"contoso\.crm4\.dynamics\.com.*no such host"):
        talk(_in_order(httpx.ConnectError("no such host")), _identify)

    assert [] == time.waits


def test_untrusted_certificate(talk):
    """A certificate that is not trusted leads to ca_file."""
    failure = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    with pytest.raises(UnreachableError, match="Set ca_file"):
        talk(_in_order(failure), _identify)


def test_connection_that_breaks_later_is_waited_for(talk, time):
    """Once the environment has answered, a refused connection is tried again."""

    async def identify_twice(client):
        await client.identify()
        await client.identify()

    talk(_in_order(_greet, httpx.ConnectError("refused"), _greet), identify_twice)

    assert [1.0] == time.waits


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(talk, rooms, status):
    """A redirect is an error: following it would carry the token along."""
    sent = []

    def server(request):
        sent.append(request.url)
        return httpx.Response(status, headers={"Location": "https://evil.example/"})

    with pytest.raises(RequestRefusedError):
        talk(server, lambda client: client.count(rooms))

    assert ["contoso.crm4.dynamics.com"] == [url.host for url in sent]


def test_hanging_server_is_given_up(talk):
    """A request that takes too long in all is ended and, as a read, repeated."""
    never = asyncio.Event
    calls = []

    async def server(request):
        calls.append(request)
        if len(calls) == 1:
            await never().wait()
        return _greet(request)

    talk(server, _identify, patience=Patience(total_seconds=0.02))

    assert 2 == len(calls)


def test_links_are_sent_verbatim(talk, rooms):
    """A link goes on the wire byte for byte: nothing decoded, nothing encoded again."""
    tail = "contoso_rooms?$select=a&$skiptoken=%3Ccookie%20p=%222%22%2521'(x)$|%22/%3E"
    targets = []

    def server(request):
        targets.append(request.extensions["target"].decode())
        link = {"@odata.nextLink": ROOT + tail} if len(targets) == 1 else {}
        return httpx.Response(200, json={"value": [], **link})

    async def read_all(client):
        return [page async for page in client.read_pages(rooms, [])]

    talk(server, read_all)

    assert f"/api/data/v9.2/{tail}" == targets[1]


@pytest.mark.parametrize("link", FOREIGN_LINKS.values(), ids=FOREIGN_LINKS.keys())
def test_foreign_links_send_nothing(talk, rooms, link):
    """After a page with a foreign link no further request leaves."""
    sent = []

    def server(request):
        sent.append(request)
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    async def read_all(client):
        return [page async for page in client.read_pages(rooms, [])]

    with pytest.raises(ForeignOriginError):
        talk(server, read_all)

    assert 1 == len(sent)


@pytest.fixture
def transport(time):
    """`transport(server)` is a transport of three slots, without tokens."""

    def transport(server):
        return Transport(
            httpx.AsyncClient(transport=httpx.MockTransport(server)),
            name="primary",
            url="https://contoso.crm4.dynamics.com",
            requests_in_flight=3,
            clockwork=Clockwork(time.clock, time.sleep, lambda: 0.0),
            patience=DEFAULT_PATIENCE,
        )

    return transport


def test_requests_in_flight_are_bounded(transport):
    """No more requests are open at once than the configuration allows."""
    open_now, most = [], []

    async def server(request):
        open_now.append(request)
        most.append(len(open_now))
        for _ in range(20):
            await asyncio.sleep(0)
        open_now.remove(request)
        return httpx.Response(200)

    async def read_nine():
        way = transport(server)
        await asyncio.gather(*(way.read("contoso_rooms") for _ in range(9)))

    asyncio.run(read_nine())

    assert 3 == max(most)


def test_one_pause_is_counted_once(transport):
    """Requests that are throttled together wait together, so their pause counts once."""
    three_came = asyncio.Barrier(3)
    slow_down = iter([httpx.Response(429, headers={"Retry-After": "60"})] * 3)

    async def server(_request):
        await three_came.wait()
        return next(slow_down, httpx.Response(200))

    async def read_three():
        way = transport(server)
        await asyncio.gather(*(way.read("contoso_rooms") for _ in range(3)))
        return way.traffic

    traffic = asyncio.run(read_three())

    assert Traffic(requests=6, retries=3, throttled_seconds=60.0) == traffic


def test_missing_authority_file(talk, tmp_path):
    """A ca_file that cannot be read is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="ca_file"):
        talk(_greet, _identify, ca_file=str(tmp_path / "none.pem"))


def test_garbled_authority_file(talk, tmp_path):
    """A ca_file without certificates is a mistake in the configuration."""
    (tmp_path / "ca.pem").write_text("no certificate")

    with pytest.raises(ConfigurationError, match="ca_file"):
        talk(_greet, _identify, ca_file=str(tmp_path / "ca.pem"))


def test_missing_role(talk, rooms):
    """A refusal for want of rights says what to give to whom."""
    refusal = {"error": {"code": "0x80040220", "message": "is missing prvReadcontoso_room"}}

    with pytest.raises(RequestRefusedError, match="security role") as raised:
        talk(lambda _: httpx.Response(403, json=refusal), lambda client: client.count(rooms))

    assert (403, "0x80040220") == (raised.value.status, raised.value.code)


def test_user_who_is_no_member(talk):
    """An application that was never added to the environment is no matter of roles."""
    refusal = {"error": {"code": "", "message": "The user is not a member of the organization."}}

    with pytest.raises(AccessError, match="application user of this environment"):
        talk(lambda _: httpx.Response(403, json=refusal), _identify)


def test_user_without_any_role(talk, rooms):
    """A user who holds no role at all needs one before anything else (DATAVERSE 1.2)."""
    refusal = {"error": {"code": "", "message": "The user has not been assigned any roles."}}

    with pytest.raises(AccessError, match="Assign a security role to the application user"):
        talk(lambda _: httpx.Response(403, json=refusal), lambda client: client.count(rooms))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 301])
def test_no_error_shows_a_secret(talk, status):
    """An environment that repeats token and secret does not get them into an error."""
    refusal = {
        "error": {
            "code": "0x1",
            "message": "Authorization: Bearer token-1 client_secret=a-secret-nobody-may-see",
        }
    }

    def server(_request):
        return httpx.Response(status, json=refusal, headers={"Retry-After": "999999"})

    with pytest.raises(DvSyncError) as raised:
        talk(server, _identify)

    assert "a-secret" not in f"{raised.value}{raised.value!r}"


def test_errors_name_the_request_without_its_query(talk, rooms):
    """The query, which may hold values of rows, is not told."""
    with pytest.raises(RequestRefusedError) as raised:
        talk(
            lambda _: httpx.Response(400),
            lambda client: client.read_rows(rooms, [ROOM], ["contoso_number"]),
        )

    assert "primary: GET contoso_rooms" == raised.value.where
