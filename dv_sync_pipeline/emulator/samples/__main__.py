"""Does to a running sample what its story says.

    python -m dv_sync_pipeline.emulator.samples torture mend STATE

STATE is the folder of an emulator that was started with `--sample torture`.
"""

import sys
from pathlib import Path

from dv_sync_pipeline.emulator.samples import SAMPLES
from dv_sync_pipeline.emulator.samples.acts import perform


def main(arguments: list[str]) -> int:
    """The exit code: 2 for wrong usage."""
    acts = {(name, act): SAMPLES[name].acts[act] for name in SAMPLES for act in SAMPLES[name].acts}
    if len(arguments) != 3 or tuple(arguments[:2]) not in acts:  # noqa: PLR2004 - as below
        usages = "".join(f"\n  {sample} {act} STATE" for sample, act in acts)
        print(f"Usage: one of{usages}", file=sys.stderr)  # noqa: T201 - a command
        return 2
    sample, act, state = arguments
    count = perform(acts[sample, act], Path(state) / "sync.yaml")
    print(f"{sample} {act}: {count} requests done")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
