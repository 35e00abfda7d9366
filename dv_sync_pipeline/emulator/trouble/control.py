"""The levers of an environment for tests: state, time, log, faults, below `/control`.

Belongs here: the addresses and what they answer. Does not belong here: what the levers do
(`snapshots.py`, `clock.py`, `faults.py`, `hooks.py`).

They are no part of Dataverse. They exist only when asked for (`--control`), answer only to this
machine and only under a name of this machine. No page from elsewhere, open in a browser here, can
pull them: neither by sending a form, nor by having its own name resolved to 127.0.0.1.

    GET    /control                            what there is
    POST   /control/reset                      as it was when the emulator started
    GET    /control/snapshots                  names
    POST   /control/snapshots/NAME             save
    POST   /control/snapshots/NAME/restore     restore
    GET    /control/clock                      {"now": "2027-01-01T12:00:00Z", "stopped": false}
    POST   /control/clock                      {"set": "2030-01-01T00:00:00Z"}, {"advance": 3600},
                                               {"stopped": true}
    GET    /control/requests?after=NUMBER      the log, {"requests": [...], "total": 17}
    DELETE /control/requests                   an empty log
    GET    /control/commits?after=NUMBER       what was written, {"commits": [...], "total": 9}
    DELETE /control/commits                    an empty log
    GET    /control/faults                     how often each fault fired
    POST   /control/faults                     a plan (`faults.py`)
    DELETE /control/faults                     no more faults
    GET    /control/switches                   the unverified behaviours (`switches.py`)
    POST   /control/switches                   {"missing_bind_target_status": 400}
    POST   /control/webhooks/settle            answers when every delivery is done
"""

import ipaddress
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from dv_sync_pipeline.emulator.rows.replies import JSON_TYPE, encode_json
from dv_sync_pipeline.emulator.rows.snapshots import Snapshots
from dv_sync_pipeline.emulator.rows.switches import Switches
from dv_sync_pipeline.emulator.trouble.clock import AdjustableClock
from dv_sync_pipeline.emulator.trouble.commits import CommitLog
from dv_sync_pipeline.emulator.trouble.faults import FaultInjector, FaultPlan
from dv_sync_pipeline.emulator.trouble.latency import work_of
from dv_sync_pipeline.emulator.trouble.limits import ServiceProtection
from dv_sync_pipeline.emulator.trouble.wire import Answer, ConnectionLost, Proceed, WireRequest

__all__ = ["START", "Levers", "LoggedRequest", "RequestLog", "create_control"]

START = "start"
"""The snapshot that a reset restores."""

