"""How often Dagster's daemon looks at sensors, and what that makes of an interval.

Belongs here: the pace of the daemon. Does not belong here: what a sensor finds.
"""

__all__ = ["LOOK_SECONDS", "minimum_interval"]

LOOK_SECONDS = 5
"""The daemon looks at its sensors so often, and nobody can change it (DAGSTER A1)."""

_EARLY_SECONDS = 2
"""A look may begin so much earlier after the one before than it should."""


def minimum_interval(seconds: int) -> int:
    """What to tell Dagster so that a sensor is asked every so many seconds.

    Dagster leaves out a sensor that was asked a moment more recently than its minimum interval. An
    interval of five seconds is that of the looks themselves: every other one of them came some
    milliseconds too early, and the sensor was asked after five and ten seconds in turn (measured).
    """
    return max(1, seconds - _EARLY_SECONDS)
