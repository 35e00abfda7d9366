"""Which tables an environment has."""

import httpx

from dv_sync_pipeline.webapi.tables import TableSummary


def _definition(name, **properties):
    return {"LogicalName": name, "IsCustomEntity": True, "TableType": "Standard", **properties}


def _label(text):
    return {"LocalizedLabels": [], "UserLocalizedLabel": {"Label": text, "LanguageCode": 1033}}


def test_tables_that_hold_rows(talk):
    """By name; neither pairs of relationships, nor tables that show rows of another system."""
    definitions = [
        _definition("contoso_room", Description=_label("Where\n guests  sleep.")),
        _definition("contoso_hotel_pool", IsIntersect=True),
        _definition("contoso_order", TableType="Virtual"),
        _definition("contoso_reading", TableType="Elastic"),
        _definition("account", IsCustomEntity=False, Description={"UserLocalizedLabel": None}),
    ]

    def server(_request):
        return httpx.Response(200, json={"value": definitions})

    assert [
        TableSummary("account", "", is_custom=False),
        TableSummary("contoso_room", "Where guests sleep.", is_custom=True),
    ] == talk(server, lambda client: client.list_tables())