_LOGGED_REQUESTS_MAX = 100_000
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as the environment saw it.

    Attributes:
        number: counts from 1.
        at: when it came, by the clock of the environment.
        method, path: as sent; the path with its query, decoded.
        user: id of the user, or "".
        status: HTTP status; 0 when the connection was broken instead.
        seconds: until the answer was ready, faults and latency included.
        rows: written or returned.

    """

    number: int
    at: str
    method: str
    path: str
    user: str
    status: int
    seconds: float
    rows: int


class RequestLog:
    """An interceptor, outermost, that writes down what came and what became of it."""

    def __init__(self, *, clock: Callable[[], datetime], stopwatch: Callable[[], float]) -> None:
        self._clock = clock
        self._stopwatch = stopwatch
        self._entries: deque[LoggedRequest] = deque(maxlen=_LOGGED_REQUESTS_MAX)
        self.total = 0

    async def __call__(self, request: WireRequest, *, proceed: Proceed) -> Answer:
        """The answer as it is."""
        at, started = self._clock(), self._stopwatch()
        try:
            answer = await proceed(request)
        except ConnectionLost:
            self._write(request, Answer(0), at, started)
            raise
        self._write(request, answer, at, started)
        return answer

    def after(self, number: int) -> list[LoggedRequest]:
        """The requests after the one with that number; the oldest may have been forgotten."""
        return [entry for entry in self._entries if entry.number > number]

    def clear(self) -> None:
        """Forget all requests and count from 1 again."""
        self._entries.clear()
        self.total = 0

    def _write(self, request: WireRequest, answer: Answer, at: datetime, started: float) -> None:
        self.total += 1
        entry = LoggedRequest(
            number=self.total,
            at=_utc_text(at),
            method=request.method,
            path=request.path,
            user=request.user_id,
            status=answer.status,
            seconds=self._stopwatch() - started,
            rows=work_of(request, answer).rows,
        )
        self._entries.append(entry)


@dataclass(frozen=True, slots=True)
class Levers:
    """Everything in one environment that can be pulled.

    Attributes:
        name: of the environment.
        clock: its time.
        snapshots: of its rows; the one named `START` has been saved.
        log: its requests.
        commits: what was written in it.
        faults: what goes wrong in it.
        switches: its unverified behaviours.
        settle_webhooks: returns when no delivery is under way.
        protection: its limits, if it has any.

    """

    name: str
    clock: AdjustableClock
    snapshots: Snapshots
    log: RequestLog
    commits: CommitLog
    faults: FaultInjector
    switches: Switches
    settle_webhooks: Callable[[], Awaitable[None]]
    protection: ServiceProtection | None = None


def create_control(levers: Levers) -> ASGIApp:
    """The application below `/control`."""
    handlers = _Handlers(levers)
    routes = [
        Route(path, handler, methods=[method])
        for method, path, handler in (
            ("GET", "/", handlers.describe),
            ("POST", "/reset", handlers.reset),
            ("GET", "/snapshots", handlers.list_snapshots),
            ("POST", "/snapshots/{name}", handlers.save_snapshot),
            ("POST", "/snapshots/{name}/restore", handlers.restore_snapshot),
            ("GET", "/clock", handlers.show_clock),
            ("POST", "/clock", handlers.set_clock),
            ("GET", "/requests", handlers.show_requests),
            ("DELETE", "/requests", handlers.clear_requests),
            ("GET", "/commits", handlers.show_commits),
            ("DELETE", "/commits", handlers.clear_commits),
            ("GET", "/faults", handlers.show_faults),
            ("POST", "/faults", handlers.arm_faults),
            ("DELETE", "/faults", handlers.disarm_faults),
            ("GET", "/switches", handlers.show_switches),
            ("POST", "/switches", handlers.turn_switches),
            ("POST", "/webhooks/settle", handlers.settle_webhooks),
        )
    ]
    return _LocalOnly(Router(routes))


class _ClockOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do to the clock, in this order."""

    stopped: bool | None = None
    set: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    advance: float = 0.0


