"""How `dv-sync doctor` shows its findings.

Belongs here: layout and words of this command. Every text passes through `redact` on its way out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from dv_sync_pipeline.cli.output import console_for_people, print_json_document
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.examination import Finding, Level

__all__ = ["print_findings", "print_findings_as_json"]

_MARKS = {
    Level.OK: ("✓", "green"),
    Level.UNKNOWN: ("?", "cyan"),
    Level.WARNING: ("!", "yellow"),
    Level.PROBLEM: ("✗", "red"),
}
_COUNTED = {
    Level.PROBLEM: ("problem", "problems"),
    Level.WARNING: ("warning", "warnings"),
    Level.UNKNOWN: ("check that could not be made", "checks that could not be made"),
    Level.OK: ("check is well", "checks are well"),
}
_NEXT = {
    Level.OK: "Next: dv-sync plan",
    Level.UNKNOWN: "Mend what hinders the checks, then run dv-sync doctor again.",
    Level.WARNING: "A run would work. Next: dv-sync plan",
    Level.PROBLEM: "Mend the problems, then run dv-sync doctor again.",
}
"""What to do after the worst finding."""


def print_findings_as_json(findings: Sequence[Finding]) -> None:
    """Each of them, and how many there are of each level."""
    levels = Counter(finding.level for finding in findings)
    counts = {str(level): levels[level] for level in Level}
    print_json_document({"findings": findings, "counts": counts})


def print_findings(findings: Sequence[Finding], *, show_all: bool) -> None:
    """By environment, then by table; of tables only what is not well, unless all is wanted."""
    console = console_for_people()
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        place = (finding.table, "" if finding.table else finding.environment)
        groups.setdefault(place, []).append(finding)
    for (table, environment), group in groups.items():
        console.print(Text(table or environment or "pipeline", style="bold"))
        _print_group(console, group, is_short=bool(table) and not show_all)
    _print_summary(console, findings)


def _print_group(console: Console, group: Sequence[Finding], *, is_short: bool) -> None:
    well = [finding for finding in group if finding.level is Level.OK]
    unknown = [finding for finding in group if finding.level is Level.UNKNOWN]
    others = [finding for finding in group if finding not in (*well, *unknown)]
    if is_short and well:
        _print_line(console, Level.OK, _count(Level.OK, len(well)))
    for finding in (*([] if is_short else well), *others):
        _print_finding(console, finding)
    _print_unknown(console, unknown)


def _print_finding(console: Console, finding: Finding) -> None:
    place = f"{finding.environment}: " if finding.table and finding.environment else ""
    _print_line(console, finding.level, f"{place}{finding.what}")
    _print_advice(console, finding)


def _print_unknown(console: Console, unknown: Iterable[Finding]) -> None:
    """Those with the same reason together: most often an environment does not answer."""
    by_reason: dict[str, list[Finding]] = {}
    for finding in unknown:
        by_reason.setdefault(finding.why, []).append(finding)
    for findings in by_reason.values():
        names = dict.fromkeys(finding.check for finding in findings)
        _print_line(console, Level.UNKNOWN, f"not known: {', '.join(names)}")
        _print_advice(console, findings[0])


def _print_line(console: Console, level: Level, text: str) -> None:
    mark, style = _MARKS[level]
    console.print(Text(redact(f"  {mark} {text}"), style=style))


def _print_advice(console: Console, finding: Finding) -> None:
    for name, text in (("why", finding.why), ("mend", finding.mend)):
        if text:
            console.print(Text(redact(f"      {name + ':':5} {text}")))


def _print_summary(console: Console, findings: Sequence[Finding]) -> None:
    levels = Counter(finding.level for finding in findings)
    counted = [_count(level, levels[level]) for level in _COUNTED if levels[level]]
    order = list(Level)
    worst = max((finding.level for finding in findings), key=order.index)
    console.print(f"\n{', '.join(counted)}. {_NEXT[worst]}")


def _count(level: Level, number: int) -> str:
    one, many = _COUNTED[level]
    return f"{number} {one if number == 1 else many}"
