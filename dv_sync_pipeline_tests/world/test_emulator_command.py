"""`dv-sync emulator` as other programs see it: processes, ports, files, tokens over TLS."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msal
import pytest

from dv_sync_pipeline import config
from dv_sync_pipeline.cli import run
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.emulator.process.launch import RunningEmulator, running_emulator
from dv_sync_pipeline.emulator.process.users import (
    ADMINISTRATOR,
    PIPELINE,
    STRANGER,
    TENANT_ID,
    Application,
    add_users,
)
from dv_sync_pipeline.emulator.rows.store import Store
from dv_sync_pipeline.emulator.tables.system import found_environment
from dv_sync_pipeline.errors import UnreachableError

ARGUMENTS = ("primary=0", "secondary=0", "--sample", "hotels", "--rows", "60")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningEmulator]:
    """A primary and a secondary environment with a few rooms."""
    with running_emulator(ARGUMENTS) as started:
        yield started


@pytest.fixture(autouse=True)
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """`requests`, inside MSAL, lets these variables overrule the authority that it is given."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


def _client(running: RunningEmulator) -> httpx.Client:
    return httpx.Client(verify=ssl.create_default_context(cafile=running.ca_file))


def _ask_msal(
    running: RunningEmulator,
    environment: str,
    credential: Any,
    *,
    application: Application = PIPELINE,
) -> dict[str, Any]:
    """What Microsoft's own library gets for the credential."""
    url = running.urls[environment]
    client = msal.ConfidentialClientApplication(
        application.client_id,
        client_credential=credential,
        authority=f"{url}/{TENANT_ID}",
        instance_discovery=False,
        verify=str(running.ca_file),
    )
    answer: dict[str, Any] = client.acquire_token_for_client([f"{url}/.default"])
    client.close() if hasattr(client, "close") else None
    return answer


def _who_am_i(
    running: RunningEmulator, environment: str, token: str, *, path: str = "WhoAmI"
) -> httpx.Response:
    with _client(running) as client:
        return client.get(
            f"{running.urls[environment]}/api/data/v9.2/{path}",
            headers={"Authorization": f"Bearer {token}"},
        )


def _administrator_token(running: RunningEmulator, environment: str) -> str:
    answer = _ask_msal(running, environment, ADMINISTRATOR.client_secret, application=ADMINISTRATOR)
    return str(answer["access_token"])


def _run(*arguments: str) -> int:
    """Exit code of the command; what it says goes to `capsys`."""
    return run(["emulator", *arguments], Surroundings(variables={}))


# ---- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ["primary", "secondary"])
def test_msal_gets_a_token_for_a_secret(running, environment):
    """MSAL runs unmodified, and its token opens the environment (DATAVERSE 1.4)."""
    token = _ask_msal(running, environment, PIPELINE.client_secret)["access_token"]

    assert 200 == _who_am_i(running, environment, token).status_code


def test_msal_gets_a_token_for_a_certificate(running):
    """The certificate in the state folder proves the pipeline as its secret does."""
    pem = (running.state / "secrets" / "pipeline-certificate.pem").read_text()

    answer = _ask_msal(running, "primary", {"private_key": pem, "public_certificate": pem})

    assert 200 == _who_am_i(running, "primary", answer["access_token"]).status_code


def test_msal_is_told_about_a_wrong_secret(running):
    """MSAL passes the emulator's words on to the user."""
    answer = _ask_msal(running, "primary", "wrong")

    assert "invalid_client" == answer["error"]
    assert answer["error_description"].startswith("AADSTS7000215: ")


def test_secret_may_travel_as_http_basic(running):
    """A client may send its secret in the header instead of the form (DATAVERSE 1.1)."""
    url = running.urls["primary"]
    with _client(running) as client:
        answer = client.post(
            f"{url}/{TENANT_ID}/oauth2/v2.0/token",
            auth=(PIPELINE.client_id, PIPELINE.client_secret),
            data={"grant_type": "client_credentials", "scope": f"{url}/.default"},
        )

    assert 200 == answer.status_code


def test_wrong_secret_is_answered_401(running):
    """Entra answers 401 for a wrong secret and not 400 (DATAVERSE 1.1)."""
    url = running.urls["primary"]
    with _client(running) as client:
        answer = client.post(
            f"{url}/{TENANT_ID}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "scope": f"{url}/.default",
                "client_id": PIPELINE.client_id,
                "client_secret": "wrong",
            },
        )

    assert 401 == answer.status_code


