"""Puts around an environment what makes it behave like one under load, or worse.

Belongs here: choosing and ordering limits, latency, faults, webhooks and levers. Does not belong
here: any of them, and the environment itself (`application.py`).
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx
from starlette.routing import Mount, Router
from starlette.types import ASGIApp

from dv_sync_pipeline.emulator.rows.environment import EmulatedEnvironment
from dv_sync_pipeline.emulator.rows.snapshots import Snapshots
from dv_sync_pipeline.emulator.trouble.clock import AdjustableClock
from dv_sync_pipeline.emulator.trouble.commits import CommitLog
from dv_sync_pipeline.emulator.trouble.control import START, Levers, RequestLog, create_control
from dv_sync_pipeline.emulator.trouble.faults import FaultInjector
from dv_sync_pipeline.emulator.trouble.latency import LATENCY_PROFILES, Distance, Working
from dv_sync_pipeline.emulator.trouble.limits import LIMIT_PROFILES, ServiceProtection
from dv_sync_pipeline.emulator.trouble.wire import Interceptor, intercept
from dv_sync_pipeline.emulator.trouble.world import StoredWorld
from dv_sync_pipeline.emulator.webhooks.hooks import Courier, Webhooks

__all__ = ["Behaviour", "surround"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an environment behaves.

    Attributes:
        limits: name of a profile in `LIMIT_PROFILES`.
        latency: name of a profile in `LATENCY_PROFILES`.
        seed: decides how waits vary.
        is_controlled: tests may pull its levers.
        trusted: PEM file of an authority that receivers of webhooks may be certified
            by, besides the public ones.

    """

    limits: str = "none"
    latency: str = "none"
    seed: int = 0
    is_controlled: bool = False
    trusted: Path | None = None


def surround(
    application: ASGIApp,
    behaviour: Behaviour,
    *,
    environment: EmulatedEnvironment,
    clock: AdjustableClock,
    snapshots: Path,
) -> ASGIApp:
    """The application with everything around it that was asked for.

    `snapshots` is the folder for those; nothing is written to it unless tests may pull levers.
    """
    faults = FaultInjector(sleep=asyncio.sleep, world=StoredWorld(environment.store))
    courier = _open_courier(environment, faults, trusted=behaviour.trusted)
    webhooks = Webhooks(environment.store, host=_host(environment), courier=courier)
    environment.store.watcher = webhooks
    protection = _protect(behaviour, clock)
    load = _load(behaviour, environment.name, protection)
    identify = _identifier(environment)
    if not behaviour.is_controlled:
        return intercept(application, interceptors=load, identify=identify)
    commits = CommitLog(environment.store.database, webhooks, clock=clock)
    environment.store.watcher = commits
    levers = Levers(
        name=environment.name,
        clock=clock,
        snapshots=Snapshots(environment.store, folder=snapshots, when_restored=webhooks.forget),
        log=RequestLog(clock=clock, stopwatch=time.perf_counter),
        commits=commits,
        faults=faults,
        switches=environment.switches,
        settle_webhooks=courier.settle,
        protection=protection,
    )
    levers.snapshots.save(START)
    watched = intercept(application, interceptors=[levers.log, faults, *load], identify=identify)
    return Router([Mount("/control", create_control(levers)), Mount("/", watched)])


def _protect(behaviour: Behaviour, clock: AdjustableClock) -> ServiceProtection | None:
    profile = LIMIT_PROFILES[behaviour.limits]
    if profile is None:
        return None
    return ServiceProtection(profile, clock=clock.seconds, stopwatch=time.perf_counter)


def _load(
    behaviour: Behaviour, name: str, protection: ServiceProtection | None
) -> list[Interceptor]:
    """Travel outside of the limits, work inside: only work is execution time (DATAVERSE 9.1)."""
    limits: list[Interceptor] = [] if protection is None else [protection]
    latency = LATENCY_PROFILES[behaviour.latency]
    if latency is None:
        return limits
    random = Random(f"{behaviour.seed}/{name}")
    return [
        Distance(latency, random=random, sleep=asyncio.sleep),
        *limits,
        Working(latency, random=random, sleep=asyncio.sleep, stopwatch=time.perf_counter),
    ]


def _open_courier(
    environment: EmulatedEnvironment, faults: FaultInjector, *, trusted: Path | None
) -> Courier:
    """Its clients leave proxies alone: receivers are on this machine, or reached directly.

    Each delivery has a connection of its own, so that none is left open when the server stops.
    """
    certificates = ssl.create_default_context()
    if trusted is not None:
        certificates.load_verify_locations(trusted)
    return Courier(
        environment.store,
        client=httpx.AsyncClient(verify=certificates, trust_env=False, limits=_NO_KEEP_ALIVE),
        blocking_client=httpx.Client(verify=certificates, trust_env=False, limits=_NO_KEEP_ALIVE),
        faults_on=faults.effects_on,
        sleep=asyncio.sleep,
    )


_NO_KEEP_ALIVE = httpx.Limits(max_keepalive_connections=0)


def _host(environment: EmulatedEnvironment) -> str:
    return urlsplit(environment.base_url).netloc


def _identifier(environment: EmulatedEnvironment) -> Callable[[str], str]:
    """User ids for accounts and logs; who proves nothing is nobody."""

    def identify(authorization: str) -> str:
        identified = environment.identity.identify(authorization)
        return identified if isinstance(identified, str) else ""

    return identify
