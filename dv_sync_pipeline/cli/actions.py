"""What the commands do, with progress bars while they do it.

Belongs here: joining configuration, engine and bars for one command. Commands import this module
when they run, not before: it brings Dagster and polars.
"""

from collections.abc import Sequence

from dv_sync_pipeline.cli.dagster_home import find_dagster_home
from dv_sync_pipeline.cli.dagster_run import synchronize_through_dagster
from dv_sync_pipeline.cli.passes import Outcome, run_pass
from dv_sync_pipeline.cli.progress import ProgressBars
from dv_sync_pipeline.cli.surroundings import Surroundings
from dv_sync_pipeline.defs.modes import Mode
from dv_sync_pipeline.sync.report import TableReport, TableVerdict

__all__ = ["plan", "synchronize", "verify"]


def synchronize(
    surroundings: Surroundings, tables: Sequence[str], *, mode: str = "reconcile"
) -> Outcome[TableReport]:
    """Synchronize the named tables, or all, in a Dagster run."""
    configuration = surroundings.configuration()
    with ProgressBars() as bars:
        return synchronize_through_dagster(
            configuration,
            tables,
            open_engine=surroundings.engine_opener(),
            listener=bars,
            home=find_dagster_home(surroundings.variables, state=configuration.state),
            mode=Mode(mode),
        )


def plan(surroundings: Surroundings, tables: Sequence[str]) -> Outcome[TableReport]:
    """Find out what `synchronize` would do."""
    with ProgressBars() as bars:
        return run_pass(
            surroundings.configuration(),
            tables,
            open_engine=surroundings.engine_opener(),
            work=lambda engine, table: engine.reconcile(
                table, dry_run=True, progress=bars.progressed
            ),
        )


def verify(surroundings: Surroundings, tables: Sequence[str]) -> Outcome[TableVerdict]:
    """Compare both sides of the named tables, or of all."""
    with ProgressBars() as bars:
        return run_pass(
            surroundings.configuration(),
            tables,
            open_engine=surroundings.engine_opener(),
            work=lambda engine, table: engine.verify(table, progress=bars.progressed),
        )
