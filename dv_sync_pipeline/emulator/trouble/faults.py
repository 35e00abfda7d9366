"""Faults on demand: a seeded plan of what goes wrong, for which requests, how often.

Belongs here: the plan, the effects, and the count of how often each took hold (a fault that never
fires proves nothing). Does not belong here: the address at which a plan is posted (`control.py`),
and limits that a client earned (`limits.py`).

A plan is JSON:

    {"seed": 7, "faults": [
        {"name": "lost answers", "match": {"method": "POST", "path": "CreateMultiple"},
         "probability": 0.1, "effect": {"kind": "reset_after_commit"}},
        {"name": "one bad gateway", "skip": 2, "count": 1,
         "effect": {"kind": "answer", "status": 502, "body": "<html>Bad gateway</html>"}},
        {"name": "late news", "match": {"path": "contoso_hotel"},
         "effect": {"kind": "webhook_delayed", "seconds": 2}}]}

Each fault draws from a random generator of its own, so that its n-th match is decided by the seed
alone, whatever else goes on. Several faults may fire on one request; the first stands outermost.
"""

# ruff: noqa: ARG002 - all effects are called alike, with what the richest of them needs

import gzip
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from random import Random
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import msgspec

from dv_sync_pipeline.emulator.rows.replies import JSON_TYPE, encode_json
from dv_sync_pipeline.emulator.trouble.wire import (
    Answer,
    ConnectionLost,
    HeaderPair,
    Proceed,
    WireRequest,
    send_short,
    send_slowly,
)

__all__ = [
    "Fault",
    "FaultCount",
    "FaultInjector",
    "FaultPlan",
    "Match",
    "Notice",
    "SchemaChange",
    "World",
]

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
SchemaChange: TypeAlias = Literal["removed", "renamed", "shortened", "retyped", "added"]


class World(Protocol):
    """What effects may do to the environment behind its Web API."""

    def highest_version(self) -> int:
        """The row version that was given out last."""

    def lower_versions(self, *, above: int, by: int) -> int:
        """Give rows whose version is above that number an older one; returns how many."""

    def primary_id(self, entity_set: str) -> str:
        """The name of the id column of a table, given by its name in URLs; "" if there is none."""

    def change_schema(self, *, table: str, column: str, change: SchemaChange) -> None:
        """Change a column behind everybody's back."""


@dataclass(slots=True)
class Attempt:
    """One fault about to take hold.

    Attributes:
        sleep: waits.
        world: the environment.
        memory: what this fault remembers between attempts.
        revoked_tokens: `Authorization` values that are not accepted any more.
        has_missed: set when there was nothing to take hold of; the attempt does not count then.

    """

    sleep: Sleep
    world: World
    memory: dict[str, Answer]
    revoked_tokens: set[str]
    has_missed: bool = False


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Effect(msgspec.Struct, frozen=True, tag_field="kind", tag=_snake, forbid_unknown_fields=True):
    """What goes wrong; its kind in a plan is its class in lower case with underscores."""


