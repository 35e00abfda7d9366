"""A run that has ended, as Dagster tells its sensors of it."""

import dagster as dg

__all__ = ["tell_how_it_ended"]

_ENDS = {dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE}


def tell_how_it_ended(
    sensor: dg.SensorDefinition, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> None:
    """Let the sensor look at the run; one of failed runs at a failed one only."""
    (event,) = result.filter_events(lambda each: each.event_type in _ENDS)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=instance.get_run_by_id(result.run_id),
        dagster_event=event,
    )
    sensor(context if result.success else context.for_run_failure())
