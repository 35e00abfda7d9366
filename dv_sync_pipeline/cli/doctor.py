"""`dv-sync doctor`."""

import click

from dv_sync_pipeline.cli.surroundings import Surroundings, json_option

__all__ = ["doctor"]


@click.command(short_help="Check everything that a run needs, and say how to mend it.")
@click.option("--all", "show_all", is_flag=True, help="Show every check of every table.")
@click.option(
    "--gateway-url",
    metavar="URL",
    help="Where the primary reaches the gateway; default: gateway.url in sync.yaml.",
)
@json_option
@click.pass_obj
def doctor(
    surroundings: Surroundings, *, show_all: bool, gateway_url: str | None, as_json: bool
) -> int:
    """Check everything that a run needs, in both environments and here; change nothing.

    Addresses, credentials, organisations, security roles, tables, columns, keys, change tracking,
    ledger, gateway and webhooks. Each finding says what is wrong, why it matters and how to mend
    it. A check that could not be made is not well: it is shown with a question mark.

    \b
    Exit code  0  all is well
               1  there are warnings, or checks that could not be made, and no problem
               2  there are problems: runs would fail; or wrong usage or configuration
    """  # noqa: D301 - click wants the character, not its name
    from dv_sync_pipeline.cli import consultation, doctor_output  # noqa: PLC0415 - see __init__

    findings = consultation.consult(surroundings, gateway_url=gateway_url)
    if as_json:
        doctor_output.print_findings_as_json(findings)
    else:
        doctor_output.print_findings(findings, show_all=show_all)
    return consultation.exit_code_of_findings(findings)
