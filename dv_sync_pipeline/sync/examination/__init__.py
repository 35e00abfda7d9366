"""Whether everything that a run needs is there, and how to mend what is not.

Start reading in `checks.py`: the tables of checks, and `examine`.
"""

from dv_sync_pipeline.sync.examination.checks import examine
from dv_sync_pipeline.sync.examination.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
