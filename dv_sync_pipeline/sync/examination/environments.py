"""Checks of one environment: can it be reached, does it admit us, is it the right one.

Belongs here: one small function for each check; which are made stands in `checks.py`.
"""

from dataclasses import replace

from dv_sync_pipeline.errors import (
    AccessError,
    DvSyncError,
    UnreachableError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.sync.examination.findings import Level, Remark, ok, problem, unknown, warning
from dv_sync_pipeline.sync.examination.subjects import (
    AdmittedUser,
    ExaminedEnvironment,
    ExaminedUser,
    RefusedUser,
)

__all__ = [
    "as_problem",
    "check_application_users",
    "check_clock",
    "check_credentials",
    "check_delta_tokens",
    "check_limits",
    "check_organization",
    "check_reachable",
]

_SKEW_SECONDS_MAX = 30
_TRACKING_DAYS_MIN = 3


async def check_reachable(environment: ExaminedEnvironment) -> list[Remark]:
    """It answers, over TLS that we trust; and Entra answers."""
    errors = [user.error for user in environment.users if isinstance(user, RefusedUser)]
    unreachable = [error for error in errors if isinstance(error, UnreachableError)]
    if len(unreachable) == len(environment.users):
        return [as_problem(unreachable[0])]
    return [ok(f"{environment.configuration.url} answers")]


async def check_credentials(environment: ExaminedEnvironment) -> list[Remark]:
    """Each application user gets a token, and is admitted with it."""
    remarks = [_admission(user) for user in environment.users]
    if environment.administrator:
        remarks.append(_not_needed_by_runs(_admission(environment.administrator)))
    return remarks


def _not_needed_by_runs(remark: Remark) -> Remark:
    """Without the administrator only `dv-sync provision` fails."""
    return replace(remark, level=Level.WARNING) if remark.level is Level.PROBLEM else remark


def _admission(user: ExaminedUser) -> Remark:
    match user:
        case AdmittedUser():
            return ok(f"{user.name} is admitted")
        case RefusedUser(error=WrongEnvironmentError()):
            return ok(f"{user.name} is admitted")
        case RefusedUser(error=UnreachableError() as error):
            what = f"whether {user.name} is admitted is not known"
            return unknown(what, why=error.what, mend=error.mend)
        case RefusedUser(error=error):
            why = f"{error.what}: {error.why}" if error.why else error.what
            return problem(f"{user.name} is not admitted", why=why, mend=error.mend)


async def check_organization(environment: ExaminedEnvironment) -> list[Remark]:
    """It is the organisation that `organization_id` names."""
    for user in environment.users:
        if isinstance(user, RefusedUser) and isinstance(user.error, WrongEnvironmentError):
            return [as_problem(user.error)]
    found = environment.admitted[0].identity.organization_id
    if environment.configuration.organization_id:
        return [ok(f"it is the organisation {found}, as organization_id says")]
    return [ok(f"it is the organisation {found}; organization_id would refuse any other")]


async def check_application_users(environment: ExaminedEnvironment) -> list[Remark]:
    """Each application user is enabled and holds a role: WhoAmI works without (DATAVERSE 1.2)."""
    return [await _roles_of(user) for user in environment.admitted]


async def _roles_of(user: AdmittedUser) -> Remark:
    try:
        found = await user.client.administration.find_user(user.identity.user_id)
    except AccessError as error:
        return problem(f"{user.name} holds no security role", why=error.why, mend=error.mend)
    if found.is_disabled:
        return problem(
            f"the application user {found.name} is disabled",
            why="Dataverse refuses whatever it asks for",
            mend="Enable it in the Power Platform admin centre",
        )
    roles = ", ".join(found.roles) or "those of its teams"
    return ok(f"{user.name} is the application user {found.name}, with the roles {roles}")


async def check_clock(environment: ExaminedEnvironment) -> list[Remark]:
    """Our clock and theirs agree."""
    user = environment.admitted[0]
    await user.client.identify()
    theirs = user.client.administration.server_time
    if theirs is None:
        return [unknown("the clocks could not be compared", why="no answer told the time")]
    skew_seconds = (environment.clock() - theirs).total_seconds()
    if abs(skew_seconds) <= _SKEW_SECONDS_MAX:
        return [ok(f"the clocks agree to {_SKEW_SECONDS_MAX} s")]
    direction = "ahead of" if skew_seconds > 0 else "behind"
    return [
        warning(
            f"our clock is {abs(skew_seconds):.0f} s {direction} that of the environment",
            why="lags and expiries are computed from it, and Entra refuses assertions of the wrong "
            "time",
            mend="Let this machine set its clock by a time server (NTP)",
        )
    ]


async def check_limits(environment: ExaminedEnvironment) -> list[Remark]:
    """We send no more requests at a time than the environment recommends (DATAVERSE 9.1)."""
    hint = environment.admitted[0].client.administration.parallelism_hint
    ours = environment.configuration.requests_in_flight
    if hint is None:
        return [ok(f"requests_in_flight is {ours}; the environment recommends no number")]
    if ours <= hint * len(environment.admitted):
        return [ok(f"requests_in_flight is {ours}; the environment recommends up to {hint} a user")]
    return [
        warning(
            f"requests_in_flight is {ours}, the environment recommends {hint} a user",
            why="it will throttle, which is slower than to send fewer",
            mend=f"Set requests_in_flight to {hint}, or add application users to credentials",
        )
    ]


async def check_delta_tokens(environment: ExaminedEnvironment) -> list[Remark]:
    """Changes are remembered long enough for a weekend's standstill (DATAVERSE 7.3)."""
    days = await environment.administration.tracking_days()
    if days >= _TRACKING_DAYS_MIN:
        return [ok(f"changes are remembered for {days} days")]
    return [
        warning(
            f"changes are remembered for {days} days only",
            why="after a longer standstill everything must be compared instead",
            mend="Raise expirechangetrackingindays of the organisation",
        )
    ]


def as_problem(error: DvSyncError) -> Remark:
    """An error of ours, as a problem."""
    return problem(error.what, why=error.why, mend=error.mend)
