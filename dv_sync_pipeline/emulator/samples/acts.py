"""What somebody does to the environments of a sample, through the Web API.

Belongs here: acts as values, and sending them as the administrator. Does not belong here: which
acts a sample has (`torture_story`).
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from dv_sync_pipeline.emulator.process.users import ADMINISTRATOR, TENANT_ID

__all__ = ["Act", "Request", "perform"]

_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the Web API.

    Attributes:
        method: of HTTP.
        path: behind `/api/data/v9.2/`.
        body: sent as JSON unless empty.
        content: sent as it is, to a file column, under the name `plan.bin`.

    """

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    content: bytes = b""

    @property
    def headers(self) -> Mapping[str, str]:
        """What its kind needs; a PATCH changes rows that exist."""
        if self.content:
            return {"Content-Type": "application/octet-stream", "x-ms-file-name": "plan.bin"}
        return {"If-Match": "*"} if self.method == "PATCH" else {}


@dataclass(frozen=True, slots=True)
class Act:
    """What is done, in order.

    Attributes:
        primary: requests to the primary.
        secondary: requests to the secondary, after those.

    """

    primary: tuple[Request, ...] = ()
    secondary: tuple[Request, ...] = ()


def perform(act: Act, sync_yaml: Path) -> int:
    """Send every request of the act; their number. Raises `httpx.HTTPError` at the first refusal.

    `sync_yaml` is the file that the emulator wrote: it says where the environments are.
    """
    environments = yaml.safe_load(sync_yaml.read_text(encoding="utf-8"))["environments"]
    for name, requests in (("primary", act.primary), ("secondary", act.secondary)):
        _send(requests, url=environments[name]["url"], ca_file=sync_yaml.parent / "ca.pem")
    return len(act.primary) + len(act.secondary)


def _send(requests: Iterable[Request], *, url: str, ca_file: Path) -> None:
    trust = ssl.create_default_context(cafile=ca_file)
    with httpx.Client(verify=trust, trust_env=False, timeout=_SECONDS_MAX) as client:
        client.headers["Authorization"] = f"Bearer {_token(client, url)}"
        for request in requests:
            answer = client.request(
                request.method,
                f"{url}/api/data/v9.2/{request.path}",
                json=request.body or None,
                content=request.content or None,
                headers=request.headers,
            )
            answer.raise_for_status()


def _token(client: httpx.Client, url: str) -> str:
    answer = client.post(
        f"{url}/{TENANT_ID}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": ADMINISTRATOR.client_id,
            "client_secret": ADMINISTRATOR.client_secret,
            "scope": f"{url}/.default",
        },
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
