"""Service protection: how much one user may ask of one web server (DATAVERSE 9.1).

Belongs here: the profiles, the accounts in a sliding window, 429 answers, rate headers and the
choice of a web server by cookie. Does not belong here: how long an answer takes (`latency.py`) and
429 answers that nobody earned (`faults.py`).
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from itertools import count
from types import MappingProxyType

from dv_sync_pipeline.emulator.rows.replies import DataverseError
from dv_sync_pipeline.emulator.trouble.wire import Answer, Proceed, WireRequest

__all__ = ["LIMIT_PROFILES", "Account", "LimitProfile", "Refusal", "ServiceProtection"]


@dataclass(frozen=True, slots=True)
class LimitProfile:
    """What one user may ask of one web server.

    Attributes:
        requests: in one window; a `$batch` or a bulk message is one.
        execution_seconds: combined, in one window.
        concurrent: requests at the same time.
        window_seconds: length of the sliding window.
        servers: web servers that share the traffic of clients without a cookie. Their number
            depends on the licences of the environment; trials have one.
        parallelism_hint: `x-ms-dop-hint`, the recommended number of requests at the same time.

    """

    requests: int
    execution_seconds: float
    concurrent: int
    window_seconds: float
    servers: int = 2
    parallelism_hint: int = 5


LIMIT_PROFILES: Mapping[str, LimitProfile | None] = MappingProxyType(
    {
        "none": None,
        # DATAVERSE 9.1, as documented. The hint is the parallelism at which published measurements
        # of a developer environment met no throttling (WISHES 5, PPDS).
        "dataverse": LimitProfile(6000, 1200.0, 52, 300.0),
        # The same ratios in a thirtieth of the time, for tests and impatient people.
        "dataverse-fast": LimitProfile(200, 40.0, 52, 10.0),
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request must wait.

    Attributes:
        code: Dataverse's error code.
        message: for the caller.
        retry_after_seconds: how long to stay away.

    """

    code: str
    message: str
    retry_after_seconds: int

    def answer(self) -> Answer:
        """The 429 that says so."""
        error = DataverseError(
            429, self.code, self.message, headers={"Retry-After": str(self.retry_after_seconds)}
        )
        reply = error.reply()
        pairs = ((name.lower().encode(), text.encode()) for name, text in reply.headers.items())
        return Answer(reply.status, tuple(pairs), reply.body)


@dataclass(slots=True)
class Account:
    """What one user asked of one web server in the last window.

    Seconds are those of any clock that never goes back. Refused requests use nothing up, but one
    that comes before its `Retry-After` is over doubles the next one, up to a whole window.
    """

    profile: LimitProfile
    running: int = 0
    _arrivals: deque[float] = field(default_factory=deque)
    _executions: deque[tuple[float, float]] = field(default_factory=deque)
    _used_seconds: float = 0.0
    _closed_until: float = -math.inf
    _wait_seconds: int = 0

    def admit(self, now: float) -> Refusal | None:
        """Let a request in, or say why it must wait."""
        self._forget(now)
        refusal = self._refuse(now)
        if refusal is None:
            self._arrivals.append(now)
            self.running += 1
        return refusal

    def finish(self, now: float, *, execution_seconds: float) -> None:
        """A request that was let in is answered."""
        self.running -= 1
        self._executions.append((now, execution_seconds))
        self._used_seconds += execution_seconds

    def requests_left(self, now: float) -> int:
        """How many more would be let in at this moment."""
        self._forget(now)
        return self.profile.requests - len(self._arrivals)

    def execution_seconds_left(self, now: float) -> float:
        """How much execution time is left at this moment."""
        self._forget(now)
        return max(self.profile.execution_seconds - self._used_seconds, 0.0)

    def _refuse(self, now: float) -> Refusal | None:
        profile = self.profile
        if self.running >= profile.concurrent:
            return self._refusal(now, _too_many_at_once(profile), self._concurrency_wait())
        if len(self._arrivals) >= profile.requests:
            return self._refusal(now, _too_many_requests(profile), self._request_wait(now))
        if self._used_seconds >= profile.execution_seconds:
            return self._refusal(now, _too_much_execution(profile), self._execution_wait(now))
        return None

    def _refusal(self, now: float, reason: tuple[str, str], wait_seconds: float) -> Refusal:
        hammered = now < self._closed_until
        wanted = max(wait_seconds, self._wait_seconds * 2 if hammered else 0)
        self._wait_seconds = max(1, math.ceil(min(wanted, self.profile.window_seconds)))
        self._closed_until = now + self._wait_seconds
        return Refusal(*reason, self._wait_seconds)

    def _concurrency_wait(self) -> float:
        """Throttling of about 30 s in a window of 300 was measured (WISHES 5, PPDS)."""
        return self.profile.window_seconds / 10

    def _request_wait(self, now: float) -> float:
        return self._arrivals[0] + self.profile.window_seconds - now

    def _execution_wait(self, now: float) -> float:
        """Until enough of the oldest execution time has left the window."""
        excess = self._used_seconds - self.profile.execution_seconds
        for ended, seconds in self._executions:
            excess -= seconds
            if excess < 0:
                return ended + self.profile.window_seconds - now
        return self.profile.window_seconds

    def _forget(self, now: float) -> None:
        start = now - self.profile.window_seconds
        while self._arrivals and self._arrivals[0] <= start:
            self._arrivals.popleft()
        while self._executions and self._executions[0][0] <= start:
            self._used_seconds -= self._executions.popleft()[1]


