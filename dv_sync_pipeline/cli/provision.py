"""`dv-sync provision`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["provision"]


@click.command(short_help="Show, and with --apply provide, what both environments lack.")
@click.option("--apply", "is_applied", is_flag=True, help="Provide what is missing.")
@click.option(
    "--remove", "is_removed", is_flag=True, help="Remove our webhooks from the primary instead."
)
@click.option(
    "--gateway-url",
    metavar="URL",
    help="Where the primary reaches the gateway; default: gateway.url in sync.yaml.",
)
@json_option
@click.pass_obj
def provision(
    surroundings: Surroundings,
    *,
    is_applied: bool,
    is_removed: bool,
    gateway_url: str | None,
    as_json: bool,
) -> int:
    """Show what a synchronization needs and an environment does not have.

    In the secondary: the alternate keys by which rows are matched, and the column that `status`
    names. In the primary: change tracking, and webhooks that wake the gateway. Without --apply
    nothing is changed. It may be repeated at any time: what is there already is left alone. The
    application user of `administrator` in sync.yaml does it, or else those of `credentials`; they
    need the rights of a system customizer.

    \b
    Exit code  0  nothing is missing, or everything was provided
               1  something is missing: --apply provides it
               2  wrong usage or configuration, or an environment that cannot be reached
               3  something could not be provided
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import setup, setup_output  # noqa: PLC0415 - see __init__

    if is_applied and is_removed:
        raise click.UsageError("--apply and --remove exclude each other.")
    if is_removed:
        removed = setup.remove_webhooks(surroundings)
        setup_output.print_removed(removed, as_json=as_json)
        return setup.exit_code_of_provided(())
    if is_applied:
        provided = setup.provide_missing(
            surroundings, gateway_url=gateway_url, listener=setup_output.print_beginning
        )
        setup_output.print_provided(provided, as_json=as_json)
        return setup.exit_code_of_provided(provided)
    missing = setup.find_what_is_missing(surroundings, gateway_url=gateway_url)
    setup_output.print_missing(missing, as_json=as_json)
    return setup.exit_code_of_missing(missing)
