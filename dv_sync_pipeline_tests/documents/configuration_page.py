"""`docs/configuration.md`, made from the models of `sync.yaml`.

    python -m dv_sync_pipeline_tests.documents

writes it; a test compares it. The meaning of a setting stands in its model and nowhere else; what
concerns the file as a whole stands in `configuration_introduction.md`.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
import yaml
from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dv_sync_pipeline.config.base import Model, check_logical_name, settings_explained, summary
from dv_sync_pipeline.config.models import Configuration

__all__ = ["FILE", "page"]

FILE = Path(__file__).parents[2] / "docs" / "configuration.md"

_INTRODUCTION = Path(__file__).with_name("configuration_introduction.md")
_NOTHING = "\N{EN DASH}"


class _LogicalName:
    """Stands for the type that is written as a logical name."""


_SIMPLE = {
    _LogicalName: "logical name",
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret",
    date: "date",
    NoneType: "null",
}
"""Python type → what a person writes."""


def page() -> str:
    """The whole page."""
    introduction = _INTRODUCTION.read_text(encoding="utf-8")
    return "\n".join([introduction, *(_section(path, model) for path, model in _models())])


def _models() -> Iterator[tuple[str, type[Model]]]:
    """Every model with the place where it stands, outermost first."""
    waiting: list[tuple[str, type[Model]]] = [("", Configuration)]
    seen: set[type[Model]] = set()
    while waiting:
        path, model = waiting.pop(0)
        if model not in seen:
            seen.add(model)
            yield path, model
            waiting = [*_inner(path, model), *waiting]


def _inner(path: str, model: type[Model]) -> Iterator[tuple[str, type[Model]]]:
    """Fields that hold models; those that hold the same model under all their names."""
    by_models: dict[tuple[type[Model], ...], list[str]] = {}
    for name, field in model.model_fields.items():
        models = tuple(_models_in(field.annotation))
        by_models.setdefault(models, []).append(name)
    for models, names in by_models.items():
        place = f"{path}.{' or '.join(names)}".strip(".")
        yield from ((place, each) for each in models)


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _section(path: str, model: type[Model]) -> str:
    kind = model.model_fields.get("kind")
    suffix = f", `kind: {get_args(kind.annotation)[0]}`" if kind else ""
    explained = settings_explained(model)
    rows = [
        _row(name, field, explained[name], model=model)
        for name, field in model.model_fields.items()
        if name != "kind"
    ]
    lines = [
        f"## {f'`{path}`' if path else 'The outermost settings'}{suffix}",
        "",
        summary(model),
        "",
        "| setting | what to write | default | meaning | example |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


def _row(name: str, field: FieldInfo, meaning: str, *, model: type[Model]) -> str:
    cells = (
        f"`{name}`",
        _type_of(field),
        _default(field, model=model),
        meaning[:1].upper() + meaning[1:],
        _example(name, field),
    )
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _type_of(field: FieldInfo) -> str:
    annotation = _as_written(field.annotation, field.metadata)
    limits = {type(each): each for each in field.metadata}
    lowest, highest = limits.get(annotated_types.Ge), limits.get(annotated_types.Le)
    if lowest and highest:
        return f"{_words(annotation)} from {lowest.ge:,} to {highest.le:,}"
    return _words(annotation)


def _as_written(annotation: Any, metadata: Iterable[Any]) -> Any:
    """What a validator before the others takes, where there is one: the short forms of a value."""
    for each in metadata:
        if isinstance(each, BeforeValidator) and each.func is check_logical_name:
            return _LogicalName
        if isinstance(each, BeforeValidator) and each.json_schema_input_type != PydanticUndefined:
            return each.json_schema_input_type
    return annotation


def _words(annotation: Any) -> str:
    if get_origin(annotation) is not None:
        return _composite(get_origin(annotation), get_args(annotation))
    return "settings" if issubclass(annotation, Model) else _SIMPLE[annotation]


def _composite(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is Annotated:
        return _words(_as_written(arguments[0], arguments[1:]))
    if origin is Literal:
        return " or ".join(f"`{each}`" if each else "nothing" for each in arguments)
    if origin in (tuple, list, frozenset):
        return f"list of {_grouped(arguments[0])}"
    if origin is dict:
        return f"{_grouped(arguments[0])} → {_grouped(arguments[1])}"
    return " or ".join(dict.fromkeys(_words(each) for each in arguments))


def _grouped(annotation: Any) -> str:
    words = _words(annotation)
    return f"({words})" if " or " in words else words


def _default(field: FieldInfo, *, model: type[Model]) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "**required**"
    if model.__name__ == "TableConfiguration" and field is model.model_fields["target"]:
        return "as `table`"
    if value is None or value in ("", (), {}, frozenset()) or isinstance(value, Model):
        return _NOTHING
    return f"`{_plain(value)}`"


def _example(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if field.examples:
        return ", ".join(f"`{_yaml({name: example})}`" for example in field.examples)
    choices = [each for each in get_args(field.annotation) if isinstance(each, str)]
    if choices:
        return f"`{name}: {choices[-1]}`"
    if isinstance(default, bool):
        return f"`{name}: {_plain(not default)}`"
    if isinstance(default, int | float | str | Path) and str(default):
        return f"`{name}: {default}`"
    return "below"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _yaml(example: dict[str, Any]) -> str:
    """On one line, without the outer braces."""
    text = yaml.safe_dump(
        example, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
    )
    return text.strip()[1:-1].replace("`", "")