def test_token_of_one_environment_is_foreign_to_the_other(running):
    """A token for the primary is answered 401 by the secondary (DATAVERSE 1.1)."""
    token = _ask_msal(running, "primary", PIPELINE.client_secret)["access_token"]

    assert 401 == _who_am_i(running, "secondary", token).status_code


def test_missing_token_is_answered_with_the_address_of_the_authority(running):
    """A client that brings no token learns where to get one (DATAVERSE 1.3)."""
    url = running.urls["primary"]
    with _client(running) as client:
        answer = client.get(f"{url}/api/data/v9.2/WhoAmI")

    assert 401 == answer.status_code
    assert (
        f"Bearer authorization_uri={url}/{TENANT_ID}/oauth2/authorize, resource_id={url}/"
        == answer.headers["WWW-Authenticate"]
    )


def _create_brand(
    running: RunningEmulator, environment: str, application: Application, *, code: str
) -> int:
    """The status that an attempt to create a brand is answered with."""
    answer = _ask_msal(running, environment, application.client_secret, application=application)
    with _client(running) as client:
        return client.post(
            f"{running.urls[environment]}/api/data/v9.2/contoso_brands",
            headers={"Authorization": f"Bearer {answer['access_token']}"},
            json={"contoso_name": code, "contoso_code": code},
        ).status_code


@pytest.mark.parametrize(
    ("environment", "application", "status"),
    [
        ("primary", PIPELINE, 403),
        ("secondary", PIPELINE, 204),
        ("primary", ADMINISTRATOR, 204),
        ("secondary", ADMINISTRATOR, 204),
        ("primary", STRANGER, 403),
        ("secondary", STRANGER, 403),
    ],
)
def test_users_have_the_roles_that_they_need(running, environment, application, status):
    """The pipeline writes the secondary alone, an administrator everything, a stranger nothing."""
    code = f"B-{application.full_name[:6]}"

    assert status == _create_brand(running, environment, application, code=code)


def test_stranger_may_ask_who_it_is(running):
    """WhoAmI succeeds without any role (DATAVERSE 1.2)."""
    answer = _ask_msal(running, "primary", STRANGER.client_secret, application=STRANGER)

    assert 200 == _who_am_i(running, "primary", answer["access_token"]).status_code


def test_any_token_needs_none():
    """With --plain-http and --any-token the simplest of clients gets in."""
    with running_emulator(("other=0", "--plain-http", "--any-token")) as running:
        url = running.urls["other"]

        assert url.startswith("http://")
        assert 200 == httpx.get(f"{url}/api/data/v9.2/WhoAmI").status_code


# ---- state --------------------------------------------------------------------------------------


def test_written_configuration_names_the_running_environments(running):
    """The sync.yaml of the emulator leads to it, without a variable set."""
    environments = config.load(running.sync_yaml, {}).environments

    assert running.urls == {
        "primary": environments.primary.url,
        "secondary": environments.secondary.url,
    }


def _brand_names(running: RunningEmulator, token: str) -> list[str]:
    answer = _who_am_i(running, "primary", token, path="contoso_brands?$select=contoso_name")
    return [row["contoso_name"] for row in answer.json()["value"]]


def test_restart_keeps_rows_and_does_not_load_the_sample_again(tmp_path):
    """What was written before a stop is there after the next start."""
    with running_emulator(
        ("primary=0", "--sample", "hotels", "--rows", "0"), state=tmp_path
    ) as run:
        token = _administrator_token(run, "primary")
        with _client(run) as client:
            client.post(
                f"{run.urls['primary']}/api/data/v9.2/contoso_brands",
                headers={"Authorization": f"Bearer {token}"},
                json={"contoso_name": "Neu", "contoso_code": "B-99"},
            ).raise_for_status()
        before = _brand_names(run, token)

    with running_emulator(
        ("primary=0", "--sample", "hotels", "--rows", "0"), state=tmp_path
    ) as run:
        after = _brand_names(run, _administrator_token(run, "primary"))

    assert 13 == len(before)
    assert sorted(before) == sorted(after)


# ---- life and death -----------------------------------------------------------------------------


