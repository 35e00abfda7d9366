"""Problems that a person was told of, and messages that have not reached everybody yet.

Belongs here: one message for the beginning of a problem and one for its end, however often it is
found again in between, and that none is lost while a channel is down (DESIGN 5). What is a problem
is decided in `sync/problems.py`, what ends the failure of a step in `defs/recoveries.py`; sending
is for `channels.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from dv_sync_pipeline.sync.ledger.database import METADATA, Database, insert, moment_text
from dv_sync_pipeline.sync.problems import Problem

__all__ = ["Alert", "FailedStep", "Outbox"]

_FIRST_DELAY_SECONDS = 30
_DELAY_SECONDS_MAX = 3600
_ERROR_CHARACTERS_MAX = 500
_RUNS = "runs"
"""The scope of failed runs: each is over when every step that failed in it was made good."""

_problems = sa.Table(
    "problems",
    METADATA,
    sa.Column("problem", sa.String(200), primary_key=True),
    sa.Column("scope", sa.String(32), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("since", sa.String(32), nullable=False),
)
_alerts = sa.Table(
    "alerts",
    METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("is_recovery", sa.Boolean, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created", sa.String(32), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt", sa.String(32), nullable=False),
    sa.Column("last_error", sa.Text, nullable=False),
)
_failed_steps = sa.Table(
    "failed_steps",
    METADATA,
    sa.Column("step", sa.String(400), primary_key=True),
    sa.Column("job", sa.String(200), primary_key=True),
    sa.Column("problem", sa.String(200), nullable=False),
)


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step of a job that nobody has made good yet.

    Attributes:
        step: its key in Dagster: "secondary__contoso_room".
        job: the name of the job in which it failed.

    """

    step: str
    job: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to one channel that has not arrived yet.

    Attributes:
        sequence: in which order they were written.
        channel: names the channel without telling its address (`channels.channel_id`).
        is_recovery: the problem is over.
        title: one line.
        text: what happened, what it means, what to do.
        created: when it was written (UTC).
        attempts: how often it was sent in vain.
        last_error: why the last attempt failed.

    """

    sequence: int
    channel: str
    is_recovery: bool
    title: str
    text: str
    created: datetime
    attempts: int
    last_error: str


class Outbox(Database):
    """Problems that are known, and the alerts about them."""

    def settle_problems(
        self,
        found: Sequence[Problem],
        *,
        scope: str,
        channels: Collection[str],
        now: datetime,
    ) -> tuple[list[Problem], list[str]]:
        """Let these be the problems of the scope; write an alert for what is new and what is over.

        Returns what is new, and the titles of what is over. A scope is whatever is looked at
        together, so that what is not found in it is over.
        """
        with self.transaction() as connection:
            known = _known_problems(connection, scope)
            new = [problem for problem in found if problem.name not in known]
            lasting = {problem.name for problem in found}
            over = {name: text for name, text in known.items() if name not in lasting}
            insert(connection, _problems, [_problem_values(each, scope, now) for each in new])
            _write_alerts(connection, new, over, channels, now)
        return new, [over[name][0] for name in sorted(over)]

    def settle_run(
        self,
        problem: Problem | None,
        *,
        failed: Collection[FailedStep] = (),
        made_good: Collection[FailedStep] = (),
        channels: Collection[str],
        now: datetime,
    ) -> tuple[list[Problem], list[str]]:
        """Let these steps have failed in a run, of which `problem` tells, and those be made good.

        Returns the problem if any of the steps had not failed already, and the titles of the
        problems of which no step is left.
        """
        with self.transaction() as connection:
            _forget(connection, made_good)
            fresh = set(failed) - _known_steps(connection)
            new = [problem] if problem is not None and fresh else []
            for each in new:
                insert(connection, _failed_steps, _step_values(fresh, each))
            insert(connection, _problems, [_problem_values(each, _RUNS, now) for each in new])
            over = _problems_without_steps(connection)
            _write_alerts(connection, new, over, channels, now)
        return new, [over[name][0] for name in sorted(over)]

    def failed_steps(self) -> set[FailedStep]:
        """Those that nobody has made good yet."""
        with self.reading() as connection:
            return _known_steps(connection)

    def open_problems(self) -> list[tuple[str, str, datetime]]:
        """Title, text and since when, of every problem that is not over, oldest first."""
        query = sa.select(_problems).order_by(_problems.c.since, _problems.c.problem)
        with self.reading() as connection:
            return [
                (row["title"], row["text"], datetime.fromisoformat(row["since"]))
                for row in connection.execute(query).mappings()
            ]

    def waiting_alerts(self, *, due: datetime | None = None) -> list[Alert]:
        """Alerts that have not arrived, oldest first; with `due`, those to be tried by then."""
        query = sa.select(_alerts).order_by(_alerts.c.sequence)
        if due is not None:
            query = query.where(_alerts.c.next_attempt <= moment_text(due))
        with self.reading() as connection:
            return [_alert(row) for row in connection.execute(query).mappings()]

    def settle_alert(self, alert: Alert) -> None:
        """It has arrived."""
        with self.transaction() as connection:
            connection.execute(_alerts.delete().where(_alerts.c.sequence == alert.sequence))

    def postpone_alert(self, alert: Alert, *, error: str, now: datetime) -> None:
        """It has not arrived: try again, each time after a longer while."""
        delay = min(_FIRST_DELAY_SECONDS * 2**alert.attempts, _DELAY_SECONDS_MAX)
        with self.transaction() as connection:
            connection.execute(
                _alerts.update()
                .where(_alerts.c.sequence == alert.sequence)
                .values(
                    attempts=alert.attempts + 1,
                    next_attempt=moment_text(now + timedelta(seconds=delay)),
                    last_error=error[:_ERROR_CHARACTERS_MAX],
                )
            )


def _known_problems(connection: sa.Connection, scope: str) -> dict[str, tuple[str, str]]:
    """Name → title and text."""
    rows = connection.execute(sa.select(_problems).where(_problems.c.scope == scope)).mappings()
    return {row["problem"]: (row["title"], row["text"]) for row in rows}


def _known_steps(connection: sa.Connection) -> set[FailedStep]:
    rows = connection.execute(sa.select(_failed_steps)).mappings()
    return {FailedStep(row["step"], row["job"]) for row in rows}


def _forget(connection: sa.Connection, steps: Collection[FailedStep]) -> None:
    for each in steps:
        is_it = sa.and_(_failed_steps.c.step == each.step, _failed_steps.c.job == each.job)
        connection.execute(_failed_steps.delete().where(is_it))


def _problems_without_steps(connection: sa.Connection) -> dict[str, tuple[str, str]]:
    """Name → title and text, of failed runs."""
    with_steps = set(connection.scalars(sa.select(_failed_steps.c.problem)))
    known = _known_problems(connection, _RUNS)
    return {name: text for name, text in known.items() if name not in with_steps}


def _write_alerts(
    connection: sa.Connection,
    new: Sequence[Problem],
    over: Mapping[str, tuple[str, str]],
    channels: Collection[str],
    now: datetime,
) -> None:
    """Tell of what is new and of what is over, and forget the latter."""
    connection.execute(_problems.delete().where(_problems.c.problem.in_(list(over))))
    messages = [(False, each.title, each.text) for each in new]
    messages += [(True, *_recovery(*over[name])) for name in sorted(over)]
    insert(connection, _alerts, _alert_values(messages, channels, now))


def _recovery(title: str, text: str) -> tuple[str, str]:
    return f"Over: {title}", f"Nothing needs to be done any more. It was:\n\n{text}"


def _problem_values(problem: Problem, scope: str, now: datetime) -> dict[str, object]:
    return {
        "problem": problem.name,
        "scope": scope,
        "title": problem.title,
        "text": problem.text,
        "since": moment_text(now),
    }


def _step_values(steps: Collection[FailedStep], problem: Problem) -> list[dict[str, object]]:
    return [{"step": each.step, "job": each.job, "problem": problem.name} for each in steps]


def _alert_values(
    messages: Sequence[tuple[bool, str, str]], channels: Collection[str], now: datetime
) -> list[Mapping[str, object]]:
    return [
        {
            "channel": channel,
            "is_recovery": is_recovery,
            "title": title,
            "text": text,
            "created": moment_text(now),
            "attempts": 0,
            "next_attempt": moment_text(now),
            "last_error": "",
        }
        for is_recovery, title, text in messages
        for channel in channels
    ]


def _alert(row: sa.RowMapping) -> Alert:
    return Alert(
        sequence=row["sequence"],
        channel=row["channel"],
        is_recovery=row["is_recovery"],
        title=row["title"],
        text=row["text"],
        created=datetime.fromisoformat(row["created"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
    )
