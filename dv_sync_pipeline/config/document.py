"""How `sync.yaml` is read: variables, validation, and messages that name the line.

Belongs here: `${VAR}` substitution, the refusal of secrets that stand in the text, and what a
person reads about a mistake. Does not belong here: the settings themselves (`models`,
`credentials`). The process environment is not read here: `load` is given the variables by the
composition roots (`definitions.py`, `cli/`).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from dv_sync_pipeline.config.base import Model, listed, read_text
from dv_sync_pipeline.config.credentials import CREDENTIAL_KINDS
from dv_sync_pipeline.config.environments import Environments
from dv_sync_pipeline.config.models import Configuration
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.redact import redact

__all__ = [
    "CONFIGURATION_VARIABLE",
    "find",
    "load",
    "parse",
    "parse_environments",
    "read_configuration_text",
]

CONFIGURATION_VARIABLE = "DV_SYNC_CONFIG"
DEFAULT_FILE_NAME = "sync.yaml"

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_PASSWORD = re.compile(r"(?i)://[^/\s:@]*:(?!\$\{)[^/\s@]+@|[?&]password=(?!\$\{)")
"""In an address: user:password@host, or ?password=..., unless it is a variable."""

_QUOTE_VARIABLES = 'Between { } a variable needs quotes: "${NAME}"'
_Shape = TypeVar("_Shape", bound=Model)


def find(variables: Mapping[str, str]) -> Path:
    """The configuration file that `DV_SYNC_CONFIG` names, else `sync.yaml` in this folder."""
    return Path(variables.get(CONFIGURATION_VARIABLE) or DEFAULT_FILE_NAME)


def load(file: Path, variables: Mapping[str, str]) -> Configuration:
    """Read, substitute and validate; relative paths count from the folder of the file.

    Raises `ConfigurationError` that names file and line.
    """
    return parse(read_configuration_text(file), variables, file=file)


def parse_environments(text: str, variables: Mapping[str, str], *, file: Path) -> Environments:
    """As `parse`, the `environments` part alone: a file that has no tables yet will do."""
    alone = _validate(text, variables, file=file, model=_EnvironmentsAlone)
    return _resolve_paths(alone, file.absolute().parent).environments


class _EnvironmentsAlone(Model):
    """What must be known before tables can be chosen."""

    model_config = ConfigDict(extra="ignore")

    environments: Environments


def parse(text: str, variables: Mapping[str, str], *, file: Path) -> Configuration:
    """As `load`, from text; `file` gives the name in messages and the base of relative paths."""
    configuration = _validate(text, variables, file=file, model=Configuration)
    return _resolve_paths(configuration, file.absolute().parent)


def _validate(
    text: str, variables: Mapping[str, str], *, file: Path, model: type[_Shape]
) -> _Shape:
    document = _Document(file, variables)
    try:
        return model.model_validate(document.read(text))
    except yaml.YAMLError as error:
        raise _describe_syntax(error, text, file=file) from None
    except ValidationError as error:
        raise document.describe(error) from None


def read_configuration_text(file: Path) -> str:
    """The text of a `sync.yaml`; raises `ConfigurationError` when it cannot be read."""
    mend = f"Set {CONFIGURATION_VARIABLE} to the path of a configuration"
    return read_text(file, purpose="configuration", mend=mend)


def _describe_syntax(error: yaml.YAMLError, text: str, *, file: Path) -> ConfigurationError:
    line, why = _place_and_reason(error, text)
    around = "".join(text.splitlines()[line - 1 : line])  # a file may end too early, after its text
    return ConfigurationError(
        "not valid YAML",
        where=f"{file}, line {line}",
        why=redact(why),
        mend=_QUOTE_VARIABLES if "${" in around else "",
    )


def _place_and_reason(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    match error:
        case yaml.MarkedYAMLError(problem_mark=yaml.Mark() as mark):
            return mark.line + 1, error.problem or ""
        case yaml.reader.ReaderError():
            return text.count("\n", 0, error.position) + 1, error.reason
        case _:
            return 1, ""


class _Document:
    """The file as a tree that remembers the line of each value."""

    def __init__(self, file: Path, variables: Mapping[str, str]) -> None:
        self._file = file
        self._variables = variables
        self._lines: dict[tuple[str | int, ...], int] = {}

    def read(self, text: str) -> Any:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise ConfigurationError("the file is empty", where=str(self._file))
        return self._value(root, ())

    def _value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._lines[path] = node.start_mark.line + 1
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return [self._value(item, (*path, i)) for i, item in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value)
            if name in values:
                raise self._error(f"{name} is given twice", key_node)
            values[name] = self._value(value_node, (*path, name))
            self._lines[(*path, name)] = key_node.start_mark.line + 1
        return values

    def _scalar(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        text = node.value
        if _holds_secret(path, text):
            raise self._error("a secret stands in the file", node, mend=_HOW_TO_HIDE)
        if _VARIABLE.search(text):
            return _VARIABLE.sub(lambda match: self._substitute(match, node), text)
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except ValueError:
            raise self._error(
                f"{text} looks like a date or a number, and is none",
                node,
                mend="Put it between quotes",
            ) from None

    def _substitute(self, match: re.Match[str], node: yaml.Node) -> str:
        name, default = match["name"], match["default"]
        value = self._variables.get(name) or default
        if value is None:
            raise self._error(
                f"the variable {name} is not set", node, mend=f"Set {name} in the environment"
            )
        return value

    def _error(self, what: str, node: yaml.Node, mend: str = "") -> ConfigurationError:
        return ConfigurationError(
            what, where=f"{self._file}, line {node.start_mark.line + 1}", mend=mend
        )

    def describe(self, error: ValidationError) -> ConfigurationError:
        """Every problem with its line; the first one gives the place."""
        details = error.errors(include_input=False, include_url=False)
        causes = [one for one in details if not _is_consequence(one, details)]
        problems = sorted(self._problem(one) for one in causes)
        (line, first), *others = problems
        more = "".join(f"\n  line {other_line}: {text}" for other_line, text in others)
        return ConfigurationError(f"{first}{more}", where=f"{self._file}, line {line}")

    def _problem(self, details: ErrorDetails) -> tuple[int, str]:
        path, line = self._locate(details["loc"])
        text = _WORDING.get(details["type"], details["msg"]).removeprefix("Value error, ")
        setting = ".".join(str(part) for part in path)
        return line, redact(f"{setting}: {text}" if setting else text)

    def _locate(self, location: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], int]:
        """The setting's path as the file spells it, and the line of its nearest known part."""
        path = tuple(
            part
            for before, part in zip((None, *location), location, strict=False)
            if part != _KEY_OF_MAPPING and not (_is_credential(before) and part in _UNION_TAGS)
        )
        known = path
        while known not in self._lines and known:
            known = known[:-1]
        return path, self._lines.get(known, 1)


