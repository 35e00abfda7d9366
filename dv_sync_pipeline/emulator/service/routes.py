"""Which URL calls which handler.

A path has a shape: `contoso_hotels(<guid>)/contoso_name` has the shape `{set}()/{property}`. The
tables of the handlers map method and shape to a function; nothing else decides. Belongs here:
shapes, and what is answered where no handler is found. Does not belong here: any handler.
"""

from dv_sync_pipeline.emulator.definitions import (
    csdl,
    metadata_changes,
    metadata_read,
    metadata_routes,
)
from dv_sync_pipeline.emulator.definitions.metadata_writes import build_due_keys, schema_transaction
from dv_sync_pipeline.emulator.definitions.propagation import require_known
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.replies import DataverseError, Reply
from dv_sync_pipeline.emulator.rows.security import acting_user
from dv_sync_pipeline.emulator.service import (
    bulk,
    bulk_delete,
    files,
    functions,
    roles,
    rows_read,
    rows_write,
)
from dv_sync_pipeline.emulator.service.addresses import Segment, parse_path
from dv_sync_pipeline.emulator.service.batch_route import batch_handler
from dv_sync_pipeline.emulator.service.handlers import Handler, Routes
from dv_sync_pipeline.emulator.service.requests import Call, Request, parse_preferences, parse_query
from dv_sync_pipeline.emulator.webhooks.origin import describe_origin, origin_of_request

__all__ = ["ROUTES", "answer", "dispatch", "shape"]

ROUTES: Routes = {
    **csdl.ROUTES,
    **files.ROUTES,
    **functions.ROUTES,
    **metadata_changes.ROUTES,
    **metadata_read.ROUTES,
    **metadata_routes.ROUTES,
    **roles.ROUTES,
    **rows_read.ROUTES,
    **rows_write.ROUTES,
    **bulk.ROUTES,
    **bulk_delete.ROUTES,
    ("POST", "$batch"): batch_handler(
        lambda environment, request: answer(environment, request)  # noqa: PLW0108 - defined below
    ),
}

_ROOT_NAMES = {pattern.partition("/")[0].removesuffix("()") for _, pattern in ROUTES} - {"{set}"}
_PREFIX = "Microsoft.Dynamics.CRM."
_METADATA_ROOTS = ("EntityDefinitions", "GlobalOptionSetDefinitions", "RelationshipDefinitions")
_READS = ("GET", "HEAD")


def shape(segments: tuple[Segment, ...]) -> str:
    """The shape of a path: its names replaced by what they are."""
    return "/".join(_part(segment, place) for place, segment in enumerate(segments))


def _part(segment: Segment, place: int) -> str:
    name = segment.name
    if place == 0:
        name = name if name in _ROOT_NAMES else "{set}"
    elif name.startswith(_PREFIX):
        name = "{action}"
    elif not name.startswith("$"):
        name = "{property}"
    return f"{name}()" if segment.has_key else name


def dispatch(environment: EmulatedEnvironment, request: Request) -> Reply:
    """Carry the request out; a write is one transaction. Raises `DataverseError`."""
    segments = parse_path(request.path)
    handler = _find_handler(request, segments)
    call = Call(
        environment=environment,
        request=request,
        segments=segments,
        user=acting_user(environment.store, request.user_id, request.headers),
        preferences=parse_preferences(request.headers.get("prefer", "")),
        options=parse_query(request.query),
    )
    build_due_keys(environment.store)
    require_known(call)
    if request.method in _READS:
        return handler(call)
    _set_origin(call)
    with schema_transaction(environment.store):
        reply = handler(call)
        environment.store.save_version()
        return reply


def _set_origin(call: Call) -> None:
    """Let webhooks know whose write it is; the next request of this task sets its own."""
    origin_of_request.set(
        describe_origin(
            call.request.headers,
            user_id=call.user.id,
            tag=call.options.get("tag", ""),
            new_id=call.store.new_id,
        )
    )


def answer(environment: EmulatedEnvironment, request: Request) -> Reply:
    """As `dispatch`, an error as the reply that a client gets."""
    try:
        return dispatch(environment, request)
    except DataverseError as error:
        is_annotated = "*" in parse_preferences(request.headers.get("prefer", "")).annotations
        if environment.switches.error_codes_empty:
            error.code = ""
        return error.reply(annotated=is_annotated)


def _find_handler(request: Request, segments: tuple[Segment, ...]) -> Handler:
    pattern = shape(segments)
    method = "GET" if request.method == "HEAD" else request.method
    handler = ROUTES.get((method, pattern))
    if handler is not None:
        return handler
    if segments and segments[0].name in _ROOT_NAMES and segments[0].name not in _METADATA_ROOTS:
        raise replies.no_http_resource(request.path)
    if any(known == pattern for _, known in ROUTES):
        raise replies.method_not_allowed(request.method)
    raise replies.segment_not_found(segments[-1].name if segments else "")
