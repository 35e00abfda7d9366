"""The parts of `sync.yaml` that a proposal takes over as they are: all but its tables.

Belongs here: cutting them out of a file with their comments, and the text for somebody who has no
file yet. Does not belong here: understanding them; that is `config`.
"""

import yaml

__all__ = ["environments_of_variables", "without_tables"]

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

_SCHEDULE = """\
# Every night everything is compared and repaired.
schedule:
  reconcile: "0 2 * * *"
  timezone: UTC"""

_SUGGESTIONS = {
    "gateway": """\
# Changes within seconds: webhooks of the primary, received by dv-sync gateway.
# gateway:
#   keys: ["${DV_SYNC_GATEWAY_KEY}"]
#   url: https://sync.contoso.com/wake-ups""",
    "live": """\
# One long run applies changes within a second or two; without it, runs start as changes come in.
# live: true""",
    "alerts": """\
# Who is told when something needs a person: Teams, Slack, mail and others, as Apprise writes them.
# alerts:
#   channels: ["${DV_SYNC_CHANNEL}"]""",
}
"""Setting → what to uncomment, for those who have none yet."""


def environments_of_variables(urls: dict[str, str]) -> str:
    """For somebody who has no file yet; `urls` by environment, "" for those in variables."""
    parts = [
        _ENVIRONMENT.format(
            name=name, url=url or f"${{DV_{name.upper()}_URL}}", variable=name.upper()
        )
        for name, url in urls.items()
    ]
    return _completed({"environments": f"environments:\n{''.join(parts)}"})


def without_tables(text: str) -> str:
    """The text of a `sync.yaml` without its tables, and without the comments at its top.

    What it lacks besides is added: a schedule, and further settings as comments.

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
    return _completed(kept)


def _completed(settings: dict[str, str]) -> str:
    """The texts of all settings, with a schedule, and what could be added."""
    known = {"schedule": _SCHEDULE, **_SUGGESTIONS} | settings
    order = [*settings, *(name for name in known if name not in settings)]
    return "\n\n".join(known[name].strip("\n") for name in order)


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
