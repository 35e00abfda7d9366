"""What a person reads after a mistake, with the real engine and the real emulator behind it."""

import pytest
import yaml

from dv_sync_pipeline.emulator.process.users import STRANGER


@pytest.fixture
def after_mistake(small_world, tmp_path):
    """Applies a change to a copy of sync.yaml and runs `dv-sync verify` with it, or another."""

    def run(change, command="verify"):
        folder = small_world.sync_yaml.parent
        settings = yaml.safe_load(small_world.sync_yaml.read_text())
        for environment in settings["environments"].values():
            environment["ca_file"] = str(folder / environment["ca_file"])
            (credential,) = environment["credentials"]
            credential["client_secret_file"] = str(folder / credential["client_secret_file"])
        change(settings)
        copy = tmp_path / "sync.yaml"
        copy.write_text(yaml.safe_dump(settings))
        done = small_world.dv_sync(command, DV_SYNC_CONFIG=str(copy))
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return run


def test_a_wrong_secret(after_mistake, tmp_path):
    """Exit code 2, the environment and the secret's origin; not the secret."""
    (tmp_path / "wrong").write_text("not-the-secret-at-all")

    def change(settings):
        (credential,) = settings["environments"]["secondary"]["credentials"]
        credential["client_secret_file"] = str(tmp_path / "wrong")

    done = after_mistake(change)

    assert done.returncode == 2
    assert "secondary" in done.stderr
    assert "AADSTS7000215" in done.stderr
    assert "not-the-secret-at-all" not in done.stdout + done.stderr


def test_an_unreachable_environment(after_mistake, free_port):
    """Exit code 2, and the address that does not answer."""

    def change(settings):
        settings["environments"]["primary"]["url"] = f"https://localhost:{free_port}"
        settings["environments"]["primary"]["authority"] = f"https://localhost:{free_port}"

    done = after_mistake(change)

    assert done.returncode == 2
    assert f"localhost:{free_port}" in done.stderr


def test_an_untrusted_certificate(after_mistake):
    """Exit code 2: TLS is never switched off to make it work."""
    done = after_mistake(lambda settings: settings["environments"]["primary"].pop("ca_file"))

    assert done.returncode == 2
    assert "certificate" in done.stderr.lower()


@pytest.mark.parametrize("command", ["doctor", "plan", "sync", "verify"])
@pytest.mark.parametrize("environment", ["primary", "secondary"])
def test_a_user_without_any_role(after_mistake, tmp_path, environment, command):
    """Exit code 2, as for every user who is not admitted; the environment, and what to give it."""
    (tmp_path / "secret").write_text(STRANGER.client_secret)

    def change(settings):
        (credential,) = settings["environments"][environment]["credentials"]
        credential["client_id"] = STRANGER.client_id
        credential["client_secret_file"] = str(tmp_path / "secret")

    done = after_mistake(change, command)

    assert done.returncode == 2
    assert environment in done.stdout + done.stderr
    assert "role" in done.stdout + done.stderr


def test_an_unknown_column(after_mistake):
    """Exit code 3, table and column; other tables are compared all the same."""

    def change(settings):
        settings["tables"][0]["columns"].append("contoso_sloagn")

    done = after_mistake(change)

    assert done.returncode == 3
    assert "contoso_brand failed" in done.stdout
    assert "contoso_sloagn" in done.stdout


def test_an_unknown_table(after_mistake):
    """Exit code 3, with the table's name and the environment that lacks it."""

    def change(settings):
        settings["tables"][2]["table"] = "contoso_roomtypo"
        settings["tables"][3]["lookups"]["contoso_roomtypeid"] = "contoso_roomtypo"

    done = after_mistake(change)

    assert done.returncode == 3
    assert "contoso_roomtypo" in done.stdout
