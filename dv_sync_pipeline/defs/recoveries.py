"""Which steps a run has failed, and which failures of earlier runs it has made good.

Belongs here: from Dagster's runs to failed steps, and the one rule by which such a failure is over:
the same asset was materialized by a run that wrote, and that looked as far as the failed one should
have. Does not belong here: telling it (`alerts.py`), and what is still open (`sync/ledger/outbox`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.defs.modes import Mode, is_dry
from dv_sync_pipeline.defs.names import FOLLOW_CHANGES, LIVE, RECONCILE_ALL, names_of
from dv_sync_pipeline.sync.ledger.outbox import FailedStep

__all__ = ["Recoveries"]

_LOOK_AT_CHANGES = frozenset({Mode.changes.value, Mode.rows.value, LIVE})
"""Passes that look at some rows: they do not make up for a reconcile that failed."""

_PROOFS = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.STEP_SUCCESS}


@dataclass(frozen=True, slots=True)
class Recoveries:
    """Judges runs that have ended.

    Attributes:
        configuration: says which steps are ours.
        instance: keeps the events of runs.
        known: failures of earlier runs that nobody has made good yet.

    """

    configuration: Configuration
    instance: dg.DagsterInstance
    known: Collection[FailedStep]

    def failed_in(
        self, run: dg.DagsterRun, failures: Sequence[dg.DagsterEvent]
    ) -> frozenset[FailedStep]:
        """The steps that failed; all that were planned where the run ended in none of them."""
        steps = {str(event.step_key) for event in failures} or self._planned(run)
        return frozenset(FailedStep(step, run.job_name) for step in steps & self._ours())

    def made_good_by(self, run: dg.DagsterRun) -> frozenset[FailedStep]:
        """What is over with this run, and what sync.yaml no longer has; a dry run proves nothing.

        The events of a live run are many: they are read only when there is something to look for.
        """
        if not self.known or is_dry(run):
            return frozenset()
        ours, proofs = self._ours(), set(self._proofs(run))
        return frozenset(
            each
            for each in self.known
            if each.step not in ours
            or any(step == each.step and self._proves(mode, each) for step, mode in proofs)
        )

    def _ours(self) -> frozenset[str]:
        return names_of(self.configuration).steps(self.configuration)

    def _planned(self, run: dg.DagsterRun) -> set[str]:
        if run.execution_plan_snapshot_id is None:
            return set()
        plan = self.instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
        return set(plan.step_keys_to_execute)

    def _proofs(self, run: dg.DagsterRun) -> Iterator[tuple[str, str]]:
        """The steps that the run stands for, each with the mode of its pass.

        A live run materializes the assets of tables, each of which has a step in other runs.
        """
        live_step = names_of(self.configuration).of(FOLLOW_CHANGES)
        for entry in self.instance.all_logs(run.run_id, of_type=_PROOFS):
            event = entry.get_dagster_event()
            if event.is_step_materialization:
                materialization = event.step_materialization_data.materialization
                mode = materialization.metadata.get("mode")
                if mode is not None:
                    yield materialization.asset_key.to_python_identifier(), str(mode.value)
            elif event.step_key == live_step:
                yield live_step, LIVE

    def _proves(self, mode: str, failure: FailedStep) -> bool:
        is_reconcile = failure.job == names_of(self.configuration).of(RECONCILE_ALL)
        return not (is_reconcile and mode in _LOOK_AT_CHANGES)
