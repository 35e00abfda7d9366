"""`BulkDelete`: rows that queries name, deleted by an asynchronous job (DATAVERSE 8.5).

Belongs here: queries as `QueryExpression`, and the job that clients poll. Does not belong here:
deleting (`writes.py`) and finding rows (`fetch_sql.py`, since a QueryExpression is FetchXML in
JSON).

The job has run when the answer comes; a client that polls finds it completed at once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dv_sync_pipeline.emulator.queries.fetch_sql import FetchTranslator
from dv_sync_pipeline.emulator.queries.fetchxml import Attribute, Criterion, Entity, Fetch, Filter
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import DataverseError, Reply
from dv_sync_pipeline.emulator.rows.writes import Writer
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["ROUTES"]

_ROWS_MAX = 1_000_000
_BULK_DELETE = 13
_COMPLETED, _SUCCEEDED, _FAILED = 3, 30, 31

_OPERATORS: Mapping[str, str] = {
    "Equal": "eq",
    "NotEqual": "ne",
    "GreaterThan": "gt",
    "GreaterEqual": "ge",
    "LessThan": "lt",
    "LessEqual": "le",
    "In": "in",
    "NotIn": "not-in",
    "Null": "null",
    "NotNull": "not-null",
    "Like": "like",
    "NotLike": "not-like",
    "BeginsWith": "begins-with",
    "EndsWith": "ends-with",
    "Between": "between",
    "OnOrBefore": "on-or-before",
    "OnOrAfter": "on-or-after",
}
"""`ConditionOperator` → FetchXML's word; others answer 501."""


def _bulk_delete(call: Call) -> Reply:
    body = call.request.json()
    queries = body.get("QuerySet") if isinstance(body, dict) else None
    if not isinstance(queries, list) or not queries:
        raise replies.invalid_argument("Required field 'QuerySet' is missing or empty.")
    fetches = [_fetch(call, query) for query in queries]
    job_id = _run(call, str(body.get("JobName", "")), fetches)
    context = f"{call.api_url}/$metadata#Microsoft.Dynamics.CRM.BulkDeleteResponse"
    return Reply.json({"@odata.context": context, "JobId": job_id})


def _run(call: Call, name: str, fetches: Iterable[Fetch]) -> str:
    """Delete what the queries find, all or nothing; the job's id."""
    failure: DataverseError | None = None
    try:
        with call.store.transaction():
            for fetch in fetches:
                _delete_found(call, fetch)
    except DataverseError as error:
        failure = error
    job_id, now = call.store.new_id(), call.store.now()
    job = {
        "asyncoperationid": job_id,
        "name": name,
        "operationtype": _BULK_DELETE,
        "statecode": _COMPLETED,
        "statuscode": _FAILED if failure else _SUCCEEDED,
        "message": failure.message if failure else None,
        "startedon": now,
        "completedon": now,
    }
    call.store.load_rows("asyncoperation", [job])
    return job_id


def _delete_found(call: Call, fetch: Fetch) -> None:
    translator = FetchTranslator(
        call.catalog, call.environment.switches, user=call.user, now=call.store.now()
    )
    statement = translator.translate(fetch).page_sql(rows_max=_ROWS_MAX, page=1)
    table = call.catalog.table(fetch.entity.name)
    query = call.store.database.execute(statement.sql, statement.parameters)
    names = [description[0] for description in query.description]
    place = names.index(table.primary_id)
    writer = Writer(call.environment, call.user)
    for record in query.fetchall():
        writer.delete(table, record[place])


# ---- QueryExpression ----------------------------------------------------------------------------


def _fetch(call: Call, query: Any) -> Fetch:
    if not isinstance(query, dict) or query.get("EntityName") not in call.catalog.tables:
        raise replies.invalid_argument("A query of the QuerySet names no table.")
    table = call.catalog.table(query["EntityName"])
    criteria = query.get("Criteria")
    return Fetch(
        Entity(
            table.name,
            attributes=(Attribute(table.primary_id),),
            filters=(_filter(criteria),) if criteria else (),
        )
    )


def _filter(expression: Mapping[str, Any]) -> Filter:
    parts: tuple[Criterion | Filter, ...] = (
        *(_criterion(condition) for condition in expression.get("Conditions") or ()),
        *(_filter(inner) for inner in expression.get("Filters") or ()),
    )
    return Filter(str(expression.get("FilterOperator", "And")).lower(), parts)


def _criterion(condition: Mapping[str, Any]) -> Criterion:
    operator = _OPERATORS.get(str(condition.get("Operator")))
    if operator is None:
        raise replies.not_implemented(f"the condition operator {condition.get('Operator')}")
    values = tuple(str(value["Value"]) for value in condition.get("Values") or ())
    return Criterion(str(condition.get("AttributeName")), operator, values)


ROUTES: Routes = {("POST", "BulkDelete"): _bulk_delete}
