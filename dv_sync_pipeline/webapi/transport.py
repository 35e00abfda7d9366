"""Send one request to one environment: checked, paced, repeated where that is harmless.

Belongs here: the headers of every request, the origin check, time-outs, waiting and repeating as
`verdict` decides, and counting. Does not belong here: what is asked for, or what an answer means.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from dv_sync_pipeline.config import EnvironmentConfiguration
from dv_sync_pipeline.errors import (
    AccessError,
    ConfigurationError,
    DvSyncError,
    RequestFailedError,
    RequestRefusedError,
    UnreachableError,
)
from dv_sync_pipeline.webapi.odata import API_PATH
from dv_sync_pipeline.webapi.origin import request_target
from dv_sync_pipeline.webapi.signals import Signals, read_signals
from dv_sync_pipeline.webapi.traffic import Traffic, TrafficCount
from dv_sync_pipeline.webapi.verdict import Decision, Verdict, judge_answer, judge_failure

__all__ = [
    "DEFAULT_PATIENCE",
    "NO_PROXY",
    "Clockwork",
    "Patience",
    "Transport",
    "new_client",
    "request_failed",
    "trust",
]

_log = logging.getLogger(__name__)

_HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "User-Agent": "dv-sync-pipeline",
}
_READ_HEADERS = {"If-None-Match": "null"}
"""Keeps caches on the way from answering (DATAVERSE 2)."""

_KEEP_ALIVE_SECONDS = 4.0
"""Shorter than servers wait (uvicorn 5 s), so that none closes a connection as we write to it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait and how often we try.

    Attributes:
        authority_seconds: for each step of a request for a token.
        connect_seconds: until a connection stands.
        silence_seconds: between two pieces of an answer.
        total_seconds: for one request and its answer; the server gives up earlier.
        attempts_max: of a request that failed and may be repeated.
        throttled_attempts_max: of a request that is throttled, which is normal.
        retry_after_seconds_max: longest pause that we accept from the server.
        backoff_seconds: first pause where the server names none; doubled each time.
        backoff_seconds_max: longest of these.

    """

    authority_seconds: float = 30.0
    connect_seconds: float = 15.0
    silence_seconds: float = 240.0
    total_seconds: float = 300.0
    attempts_max: int = 5
    throttled_attempts_max: int = 100
    retry_after_seconds_max: float = 600.0
    backoff_seconds: float = 1.0
    backoff_seconds_max: float = 30.0

    @property
    def timeout(self) -> httpx.Timeout:
        """For httpx. No limit for the pool: our own slots make sure that a connection is free."""
        return httpx.Timeout(self.silence_seconds, connect=self.connect_seconds, pool=None)

    def pause_seconds(self, attempt: int) -> float:
        """The pause after that many attempts, before jitter."""
        return float(min(self.backoff_seconds * 2 ** (attempt - 1), self.backoff_seconds_max))


DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Clockwork:
    """Time and chance, as arguments.

    Attributes:
        clock: seconds that only go forward.
        sleep: waits that many seconds.
        random: a number from 0 to 1.

    """

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent, attempt after attempt.

    Attributes:
        method: HTTP method.
        target: path and query, byte for byte.
        headers: besides the standard ones.
        body: JSON, or empty.

    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_read(self) -> bool:
        """Whether repeating it can do no harm, whatever became of it."""
        return self.method == "GET"

    @property
    def path(self) -> str:
        """The target without the query, which may hold values of rows."""
        return self.target.partition("?")[0].removeprefix(API_PATH)


class Transport:
    """The way to one environment; every request of the package goes through it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        name: str,
        url: str,
        requests_in_flight: int,
        clockwork: Clockwork,
        patience: Patience,
    ) -> None:
        self.name = name
        self._client = client
        self._url = url
        self._slots = asyncio.Semaphore(requests_in_flight)
        self._clockwork = clockwork
        self._patience = patience
        self._traffic = TrafficCount()
        self._has_answered = False
        self._latest_headers = httpx.Headers()
        self._held_until = clockwork.clock()

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""
        return self._traffic.read()

    @property
    def signals(self) -> Signals:
        """What the environment said of itself in its latest answer."""
        return read_signals(self._latest_headers)

    @property
    def root(self) -> str:
        """The address of the Web API, to which resources are appended."""
        return f"{self._url}{API_PATH}"

    async def read(self, resource: str, *, prefer: str = "") -> bytes:
        """The body of a GET; `resource` counts from the root of the Web API.

        Raises `RequestRefusedError`, `RequestFailedError`, `AccessError`, `UnreachableError`.
        """
        return await self.follow(f"{self.root}{resource}", prefer=prefer)

    async def follow(self, link: str, *, prefer: str = "") -> bytes:
        """As `read`, for a link that the server gave: sent verbatim, or `ForeignOriginError`."""
        return (await self._get(link, headers={"Prefer": prefer} if prefer else {})).body

    async def fetch(self, resource: str, *, headers: Mapping[str, str]) -> Verdict:
        """As `read`, where the headers of request and answer matter."""
        return await self._get(f"{self.root}{resource}", headers=headers)

    async def _get(self, link: str, *, headers: Mapping[str, str]) -> Verdict:
        target = request_target(link, environment_url=self._url)
        request = _Request("GET", target, {**_READ_HEADERS, **headers})
        verdict = await self._exchange(request)
        if verdict.decision is not Decision.ACCEPTED:
            raise self._error(verdict, request)
        return verdict

    async def write(
        self,
        method: str,
        resource: str,
        *,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Verdict:
        """Send a write and tell what became of it; repeated only when it certainly was not done.

        Raises `AccessError` and `UnreachableError`, after which nothing else would succeed either.
        """
        return await self.write_to(method, f"{self.root}{resource}", body=body, headers=headers)

    async def write_to(
        self, method: str, link: str, *, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Verdict:
        """As `write`, to a link that the server gave; `ForeignOriginError` if it leads away."""
        target = request_target(link, environment_url=self._url)
        content_type = {"Content-Type": "application/json"}
        request = _Request(method, target, {**content_type, **(headers or {})}, body)
        verdict = await self._exchange(request)
        if verdict.decision is Decision.NO_ACCESS or self._is_unreachable(verdict):
            raise self._error(verdict, request)
        return verdict

    async def perform(
        self, method: str, resource: str, *, body: bytes, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """As `write`, for what is no row of a table: the body of the answer, or an error.

        Raises `RequestRefusedError` and `RequestFailedError` besides.
        """
        verdict = await self.write(method, resource, body=body, headers=headers)
        if verdict.decision is not Decision.ACCEPTED:
            raise self._error(verdict, _Request(method, resource))
        return verdict.body

    async def let_pass(self, seconds: float) -> None:
        """Wait, by the clock that all pauses go by."""
        await self._clockwork.sleep(seconds)

    async def _exchange(self, request: _Request) -> Verdict:
        attempt = 1
        while True:
            await self._wait_while_held()
            verdict = await self._attempt(request)
            if attempt >= self._attempts_max(verdict, request):
                return verdict
            await self._pause(verdict, attempt)
            attempt += 1
            self._count(retries=1)

    async def _attempt(self, request: _Request) -> Verdict:
        async with self._slots:
            self._count(requests=1)
            try:
                async with asyncio.timeout(self._patience.total_seconds):
                    answer = await self._client.send(self._http_request(request))
            except (httpx.RequestError, TimeoutError) as failure:
                return judge_failure(failure)
        self._has_answered = True
        self._latest_headers = answer.headers
        self._count(requests=len(answer.history))  # the 401 before a renewed token
        return judge_answer(answer)

    def _http_request(self, request: _Request) -> httpx.Request:
        return self._client.build_request(
            request.method,
            f"{self._url}{request.target}",
            headers=request.headers,
            content=request.body or None,
            # What goes on the wire; httpx would normalize the text of the address.
            extensions={"target": request.target.encode("ascii")},
        )

    def _attempts_max(self, verdict: Verdict, request: _Request) -> int:
        """How often such a request may be sent; 1 if it must not be repeated."""
        if (verdict.retry_after_seconds or 0.0) > self._patience.retry_after_seconds_max:
            return 1
        match verdict.decision:
            case Decision.THROTTLED:
                return self._patience.throttled_attempts_max
            case Decision.NOT_DONE:
                return self._patience.attempts_max
            case Decision.UNSURE | Decision.TOO_MUCH if request.is_read:
                return self._patience.attempts_max
            case Decision.NOT_REACHED if self._has_answered:
                return self._patience.attempts_max
            case _:
                return 1

    async def _pause(self, verdict: Verdict, attempt: int) -> None:
        """Wait at least as long as the server asks; all requests wait when it throttles."""
        seconds = max(self._patience.pause_seconds(attempt), verdict.retry_after_seconds or 0.0)
        _log.info("%s: %s; waiting %.1f s", self.name, verdict.message, seconds)
        if verdict.decision is Decision.THROTTLED:
            self._hold(seconds)
        else:
            await self._clockwork.sleep(seconds * (1 + self._clockwork.random() / 2))

    def _hold(self, seconds: float) -> None:
        """Let every request wait; only what prolongs the present pause counts as throttled."""
        now = self._clockwork.clock()
        held_until = max(self._held_until, now + seconds)
        self._count(throttled_seconds=held_until - max(self._held_until, now))
        self._held_until = held_until

    async def _wait_while_held(self) -> None:
        while (left := self._held_until - self._clockwork.clock()) > 0:
            # Up to a second of jitter, so that those who wait do not all come back at once.
            await self._clockwork.sleep(left + self._clockwork.random())

    def _count(
        self, *, requests: int = 0, retries: int = 0, throttled_seconds: float = 0.0
    ) -> None:
        self._traffic.add(Traffic(requests, retries, throttled_seconds))

    def _is_unreachable(self, verdict: Verdict) -> bool:
        return verdict.decision is Decision.NOT_REACHED and not self._has_answered

    def _error(self, verdict: Verdict, request: _Request) -> DvSyncError:
        """The error that a verdict amounts to where it is not an outcome of rows."""
        if self._is_unreachable(verdict):
            return self._unreachable(verdict)
        where = f"{self.name}: {request.method} {request.path}"
        match verdict.decision:
            case Decision.NO_ACCESS:
                return self._no_access(verdict)
            case Decision.ROW_REFUSED | Decision.TABLE_REFUSED | Decision.MESSAGE_MISSING:
                return _request_refused(verdict, where=where)
            case _:
                return request_failed(verdict, where=where, is_read=request.is_read)

    def _unreachable(self, verdict: Verdict) -> UnreachableError:
        return UnreachableError(
            f"{self._url} cannot be reached",
            where=f"environments.{self.name}",
            why=verdict.message,
            mend=_unreachable_mend(verdict.message),
        )

    def _no_access(self, verdict: Verdict) -> AccessError:
        return AccessError(
            f"{self._url} does not admit the application user",
            where=f"environments.{self.name}.credentials",
            why=verdict.message,
            mend=_no_access_mend(verdict.message),
        )


def _request_refused(verdict: Verdict, *, where: str) -> RequestRefusedError:
    """The error for an answer that would be the same again."""
    return RequestRefusedError(
        "Dataverse refuses the request",
        status=verdict.status,
        code=verdict.code,
        where=where,
        why=" ".join(part for part in (verdict.code, verdict.message) if part),
        mend=_refusal_mend(verdict.status),
    )


def request_failed(verdict: Verdict, *, where: str, is_read: bool) -> RequestFailedError:
    """The error for a request that was tried as often as was sensible."""
    unknown = verdict.decision is Decision.UNSURE and not is_read
    return RequestFailedError(
        "the request did not succeed",
        outcome_unknown=unknown,
        where=where,
        why=_failure_reason(verdict),
        mend="Run it again later; what was written stays written",
    )


def _failure_reason(verdict: Verdict) -> str:
    wait = verdict.retry_after_seconds
    asked = f"; the server asks to wait {wait:.0f} s" if wait is not None else ""
    return f"{verdict.message}{asked}"


def _no_access_mend(reason: str) -> str:
    if "assigned any roles" in reason:
        return "Assign a security role to the application user of this environment"
    return "Add the application (client_id) as an application user of this environment"


def _refusal_mend(status: int) -> str:
    if status == httpx.codes.FORBIDDEN:
        return "Give the application user of this environment a security role that allows it"
    if httpx.codes.is_redirect(status):
        return "Check url: another address is in charge of what was asked for"
    return ""


def _unreachable_mend(reason: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return "Set ca_file to the certificate authority that signed its certificate"
    return "Check url and that the environment is running and not behind a proxy or firewall"


def trust(configuration: EnvironmentConfiguration) -> ssl.SSLContext:
    """Whom we trust: `ca_file` and none else, or the authorities of the system.

    Raises `ConfigurationError` when the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=configuration.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"ca_file {configuration.ca_file} cannot be read",
            why=error.strerror or str(error),
            mend="Give the path of a PEM file with certificates",
        ) from None


NO_PROXY: Mapping[str, None] = {
    "all://localhost": None,
    "all://127.0.0.1": None,
    "all://[::1]": None,
    "all://169.254.169.254": None,
}
"""What is on this machine is never asked for through a proxy: the emulator, managed identities."""


def new_client(
    *,
    auth: httpx.Auth,
    verify: ssl.SSLContext,
    requests_in_flight: int,
    patience: Patience,
    transport: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    """A client that keeps connections, follows no redirect and remembers no cookie.

    Cookies would pin us to one server and its limits (DATAVERSE 9.1).
    """
    return httpx.AsyncClient(
        auth=auth,
        verify=verify,
        headers=_HEADERS,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=patience.timeout,
        limits=httpx.Limits(
            max_connections=requests_in_flight,
            max_keepalive_connections=requests_in_flight,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
        ),
        follow_redirects=False,
        mounts=NO_PROXY,
        transport=transport,
    )
