"""Takes the pictures of the documents.

    python -m dv_sync_pipeline_tests.browser.take_pictures [FOLDER]

They are those of the tests of the UI, on the demo as it is: needs Debian's chromium and the extra
`develop`.
"""

import os
import sys
from pathlib import Path

import pytest

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DV_SYNC_PICTURES"] = str(folder)
    tests = Path(__file__).with_name("test_ui.py")
    sys.exit(pytest.main([str(tests), "--numprocesses=0", "-p", "no:randomly"]))
