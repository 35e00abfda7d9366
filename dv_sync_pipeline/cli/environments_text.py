"""The parts of `sync.yaml` that a proposal takes over as they are: all but its tables.

Belongs here: cutting them out of a file with their comments, and the text for somebody who has no
file yet. Does not belong here: understanding them; that is `config`.
"""

import yaml

__all__ = ["VARIABLES", "environments_of_variables", "without_tables"]

VARIABLES = (
    "DV_PRIMARY_URL",
    "DV_SECONDARY_URL",
    "DV_TENANT",
    "DV_PRIMARY_CLIENT",
    "DV_PRIMARY_SECRET",
    "DV_SECONDARY_CLIENT",
    "DV_SECONDARY_SECRET",
)
"""What must be set when there is no file yet; a url that is given need not be."""

_ENVIRONMENT = """\
  {name}:
    url: {url}
    # Or kind: certificate, managed_identity, workload_identity; several users share the load.
    credentials:
      - kind: client_secret
        tenant_id: ${{DV_TENANT}}
        client_id: ${{DV_{variable}_CLIENT}}
        client_secret: ${{DV_{variable}_SECRET}}
"""

SCHEDULE = """\
# Every night everything is compared and repaired.
schedule:
  reconcile: "0 2 * * *"
  timezone: UTC
"""


def environments_of_variables(urls: dict[str, str]) -> str:
    """For somebody who has no file yet; `urls` by environment, "" for those in variables."""
    parts = [
        _ENVIRONMENT.format(
            name=name, url=url or f"${{DV_{name.upper()}_URL}}", variable=name.upper()
        )
        for name, url in urls.items()
    ]
    return f"environments:\n{''.join(parts)}\n{SCHEDULE}"


def without_tables(text: str) -> str:
    """The text of a `sync.yaml` without its tables, and without the comments at its top.

    Comments stay with the setting that they stand above. Raises `yaml.YAMLError`.
    """
    lines = text.splitlines(keepends=True)
    starts = _starts(text, lines)
    ends = [*list(starts.values())[1:], len(lines)]
    kept = {
        name: "".join(lines[start:end]).strip("\n")
        for (name, start), end in zip(starts.items(), ends, strict=True)
        if name != "tables"
    }
    kept.setdefault("schedule", SCHEDULE.strip("\n"))
    return "\n\n".join(kept.values())


def _starts(text: str, lines: list[str]) -> dict[str, int]:
    """Setting at the outermost level → where it begins, the comments above it included.

    Those above the first setting are about the file, not about the setting.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    names = root.value if isinstance(root, yaml.MappingNode) else []
    starts: dict[str, int] = {}
    for key, _ in names:
        start = key.start_mark.line
        while starts and lines[start - 1].startswith("#"):
            start -= 1
        starts[key.value] = start
    return starts
