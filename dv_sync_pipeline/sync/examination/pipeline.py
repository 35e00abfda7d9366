"""Checks of what belongs to neither environment alone: ledger, gateway, webhooks, credentials.

Belongs here: one small function for each check; which are made stands in `checks.py`.
"""

import shutil
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import sqlalchemy as sa

from dv_sync_pipeline.errors import (
    ConfigurationError,
    LedgerError,
    UnreachableError,
    WrongEnvironmentError,
)
from dv_sync_pipeline.sync.examination.environments import as_problem
from dv_sync_pipeline.sync.examination.findings import Remark, ok, problem, warning
from dv_sync_pipeline.sync.examination.subjects import Pipeline
from dv_sync_pipeline.sync.ledger import SCHEMA_VERSION, Ledger
from dv_sync_pipeline.sync.ordering import in_dependency_order
from dv_sync_pipeline.sync.webhooks import wanted_endpoint
from dv_sync_pipeline.webapi.credential_expiries import CredentialExpiry, credential_expiries
from dv_sync_pipeline.webapi.steps import differences

__all__ = [
    "check_expiries",
    "check_gateway",
    "check_gateway_address",
    "check_ledger",
    "check_ledger_file",
    "check_order",
    "check_organizations",
    "check_webhooks",
]

_FREE_BYTES_MIN = 1024**3
_GIGABYTE = 1024**3
_HTTP_OK = 200
_PRIVATE_BITS = stat.S_IRWXG | stat.S_IRWXO


async def check_order(pipeline: Pipeline) -> list[Remark]:
    """The tables can be put in an order in which parents come first."""
    try:
        tables = in_dependency_order(pipeline.configuration.tables)
    except ConfigurationError as error:
        return [as_problem(error)]
    return [ok(f"order of the tables: {', '.join(table.table for table in tables)}")]


async def check_organizations(pipeline: Pipeline) -> list[Remark]:
    """Two organisations, the same as at the first run."""
    found = {
        environment.name: environment.admitted[0].identity.organization_id.lower()
        for environment in pipeline.environments
    }
    if len(set(found.values())) == 1:
        return [
            problem(
                "primary and secondary are the same organisation",
                why="it would be synchronized with itself",
                mend="Correct the urls in sync.yaml",
            )
        ]
    with Ledger.open(pipeline.configuration.ledger_url) as ledger:
        try:
            ledger.check_environments(found)
        except WrongEnvironmentError as error:
            return [as_problem(error)]
    return [ok("the two organisations differ, and are those of earlier runs if there were any")]


async def check_ledger(pipeline: Pipeline) -> list[Remark]:
    """The state database can be opened and has our version."""
    try:
        Ledger.open(pipeline.configuration.ledger_url).close()
    except (ConfigurationError, LedgerError) as error:
        return [as_problem(error)]
    return [ok(f"the ledger can be used, version {SCHEMA_VERSION}")]


async def check_ledger_file(pipeline: Pipeline) -> list[Remark]:
    """A ledger in a file is for us alone, and has space to grow."""
    file = _ledger_file(pipeline)
    if file is None:
        return [ok("the ledger is a database server's, which sees to its files")]
    return [_privacy(file), _space(file)]


def _ledger_file(pipeline: Pipeline) -> Path | None:
    address = sa.make_url(pipeline.configuration.ledger_url)
    is_file = address.get_backend_name() == "sqlite" and address.database
    return Path(str(address.database)) if is_file else None


def _privacy(file: Path) -> Remark:
    mode = stat.S_IMODE(file.stat().st_mode)
    if not mode & _PRIVATE_BITS:
        return ok(f"{file} is for its owner alone")
    return warning(
        f"{file} can be read by others (mode {mode:o})",
        why="it holds key values of rows",
        mend=f"chmod 600 {file}",
    )


def _space(file: Path) -> Remark:
    free_bytes = shutil.disk_usage(file.parent).free
    free = f"{free_bytes / _GIGABYTE:,.1f} GB"
    if free_bytes >= _FREE_BYTES_MIN:
        return ok(f"{free} are free for the ledger")
    return warning(
        f"only {free} are free for the ledger",
        why="a full disk stops every run",
        mend="Free space, or point `state` in sync.yaml to another disk",
    )


