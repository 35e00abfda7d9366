"""Keeps the tables of one Microsoft Dataverse environment equal to another's.

Start reading at `sync/engine.py` (what a run does to one table), then `definitions.py` (how
Dagster sees it) and `cli/` (what a person types). `webapi/` speaks to Dataverse, `emulator/` is a
Dataverse on this machine; the two meet only over HTTP.
"""
