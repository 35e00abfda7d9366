"""Service protection over HTTP (DATAVERSE 9.1), with the limits of `dataverse-fast`.

The clock of the environment stands still, so that windows slide only when a test wants it.
"""

import asyncio
from dataclasses import replace

import httpx
import pytest

from dv_sync_pipeline.emulator.trouble.behaviour import Behaviour
from dv_sync_pipeline.emulator.trouble.limits import LIMIT_PROFILES, ServiceProtection
from dv_sync_pipeline.emulator.trouble.wire import intercept
from dv_sync_pipeline_tests.worlds.served import API, served_environment

pytestmark = pytest.mark.usefixtures("emulator_only")

REQUESTS, SERVERS, CONCURRENT = 200, 2, 52


@pytest.fixture(scope="module")
def throttled(tmp_path_factory):
    """An environment that limits requests."""
    behaviour = Behaviour(limits="dataverse-fast", is_controlled=True)
    with served_environment(tmp_path_factory.mktemp("throttled"), behaviour) as served:
        yield served


@pytest.fixture
def environment(throttled):
    """The same with a window that is empty and does not slide."""
    throttled.control("POST", "/clock", json={"stopped": True, "advance": 100})
    return throttled


@pytest.fixture
def anna(environment):
    """A client that throws cookies away."""
    with environment.client() as client:
        client.cookies.jar.set_policy(_NoCookies())
        yield client


class _NoCookies:
    """Accepts none, sends none."""

    netscape = True
    rfc2965 = hide_cookie2 = False

    def set_ok(self, _cookie, _request):
        """Never."""
        return False

    def return_ok(self, _cookie, _request):
        """Never."""
        return False

    domain_return_ok = path_return_ok = return_ok


def ask(client, times=1):
    """The last answer to so many requests."""
    for _ in range(times):
        answer = client.get("/WhoAmI")
    return answer


def test_too_many_requests(anna):
    """Both servers are used up; the next request gets 429 with code and message."""
    assert 200 == ask(anna, REQUESTS * SERVERS).status_code

    answer = ask(anna)

    assert 429 == answer.status_code
    assert {
        "code": "0x80072322",
        "message": "Number of requests exceeded the limit of 200 over time window of 10 seconds.",
    } == answer.json()["error"]


def test_retry_after_is_enough(anna, environment):
    """Whoever waits as told is let in."""
    answer = ask(anna, REQUESTS * SERVERS + 1)

    environment.control("POST", "/clock", json={"advance": int(answer.headers["Retry-After"])})

    assert 200 == ask(anna).status_code


def test_a_cookie_jar_halves_the_limit(environment):
    """ARRAffinity keeps a client on one server."""
    with environment.client() as client:
        assert 200 == ask(client, REQUESTS).status_code
        assert "ARRAffinity" in client.cookies
        assert 429 == ask(client).status_code


def test_users_do_not_share(anna, environment):
    """Several application users multiply the budget."""
    assert 429 == ask(anna, REQUESTS * SERVERS + 1).status_code

    with environment.client(environment.boris) as boris:
        assert 200 == ask(boris).status_code


def test_a_reset_forgets_what_was_used_up(environment):
    """Tests do not throttle each other."""
    with environment.client() as client:
        assert 429 == ask(client, REQUESTS + 1).status_code

        environment.control("POST", "/reset")

        assert 200 == ask(client).status_code


def test_rate_headers(environment):
    """What is left on this server, and the recommended parallelism."""
    with environment.client() as client:
        first, second = ask(client), ask(client)

    left = "x-ms-ratelimit-burst-remaining-xrm-requests"
    assert [REQUESTS - 1, REQUESTS - 2] == [int(each.headers[left]) for each in (first, second)]
    assert 39 < float(second.headers["x-ms-ratelimit-time-remaining-xrm-requests"]) <= 40
    assert 5 == int(second.headers["x-ms-dop-hint"])


def test_a_batch_is_one_request(environment):
    """However many operations it has."""
    part = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"GET {API}/WhoAmI HTTP/1.1\r\n\r\n\r\n"
    )
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    with environment.client() as client:
        answer = client.post("/$batch", content=f"{part * 10}--b--\r\n", headers=headers)

    assert 10 == answer.text.count('"UserId"')
    assert REQUESTS - 1 == int(answer.headers["x-ms-ratelimit-burst-remaining-xrm-requests"])


def test_too_many_at_the_same_time():
    """52 may run; those that come while none of them is done are refused."""

    async def sixty_at_once():
        may_finish = asyncio.Event()

        async def slow_environment(_scope, _receive, send):
            await may_finish.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        one_server = replace(LIMIT_PROFILES["dataverse-fast"], servers=1)
        protection = ServiceProtection(one_server, clock=lambda: 0.0, stopwatch=lambda: 0.0)
        guarded = intercept(
            slow_environment, interceptors=[protection], identify=lambda _authorization: "anna"
        )
        transport = httpx.ASGITransport(guarded)
        async with httpx.AsyncClient(transport=transport, base_url="http://primary") as client:
            requests = [asyncio.create_task(client.get(f"{API}/contoso_hotels")) for _ in range(60)]
            refused = await asyncio.gather(*requests[CONCURRENT:])
            may_finish.set()
            return refused, await asyncio.gather(*requests[:CONCURRENT])

    refused, served = asyncio.run(sixty_at_once())

    assert {"0x80072326"} == {each.json()["error"]["code"] for each in refused}
    assert {429} == {each.status_code for each in refused}
    assert {204} == {each.status_code for each in served}
