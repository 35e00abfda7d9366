"""Interceptors between the socket and an environment."""

import asyncio

import httpx
import pytest

from dv_sync_pipeline.emulator.trouble.wire import (
    Answer,
    ConnectionLost,
    WireRequest,
    intercept,
    send_slowly,
)


async def environment(scope, receive, send):
    """Answers what it was asked, under headers in any case."""
    body = b"%s said %s" % (scope["query_string"], (await receive())["body"])
    headers = [(b"Content-Length", str(len(body)).encode()), (b"X-Seen", b"yes")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def ask(application, **parts):
    """One request without a socket."""

    async def send():
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://org") as client:
            return await client.request(**{"method": "POST", "url": "/api/data?a=%24b", **parts})

    return asyncio.run(send())


def test_without_interceptors_nothing_stands_in_the_way():
    """The application itself."""
    assert environment is intercept(environment, interceptors=[], identify=str)


def test_requests_pass_unchanged():
    """The application sees the raw query and the whole body; its headers come back once."""

    async def pass_on(request, *, proceed):
        return await proceed(request)

    answer = ask(intercept(environment, interceptors=[pass_on], identify=str), content=b"hello")

    assert "a=%24b said hello" == answer.text
    assert (["17"], ["yes"]) == tuple(map(answer.headers.get_list, ("content-length", "x-seen")))


def test_the_first_interceptor_stands_outermost():
    """It sees the answer of the second."""

    def adds(mark):
        async def interceptor(request, *, proceed):
            answer = await proceed(request)
            return Answer(answer.status, body=answer.body + mark)

        return interceptor

    application = intercept(environment, interceptors=[adds(b"1"), adds(b"2")], identify=str)

    assert ask(application, content=b"x").text.endswith("x21")


def test_what_an_interceptor_sees():
    """Decoded path, headers by lower-case name, who it is."""
    seen = []

    async def look(request, *, proceed):
        seen.append(request)
        return await proceed(request)

    def identify(authorization):
        return {"Bearer t": "anna"}.get(authorization, "")

    application = intercept(environment, interceptors=[look], identify=identify)
    ask(application, headers={"Authorization": "Bearer t", "If-Match": "*"})

    request = seen[0]
    assert ("POST", "/api/data?a=$b", "anna") == (request.method, request.path, request.user_id)
    assert ("*", "") == (request.header(b"if-match"), request.header(b"if-none-match"))


@pytest.mark.parametrize(("path", "is_data"), [("/api/data/v9.2/x", True), ("/t/oauth2", False)])
def test_data_and_tokens_are_told_apart(path, is_data):
    """By the path."""
    assert is_data == WireRequest("GET", path).is_data


def test_connections_can_be_lost_beneath_a_server_only():
    """Without a socket it is a mistake, not a silence."""

    async def cut(_request, **_behind):
        raise ConnectionLost(abruptly=True)

    with pytest.raises(TypeError, match="uvicorn"):
        ask(intercept(environment, interceptors=[cut], identify=str))


def test_slow_sending_pauses_after_each_piece():
    """Three pieces, three pauses, one end."""
    sent, slept = [], []

    async def send(message):
        sent.append(message)

    async def sleep(seconds):
        slept.append(seconds)

    answer = Answer(200, body=b"abcdefgh")
    asyncio.run(send_slowly(answer, send, chunk_bytes=3, pause_seconds=2, sleep=sleep))

    assert [b"abc", b"def", b"gh", b""] == [message["body"] for message in sent[1:]]
    assert [2, 2, 2] == slept


def test_an_answer_without_content_has_no_length():
    """204 and 304 announce none."""

    async def nothing(_request, **_behind):
        return Answer(204)

    answer = ask(intercept(environment, interceptors=[nothing], identify=str))

    assert "content-length" not in answer.headers
