"""Functions and actions that belong to no row (DATAVERSE 2, 6.3).

Belongs here: WhoAmI, RetrieveVersion and their like. Does not belong here: messages on tables
(`bulk.py`).
"""

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.database import quoted
from dv_sync_pipeline.emulator.rows.replies import Reply
from dv_sync_pipeline.emulator.rows.security import Action
from dv_sync_pipeline.emulator.service.addresses import parse_list
from dv_sync_pipeline.emulator.service.handlers import Routes
from dv_sync_pipeline.emulator.service.requests import Call

__all__ = ["ROUTES"]

_LANGUAGE = 1033
_VERSION = "9.2.25011.00128"


def _context(call: Call, name: str) -> dict[str, str]:
    return {"@odata.context": f"{call.api_url}/$metadata#Microsoft.Dynamics.CRM.{name}"}


def _who_am_i(call: Call) -> Reply:
    """Works for a user without any role, too (DATAVERSE 1.2)."""
    return Reply.json(
        {
            **_context(call, "WhoAmIResponse"),
            "BusinessUnitId": call.user.business_unit,
            "UserId": call.user.id,
            "OrganizationId": call.store.setting("organization"),
        }
    )


def _retrieve_version(call: Call) -> Reply:
    return Reply.json({**_context(call, "RetrieveVersionResponse"), "Version": _VERSION})


def _retrieve_current_organization(call: Call) -> Reply:
    detail = {
        "OrganizationId": call.store.setting("organization"),
        "FriendlyName": call.environment.name,
        "UniqueName": call.environment.name,
        "UrlName": call.environment.name,
        "OrganizationVersion": _VERSION,
        "EnvironmentId": call.store.setting("organization"),
        "OrganizationType": "Customer",
        "State": "Enabled",
    }
    return Reply.json({**_context(call, "RetrieveCurrentOrganizationResponse"), "Detail": detail})


def _retrieve_total_record_count(call: Call) -> Reply:
    key = call.segments[0].key
    names = key.get("EntityNames", ())
    if isinstance(names, str):
        names = parse_list(call.options.get(names, "[]"))
    counts = [_row_count(call, name) for name in names]
    collection = {
        "Count": len(counts),
        "IsReadOnly": False,
        "Keys": list(names),
        "Values": counts,
    }
    return Reply.json(
        {
            **_context(call, "RetrieveTotalRecordCountResponse"),
            "EntityRecordCountCollection": collection,
        }
    )


def _row_count(call: Call, name: str) -> int:
    table = call.catalog.tables.get(name)
    if table is None:
        raise replies.invalid_argument(f"The entity with a name = '{name}' was not found.")
    call.user.require(Action.READ, table)
    return int(call.store.database.value(f"SELECT count(*) FROM {quoted(name)}"))


def _retrieve_available_languages(call: Call) -> Reply:
    """English only (DATAVERSE 3.4)."""
    context = _context(call, "RetrieveAvailableLanguagesResponse")
    return Reply.json({**context, "LocaleIds": [_LANGUAGE]})


def _service_document(call: Call) -> Reply:
    sets = [
        {"name": table.entity_set, "kind": "EntitySet", "url": table.entity_set}
        for table in call.catalog.tables.values()
    ]
    return Reply.json({"@odata.context": f"{call.api_url}/$metadata", "value": sets})


ROUTES: Routes = {
    ("GET", ""): _service_document,
    ("GET", "WhoAmI"): _who_am_i,
    ("GET", "WhoAmI()"): _who_am_i,
    ("GET", "RetrieveAvailableLanguages"): _retrieve_available_languages,
    ("GET", "RetrieveAvailableLanguages()"): _retrieve_available_languages,
    ("GET", "RetrieveVersion"): _retrieve_version,
    ("GET", "RetrieveVersion()"): _retrieve_version,
    ("GET", "RetrieveCurrentOrganization()"): _retrieve_current_organization,
    ("GET", "RetrieveTotalRecordCount()"): _retrieve_total_record_count,
}