class RequestEffect(Effect, frozen=True):
    """Goes wrong with a request or its answer."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """Answer wrongly, by asking what lies behind or not."""
        raise NotImplementedError


# ---- instead of an answer -----------------------------------------------------------------------


class AnswerInstead(RequestEffect, frozen=True, tag="answer"):
    """An answer of one's own before anything is done: throttled, failed, refused, redirected.

    Attributes:
        status: HTTP status.
        code, message: of Dataverse's error object.
        body: as it is, instead of an error object; need not be JSON.
        headers: such as `Retry-After`, `Location`, `WWW-Authenticate`.

    """

    status: int = 503
    code: str = ""
    message: str = "A fault was ordered."
    body: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """Never asks what lies behind."""
        headers = tuple(_pair(name, value) for name, value in self.headers.items())
        if self.body is not None:
            return Answer(self.status, headers, self.body.encode())
        error = {"error": {"code": self.code, "message": self.message}}
        return Answer(self.status, (_JSON_HEADER, *headers), encode_json(error))


class ExpiredDeltaToken(RequestEffect, frozen=True):
    """The version stamp is too old (DATAVERSE 7.3); the HTTP status is not documented."""

    status: int = 400

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """Only requests that carry a token can be told so."""
        if "$deltatoken" not in request.path:
            attempt.has_missed = True
            return await proceed(request)
        message = (
            "Version stamp associated with the client has expired. Please perform a full sync."
        )
        instead = AnswerInstead(self.status, "0x80044352", message)
        return await instead.apply(request, proceed=proceed, attempt=attempt)


class ExpiredToken(RequestEffect, frozen=True):
    """The bearer token of this request is refused from now on, wherever it is sent."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """Without a token there is none to expire."""
        token = request.header(b"authorization")
        if not token:
            attempt.has_missed = True
            return await proceed(request)
        attempt.revoked_tokens.add(token)
        return _UNAUTHORIZED


class Delay(RequestEffect, frozen=True):
    """Nothing happens for a while; a long one is a hang."""

    seconds: float = 1.0

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """Waits before the work is done."""
        await attempt.sleep(self.seconds)
        return await proceed(request)


class ResetBeforeCommit(RequestEffect, frozen=True):
    """The connection is reset; nothing was done."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """Never asks what lies behind."""
        raise ConnectionLost(abruptly=True)


class ResetAfterCommit(RequestEffect, frozen=True):
    """The connection is reset after the work was done: the outcome is unknown to the client."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """The answer is lost."""
        await proceed(request)
        raise ConnectionLost(abruptly=True)


class AnswerAfterCommit(RequestEffect, frozen=True):
    """The work is done, and a gateway says something else: 504 and a page that is not JSON."""

    status: int = 504
    body: str = "<html><body>504 Gateway Time-out</body></html>"

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """The true answer is lost."""
        await proceed(request)
        return Answer(self.status, (_HTML_HEADER,), self.body.encode())


# ---- a broken answer ----------------------------------------------------------------------------


class TruncatedBody(RequestEffect, frozen=True):
    """Half of the body, with a `Content-Length` that agrees: only its contents are wrong."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """An empty body cannot be cut."""
        answer = await proceed(request)
        attempt.has_missed = not answer.body
        return replace(answer, body=answer.body[: len(answer.body) // 2])


class WrongContentLength(RequestEffect, frozen=True):
    """The whole length is announced, half of it comes, the connection is closed."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """An empty body cannot be cut."""
        answer = await proceed(request)
        attempt.has_missed = not answer.body
        return replace(answer, transmission=send_short) if answer.body else answer


class TruncatedGzip(RequestEffect, frozen=True):
    """A compressed body whose second half is missing, with a length that agrees."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """An empty body cannot be cut."""
        answer = await proceed(request)
        attempt.has_missed = not answer.body
        if attempt.has_missed:
            return answer
        packed = gzip.compress(answer.body)
        cut = replace(answer, body=packed[: len(packed) // 2])
        return cut.with_headers(_pair("Content-Encoding", "gzip"))


class NotJson(RequestEffect, frozen=True):
    """The right status with a page for people as its body."""

    body: str = "<html><body>Service unavailable</body></html>"

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """An answer without a body keeps none."""
        answer = await proceed(request)
        attempt.has_missed = not answer.body
        if attempt.has_missed:
            return answer
        kept = tuple(pair for pair in answer.headers if pair[0] != b"content-type")
        return replace(answer, headers=(*kept, _HTML_HEADER), body=self.body.encode())


class Trickle(RequestEffect, frozen=True):
    """The answer drips."""

    chunk_bytes: int = 64
    seconds: float = 0.1

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """A pause after each piece."""
        answer = await proceed(request)
        slowly = partial(
            send_slowly,
            chunk_bytes=self.chunk_bytes,
            pause_seconds=self.seconds,
            sleep=attempt.sleep,
        )
        return replace(answer, transmission=slowly)


class PreviousAnswer(RequestEffect, frozen=True):
    """The work is done, and the answer is that of the previous request that matched."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """The first request has no previous one."""
        answer = await proceed(request)
        previous = attempt.memory.get("previous")
        attempt.memory["previous"] = answer
        attempt.has_missed = previous is None
        return previous or answer


# ---- an answer with wrong contents --------------------------------------------------------------


class Edit(RequestEffect, frozen=True):
    """Changes the JSON object of an answer."""

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """An answer that is no JSON object, or without the part in question, stays as it is."""
        answer = await proceed(request)
        content = _json_object(answer)
        if content is None or not self.edit(content, request, attempt.world):
            attempt.has_missed = True
            return answer
        return replace(answer, body=encode_json(content))

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Change it; False when there is nothing to change."""
        raise NotImplementedError


