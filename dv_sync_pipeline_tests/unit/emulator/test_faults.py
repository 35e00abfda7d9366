"""The fault plan: who is hit, how often, and by what (RELIABILITY 4)."""

import asyncio
import gzip

import msgspec
import pytest

from dv_sync_pipeline.emulator.trouble.faults import FaultCount, FaultInjector, FaultPlan, Notice
from dv_sync_pipeline.emulator.trouble.wire import Answer, ConnectionLost, WireRequest

API = "/api/data/v9.2"
READ = WireRequest("GET", f"{API}/accounts", headers=((b"authorization", b"Bearer one"),))
WRITE = WireRequest("POST", f"{API}/accounts", body=b'{"name":"bad"}', user_id="anna")
DELTA = WireRequest("GET", f"{API}/accounts?$deltatoken=17")
PAGE = {
    "@odata.context": f"http://org{API}/$metadata#accounts",
    "value": [{"accountid": "1", "price": 1.5}, {"accountid": "2", "price": 2.5}],
    "@odata.nextLink": f"http://org{API}/accounts?page=2",
    "@odata.deltaLink": f"http://org{API}/accounts?$deltatoken=18",
}


class FakeWorld:
    """An environment whose last row version is 100, and which remembers what was done to it."""

    def __init__(self, *, rows_written=1):
        self.done = []
        self._rows_written = rows_written

    def highest_version(self):
        """The last one."""
        return 100

    def lower_versions(self, *, above, by):
        """As many as were written."""
        self.done.append(("lowered", above, by))
        return self._rows_written

    def primary_id(self, entity_set):
        """Of accounts."""
        return {"accounts": "accountid"}.get(entity_set, "")

    def change_schema(self, *, table, column, change):
        """Remember it."""
        self.done.append((change, table, column))


class Behind:
    """What lies behind the faults: counts its work and answers a page."""

    def __init__(self, answer=None):
        self.worked = 0
        self.answer = answer or Answer(200, (), msgspec.json.encode(PAGE))

    async def __call__(self, _request):
        """Work once."""
        self.worked += 1
        return self.answer


def armed(*faults, seed=0, world=None, slept=None):
    """An injector with this plan in force; sleeping takes no time and is written down."""

    async def sleep(seconds):
        (slept if slept is not None else []).append(seconds)

    injector = FaultInjector(sleep=sleep, world=world or FakeWorld())
    injector.arm(msgspec.convert({"seed": seed, "faults": faults}, FaultPlan))
    return injector


def ask(injector, request=READ, *, behind=None):
    """The answer to one request."""
    return asyncio.run(injector(request, proceed=behind or Behind()))


def page_of(answer):
    """The JSON of an answer."""
    return msgspec.json.decode(answer.body)


def fired(injector):
    """How often each fault took hold."""
    return [count.fired for count in injector.counts()]


UNAVAILABLE = {"kind": "answer", "status": 503}


# ---- who and how often --------------------------------------------------------------------------


def test_without_a_plan_nothing_goes_wrong():
    """The answer is that of the environment."""
    behind = Behind()

    assert behind.answer is ask(armed(), behind=behind)


@pytest.mark.parametrize(
    ("match", "status"),
    [
        ({}, 503),
        ({"method": "post"}, 503),
        ({"method": "GET"}, 200),
        ({"path": "accounts$"}, 503),
        ({"path": "contacts"}, 200),
        ({"user": "ANNA"}, 503),
        ({"user": "boris"}, 200),
        ({"contains": "bad"}, 503),
        ({"contains": "good"}, 200),
        ({"method": "POST", "path": "contacts"}, 200),
    ],
)
def test_match(match, status):
    """By method, path, user and text in the body; all that is given must agree."""
    injector = armed({"match": match, "effect": UNAVAILABLE})

    assert status == ask(injector, WRITE).status


def test_skip_and_count():
    """The second and third match are hit, and no other."""
    injector = armed({"skip": 1, "count": 2, "effect": UNAVAILABLE})

    assert [200, 503, 503, 200] == [ask(injector).status for _ in range(4)]


def test_counts():
    """A fault that never fires proves nothing, so it is told."""
    injector = armed(
        {"name": "gone", "skip": 1, "effect": UNAVAILABLE},
        {"match": {"path": "contacts"}, "effect": {"kind": "reset_before_commit"}},
    )
    for _ in range(3):
        ask(injector)

    assert [
        FaultCount("gone", "answer", 3, 2),
        FaultCount("reset_before_commit", "reset_before_commit", 0, 0),
    ] == injector.counts()


def luck(seed, *, others=0):
    """The statuses of 200 requests, each hit with a chance of a third."""
    more = [{"match": {"path": "nowhere"}, "effect": UNAVAILABLE}] * others
    injector = armed({"probability": 1 / 3, "effect": UNAVAILABLE}, *more, seed=seed)
    return [ask(injector).status for _ in range(200)]


