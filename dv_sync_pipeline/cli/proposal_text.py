"""A proposal as the text of a `sync.yaml`, with what a person must decide as comments.

Belongs here: how it is laid out. Does not belong here: what is proposed (`sync/proposal.py`), and
the parts of the file that are taken over as they are (`environments_text`).
"""

import json
import textwrap
from collections.abc import Iterable, Iterator

from dv_sync_pipeline.config import LookupTarget
from dv_sync_pipeline.sync.column_choice import ProposedLookup
from dv_sync_pipeline.sync.proposal import Proposal, ProposedTable

__all__ = ["SCHEMA_FILE_NAME", "write_proposal"]

SCHEMA_FILE_NAME = "sync.schema.json"
_WIDTH = 100

_HEAD = f"""\
# yaml-language-server: $schema={SCHEMA_FILE_NAME}
#
# Proposed by `dv-sync init`. Read it and change it. Then dv-sync doctor tells what both
# environments still lack, and dv-sync plan what a run would do.
#
# Tables stand in the order in which they are synchronized; that order does not matter here. Columns
# that are not listed are never written. Secrets come from variables (${{NAME}}) or files.
"""

_TABLES = """\
# Every setting: docs/configuration.md. Left out here, so that you add them only where needed:
#   filter      only some rows of the primary:   filter: statecode eq 0
#   constants   the same value in every row:     constants: {contoso_source: master data}
#   values      choices with other numbers:      values: {contoso_grade: {1: 100000001}}
#   target      another name in the secondary:   target: department_hotel
#   deletes     delete, deactivate or keep rows that are gone in the primary
#   ownerid     under lookups, if owners shall follow the primary's; they are left alone here
tables:
"""


def write_proposal(proposal: Proposal, *, taken_over: str) -> str:
    """The text of the file; `taken_over` are the parts above `tables`, as YAML."""
    tables = "\n".join("\n".join(_table(table)) + "\n" for table in proposal.tables)
    return f"{_HEAD}{_questions(proposal)}\n{taken_over.strip()}\n\n{_TABLES}{tables}"


def _questions(proposal: Proposal) -> str:
    lines = ["#"]
    if not proposal.questions:
        lines.append("# Nothing was left undecided.")
    else:
        lines.append("# What could not be decided:")
        for table, text in proposal.questions:
            lines += _comment(f"{table}: {text}", first="#   ", further="#     ")
    if proposal.only_secondary:
        names = ", ".join(proposal.only_secondary)
        lines += _comment(f"Tables of the secondary alone, not touched: {names}")
    return "\n".join(lines) + "\n"


def _table(table: ProposedTable) -> Iterator[str]:
    yield f"  - table: {table.table}"
    if table.description:
        yield f"    description: {json.dumps(table.description, ensure_ascii=False)}"
    for question in table.questions:
        yield from _comment(question, first="    # Undecided: ", further="    #   ")
    yield from _comment(table.key_reason, first="    # ", further="    #   ")
    yield f"    key: {_one_or_list(table.key)}"
    yield from _block("columns", (f"- {name}" for name in table.columns))
    yield from _block("lookups", map(_lookup, table.lookups))
    yield from _block(
        "associations",
        (
            f"- {{relationship: {each.relationship}, table: {each.table}}}"
            for each in table.associations
        ),
    )
    yield f"    status: {table.status}"
    yield "    deletes: delete"
    if table.own_columns:
        names = ", ".join(table.own_columns)
        yield from _comment(
            f"The secondary's own, never written: {names}", first="    # ", further="    #   "
        )


def _block(name: str, lines: Iterable[str]) -> Iterator[str]:
    indented = [f"      {line}" for line in lines]
    if indented:
        yield f"    {name}:"
        yield from indented


def _lookup(lookup: ProposedLookup) -> str:
    targets = [_target(target) for target in lookup.targets]
    return f"{lookup.column}: {_one_or_list(targets)}"


def _target(target: LookupTarget) -> str:
    return f"{{table: {target.table}, by: {target.by}}}" if target.by else target.table


def _one_or_list(names: Iterable[str]) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"


def _comment(text: str, *, first: str = "# ", further: str = "#   ") -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        width=_WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
