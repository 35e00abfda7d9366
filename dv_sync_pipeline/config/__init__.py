"""`sync.yaml`: what it may say, and what a person reads when it says something else.

Start with `models`, the settings; `document` reads the file, `credentials` are the ways in which
application users prove who they are, `base` is what all models have in common.
"""

from dv_sync_pipeline.config.alerts import Alerts
from dv_sync_pipeline.config.base import LogicalName, Model
from dv_sync_pipeline.config.credentials import (
    CertificateCredential,
    ClientSecretCredential,
    Credential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from dv_sync_pipeline.config.document import (
    CONFIGURATION_VARIABLE,
    find,
    load,
    parse,
    parse_environments,
    read_configuration_text,
)
from dv_sync_pipeline.config.environments import EnvironmentConfiguration, Environments
from dv_sync_pipeline.config.following import ChangesSettings, LiveSettings
from dv_sync_pipeline.config.gateway import Gateway
from dv_sync_pipeline.config.models import (
    EVERY_COLUMN,
    AssociationConfiguration,
    Configuration,
    Constant,
    LookupConfiguration,
    LookupTarget,
    StatusColumn,
    TableConfiguration,
)
from dv_sync_pipeline.config.schedule import Schedule

__all__ = [
    "CONFIGURATION_VARIABLE",
    "EVERY_COLUMN",
    "Alerts",
    "AssociationConfiguration",
    "CertificateCredential",
    "ChangesSettings",
    "ClientSecretCredential",
    "Configuration",
    "Constant",
    "Credential",
    "EnvironmentConfiguration",
    "Environments",
    "Gateway",
    "LiveSettings",
    "LogicalName",
    "LookupConfiguration",
    "LookupTarget",
    "ManagedIdentityCredential",
    "Model",
    "Schedule",
    "StatusColumn",
    "TableConfiguration",
    "WorkloadIdentityCredential",
    "find",
    "load",
    "parse",
    "parse_environments",
    "read_configuration_text",
]