def _too_many_requests(profile: LimitProfile) -> tuple[str, str]:
    return "0x80072322", (
        f"Number of requests exceeded the limit of {profile.requests} over time window of "
        f"{profile.window_seconds:.0f} seconds."
    )


def _too_much_execution(profile: LimitProfile) -> tuple[str, str]:
    return "0x80072321", (
        "Combined execution time of incoming requests exceeded limit of "
        f"{profile.execution_seconds * 1000:,.0f} milliseconds over time window of "
        f"{profile.window_seconds:.0f} seconds. Decrease number of concurrent requests or reduce "
        "the duration of requests and try again later."
    )


def _too_many_at_once(profile: LimitProfile) -> tuple[str, str]:
    return (
        "0x80072326",
        f"Number of concurrent requests exceeded the limit of {profile.concurrent}.",
    )


class ServiceProtection:
    """An interceptor that keeps an account per user and web server.

    `clock` measures windows in seconds and may be moved by a test; `stopwatch` measures execution.
    """

    def __init__(
        self,
        profile: LimitProfile,
        *,
        clock: Callable[[], float],
        stopwatch: Callable[[], float],
    ) -> None:
        self._profile = profile
        self._clock = clock
        self._stopwatch = stopwatch
        self._accounts: dict[tuple[str, int], Account] = {}
        self._turns = count()
        self._cookies = [_cookie_of(server) for server in range(profile.servers)]

    async def __call__(self, request: WireRequest, *, proceed: Proceed) -> Answer:
        """Count the request, then answer it or refuse it."""
        if not request.is_data:
            return await proceed(request)
        server = self._server_for(request)
        account = self._account(request.user_id, server)
        refusal = account.admit(self._clock())
        answer = (
            await self._measured(account, request, proceed) if not refusal else refusal.answer()
        )
        return answer.with_headers(*self._headers(account, server))

    def reset(self) -> None:
        """Forget all accounts; requests that are running keep theirs."""
        self._accounts.clear()

    async def _measured(self, account: Account, request: WireRequest, proceed: Proceed) -> Answer:
        started = self._stopwatch()
        try:
            return await proceed(request)
        finally:
            account.finish(self._clock(), execution_seconds=self._stopwatch() - started)

    def _server_for(self, request: WireRequest) -> int:
        """The one that the ARRAffinity cookie names; without it, each in turn."""
        wanted = _affinity(request.header(b"cookie"))
        if wanted in self._cookies:
            return self._cookies.index(wanted)
        return next(self._turns) % self._profile.servers

    def _account(self, user_id: str, server: int) -> Account:
        return self._accounts.setdefault((user_id, server), Account(self._profile))

    def _headers(self, account: Account, server: int) -> tuple[tuple[bytes, bytes], ...]:
        now = self._clock()
        return tuple(
            (name, text.encode())
            for name, text in (
                (b"x-ms-ratelimit-burst-remaining-xrm-requests", f"{account.requests_left(now)}"),
                (
                    b"x-ms-ratelimit-time-remaining-xrm-requests",
                    f"{account.execution_seconds_left(now):,.2f}",
                ),
                (b"x-ms-dop-hint", f"{self._profile.parallelism_hint}"),
                (b"set-cookie", f"ARRAffinity={self._cookies[server]};Path=/;HttpOnly"),
            )
        )


def _cookie_of(server: int) -> str:
    return hashlib.sha256(f"web server {server}".encode()).hexdigest()


def _affinity(cookie_header: str) -> str:
    try:
        morsel = SimpleCookie(cookie_header).get("ARRAffinity")
    except CookieError:
        return ""
    return morsel.value if morsel else ""
