"""Keeps the tables of one Microsoft Dataverse environment equal to another's.

Start reading at `sync/engine.py` (what a run does to one table), then `definitions.py` (how
Dagster sees it) and `cli/` (what a person types). `webapi/` speaks to Dataverse, `emulator/` is a
Dataverse on this machine; the two meet only over HTTP.
"""

__all__ = ["DataverseSync"]


def __getattr__(name: str) -> object:
    """`DataverseSync`, once somebody asks for it: Dagster takes a second to import."""
    if name != "DataverseSync":
        raise AttributeError(name)
    from dv_sync_pipeline.component import DataverseSync  # noqa: PLC0415 - see above

    return DataverseSync


def __dir__() -> list[str]:
    """What `dg` looks through for components."""
    return [*globals(), *__all__]