class WithoutProperty(Edit, frozen=True):
    """A property is missing: `@odata.deltaLink`, `@odata.nextLink`, `value`."""

    name: str = "@odata.deltaLink"

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Remove it."""
        return content.pop(self.name, None) is not None


class EmptyPage(Edit, frozen=True):
    """A full table looks empty: no rows and no further page."""

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Remove the rows."""
        content.pop("@odata.nextLink", None)
        return _replace_rows(content, [])


class RepeatedRow(Edit, frozen=True):
    """The last row of a page comes twice."""

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Append it once more."""
        rows = content.get("value", [])
        return bool(rows) and _replace_rows(content, [*rows, rows[-1]])


class SameNextLink(Edit, frozen=True):
    """The link to the next page leads to this page: an endless loop."""

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Point the link at the request."""
        if "@odata.nextLink" not in content:
            return False
        origin = urlsplit(content["@odata.nextLink"])
        raw_path = request.scope.get("raw_path", request.path.encode()).decode("latin-1")
        query = request.scope.get("query_string", b"").decode("latin-1")
        path = raw_path.partition("?")[0]
        content["@odata.nextLink"] = urlunsplit((origin.scheme, origin.netloc, path, query, ""))
        return True


class ForeignLink(Edit, frozen=True):
    """Links to the next page and to later changes lead to another host."""

    origin: str = "https://attacker.example"

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Replace scheme, host and port of every link."""
        links = [name for name in ("@odata.nextLink", "@odata.deltaLink") if name in content]
        target = urlsplit(self.origin)
        for name in links:
            parts = urlsplit(content[name])
            content[name] = urlunsplit(parts._replace(scheme=target.scheme, netloc=target.netloc))
        return bool(links)


class Tombstone(Edit, frozen=True):
    """A change feed reports a deletion: of a row nobody knows, or of one that is alive again.

    Attributes:
        id: of the deleted row; empty takes the first row of the answer, which is alive.
        place: before or after the rows (DATAVERSE 7.2 does not promise an order).

    """

    id: str = ""
    place: Literal["first", "last"] = "last"

    def edit(self, content: dict[str, Any], request: WireRequest, world: World) -> bool:
        """Add the entry to an answer about changes."""
        rows = content.get("value", [])
        row_id = self.id or _first_id(rows, request, world)
        if not row_id or "$deltatoken" not in request.path:
            return False
        entry = {
            "@odata.context": f"{content.get('@odata.context', '')}/$deletedEntity",
            "id": row_id,
            "reason": "deleted",
        }
        return _replace_rows(content, [entry, *rows] if self.place == "first" else [*rows, entry])


# ---- the environment itself ---------------------------------------------------------------------


class LateCommit(RequestEffect, frozen=True):
    """What this request wrote gets versions that were given out earlier (DATAVERSE 7.4).

    Change tokens issued before the write are then newer than the rows, as after a transaction that
    took its versions early and committed late.

    Attributes:
        versions: how far back.

    """

    versions: int = 1000

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """A request that writes nothing cannot be late."""
        before = attempt.world.highest_version()
        answer = await proceed(request)
        rows = attempt.world.lower_versions(above=before, by=self.versions)
        attempt.has_missed = rows == 0
        return answer


class SchemaDrift(RequestEffect, frozen=True):
    """A column changes behind the client's back, just before the request is answered."""

    table: str
    column: str
    change: SchemaChange = "removed"

    async def apply(self, request: WireRequest, *, proceed: Proceed, attempt: Attempt) -> Answer:
        """The request meets the changed table already; a column that is not there stays so."""
        try:
            attempt.world.change_schema(table=self.table, column=self.column, change=self.change)
        except KeyError:
            attempt.has_missed = True
        return await proceed(request)


