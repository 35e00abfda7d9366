"""Alerts for the commands: reading the outbox, showing it, trying the channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import click

from dv_sync_pipeline.channels import open_channels
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.errors import ConfigurationError, UnreachableError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.ledger.outbox import Alert

__all__ = ["OpenProblem", "open_alerts", "print_alerts", "send_test_messages"]


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """A problem that people were told of and that is not over.

    Attributes:
        title: what happened.
        text: what it means, and what to do.
        since: when it was found (UTC).

    """

    title: str
    text: str
    since: datetime


def open_alerts(surroundings: Surroundings) -> tuple[list[OpenProblem], list[Alert]]:
    """The open problems, and the messages that have not arrived."""
    with Ledger.open(surroundings.configuration().ledger_url) as ledger:
        problems = [OpenProblem(*each) for each in ledger.open_problems()]
        return problems, ledger.waiting_alerts()


def print_alerts(problems: Sequence[OpenProblem], waiting: Sequence[Alert]) -> None:
    """For people."""
    for problem in problems:
        click.secho(redact(problem.title), bold=True)
        click.echo(f"  since {problem.since:%Y-%m-%d %H:%M} UTC")
        click.echo("".join(f"  {line}\n" for line in redact(problem.text).splitlines() if line))
    for alert in waiting:
        click.echo(f"not sent yet, {alert.attempts} attempts: {redact(alert.title)}")
        if alert.last_error:
            click.echo(f"  {redact(alert.last_error)}")
    if not (problems or waiting):
        click.echo("Nothing is wrong, and every alert was sent.")


def send_test_messages(surroundings: Surroundings) -> list[str]:
    """One message through every channel; returns the kinds of service that took it.

    Raises `UnreachableError` once all were tried, if one did not take it.
    """
    addresses = surroundings.configuration().alerts.channels
    if not addresses:
        raise ConfigurationError(
            "no channel is set",
            where="alerts.channels",
            mend='Add an address such as channels: ["${TEAMS_WORKFLOW}"]; '
            "https://github.com/caronc/apprise shows how to write it",
        )
    taken, failures = [], []
    for channel in open_channels(each.get_secret_value() for each in addresses):
        try:
            channel.send(title="Test of dv-sync alerts", text="It arrived.", is_recovery=True)
        except UnreachableError as error:
            failures.append(error)
        else:
            taken.append(channel.kind)
    if failures:
        raise failures[0] if len(failures) == 1 else _several(failures)
    return taken


def _several(failures: Sequence[UnreachableError]) -> UnreachableError:
    return UnreachableError(
        f"{len(failures)} channels did not take the message",
        why="; ".join(str(failure) for failure in failures),
    )
