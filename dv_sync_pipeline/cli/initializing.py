"""What `dv-sync init` does: survey both environments, propose, write.

Belongs here: the files, and what is told. Does not belong here: what is proposed
(`sync/proposal.py`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from dv_sync_pipeline import config
from dv_sync_pipeline.cli.environments_text import environments_of_variables, without_tables
from dv_sync_pipeline.cli.output import print_json_document
from dv_sync_pipeline.cli.proposal_text import SCHEMA_FILE_NAME, write_proposal
from dv_sync_pipeline.config import Environments
from dv_sync_pipeline.config.json_schema import schema_text
from dv_sync_pipeline.errors import UsageError, WrongEnvironmentError
from dv_sync_pipeline.sync.examination.subjects import Connect
from dv_sync_pipeline.sync.proposal import Proposal, propose
from dv_sync_pipeline.sync.survey import Survey, TablesWanted, survey
from dv_sync_pipeline.wording import counted

__all__ = ["Request", "initialize"]

DONE = 0
UNDECIDED = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for.

    Attributes:
        urls: environment → its address, or "".
        source: a file to take the environments from; None to take them from variables.
        wanted: the tables.
        output: where the proposal is written; None prints it.
        force: overwrite files that exist.

    """

    urls: Mapping[str, str]
    source: Path | None
    wanted: TablesWanted
    output: Path | None
    force: bool


def initialize(
    request: Request, variables: Mapping[str, str], *, connect: Connect, as_json: bool
) -> int:
    """Propose and write; returns the exit code. Raises `UsageError`."""
    _check_request(request)
    taken_over = _taken_over(request)
    file = request.output or request.source or Path("sync.yaml")
    environments = config.parse_environments(taken_over, variables, file=file)
    _check_paths(request, taken_over, variables, environments)
    looking_at = _silent if as_json else _tell_beginning
    found = asyncio.run(
        _survey(environments, connect=connect, wanted=request.wanted, looking_at=looking_at)
    )
    proposal = propose(found)
    _check_proposal(proposal)
    text = write_proposal(proposal, taken_over=taken_over)
    config.parse(text, variables, file=file)  # what is proposed must load
    _write(text, request)
    if as_json:
        _tell_as_json(proposal, request)
    else:
        _tell(proposal, text, request)
    return UNDECIDED if proposal.questions else DONE


def _check_request(request: Request) -> None:
    if request.source is not None and any(request.urls.values()):
        raise UsageError(
            "the environments are given twice",
            mend="Give either --environments or --primary-url and --secondary-url",
        )
    for file in _files(request):
        if file.exists() and not request.force:
            raise UsageError(
                f"{file} exists already",
                mend="Give another --output, or --force to overwrite it",
            )


def _files(request: Request) -> list[Path]:
    if request.output is None:
        return []
    return [request.output, request.output.parent / SCHEMA_FILE_NAME]


def _taken_over(request: Request) -> str:
    if request.source is None:
        return environments_of_variables(dict(request.urls))
    return without_tables(config.read_configuration_text(request.source))


def _check_paths(
    request: Request, text: str, variables: Mapping[str, str], environments: Environments
) -> None:
    """Relative paths count from the folder of their file: they must mean the same in both."""
    source = request.source
    if source and config.parse_environments(text, variables, file=source) != environments:
        raise UsageError(
            f"{source} names files by relative paths, which would not be found from the new file",
            mend=f"Give an --output in {source.parent}, or make these paths absolute",
        )


def _silent(_tables: Sequence[str]) -> None:
    """Programs need no progress."""


def _tell_beginning(tables: Sequence[str]) -> None:
    _tell_line(f"Looking at {counted(len(tables), 'table[s]')} of both environments …")


async def _survey(
    environments: Environments,
    *,
    connect: Connect,
    wanted: TablesWanted,
    looking_at: Callable[[Sequence[str]], None],
) -> Survey:
    async with AsyncExitStack() as stack:
        primary, secondary = [
            await stack.enter_async_context(connect(name, getattr(environments, name)))
            for name in ("primary", "secondary")
        ]
        organizations = [(await each.identify()).organization_id for each in (primary, secondary)]
        if organizations[0] == organizations[1]:
            raise WrongEnvironmentError(
                "primary and secondary are the same organisation",
                why=f"both are {organizations[0]}",
                mend="Correct the urls",
            )
        return await survey(primary, secondary, wanted=wanted, looking_at=looking_at)


def _check_proposal(proposal: Proposal) -> None:
    """A file without tables would be no sync.yaml."""
    if not proposal.tables:
        reasons = "".join(f"\n  {table}: {text}" for table, text in proposal.questions)
        raise UsageError(
            "no table can be proposed; nothing was written",
            why=reasons or "both environments have no custom table in common",
            mend="Make tables in the secondary, or name standard ones: --add account,contact",
        )


def _write(text: str, request: Request) -> None:
    for file, content in zip(_files(request), (text, schema_text()), strict=False):
        try:
            file.write_text(content, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file} cannot be written", why=error.strerror or "") from None


def _tell(proposal: Proposal, text: str, request: Request) -> None:
    """On standard error, so that `--output -` prints the file alone."""
    if request.output is None:
        click.echo(text, nl=False)
    for table, question in proposal.questions:
        _tell_line(f"undecided: {table}: {question}")
    _tell_line(
        f"{counted(len(proposal.tables), 'table[s]')} proposed, "
        f"{counted(len(proposal.questions), 'question[s]')} left."
    )
    if request.output is not None:
        _tell_line(f"Written: {request.output}. Next: read it, then {_next(request.output)}")


def _next(output: Path) -> str:
    """The command that goes on; it looks for ./sync.yaml unless it is told otherwise."""
    named = "" if output == Path("sync.yaml") else f"DV_SYNC_CONFIG={output} "
    return f"{named}dv-sync doctor"


def _tell_line(text: str) -> None:
    click.echo(text, err=True)


def _tell_as_json(proposal: Proposal, request: Request) -> None:
    """In place of the file, if that is not written."""
    print_json_document(
        {
            "file": str(request.output or ""),
            "tables": [table.table for table in proposal.tables],
            "undecided": [{"table": table, "why": text} for table, text in proposal.questions],
        }
    )
