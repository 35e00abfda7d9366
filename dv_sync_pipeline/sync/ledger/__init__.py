"""The state database: links, parked rows, wake-ups, what is owed, whose turn it is.

The ledger is a cache of truth that can be rebuilt (DESIGN 4): lose it, reconcile, and links come
back by key. Each of its parts has a module of its own, which defines its tables and the methods
that it adds to `Ledger`; `database.py` holds what they share. Does not belong here: any decision on
what to link, to park or to remove.
"""

from dv_sync_pipeline.sync.ledger.contents import EqualContents
from dv_sync_pipeline.sync.ledger.database import SCHEMA_VERSION
from dv_sync_pipeline.sync.ledger.descriptions import Descriptions
from dv_sync_pipeline.sync.ledger.doubts import Doubts
from dv_sync_pipeline.sync.ledger.environments import KnownEnvironments
from dv_sync_pipeline.sync.ledger.feeds import DeltaToken, Feeds, Lag
from dv_sync_pipeline.sync.ledger.leadership import Leader, Leadership
from dv_sync_pipeline.sync.ledger.leases import Leases
from dv_sync_pipeline.sync.ledger.links import Links
from dv_sync_pipeline.sync.ledger.outbox import Outbox
from dv_sync_pipeline.sync.ledger.parked import ParkedRows
from dv_sync_pipeline.sync.ledger.passes import Passes
from dv_sync_pipeline.sync.ledger.reconciles import Reconciles
from dv_sync_pipeline.sync.ledger.removals import Removals
from dv_sync_pipeline.sync.ledger.schemas import SeenSchemas
from dv_sync_pipeline.sync.ledger.stamps import Stamps
from dv_sync_pipeline.sync.ledger.waiting import WaitingRows
from dv_sync_pipeline.sync.ledger.wakeups import WakeUps

__all__ = ["SCHEMA_VERSION", "DeltaToken", "Lag", "Leader", "Ledger"]


class Ledger(
    KnownEnvironments,
    Reconciles,
    Feeds,
    Links,
    Stamps,
    WaitingRows,
    ParkedRows,
    Removals,
    SeenSchemas,
    Descriptions,
    EqualContents,
    Leases,
    Doubts,
    Leadership,
    WakeUps,
    Passes,
    Outbox,
):
    """One state database; open it with `with Ledger.open(url) as ledger`."""
