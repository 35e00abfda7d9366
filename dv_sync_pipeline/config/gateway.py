"""`gateway:` of `sync.yaml`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

from dv_sync_pipeline.config.base import Model, read_text
from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["KEY_HEADER", "Gateway"]

KEY_HEADER = "x-dv-sync-key"
"""The header that carries the key: who registers a webhook and who receives it must agree on it."""

_KEY_LENGTH_MIN = 32
_MAKE_KEY = (
    "Write gateway: {keys: ['${DV_SYNC_GATEWAY_KEY}']} and set the variable to what "
    "python -c 'import secrets; print(secrets.token_urlsafe(32))' prints"
)


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Gateway(Model):
    """The receiver of webhooks.

    Attributes:
        keys: what senders must show, as the names of variables; two while one replaces the other.
            An empty one counts as none.
        key_files: the same, from files.
        url: the address by which the primary reaches the gateway.
        host: address of the network interface to listen on.
        port: to listen on.
        body_bytes_max: larger bodies are refused; Dataverse sends 256 KB at most.
        body_seconds_max: slower bodies are refused.
        store_seconds_max: a wake-up that is not stored by then is refused.
        waiting_max: so many wake-ups may wait in memory to be stored; more are refused at once.
        metrics_need_key: whether `/metrics` and the status page, which name the tables, are for
            those with a key only.

    """

    keys: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(_one_or_many, json_schema_input_type=str | list[SecretStr]),
    ] = Field(default=(), examples=[["${DV_SYNC_GATEWAY_KEY}"]])
    key_files: Annotated[
        tuple[Path, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | list[Path])
    ] = Field(default=(), examples=[["secrets/gateway"]])
    url: str = Field(default="", examples=["https://sync.contoso.com/wake-ups"])
    host: str = "127.0.0.1"
    port: int = Field(default=8900, ge=0, le=65535)
    body_bytes_max: int = Field(default=512 * 1024, ge=1024)
    body_seconds_max: float = Field(default=10.0, gt=0)
    store_seconds_max: float = Field(default=2.0, gt=0)
    waiting_max: int = Field(default=20_000, ge=1)
    metrics_need_key: bool = False

    def read_keys(self) -> tuple[str, ...]:
        """The keys, the first one first; `ConfigurationError` when there are none or weak ones."""
        files = (read_text(file, purpose="gateway key").strip() for file in self.key_files)
        keys = [key for key in (*(key.get_secret_value() for key in self.keys), *files) if key]
        if not keys:
            raise ConfigurationError("gateway: there is no key", mend=_MAKE_KEY)
        if any(len(key) < _KEY_LENGTH_MIN or not key.isascii() for key in keys):
            raise ConfigurationError(
                f"gateway: a key is shorter than {_KEY_LENGTH_MIN} characters, or not ASCII",
                mend=_MAKE_KEY,
            )
        return tuple(keys)
