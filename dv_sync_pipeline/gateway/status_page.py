"""The status page: one look from a phone, read-only, without scripts.

Belongs here: from `Health` to HTML. Every text is escaped and redacted on its way in, and the
page loads nothing from anywhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.sync.health import Health, State, TableHealth
from dv_sync_pipeline.sync.ledger.feeds import Lag
from dv_sync_pipeline.sync.ledger.passes import Pass

__all__ = ["render_status_page"]

REFRESH_SECONDS = 15
_PASSES_SHOWN = 40

_STYLE = """
:root { color-scheme: light dark; --ok: #2e8540; --wait: #b7791f; --bad: #c53030; --dim: #8a8f98; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0; } .dim { color: var(--dim); font-size: .875rem; }
main { display: grid; gap: .75rem; margin: .75rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
article { border: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  border-left: .4rem solid var(--state); border-radius: .4rem; padding: .6rem .75rem; }
article.in-sync { --state: var(--ok); } article.stopped { --state: var(--bad); }
article.behind, article.waits { --state: var(--wait); }
.state { color: var(--state); font-weight: 600; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .75rem; margin: .4rem 0; }
dt { color: var(--dim); } dd { margin: 0; font-variant-numeric: tabular-nums; }
.strip { display: flex; gap: 2px; height: 1.1rem; }
.strip span { flex: 1 1 0; max-width: .6rem; border-radius: 1px;
  background: var(--dim); opacity: .45; }
.strip .repaired { background: var(--ok); opacity: 1; }
.strip .waits { background: var(--wait); opacity: 1; }
.strip .failed { background: var(--bad); opacity: 1; }
.reason { overflow-wrap: anywhere; } ul { padding-left: 1.2rem; }
"""


def render_status_page(health: Health) -> str:
    """A whole document."""
    body = "".join(
        [
            _heading(health),
            _problems(health.problems),
            "<main>",
            *(_table(table, health.now) for table in _troubled_first(health.tables)),
            "</main>",
            _legend(),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        f"<title>{_title(health)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _troubled_first(tables: Sequence[TableHealth]) -> list[TableHealth]:
    """A phone shows two tables: those that need a look, then the others in their order."""
    return sorted(tables, key=lambda table: (_GRAVITY[table.state], not _waits(table)))


_GRAVITY = {State.STOPPED: 0, State.BEHIND: 1, State.IN_SYNC: 2}


def _waits(table: TableHealth) -> bool:
    return bool(table.parked or table.held)


def _title(health: Health) -> str:
    return "In sync" if health.is_well and not health.problems else "Needs a look"


def _heading(health: Health) -> str:
    waiting = health.waiting
    oldest = f", the oldest for {waiting.oldest_age_seconds(now=health.now):,.0f} s"
    lines = [
        f"{health.now:%Y-%m-%d %H:%M:%S} UTC",
        f"{waiting.count:,} announced changes wait{oldest if waiting.count else ''}",
        _live_run(health),
    ]
    if health.alerts_waiting:
        lines.append(f"{health.alerts_waiting:,} alerts wait to be sent")
    shown = " · ".join(_text(line) for line in lines if line)
    return f'<h1>{_title(health)}</h1><p class="dim">{shown}</p>'


def _live_run(health: Health) -> str:
    if health.leader is None:
        return ""
    seconds = (health.now - health.leader.heartbeat).total_seconds()
    return f"live run: last sign of life {max(0.0, seconds):,.0f} s ago"


def _problems(titles: Sequence[str]) -> str:
    if not titles:
        return ""
    return f"<ul>{''.join(f'<li>{_text(title)}</li>' for title in titles)}</ul>"


def _table(table: TableHealth, now: datetime) -> str:
    is_whole = table.state is not State.IN_SYNC or not _waits(table)
    words = table.state.value if is_whole else "in sync but for what waits"
    kind = table.state.value.replace(" ", "-") if is_whole else "waits"
    return (
        f'<article class="{kind}"><h2>{_text(table.table)}</h2>'
        f'<p class="state">{_text(words)}</p>'
        f"{_reason(table)}<dl>{_figures(table, now)}</dl>{_strip(table.passes)}</article>"
    )


def _reason(table: TableHealth) -> str:
    reasons = {State.STOPPED: table.failure, State.BEHIND: table.reconcile_owed}
    reason = reasons.get(table.state, "") or table.held_because
    return f'<p class="reason dim">{_text(reason)}</p>' if reason else ""


def _figures(table: TableHealth, now: datetime) -> str:
    figures = {
        "verified through": _moment(table.verified_through, now),
        "lag": _lag(table.lag),
        "linked rows": f"{table.links:,}",
        "parked rows": f"{table.parked:,}",
        "held removals": f"{table.held:,}",
    }
    return "".join(
        f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in figures.items()
    )


def _lag(lag: Lag | None) -> str:
    if lag is None:
        return "no change followed yet"
    return f"{lag.last_seconds:,.1f} s, at most {lag.largest_seconds:,.1f} s"


def _moment(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    shown = "%H:%M:%S" if moment.date() == now.date() else "%Y-%m-%d %H:%M"
    return f"{moment:{shown}} UTC"


def _strip(passes: Sequence[Pass]) -> str:
    bars = "".join(_bar(done) for done in passes[-_PASSES_SHOWN:])
    return f'<div class="strip" role="img" aria-label="last runs">{bars}</div>'


def _bar(done: Pass) -> str:
    words = f"{done.began:%Y-%m-%d %H:%M:%S} UTC, {done.mode}: {_outcome(done)}"
    return f'<span class="{done.kind}" title="{_text(words)}"></span>'


def _outcome(done: Pass) -> str:
    if done.failure:
        return done.failure
    counts = {"repaired": done.differences, "parked": done.parked, "held": done.held}
    shown = _listed(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"{shown or 'nothing to do'}, {done.seconds:,.1f} s"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _legend() -> str:
    return (
        '<p class="dim">Each bar is a run: grey nothing to do, green repaired, amber rows wait, '
        "red failed. What a run does is told in Dagster; this page only looks at the ledger.</p>"
    )


def _text(text: str) -> str:
    return escape(redact(text), quote=True)
