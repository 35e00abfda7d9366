"""Measurements, not tests: `python -m dv_sync_pipeline_tests.bench NAME`."""