async def check_expiries(pipeline: Pipeline) -> list[Remark]:
    """No secret or certificate ends soon, as far as that is known."""
    days_min = pipeline.configuration.alerts.credential_days_min
    limit = pipeline.clock() + timedelta(days=days_min)
    near = [each for each in credential_expiries(pipeline.configuration) if each.expires < limit]
    if near:
        return [_expiry(each, pipeline) for each in near]
    return [ok(f"no credential is known to end within {days_min} days")]


def _expiry(expiry: CredentialExpiry, pipeline: Pipeline) -> Remark:
    has_ended = expiry.expires <= pipeline.clock()
    return (problem if has_ended else warning)(
        f"the {expiry.kind} of application {expiry.client_id} ({expiry.environment}) "
        f"{'ended' if has_ended else 'ends'} on {expiry.expires:%Y-%m-%d}",
        why="from then on nothing is synchronized",
        mend="Create a new one in Entra and put it in its place",
    )


# ---- near real time -----------------------------------------------------------------------------


async def check_gateway(pipeline: Pipeline) -> list[Remark]:
    """The gateway answers where the primary is told to find it, and has usable keys."""
    settings = pipeline.configuration.gateway
    if not settings.url:
        return [ok("there is no gateway: gateway.url is not set in sync.yaml")]
    try:
        settings.read_keys()
        status = await pipeline.probe(urljoin(settings.url, "healthz"))
    except (ConfigurationError, UnreachableError) as error:
        return [as_problem(error)]
    if status == _HTTP_OK:
        return [ok(f"the gateway answers at {settings.url}")]
    return [
        problem(
            f"the gateway at {settings.url} is not well: HTTP {status}",
            why="webhooks would be refused, and changes found later only",
            mend="Look at its log; it answers 503 while it cannot store wake-ups",
        )
    ]


async def check_gateway_address(pipeline: Pipeline) -> list[Remark]:
    """Dataverse can post to it, and the key does not travel in the clear (DATAVERSE 10.1)."""
    gateway = urlsplit(pipeline.configuration.gateway.url)
    primary = urlsplit(pipeline.primary.configuration.url)
    if primary.hostname in _THIS_MACHINE or not gateway.hostname:
        return [ok("webhooks do not leave this machine")]
    return list(_shortcomings(gateway)) or [ok("webhooks go to port 443, encrypted")]


def _shortcomings(gateway: SplitResult) -> Iterator[Remark]:
    if gateway.hostname in _THIS_MACHINE or gateway.port not in _PORTS_OF_WEBHOOKS:
        yield warning(
            f"Dataverse cannot reach {gateway.netloc}",
            why="its webhooks come from outside, and go to port 443, or 80, alone",
            mend="Put the gateway behind a proxy on port 443, and name that in gateway.url",
        )
    if gateway.scheme != "https":
        yield warning(
            f"webhooks would go to {gateway.netloc} unencrypted",
            why="whoever is on the way could read the key, and wake the pipeline with it",
            mend="Let a proxy with a certificate stand before the gateway, and write https://",
        )


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_PORTS_OF_WEBHOOKS = (None, 80, 443)


async def check_webhooks(pipeline: Pipeline) -> list[Remark]:
    """The primary's webhooks are in place, with our key, and lead to our gateway."""
    settings = pipeline.configuration.gateway
    if not settings.url:
        return [ok("without a gateway no webhooks are needed")]
    configuration, primary = pipeline.configuration, pipeline.primary
    schemas = {each.table: await primary.schema(each.table) for each in configuration.tables}
    key = settings.read_keys()[0]
    wanted = wanted_endpoint(configuration, schemas, url=settings.url, key=key)
    found = await primary.administration.find_webhooks(wanted.name)
    if found is None:
        return [_webhooks("no webhook of ours is registered")]
    changes = differences(wanted, found)
    if not changes:
        return [ok(f"{len(wanted.steps)} webhook steps lead to {settings.url}")]
    return [_webhooks(f"webhook {change.title}: {change.why or 'missing'}") for change in changes]


def _webhooks(what: str) -> Remark:
    return warning(
        what,
        why="changes arrive later, by the change feed or the nightly reconcile",
        mend="Let dv-sync provision --apply register them",
    )
