"""What a person reads of an examination, and what a script learns from the exit code."""

import json

import pytest

from dv_sync_pipeline.cli.consultation import exit_code_of_findings
from dv_sync_pipeline.cli.doctor_output import print_findings, print_findings_as_json
from dv_sync_pipeline.sync.examination import Finding, Level

WELL = Finding("reachable", "primary", "", Level.OK, "it answers")
WARNING = Finding(
    "read only", "primary", "hotel", Level.WARNING, "it may be written", "abuse", "Read only"
)
PROBLEM = Finding("columns", "", "hotel", Level.PROBLEM, "no column x", "gone", "Bring it back")
ANSWER = "https://x cannot be reached"
UNKNOWN = [
    Finding(check, "primary", "", Level.UNKNOWN, "this could not be checked", ANSWER, "Check url")
    for check in ("clock", "limits")
]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([WELL], 0),
        ([WELL, *UNKNOWN], 1),
        ([WELL, WARNING], 1),
        ([WARNING, PROBLEM, *UNKNOWN], 2),
    ],
)
def test_exit_code(findings, code):
    """That of the worst; what is not known is not well."""
    assert code == exit_code_of_findings(findings)


def test_by_environment_and_table(capsys):
    """What, why, and how to mend it; what is well in a table is only counted."""
    well = Finding("table", "primary", "hotel", Level.OK, "the table exists")
    print_findings([WELL, well, WARNING, PROBLEM], show_all=False)

    assert (
        "primary\n"
        "  ✓ it answers\n"
        "hotel\n"
        "  ✓ 1 check is well\n"
        "  ! primary: it may be written\n"
        "      why:  abuse\n"
        "      mend: Read only\n"
        "  ✗ no column x\n"
        "      why:  gone\n"
        "      mend: Bring it back\n"
        "\n"
        "1 problem, 1 warning, 2 checks are well. Mend the problems, then run dv-sync doctor "
        "again.\n"
    ) == capsys.readouterr().out


def test_what_could_not_be_checked_for_one_reason(capsys):
    """Is told in one line, with that reason."""
    print_findings(UNKNOWN, show_all=False)

    assert (
        f"primary\n  ? not known: clock, limits\n      why:  {ANSWER}\n      mend: Check url\n"
    ) == capsys.readouterr().out.partition("\n\n")[0] + "\n"


def test_everything_of_a_table(capsys):
    """With --all."""
    well = Finding("table", "primary", "hotel", Level.OK, "the table exists")
    print_findings([well], show_all=True)

    assert "  ✓ primary: the table exists\n" in capsys.readouterr().out


def test_secrets_are_hidden(capsys):
    """Whatever another side says."""
    secret = Finding("x", "", "", Level.PROBLEM, "client_secret=abcdefgh is wrong", "", "")
    print_findings([secret], show_all=False)
    print_findings_as_json([secret])

    assert "abcdefgh" not in capsys.readouterr().out


def test_for_programs(capsys):
    """Each finding with all its parts, and the counts."""
    print_findings_as_json([WELL, PROBLEM])

    shown = json.loads(capsys.readouterr().out)
    assert {"ok": 1, "unknown": 0, "warning": 0, "problem": 1} == shown["counts"]
    assert {
        "check": "columns",
        "environment": "",
        "table": "hotel",
        "level": "problem",
        "what": "no column x",
        "why": "gone",
        "mend": "Bring it back",
    } == shown["findings"][1]