class _Handlers:
    """One method for each address."""

    def __init__(self, levers: Levers) -> None:
        self._levers = levers
        self._switches_at_start = asdict(levers.switches)

    async def describe(self, _request: Request) -> Response:
        return JSONResponse({"environment": self._levers.name, "help": __doc__})

    async def reset(self, _request: Request) -> Response:
        levers = self._levers
        levers.faults.arm(FaultPlan())
        await levers.settle_webhooks()
        levers.snapshots.restore(START)
        levers.clock.reset()
        levers.log.clear()
        levers.commits.clear()
        if levers.protection is not None:
            levers.protection.reset()
        _turn(levers.switches, self._switches_at_start)
        return _NOTHING

    async def list_snapshots(self, _request: Request) -> Response:
        return JSONResponse({"snapshots": self._levers.snapshots.names()})

    async def save_snapshot(self, request: Request) -> Response:
        try:
            size = self._levers.snapshots.save(request.path_params["name"])
        except ValueError as error:
            return _refused(400, str(error))
        return JSONResponse({"bytes": size}, status_code=201)

    async def restore_snapshot(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            self._levers.snapshots.restore(name)
        except ValueError as error:
            return _refused(400, str(error))
        except KeyError:
            return _refused(404, f"There is no snapshot {name!r}.")
        return _NOTHING

    async def show_clock(self, _request: Request) -> Response:
        clock = self._levers.clock
        return JSONResponse({"now": _utc_text(clock()), "stopped": clock.is_stopped})

    async def set_clock(self, request: Request) -> Response:
        order = await _read(request, _ClockOrder)
        if isinstance(order, Response):
            return order
        clock = self._levers.clock
        if order.stopped is not None:
            (clock.stop if order.stopped else clock.run)()
        if order.set is not None:
            clock.set(order.set)
        clock.advance(order.advance)
        return await self.show_clock(request)

    async def show_requests(self, request: Request) -> Response:
        return _show_log(request, self._levers.log, name="requests")

    async def clear_requests(self, _request: Request) -> Response:
        self._levers.log.clear()
        return _NOTHING

    async def show_commits(self, request: Request) -> Response:
        return _show_log(request, self._levers.commits, name="commits")

    async def clear_commits(self, _request: Request) -> Response:
        self._levers.commits.clear()
        return _NOTHING

    async def show_faults(self, _request: Request) -> Response:
        counts = [asdict(count) for count in self._levers.faults.counts()]
        return JSONResponse({"faults": counts})

    async def arm_faults(self, request: Request) -> Response:
        plan = await _read(request, FaultPlan)
        if isinstance(plan, Response):
            return plan
        self._levers.faults.arm(plan)
        return await self.show_faults(request)

    async def disarm_faults(self, _request: Request) -> Response:
        self._levers.faults.arm(FaultPlan())
        return _NOTHING

    async def show_switches(self, _request: Request) -> Response:
        return JSONResponse(asdict(self._levers.switches))

    async def turn_switches(self, request: Request) -> Response:
        order = await _read(request, dict[str, Any])
        if isinstance(order, Response):
            return order
        try:
            _turn(self._levers.switches, order)
        except ValueError as error:
            return _refused(400, str(error))
        return await self.show_switches(request)

    async def settle_webhooks(self, _request: Request) -> Response:
        await self._levers.settle_webhooks()
        return _NOTHING


def _show_log(request: Request, log: RequestLog | CommitLog, *, name: str) -> Response:
    text = request.query_params.get("after", "0")
    if not text.isdecimal():
        return _refused(400, "after must be the number of an entry.")
    content = encode_json({name: [asdict(e) for e in log.after(int(text))], "total": log.total})
    return Response(content, media_type=JSON_TYPE)


def _turn(switches: Switches, order: Mapping[str, Any]) -> None:
    """Set switches by name; `ValueError` for an unknown name or a wrong type, and none is set."""
    unknown = sorted(order.keys() - asdict(switches).keys())
    if unknown:
        raise ValueError(f"There is no switch {unknown[0]!r}.")
    turned = msgspec.convert({**asdict(switches), **order}, Switches)
    for name in order:
        setattr(switches, name, getattr(turned, name))


_NOTHING = Response(status_code=204)
_Read = TypeVar("_Read")


async def _read(request: Request, kind: type[_Read]) -> _Read | Response:
    """The body as a value of that type, or the answer that says what is wrong with it."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        return _refused(400, str(error))


def _refused(status: int, message: str) -> Response:
    content: dict[str, Any] = {"error": {"message": message}}
    return JSONResponse(content, status_code=status)


def _utc_text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class _LocalOnly:
    """Nothing is here for anybody else."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_local = _is_loopback(scope) and _names_this_machine(scope)
        answer = self._application if is_local else Response(status_code=404)
        await answer(scope, receive, send)


def _is_loopback(scope: Scope) -> bool:
    host, _port = scope["client"] or ("", 0)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_this_machine(scope: Scope) -> bool:
    """Both the address that was asked, and the page that asked, if it was one."""
    headers = dict(scope["headers"])
    addresses = [b"//" + headers.get(b"host", b""), headers.get(b"origin", b"//localhost")]
    return all(urlsplit(text.decode("latin-1")).hostname in _LOCAL_NAMES for text in addresses)
