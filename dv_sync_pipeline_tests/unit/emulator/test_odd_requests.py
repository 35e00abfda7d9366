"""Requests that no sane client sends: they are refused in words, and never break the emulator."""

import json
import random
import uuid
from dataclasses import dataclass

import pytest

from dv_sync_pipeline.emulator.process.identity import AnyToken
from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.replies import DataverseError
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.service.requests import Request
from dv_sync_pipeline.emulator.service.routes import dispatch
from dv_sync_pipeline.emulator.tables import define, system

ID = "11111111-1111-4111-8111-111111111111"
REQUESTS = 1500

HOTEL = define.table(
    "demo_Hotel",
    entity_set="demo_hotels",
    columns=(
        define.string("demo_Code", max_length=20),
        define.integer("demo_Stars", maximum=5),
        define.decimal("demo_Rate", precision=2),
        define.money("demo_Price"),
        define.boolean("demo_IsOpen"),
        define.date_only("demo_Opened"),
        define.date_time("demo_CheckedOn"),
        define.choice("demo_Kind", {1: "City", 2: "Beach"}),
        define.multi_choice("demo_Tags", {1: "Pool", 2: "Bar"}),
        define.file("demo_Plan"),
        define.image("demo_Photo"),
        define.lookup("demo_ParentId", to="demo_hotel"),
        define.lookup("demo_PartnerId", to=("account", "contact")),
    ),
    keys=(define.key("demo_codekey", "demo_code"),),
)
CHILDREN = "demo_hotel_demo_hotel_demo_parentid"

