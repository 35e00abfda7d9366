"""Each finding of `dv-sync doctor` about ledger, gateway and webhooks, provoked once."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from dv_sync_pipeline.sync.provisioning import Gateway, describe_situation, find_missing, provide
from dv_sync_pipeline_tests.worlds.hand_made import PIPELINE
from dv_sync_pipeline_tests.worlds.patient import GATEWAY


def test_lookups_that_go_round_in_a_circle(patient):
    """With a key in it, no order is possible."""
    patient.change(
        "key: contoso_code\n    columns: [contoso_name, contoso_code, contoso_stars]",
        "key: contoso_roomid\n    columns: [contoso_name]\n"
        "    lookups: {contoso_roomid: contoso_room}",
    )

    assert ("problem", "order of tables") in {each[:2] for each in patient.complaints()}


def test_a_ledger_that_cannot_be_used(patient):
    """Whether the organisations are those of the first run is unknown, then."""
    file = patient.pair.folder / ".dv-sync" / "ledger.db"
    file.parent.mkdir()
    file.touch(mode=0o600)
    file.write_text("no database at all, but some text")

    assert {("problem", "ledger"), ("unknown", "organisations")} == {
        each[:2] for each in patient.complaints()
    }


def test_a_ledger_that_others_can_read(patient):
    """It holds key values of rows."""
    patient.findings()
    file = patient.pair.folder / ".dv-sync" / "ledger.db"
    file.chmod(0o644)

    assert {("warning", "ledger file", "", "", f"{file} can be read by others (mode 644)")} == (
        patient.complaints()
    )


def test_no_space_for_the_ledger(patient, monkeypatch):
    """A full disk stops every run."""
    usage = SimpleNamespace(free=2**29)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)

    assert {("warning", "ledger file", "", "", "only 0.5 GB are free for the ledger")} == (
        patient.complaints()
    )


@pytest.mark.parametrize(("days", "level"), [(5, "warning"), (-5, "problem")])
def test_a_secret_that_ends(patient, days, level):
    """Soon, or already."""
    day = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"
    secret = f'client_id: {PIPELINE}, client_secret: "${{SECRET}}"'
    patient.text = patient.text.replace(secret, f"{secret}, client_secret_expires: {day}", 1)

    (complaint,) = patient.complaints()

    assert (level, "expiry of credentials") == complaint[:2]
    assert complaint[4].endswith(f"on {day}")


def test_a_gateway_that_does_not_answer(patient):
    """Where the primary is told to find it; and webhooks that nobody has registered."""
    patient.text += GATEWAY

    complaints = patient.complaints()

    assert (
        "problem",
        "gateway",
        "",
        "",
        "https://gateway.example/healthz does not answer",
    ) in complaints
    assert ("warning", "webhooks", "", "", "no webhook of ours is registered") in complaints


def test_a_gateway_that_dataverse_cannot_reach(patient):
    """Webhooks go to port 80 or 443 (DATAVERSE 10.1); and the key would go in the clear."""
    patient.text += GATEWAY.replace("https://gateway.example", "http://gateway.example:8900")

    assert {
        "Dataverse cannot reach gateway.example:8900",
        "webhooks would go to gateway.example:8900 unencrypted",
    } == {each[4] for each in patient.complaints() if each[1] == "gateway address"}


def test_a_gateway_that_is_not_well(patient):
    """It says so itself."""
    patient.text += GATEWAY
    patient.statuses = {"https://gateway.example/healthz": 503}

    assert (
        "problem",
        "gateway",
        "",
        "",
        "the gateway at https://gateway.example/wake-ups is not well: HTTP 503",
    ) in patient.complaints()


def test_webhooks_are_looked_at_with_the_eyes_of_the_administrator(patient):
    """A user who reads hotels and rooms alone does not see registrations."""
    patient.text += GATEWAY
    patient.statuses = {"https://gateway.example/healthz": 200}
    seen = ["contoso_hotel", "contoso_room", "systemuser", "role"]
    patient.only_on(patient.pair.primary, "Read", seen)

    complaints = patient.complaints()

    assert {("warning", "webhooks")} == {each[:2] for each in complaints}


def test_webhooks_that_lead_elsewhere(patient):
    """Another gateway was registered before."""
    patient.text += GATEWAY
    patient.statuses = {"https://gateway.example/healthz": 200}
    both = patient.configuration.environments

    async def provide_with(url):
        pair = patient.pair
        async with (
            pair.connect("primary", both.primary.for_administrator) as primary,
            pair.connect("secondary", both.secondary.for_administrator) as secondary,
        ):
            situation = await describe_situation(
                patient.configuration,
                primary=primary,
                secondary=secondary,
                gateway=Gateway(url, "k" * 43),
            )
            await provide(
                find_missing(patient.configuration, situation),
                administrations={"primary": primary.administration},
                wanted=situation.wanted,
            )

    asyncio.run(provide_with("https://old.example/wake-ups"))
    assert {
        (
            "warning",
            "webhooks",
            "",
            "",
            (
                "webhook service endpoint: it posts to https://old.example/wake-ups and not to "
                "https://gateway.example/wake-ups"
            ),
        )
    } == patient.complaints()

    asyncio.run(provide_with("https://gateway.example/wake-ups"))
    assert set() == patient.complaints()
