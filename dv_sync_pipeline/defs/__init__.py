"""Dagster, and only Dagster: `sync/` as assets, a schedule and a sensor.

Read in this order: `names`, `resources` (what assets share), `assets`, `record` (what a
materialization shows), `checks`, `jobs`, `schedules`, `sensors`. `definitions.py` puts them
together. Nothing here asks the network or reads the process environment while definitions load.
"""