# ---- webhooks -----------------------------------------------------------------------------------


class WebhookEffect(Effect, frozen=True):
    """Goes wrong with a delivery; `method` matches the message, `path` the table."""


class WebhookDropped(WebhookEffect, frozen=True):
    """Never sent."""


class WebhookDuplicated(WebhookEffect, frozen=True):
    """Sent more than once, as after a lost answer (DATAVERSE 10.4)."""

    copies: int = 2


class WebhookDelayed(WebhookEffect, frozen=True):
    """Sent later."""

    seconds: float = 1.0


class WebhookCorrupted(WebhookEffect, frozen=True):
    """Sent with another body."""

    body: str = '{"PrimaryEntityName":'


class WebhookReordered(WebhookEffect, frozen=True):
    """Held back until as many later ones have been sent."""

    places: int = 1


AnyWebhookEffect: TypeAlias = (
    WebhookDropped | WebhookDuplicated | WebhookDelayed | WebhookCorrupted | WebhookReordered
)
AnyRequestEffect: TypeAlias = (
    AnswerInstead
    | ExpiredDeltaToken
    | ExpiredToken
    | Delay
    | ResetBeforeCommit
    | ResetAfterCommit
    | AnswerAfterCommit
    | TruncatedBody
    | WrongContentLength
    | TruncatedGzip
    | NotJson
    | Trickle
    | PreviousAnswer
    | WithoutProperty
    | EmptyPage
    | RepeatedRow
    | SameNextLink
    | ForeignLink
    | Tombstone
    | LateCommit
    | SchemaDrift
)


