"""docs/gateway.md names what is there, and all of it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from dv_sync_pipeline.config import Gateway
from dv_sync_pipeline.gateway.metrics import Metrics
from dv_sync_pipeline.gateway.payload import IgnoredReason
from dv_sync_pipeline.gateway.refusals import Refusal
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline_tests.worlds.gateway import gateway_configuration

PAGE = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
EXPLAINED = set(re.findall(r"^\| `(dv_sync_\w+)", PAGE, flags=re.MULTILINE))


def test_every_figure_is_explained(tmp_path):
    """And no figure is that is not there."""
    configuration = gateway_configuration(tmp_path)
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    metrics = Metrics(configuration, ledger, clock=lambda: datetime.now(UTC))
    text = metrics.text().decode()
    ledger.close()

    there = set(re.findall(r"^# TYPE (\w+)(?<!_created) ", text, flags=re.MULTILINE))
    assert there == EXPLAINED


def test_rules_for_alerts_name_figures_that_are_explained():
    """And reasons that there are."""
    (rules,) = re.findall(r"```yaml\n(- alert:.*?)```", PAGE, flags=re.DOTALL)
    expressions = " ".join(rule["expr"] for rule in yaml.safe_load(rules))
    (reasons,) = re.findall(r'reason=~"(.*?)"', expressions)

    assert set(re.findall(r"dv_sync_\w+", expressions)) <= EXPLAINED
    assert set(reasons.split("|")) <= {refusal.reason for refusal in Refusal}


@pytest.mark.parametrize(
    "reason",
    [*(refusal.reason for refusal in Refusal), *(reason.value for reason in IgnoredReason)],
)
def test_every_reason_is_named(reason):
    """As the label says it."""
    assert f"`{reason}`" in PAGE


@pytest.mark.parametrize("refusal", Refusal)
def test_every_status_is_named(refusal):
    """In the table of answers."""
    assert re.search(rf"^\| .*\b{refusal.status}\b", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("block", re.findall(r"```yaml\ngateway:\n(.*?)```", PAGE, flags=re.DOTALL))
def test_every_example_of_settings_is_understood(block):
    """By the very model that reads sync.yaml."""
    Gateway.model_validate(yaml.safe_load(block))


def test_the_limits_are_the_defaults():
    """As far as they are told."""
    defaults = Gateway()
    told = re.findall(r"`(\w+_max)`, ([\d,]+) ?(s|KiB)?", PAGE)

    assert told
    for name, number, unit in told:
        factor = 1024 if unit == "KiB" else 1
        assert getattr(defaults, name) == int(number.replace(",", "")) * factor