_HOW_TO_HIDE = (
    "Write ${NAME} in its place and set the variable, or name a file where the "
    "setting has one: client_secret_file, key_files"
)


def _holds_secret(path: tuple[str | int, ...], text: str) -> bool:
    """Whether a secret stands in the file itself, where a variable should."""
    match path:
        case ("environments", *_, "client_secret") | ("gateway", "keys", *_):
            variable = _VARIABLE.fullmatch(text)
            return variable is None or bool(variable["default"])
        case ("alerts", "channels", *_):
            return _VARIABLE.search(text) is None  # most addresses are secrets as a whole
        case ("ledger",):
            return _PASSWORD.search(text) is not None
        case _:
            return False


def _is_credential(part: str | int | None) -> bool:
    """Whether a part of a location is that of a credential: in the list, or on its own."""
    return isinstance(part, int) or part == "administrator"


def _is_consequence(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list counts as too short only because its items are wrong."""
    location = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(location)] == location for other in errors if other is not error
    )


_UNION_TAGS = frozenset(CREDENTIAL_KINDS)
"""Kinds of credentials: pydantic puts them after the credential, where the file has nothing."""

_KEY_OF_MAPPING = "[key]"
"""What pydantic appends to the location of a mapping's key."""

_KINDS = listed(CREDENTIAL_KINDS)

_WORDING = {
    "extra_forbidden": "there is no such setting; look for a misspelling",
    "missing": "this setting is missing",
    "model_type": "expected settings, one 'name: value' a line",
    "dict_type": "expected settings, one 'name: value' a line",
    "tuple_type": "expected a list",
    "too_short": "expected at least one",
    "union_tag_invalid": f"kind must be one of {_KINDS}",
    "union_tag_not_found": f"kind is missing: one of {_KINDS}",
}
"""Plain words for pydantic's types of errors; the others speak for themselves."""


def _resolve_paths(model: _Shape, folder: Path) -> _Shape:
    """Every path of the configuration made absolute, counted from the folder of the file."""
    settings = {name: getattr(model, name) for name in type(model).model_fields}
    changes = {name: _resolved(value, folder) for name, value in settings.items()}
    return model.model_copy(update=changes)


def _resolved(value: Any, folder: Path) -> Any:
    match value:
        case Path():
            return folder / value
        case Model():
            return _resolve_paths(value, folder)
        case tuple() if value and isinstance(value[0], Model):
            return tuple(_resolve_paths(item, folder) for item in value)
        case tuple() if value and isinstance(value[0], Path):
            return tuple(folder / item for item in value)
        case _:
            return value
