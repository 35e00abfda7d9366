"""Alerts reach a mail server and a web address; what is down gets them later."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from dv_sync_pipeline.channels import open_channels
from dv_sync_pipeline.config import parse
from dv_sync_pipeline.definitions import build_definitions
from dv_sync_pipeline.defs.alert_sensors import Watch
from dv_sync_pipeline.defs.alerts import AlertDesk
from dv_sync_pipeline.errors import ConfigurationError, SchemaMismatchError, UnreachableError
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow
from dv_sync_pipeline_tests.worlds.ended_runs import tell_how_it_ended
from dv_sync_pipeline_tests.worlds.scripted_engine import (
    MOMENT,
    SECRET,
    SYNC_YAML,
    ScriptedEngine,
)

UI = "https://dagster.contoso.example"
PARKED = [
    ParkedRow("contoso_room", str(n), f"1{n}", ParkedReason.VALUE_TOO_LONG, "", "", MOMENT, 1)
    for n in range(500)
]
MISSPELT = SchemaMismatchError("the column contoso_stars does not exist", mend="Correct columns")


class MailBox(Message):
    """Keeps every mail as (subject, text)."""

    def __init__(self):
        super().__init__()
        self.mails = []

    def handle_message(self, message):
        """Keep it."""
        part = message if not message.is_multipart() else message.get_payload(0)
        text = part.get_payload(decode=True).decode("utf-8")
        self.mails.append((message["Subject"], text))


@pytest.fixture
def mail_box(free_port):
    """A mail server on this machine: its box, and its address as Apprise writes it."""
    box = MailBox()
    server = Controller(box, hostname="127.0.0.1", port=free_port)
    server.start()
    box.address = f"mailto://127.0.0.1:{free_port}?from=sync@contoso.com&to=steward@contoso.com"
    yield box
    server.stop()


@pytest.fixture
def web_hook():
    """A web address that keeps what is posted to it, unless it is told to fail."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if server.status == 200:
                posted.append(json.loads(body))
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *_arguments):
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.posted = 200, posted
    server.address = f"json://127.0.0.1:{server.server_port}/alerts/{SECRET}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def instance():
    """A Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def world(tmp_path, instance):
    """Makes the world of these channels."""
    return lambda *channels, engine=None: World(tmp_path, instance, channels, engine)


class World:
    """A code location with channels, its ledger, and its sensors to be ticked by hand."""

    def __init__(self, folder, instance, channels, engine):
        names = {f"CHANNEL_{n}": address for n, address in enumerate(channels)}
        listed = ", ".join(f'"${{{name}}}"' for name in names)
        text = f"{SYNC_YAML}alerts: {{channels: [{listed}], ui_url: {UI}}}\n"
        self.configuration = parse(text, {"SECRET": SECRET, **names}, file=folder / "sync.yaml")
        self.definitions = build_definitions(
            configuration=self.configuration, open_engine=(engine or ScriptedEngine()).open
        )
        self.instance = instance

    def tick(self, name):
        """One tick of a sensor that has run for an hour; returns what it says."""
        now = datetime.now(tz=UTC)
        watch = Watch(since=now - timedelta(hours=1), last=now)
        context = dg.build_sensor_context(instance=self.instance, cursor=watch.model_dump_json())
        return self.definitions.resolve_sensor_def(name)(context).skip_message

    def deliver_a_minute_later(self):
        """When alerts that failed once are due again."""
        later = datetime.now(tz=UTC) + timedelta(minutes=1)
        with AlertDesk.opened(self.configuration, clock=lambda: later) as desk:
            return desk.deliver()

    def run(self):
        """One run of all tables, and the tick of the sensor that sees how it ended."""
        job = self.definitions.resolve_job_def("reconcile_all")
        result = job.execute_in_process(instance=self.instance, raise_on_error=False)
        name = "report_recovered_runs" if result.success else "report_failed_runs"
        sensor = self.definitions.resolve_sensor_def(name)
        tell_how_it_ended(sensor, result, self.instance)
        return result.run_id

    def park(self, rows):
        """Let these rows wait."""
        ledger = Ledger.open(self.configuration.ledger_url)
        ledger.replace_parked("contoso_room", rows)
        ledger.close()


def test_parked_rows_are_one_mail_and_one_more_when_they_are_gone(world, mail_box):
    """Five hundred rows, one message: what happened, what it means, what to do."""
    steward = world(mail_box.address)
    for rows in (PARKED, PARKED, []):
        steward.park(rows)
        steward.tick("watch_tables")
        steward.tick("deliver_alerts")
    (first, text), (second, _) = mail_box.mails

    assert first == "contoso_room: 500 rows parked"
    assert "dv-sync parked list contoso_room" in text
    assert f"{UI}/assets/secondary/contoso_room?view=events" in text
    assert second == "Over: contoso_room: 500 rows parked"


def test_a_failed_run_is_told_with_its_reason_and_its_link(world, web_hook):
    """And its end, when the job succeeds again."""
    engine = ScriptedEngine({"contoso_hotel": MISSPELT})
    steward = world(web_hook.address, engine=engine)
    run_id = steward.run()
    engine.answers = {}
    steward.run()
    steward.tick("deliver_alerts")
    failed, over = web_hook.posted

    assert failed["title"].startswith("A run of reconcile_all failed")
    assert "the column contoso_stars does not exist. Correct columns" in failed["message"]
    assert f"{UI}/runs/{run_id}" in failed["message"]
    assert (over["type"], over["title"]) == ("success", f"Over: {failed['title']}")


def test_a_channel_that_is_down_gets_its_alerts_later(world, web_hook, mail_box):
    """The other channel does not wait for it, and gets each once."""
    steward = world(web_hook.address, mail_box.address)
    web_hook.status = 503
    steward.park(PARKED)
    steward.tick("watch_tables")
    said = steward.tick("deliver_alerts")
    web_hook.status = 200
    delivered, failures = steward.deliver_a_minute_later()

    assert (delivered, failures) == (1, [])
    assert said == "1 alerts delivered, 1 channels failed."
    assert [each["title"] for each in web_hook.posted] == ["contoso_room: 500 rows parked"]
    assert [subject for subject, _ in mail_box.mails] == ["contoso_room: 500 rows parked"]


def test_the_address_of_a_channel_is_never_told(world, web_hook, capfd):
    """It holds a secret: not in the log, not in the ledger, not in the error."""
    steward = world(web_hook.address)
    web_hook.status = 500
    steward.park(PARKED)
    steward.tick("watch_tables")
    steward.tick("deliver_alerts")
    written = [file.read_bytes() for file in steward.configuration.state.rglob("*.db*")]

    assert SECRET not in "".join(capfd.readouterr())
    assert not [data for data in written if SECRET.encode() in data]


def test_an_address_that_nobody_knows_is_named_by_its_place():
    """Its text is not repeated."""
    with pytest.raises(ConfigurationError, match=r"alerts.channels\[1\]") as raised:
        open_channels(["json://127.0.0.1/x", f"nonsense//{SECRET}"])

    assert SECRET not in str(raised.value)


def test_a_refused_message_is_an_error_that_names_the_service(web_hook):
    """So that a person who tests the channel sees why."""
    web_hook.status = 403
    (channel,) = open_channels([web_hook.address])

    with pytest.raises(UnreachableError, match="JSON"):
        channel.send(title="Test", text="Test", is_recovery=False)