def _run_until_signal(number: signal.Signals, *arguments: str) -> tuple[int, str, str, str]:
    """Start as a shell does in the background, wait until one environment is ready, signal.

    The exit code, the first line, and what was said after it on standard output and on error.
    """
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "from dv_sync_pipeline.cli import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, "emulator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first_line = process.stdout.readline()
        process.send_signal(number)
        rest, complaints = process.communicate(timeout=60)
    return process.returncode, first_line, rest, complaints


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly(tmp_path, number):
    """Ctrl-C and SIGTERM end it with exit code 0 and no word, even if SIGINT was ignored before."""
    code, first_line, *said = _run_until_signal(number, "primary=0", "--state", str(tmp_path))

    assert re.fullmatch(r"primary https://localhost:\d+ ready\n", first_line)
    assert (0, ["", ""]) == (code, said)


def test_ready_line_for_programs(tmp_path):
    """With --json, what is ready is one object a line."""
    arguments = ("primary=0", "--state", str(tmp_path), "--json")
    _, first_line, *_ = _run_until_signal(signal.SIGTERM, *arguments)
    ready = json.loads(first_line)

    assert ("primary", True) == (ready["environment"], ready["ready"])
    assert ready["url"].startswith("https://localhost:")


def test_sample_that_is_not_loaded_is_remarked_upon(tmp_path):
    """Who asks for a sample in a folder that has data already is told that it keeps its data."""
    with closing(Store(tmp_path / "primary.db")) as store:
        found_environment(store, organization_name="primary")
        add_users(store, environment="primary")
    arguments = ("primary=0", "--sample", "hotels", "--state", str(tmp_path))

    *_, complaints = _run_until_signal(signal.SIGTERM, *arguments)

    assert "primary was found" in complaints


def test_port_in_use_is_a_clear_error(tmp_path, capsys):
    """A port that somebody has is named, before any work is done."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        exit_code = _run(f"primary={port}", "--state", str(tmp_path / "state"))

    assert 2 == exit_code
    assert f"port {port} cannot be opened" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_one_port_cannot_serve_two_environments(tmp_path, capsys):
    """Two environments on one port are refused, not silently merged."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]

    exit_code = _run(f"one={port}", f"two={port}", "--state", str(tmp_path))

    assert 2 == exit_code
    assert f"port {port} cannot be opened" in capsys.readouterr().err


def test_launch_passes_on_why_it_did_not_start():
    """A program that starts the emulator gets the emulator's own words."""
    with (
        pytest.raises(UnreachableError, match="'nonsense' is not NAME=PORT"),
        running_emulator(("nonsense", "primary=0")),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'NAME=PORT...'"),
        (("primary",), "'primary' is not NAME=PORT"),
        (("primary=http",), "'primary=http' is not NAME=PORT"),
        (("primary=70000",), "'primary=70000' is not NAME=PORT"),
        (("../primary=1",), "'../primary=1' is not NAME=PORT"),
        (("primary=0", "primary=0"), "primary is given twice"),
        (("primary=0", "--sample", "pubs"), "'pubs' is not one of 'hotels', 'torture'"),
        (("primary=0", "--rows", "5"), "give --sample as well"),
        (("primary=0", "--sample", "hotels", "--rows", "-1"), "-1 is not in the range"),
    ],
)
def test_mistake_on_the_command_line_is_explained(arguments, message, capsys):
    """Every wrong argument is answered with what is wrong and exit code 2."""
    exit_code = _run(*arguments)

    assert 2 == exit_code
    assert message in capsys.readouterr().err


def _file_instead_of_folder(state: Path) -> None:
    state.parent.write_text("a file")


def _damaged_store(state: Path) -> None:
    state.mkdir(parents=True)
    (state / "primary.db").write_bytes(b"this is no database " * 100)


@pytest.mark.parametrize("spoil", [_file_instead_of_folder, _damaged_store])
def test_unusable_state_folder_is_a_clear_error(tmp_path, spoil, capsys):
    """A state folder that cannot be used is named, without a traceback."""
    state = tmp_path / "folder" / "state"
    spoil(state)

    exit_code = _run("primary=0", "--state", str(state))

    assert 2 == exit_code
    assert f"the state folder {state} cannot be used" in capsys.readouterr().err