# ---- the plan -----------------------------------------------------------------------------------


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Which requests (or deliveries) a fault is for; what is left empty matches all.

    Attributes:
        method: HTTP method; of a delivery its message, such as Create.
        path: regular expression, searched in the decoded path and query; of a delivery in the
            logical name of the table.
        user: id of the user.
        contains: text in the body.

    """

    method: str = ""
    path: str = ""
    user: str = ""
    contains: str = ""

    def __post_init__(self) -> None:
        """Refuse a path that is no regular expression while the plan is read."""
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"{self.path!r} is no regular expression: {error}") from None

    def __call__(self, request: "Notice") -> bool:
        """Whether it is one of them."""
        return (
            self.method.upper() in ("", request.method.upper())
            and self.user.lower() in ("", request.user.lower())
            and self._pattern.search(request.path) is not None
            and self.contains.encode() in request.body
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.path)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a match looks at: a request, or the delivery of a webhook."""

    method: str
    path: str
    user: str = ""
    body: bytes = b""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that goes wrong.

    Attributes:
        effect: what happens.
        match: to whom.
        name: for the counts.
        skip: matches that are left alone first.
        count: how often at most; None for ever.
        probability: of each match after the skipped ones.

    """

    effect: AnyRequestEffect | AnyWebhookEffect
    match: Match = Match()
    name: str = ""
    skip: int = 0
    count: int | None = None
    probability: float = 1.0


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that goes wrong, and the seed that decides when."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultCount:
    """How a fault fared.

    Attributes:
        name: as in the plan.
        kind: of its effect.
        matched: requests or deliveries that it was for.
        fired: how often it took hold.

    """

    name: str
    kind: str
    matched: int
    fired: int


@dataclass(slots=True)
class _ArmedFault:
    """A fault of the plan that is in force, with its own luck."""

    fault: Fault
    random: Random
    matched: int = 0
    fired: int = 0
    memory: dict[str, Answer] = field(default_factory=dict)

    def draws(self, notice: Notice) -> bool:
        """Whether it fires now; counted as fired until it turns out to have missed."""
        if not self.fault.match(notice):
            return False
        self.matched += 1
        is_drawn = self.random.random() < self.fault.probability
        if self.matched <= self.fault.skip or not is_drawn or self._is_used_up():
            return False
        self.fired += 1
        return True

    def count(self) -> FaultCount:
        """For whoever ordered it."""
        kind = str(self.fault.effect.__struct_config__.tag)
        return FaultCount(self.fault.name or kind, kind, self.matched, self.fired)

    def _is_used_up(self) -> bool:
        return self.fault.count is not None and self.fired >= self.fault.count


class FaultInjector:
    """An interceptor, outermost but for the log, that carries out the plan in force."""

    def __init__(self, *, sleep: Sleep, world: World) -> None:
        self._sleep = sleep
        self._world = world
        self._armed: tuple[_ArmedFault, ...] = ()
        self._revoked_tokens: set[str] = set()

    def arm(self, plan: FaultPlan) -> None:
        """Put a plan in force instead of the present one; tokens that were revoked live again."""
        self._armed = tuple(
            _ArmedFault(fault, Random(f"{plan.seed}/{position}"))
            for position, fault in enumerate(plan.faults)
        )
        self._revoked_tokens.clear()

    def counts(self) -> list[FaultCount]:
        """How each fault of the plan fared so far."""
        return [armed.count() for armed in self._armed]

    async def __call__(self, request: WireRequest, *, proceed: Proceed) -> Answer:
        """The answer, with whatever goes wrong."""
        if request.header(b"authorization") in self._revoked_tokens:
            return _UNAUTHORIZED
        notice = Notice(request.method, request.path, request.user_id, request.body)
        for armed in reversed(self._drawn(notice, RequestEffect)):
            proceed = partial(self._apply, armed, proceed=proceed)
        return await proceed(request)

    def effects_on(self, delivery: Notice) -> list[AnyWebhookEffect]:
        """What goes wrong with the delivery of a webhook."""
        drawn = self._drawn(delivery, WebhookEffect)
        return [armed.fault.effect for armed in drawn]  # type: ignore[misc]

    def _drawn(self, notice: Notice, kind: type[Effect]) -> Sequence[_ArmedFault]:
        return [
            armed
            for armed in self._armed
            if isinstance(armed.fault.effect, kind) and armed.draws(notice)
        ]

    async def _apply(self, armed: _ArmedFault, request: WireRequest, *, proceed: Proceed) -> Answer:
        effect = armed.fault.effect
        assert isinstance(effect, RequestEffect)  # noqa: S101 - drawn by that kind
        attempt = Attempt(self._sleep, self._world, armed.memory, self._revoked_tokens)
        answer = await effect.apply(request, proceed=proceed, attempt=attempt)
        armed.fired -= attempt.has_missed
        return answer


# ---- small tools --------------------------------------------------------------------------------

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENTITY_SET = re.compile(r"/api/data/v[0-9.]+/(\w+)")


def _pair(name: str, value: str) -> HeaderPair:
    return name.lower().encode(), value.encode("latin-1")


_JSON_HEADER = _pair("Content-Type", JSON_TYPE)
_HTML_HEADER = _pair("Content-Type", "text/html; charset=utf-8")
_UNAUTHORIZED = Answer(
    401,
    (
        _pair(
            "WWW-Authenticate",
            'Bearer error="invalid_token", error_description="The token has expired"',
        ),
    ),
)


def _json_object(answer: Answer) -> dict[str, Any] | None:
    try:
        content = _DECODER.decode(answer.body)
    except msgspec.DecodeError:
        return None
    return content if isinstance(content, dict) else None


def _replace_rows(content: dict[str, Any], rows: list[Any]) -> bool:
    """Whether there were rows to replace."""
    if not isinstance(content.get("value"), list):
        return False
    content["value"] = rows
    return True


def _first_id(rows: list[dict[str, Any]], request: WireRequest, world: World) -> str:
    table = _ENTITY_SET.search(request.path)
    if not rows or table is None:
        return ""
    return str(rows[0].get(world.primary_id(table[1]), ""))
