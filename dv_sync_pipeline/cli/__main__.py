"""`python -m dv_sync_pipeline.cli` is `dv-sync`, also where no script is installed."""

from dv_sync_pipeline.cli import main

if __name__ == "__main__":
    main()
