"""`dv-sync alerts`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["alerts"]


@click.group(short_help="What people are told when something needs them.")
def alerts() -> None:
    """Show what is wrong and what has not reached everybody; try the channels.

    Sensors find problems and send each of them once, and once more when it is over. Where to is set
    in sync.yaml, under alerts.
    """


@alerts.command("list", short_help="Show open problems and alerts that wait to be sent.")
@json_option
@click.pass_obj
def list_alerts(surroundings: Surroundings, *, as_json: bool) -> int:
    """Show the problems that people were told of and that are not over.

    \b
    Exit code  0  nothing is wrong, and everything was sent
               1  something is wrong, or waits to be sent
               2  wrong usage or configuration
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import output, passes, telling  # noqa: PLC0415 - see __init__

    problems, waiting = telling.open_alerts(surroundings)
    if as_json:
        output.print_json_document({"problems": problems, "waiting": waiting})
    else:
        telling.print_alerts(problems, waiting)
    return passes.DIFFERENCES_REMAIN if problems or waiting else passes.DONE


@alerts.command("test", short_help="Send a test message through every channel.")
@json_option
@click.pass_obj
def test_channels(surroundings: Surroundings, *, as_json: bool) -> int:
    """Send one message to each of alerts.channels and tell which took it.

    \b
    Exit code  0  every channel took it
               2  no channel is set, or one did not take it
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import output, passes, telling  # noqa: PLC0415 - see __init__

    kinds = telling.send_test_messages(surroundings)
    if as_json:
        output.print_json_document({"taken": kinds})
    else:
        output.print_lines(f"{kind}: taken" for kind in kinds)
    return passes.DONE