def test_the_seed_decides():
    """The same seed, the same story; another seed, another one."""
    assert luck(1) == luck(1)
    assert luck(1) != luck(2)


def test_faults_do_not_disturb_each_other():
    """A fault added to the plan leaves the luck of the others as it is."""
    assert luck(1) == luck(1, others=3)


def test_probability():
    """About a third of them."""
    assert 66 == pytest.approx(luck(1).count(503), abs=20)


def test_an_unknown_effect_is_refused_by_name():
    """The message names what was meant."""
    with pytest.raises(msgspec.ValidationError, match="earthquake"):
        armed({"effect": {"kind": "earthquake"}})


def test_a_misspelt_field_is_refused():
    """A fault that silently never fires would be worse."""
    with pytest.raises(msgspec.ValidationError, match="probabilty"):
        armed({"effect": UNAVAILABLE, "probabilty": 0.5})


# ---- effects on requests ------------------------------------------------------------------------


def test_answer_instead():
    """Nothing is done; status, headers, code and message are those of the plan."""
    effect = {
        "kind": "answer",
        "status": 429,
        "code": "0x80072326",
        "message": "Too many",
        "headers": {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"},
    }
    behind = Behind()

    answer = ask(armed({"effect": effect}), behind=behind)

    assert 0 == behind.worked
    assert {"error": {"code": "0x80072326", "message": "Too many"}} == page_of(answer)
    assert "Fri, 31 Dec 2027 23:59:59 GMT" == answer.header(b"retry-after")


def test_answer_that_is_not_json():
    """The body is sent as it stands."""
    answer = ask(armed({"effect": {"kind": "answer", "status": 502, "body": "<html>"}}))

    assert (502, b"<html>") == (answer.status, answer.body)


@pytest.mark.parametrize(
    ("kind", "worked"), [("reset_before_commit", 0), ("reset_after_commit", 1)]
)
def test_reset(kind, worked):
    """The connection is reset, before or after the work."""
    behind = Behind()

    with pytest.raises(ConnectionLost) as loss:
        ask(armed({"effect": {"kind": kind}}), behind=behind)

    assert loss.value.abruptly
    assert worked == behind.worked


def test_answer_after_commit():
    """The work is done and a gateway says that it timed out."""
    behind = Behind()

    answer = ask(armed({"effect": {"kind": "answer_after_commit"}}), behind=behind)

    assert (504, 1) == (answer.status, behind.worked)
    assert b"<html>" in answer.body


def test_delay():
    """It takes as long as ordered, and then the work is done."""
    slept, behind = [], Behind()

    ask(armed({"effect": {"kind": "delay", "seconds": 30}}, slept=slept), behind=behind)

    assert ([30], 1) == (slept, behind.worked)


def test_two_faults_on_one_request():
    """First the wait, then the refusal."""
    slept = []
    injector = armed({"effect": {"kind": "delay"}}, {"effect": UNAVAILABLE}, slept=slept)

    assert 503 == ask(injector).status
    assert [1.0] == slept


def test_truncated_body():
    """Half of the JSON."""
    whole = msgspec.json.encode(PAGE)

    assert whole[: len(whole) // 2] == ask(armed({"effect": {"kind": "truncated_body"}})).body


def test_truncated_gzip():
    """Cannot be unpacked."""
    answer = ask(armed({"effect": {"kind": "truncated_gzip"}}))

    assert "gzip" == answer.header(b"content-encoding")
    with pytest.raises(EOFError):
        gzip.decompress(answer.body)


def test_not_json():
    """The right status with a page for people."""
    answer = ask(armed({"effect": {"kind": "not_json"}}))

    assert 200 == answer.status
    assert answer.header(b"content-type").startswith("text/html")


def test_an_empty_body_cannot_be_broken():
    """The fault misses, which is neither counted nor used up."""
    injector = armed({"count": 1, "effect": {"kind": "not_json"}})
    nothing = Behind(Answer(204))

    assert 204 == ask(injector, behind=nothing).status
    assert [0] == fired(injector)

    ask(injector)

    assert [1] == fired(injector)


def test_previous_answer():
    """The second request gets the answer of the first."""
    injector = armed({"effect": {"kind": "previous_answer"}})
    first, second = Behind(Answer(200, (), b"first")), Behind(Answer(200, (), b"second"))

    assert b"first" == ask(injector, behind=first).body
    assert b"first" == ask(injector, behind=second).body
    assert [1] == fired(injector)


def test_expired_token_stays_expired():
    """One firing, and that token is refused from then on; another token is not."""
    injector = armed({"count": 1, "effect": {"kind": "expired_token"}})
    renewed = WireRequest("GET", READ.path, headers=((b"authorization", b"Bearer two"),))

    assert [401, 401, 200] == [ask(injector, each).status for each in (READ, READ, renewed)]


def test_another_plan_revives_tokens():
    """What one test did to a token does not concern the next."""
    injector = armed({"effect": {"kind": "expired_token"}})
    ask(injector)

    injector.arm(FaultPlan())

    assert 200 == ask(injector).status


def test_expired_delta_token():
    """Only who brings a token can be told that it is too old."""
    injector = armed({"count": 1, "effect": {"kind": "expired_delta_token"}})

    assert 200 == ask(injector, READ).status
    assert "0x80044352" == page_of(ask(injector, DELTA))["error"]["code"]


# ---- effects on contents ------------------------------------------------------------------------


def edited(effect, request=READ):
    """The page after one edit; everything else about it is the same."""
    injector = armed({"effect": effect})
    page = page_of(ask(injector, request))

    assert [1] == fired(injector)
    return page


def test_without_property():
    """The link to later changes is missing."""
    assert {"@odata.deltaLink"} == PAGE.keys() - edited({"kind": "without_property"}).keys()


def test_empty_page():
    """A full table looks empty."""
    page = edited({"kind": "empty_page"})

    assert ([], False) == (page["value"], "@odata.nextLink" in page)


def test_repeated_row():
    """The last row comes twice."""
    assert ["1", "2", "2"] == [
        row["accountid"] for row in edited({"kind": "repeated_row"})["value"]
    ]


def test_same_next_link():
    """The next page is this page."""
    scope = {"raw_path": f"{API}/accounts".encode(), "query_string": b"page=1"}
    first_page = WireRequest("GET", f"{API}/accounts?page=1", scope=scope)

    assert (
        f"http://org{API}/accounts?page=1"
        == edited({"kind": "same_next_link"}, first_page)["@odata.nextLink"]
    )


def test_foreign_link():
    """Both links lead away, with the rest of them unchanged."""
    page = edited({"kind": "foreign_link", "origin": "https://evil.example:444"})

    assert f"https://evil.example:444{API}/accounts?page=2" == page["@odata.nextLink"]
    assert page["@odata.deltaLink"].startswith("https://evil.example:444/")


@pytest.mark.parametrize(
    ("effect", "ids"),
    [
        ({"id": "unknown"}, [None, None, "unknown"]),
        ({"id": "unknown", "place": "first"}, ["unknown", None, None]),
        ({}, [None, None, "1"]),
    ],
)
def test_tombstone(effect, ids):
    """Of a row nobody knows, or of one that is alive again; before or after the rows."""
    rows = edited({"kind": "tombstone", **effect}, DELTA)["value"]

    assert ids == [row.get("id") for row in rows]


def test_edits_keep_decimals_exact():
    """What was not meant is not changed."""
    exact = Answer(200, (), b'{"value":[{"price":0.10},{"price":12345678901234567890.12}]}')

    answer = ask(armed({"effect": {"kind": "repeated_row"}}), behind=Behind(exact))

    assert b'{"price":0.10}' in answer.body
    assert answer.body.endswith(b'{"price":12345678901234567890.12}]}')


def test_an_edit_of_something_else_misses():
    """A list of bytes has no link to remove."""
    injector = armed({"effect": {"kind": "without_property"}})

    ask(injector, behind=Behind(Answer(200, (), b"[]")))

    assert [0] == fired(injector)


# ---- effects on the environment -----------------------------------------------------------------


def test_late_commit():
    """What the request wrote gets versions from before it."""
    world = FakeWorld()

    ask(armed({"effect": {"kind": "late_commit", "versions": 50}}, world=world), WRITE)

    assert [("lowered", 100, 50)] == world.done


def test_late_commit_of_nothing_misses():
    """A request that wrote no row cannot be late."""
    injector = armed({"effect": {"kind": "late_commit"}}, world=FakeWorld(rows_written=0))

    ask(injector)

    assert [0] == fired(injector)


def test_schema_drift():
    """The column changes before the request is answered."""
    world = FakeWorld()
    effect = {"kind": "schema_drift", "table": "account", "column": "name", "change": "renamed"}

    ask(armed({"count": 1, "effect": effect}, world=world))

    assert [("renamed", "account", "name")] == world.done


# ---- effects on webhooks ------------------------------------------------------------------------


def test_webhooks_are_matched_by_message_and_table():
    """The other kinds of faults leave deliveries alone, and these leave requests alone."""
    injector = armed(
        {
            "match": {"method": "Create", "path": "^account$"},
            "effect": {"kind": "webhook_duplicated", "copies": 3},
        },
        {"effect": UNAVAILABLE},
    )

    hit = injector.effects_on(Notice("Create", "account"))
    other = injector.effects_on(Notice("Update", "account"))

    assert [3] == [effect.copies for effect in hit]
    assert [] == other
    assert 503 == ask(injector).status
    assert [1, 1] == fired(injector)