SETS = ("demo_hotels",) * 8 + ("accounts", "systemusers", "EntityDefinitions", "WhoAmI", "no", "")
KEYS = (
    *("",) * 3,
    *(f"({ID})",) * 4,
    "()",
    "(demo_code='a')",
    "(demo_code=null)",
    "(demo_code='a/b')",
    "(LogicalName='demo_hotel')",
    "('x')",
    "(=)",
    "((",
)
TAILS = (
    *("",) * 6,
    "/$count",
    "/demo_name",
    "/demo_name/$value",
    "/demo_ParentId/$ref",
    f"/{CHILDREN}",
    f"/{CHILDREN}({ID})/$ref",
    "/demo_plan",
    "/demo_photo/$value",
    "/Attributes",
    "/Microsoft.Dynamics.CRM.CreateMultiple",
    "/Microsoft.Dynamics.CRM.UpsertMultiple",
    "/Microsoft.Dynamics.CRM.Nothing",
    "/a/b/c",
)
CONDITIONS = (
    "demo_stars eq 4",
    "demo_stars eq 99999999999999999999",
    "demo_name gt null",
    "4 eq 4",
    "not demo_isopen",
    "demo_ParentId ne null",
    "demo_checkedon lt 2020-13-41T00:00:00Z",
    "contains(demo_name,demo_code)",
    "startswith(demo_name)",
    f"{CHILDREN}/any(c:c)",
    f"{CHILDREN}/all(c:c/demo_stars ge 1)",
    "Microsoft.Dynamics.CRM.In()",
    "Microsoft.Dynamics.CRM.In(PropertyName='demo_stars',PropertyValues=['a'])",
    "Microsoft.Dynamics.CRM.Between(PropertyName='demo_stars',PropertyValues=['1'])",
    "Microsoft.Dynamics.CRM.LastXYears(PropertyName='createdon',PropertyValue=99999)",
    "@p",
)
VALUES = {
    "$select": ("demo_name", "*", ",", "demo_price,demo_photo", "_demo_parentid_value", "no"),
    "$orderby": ("demo_name", "demo_kind desc,demo_rate", "_demo_parentid_value", "a b c"),
    "$top": ("0", "1", "-1", "x"),
    "$count": ("true", "x"),
    "$expand": (
        "demo_ParentId",
        f"{CHILDREN}($top=1;$expand=demo_ParentId)",
        f"{CHILDREN}($top=x)",
        "ownerid",
        "x(",
        "Keys",
    ),
    "$apply": (
        "groupby((demo_kind),aggregate(demo_rate with sum as s))",
        "aggregate(demo_name with sum as s)",
        "x",
    ),
    "$skiptoken": ("x", "%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22MQ==%22"),
    "$deltatoken": ("x", "1!01/01/2026 00:00:00", "-5!11/23/2026 00:00:00"),
    "fetchXml": ("x", "<fetch/>", "<fetch><entity name='demo_hotel'/></fetch>"),
    "@p": ("demo_stars eq 1", "["),
}
HEADERS = {
    "prefer": ("odata.maxpagesize=1", "odata.track-changes", 'odata.include-annotations="*"'),
    "if-match": ("*", 'W/"1"', "x"),
    "if-none-match": ("*", "null", 'W/"1"'),
    "content-range": ("bytes 0-1/2", "x"),
    "mscrmcallerid": (ID, "x"),
}
PROPERTIES = (
    *(column.name for column in HOTEL.columns),
    "demo_ParentId",
    "demo_ParentId@odata.bind",
    "demo_PartnerId_account@odata.bind",
    "ownerid@odata.bind",
    CHILDREN,
    f"{CHILDREN}@odata.bind",
    "@odata.id",
    "@odata.type",
    "no",
    "no@no",
    "value",
    "Targets",
)
CONTENTS = (
    *(None, True, 1, -1, 2**70, 1.5, "", "x", "x" * 3000, "1,2", [], {}, [1], [{}]),
    *("2020-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "\x00"),
    *(f"/demo_hotels({ID})", "/demo_hotels(x)", "/no(1)", "bm8="),
)


@dataclass(frozen=True, slots=True)
class Dice:
    """Makes requests of the parts above."""

    numbers: random.Random

    def request(self, user_id: str) -> Request:
        """Some request."""
        pick = self.numbers.choice
        query = [
            self._option(pick(list(VALUES) + ["$filter"] * 5)) for _ in range(pick((0, 0, 1, 2)))
        ]
        names = [name for name in HEADERS if self.numbers.random() < 0.1]
        return Request(
            method=pick(("GET", "GET", "GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")),
            path=pick(SETS) + pick(KEYS) + pick(TAILS),
            query="&".join(query),
            headers={name: pick(HEADERS[name]) for name in names},
            body=self._body(),
            user_id=user_id,
        )

    def _option(self, name: str) -> str:
        if name != "$filter":
            return f"{name}={self.numbers.choice(VALUES[name])}"
        conditions = self.numbers.choices(CONDITIONS, k=self.numbers.randint(1, 3))
        return "$filter=" + self.numbers.choice((" and ", " or ")).join(conditions)

    def _body(self) -> bytes:
        pick = self.numbers.choice
        body = {pick(PROPERTIES): pick(CONTENTS) for _ in range(pick((0, 1, 1, 2)))}
        if self.numbers.random() < 0.3:
            body = {"Targets": [{"@odata.type": "Microsoft.Dynamics.CRM.demo_hotel", **body}]}
        return pick((json.dumps(body).encode(),) * 9 + (b"", b"[]", b"{", b'{"Targets":[5]}'))


def _mend(store: Store) -> None:
    """Bring back the table and its row, if a request removed them."""
    if "demo_hotel" not in store.catalog.tables:
        store.create_table(HOTEL)
    if store.database.value("SELECT count(*) FROM demo_hotel") == 0:
        store.load_rows("demo_hotel", [{"demo_hotelid": ID, "demo_code": "a"}])


@pytest.mark.parametrize("seed", range(4))
def test_odd_requests_are_answered_in_words(seed):
    """Whatever is sent is answered or refused; nothing else escapes."""
    store = Store()
    system.found_environment(store, organization_name="demo")
    store.create_table(HOTEL)
    user_id = system.create_application_user(
        store, application_id=str(uuid.uuid4()), full_name="user"
    )
    environment = EmulatedEnvironment("demo", "http://localhost", store, AnyToken(user_id))
    dice = Dice(random.Random(seed))
    statuses = set()

    for _ in range(REQUESTS):
        try:
            statuses.add(dispatch(environment, dice.request(user_id)).status)
        except DataverseError as refusal:
            statuses.add(refusal.status)
        _mend(store)
    store.close()

    assert statuses >= {200, 204, 400, 404, 405, 501}
    assert 500 not in statuses
