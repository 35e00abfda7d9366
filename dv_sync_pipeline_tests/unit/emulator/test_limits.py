"""Service protection, as an account that is told the time (DATAVERSE 9.1)."""

import asyncio

import msgspec
import pytest

from dv_sync_pipeline.emulator.trouble.limits import (
    LIMIT_PROFILES,
    Account,
    LimitProfile,
    ServiceProtection,
)
from dv_sync_pipeline.emulator.trouble.wire import Answer, WireRequest

SMALL = LimitProfile(
    requests=3, execution_seconds=10.0, concurrent=2, window_seconds=30.0, servers=2
)
READ = WireRequest("GET", "/api/data/v9.2/accounts", user_id="anna")


def ask(account, *, at, seconds=0.0):
    """A request that is let in and takes so long; None, or why it was refused."""
    refusal = account.admit(at)
    if refusal is None:
        account.finish(at, execution_seconds=seconds)
    return refusal


def test_documented_numbers():
    """6,000 requests, 20 minutes of execution, 52 at once, in 300 seconds."""
    profile = LIMIT_PROFILES["dataverse"]

    assert (6000, 1200.0, 52, 300.0) == (
        profile.requests,
        profile.execution_seconds,
        profile.concurrent,
        profile.window_seconds,
    )


def test_fast_profile_keeps_the_ratios():
    """A client that paces itself by rates meets the same limits, thirty times sooner."""
    slow, fast = LIMIT_PROFILES["dataverse"], LIMIT_PROFILES["dataverse-fast"]

    assert slow.requests / slow.window_seconds == fast.requests / fast.window_seconds
    assert (
        slow.execution_seconds / slow.window_seconds == fast.execution_seconds / fast.window_seconds
    )


def test_requests_beyond_the_limit_are_refused():
    """The fourth request of three."""
    account = Account(SMALL)
    for second in (0, 1, 2):
        assert ask(account, at=second) is None

    refusal = ask(account, at=3)

    assert "0x80072322" == refusal.code
    assert (
        "Number of requests exceeded the limit of 3 over time window of 30 seconds."
        == refusal.message
    )


def test_retry_after_says_when_the_window_has_room():
    """The first of three requests leaves the window 30 seconds after it came."""
    account = Account(SMALL)
    for second in (0, 1, 2):
        ask(account, at=second)

    refusal = ask(account, at=5)

    assert 25 == refusal.retry_after_seconds
    assert ask(account, at=5 + 25) is None


def test_window_slides():
    """Only requests of the last 30 seconds count."""
    account = Account(SMALL)
    for second in (0, 10, 20):
        ask(account, at=second)

    assert ask(account, at=30) is None
    assert ask(account, at=31) is not None


def test_execution_time_beyond_the_limit_is_refused():
    """Two requests of six seconds are more than ten."""
    account = Account(SMALL)
    ask(account, at=6, seconds=6.0)
    ask(account, at=12, seconds=6.0)

    refusal = ask(account, at=13)

    assert "0x80072321" == refusal.code
    assert (
        "Combined execution time of incoming requests exceeded limit of 10,000 milliseconds over "
        "time window of 30 seconds. Decrease number of concurrent requests or reduce the duration "
        "of requests and try again later."
    ) == refusal.message
    assert 6 + 30 - 13 == refusal.retry_after_seconds


def test_execution_time_leaves_the_window():
    """Once the first six seconds are 30 seconds old, only the second six count."""
    account = Account(SMALL)
    ask(account, at=6, seconds=6.0)
    ask(account, at=12, seconds=6.0)

    assert 4.0 == account.execution_seconds_left(6 + 30)
    assert ask(account, at=6 + 30) is None


def test_too_many_at_the_same_time_are_refused():
    """Two requests are running when the third comes."""
    account = Account(SMALL)
    account.admit(0)
    account.admit(0)

    refusal = account.admit(0)

    assert "0x80072326" == refusal.code
    assert "Number of concurrent requests exceeded the limit of 2." == refusal.message


def test_a_finished_request_makes_room():
    """Concurrency is about what is running now."""
    account = Account(SMALL)
    account.admit(0)
    account.admit(0)
    account.finish(1, execution_seconds=1.0)

    assert account.admit(1) is None


def test_hammering_doubles_retry_after():
    """Each request that comes too early doubles the wait, up to a whole window."""
    account = Account(SMALL)
    account.admit(0)
    account.admit(0)

    waits = [account.admit(moment).retry_after_seconds for moment in (0, 1, 2, 3, 4)]

    assert [3, 6, 12, 24, 30] == waits


def test_patience_is_rewarded():
    """Whoever waits as told is told the plain wait again, not a doubled one."""
    account = Account(SMALL)
    account.admit(0)
    account.admit(0)

    waits = [account.admit(moment).retry_after_seconds for moment in (0, 3)]

    assert [3, 3] == waits


def test_remainders_count_down():
    """What the rate headers show."""
    account = Account(SMALL)
    ask(account, at=0, seconds=2.5)

    assert 2 == account.requests_left(0)
    assert 7.5 == account.execution_seconds_left(0)


# ---- web servers --------------------------------------------------------------------------------


async def served(_request):
    """An environment that answers at once."""
    return Answer(200)


def protection(profile=SMALL, *, seconds_each=0.0):
    """Service protection whose clock stands still and whose stopwatch advances per request."""
    stopwatch = iter(range(1_000_000))
    return ServiceProtection(
        profile, clock=lambda: 0.0, stopwatch=lambda: next(stopwatch) * seconds_each
    )


def statuses(limits, requests):
    """The statuses that these requests get, one after another."""

    async def run():
        return [(await limits(request, proceed=served)).status for request in requests]

    return asyncio.run(run())


def cookie_of(answer):
    """The cookie that an answer sets, as a client sends it back."""
    return answer.header(b"set-cookie").partition(";")[0].encode()


def test_without_a_cookie_servers_take_turns():
    """Two servers of three requests each let six requests in."""
    assert [200] * 6 + [429] == statuses(protection(), [READ] * 7)


def test_a_cookie_pins_to_one_server():
    """A client with a cookie jar gets the limit of one server only."""
    limits = protection()
    first = asyncio.run(limits(READ, proceed=served))
    pinned = WireRequest("GET", READ.path, headers=((b"cookie", cookie_of(first)),), user_id="anna")

    assert [200, 200, 429] == statuses(limits, [pinned] * 3)


def test_users_have_accounts_of_their_own():
    """Several application users multiply the budget."""
    other = WireRequest("GET", READ.path, user_id="boris")

    assert [200] * 6 + [429] + [200] * 6 == statuses(protection(), [READ] * 7 + [other] * 6)


def test_the_token_endpoint_is_not_limited():
    """It belongs to Entra."""
    token = WireRequest("POST", "/tenant/oauth2/v2.0/token")

    assert [200] * 10 == statuses(protection(), [token] * 10)


def test_execution_time_is_measured():
    """Four requests of six seconds are too much for both servers."""
    assert [200] * 4 + [429] == statuses(protection(seconds_each=6.0), [READ] * 5)


def test_refusal_on_the_wire():
    """Status, Retry-After and an error object."""
    one_server = LimitProfile(1, 10.0, 2, 30.0, servers=1)
    limits = protection(one_server)
    statuses(limits, [READ])

    answer = asyncio.run(limits(READ, proceed=served))

    assert 429 == answer.status
    assert "30" == answer.header(b"retry-after")
    assert "0x80072322" == msgspec.json.decode(answer.body)["error"]["code"]


def test_rate_headers():
    """What is left of the account, and the recommended parallelism."""
    answer = asyncio.run(protection(seconds_each=1.5)(READ, proceed=served))

    assert "2" == answer.header(b"x-ms-ratelimit-burst-remaining-xrm-requests")
    assert "8.50" == answer.header(b"x-ms-ratelimit-time-remaining-xrm-requests")
    assert "5" == answer.header(b"x-ms-dop-hint")


def test_a_failed_request_is_no_longer_running():
    """Whatever happens behind, the place is free again."""
    one_at_once = LimitProfile(9, 10.0, 1, 30.0, servers=1)
    limits = protection(one_at_once)

    async def broken(_request):
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        asyncio.run(limits(READ, proceed=broken))

    assert [200] == statuses(limits, [READ])
